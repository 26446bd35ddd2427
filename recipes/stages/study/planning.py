"""The plan of a study: which commands the figures of both papers take."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from datasets_scripts.collections import COLLECTIONS, TRANSCRIBED
from modeling_braintune import CTC_FAMILIES, STIMULUS_FAMILIES
from recipes.command.arguments import CONFIGS, read_config
from recipes.stages.backbones import n_parameters
from recipes.stages.controls import BRAIN_TUNED, STIMULUS_TUNED, TARGETS
from recipes.stages.study.jobs import Job

RECIPES = CONFIGS.parent
FIGURES = (
    *("2a", "2b", "2c", "3a", "3b", "3c", "4", "5", "6", "7", "8", "9", "10", "11", "12"),
    *("13", "14", "15", "stages"),
)
OF_REGIONS = frozenset({"2a", "2b", "2c", "3a", "3b", "3c", "6", "7", "13", "14", "15", "stages"})
OF_CONTROLS, OF_LARGER, OF_WORDS = frozenset({"6", "7"}), frozenset({"5"}), frozenset({"8"})
OF_TASKS, OF_SCALING = frozenset({"4", "9", "10", "11", "stages"}), frozenset({"12"})
OF_RECOGNITION, OF_TASKS_OF_CONTROLS = frozenset({"4", "10"}), frozenset({"10"})
OF_MAPS = frozenset({"2c", "3c", "13", "14", "15"})
OF_RECORDINGS = OF_REGIONS | OF_CONTROLS | OF_LARGER | OF_WORDS | OF_SCALING
# Targets that are the same whoever listened: a model of each serves all participants.
SHARED = ("speech_model", "text_model")
N_PARTICIPANTS = "n_participants"  # key of a kind of job: for how many it is done


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A pretrained model of a study.

    Parameters
    ----------
    name : str
        Folder, name on the Hub, or one of the phantom's.
    config : PreTrainedConfig
    feature_extractor : its own
    """

    name: str
    config: PreTrainedConfig
    feature_extractor: Any = None

    @property
    def n_layers(self) -> int:
        """Layers of the transformer; of an encoder and a decoder, those of the encoder."""
        return self.config.num_hidden_layers

    @cached_property
    def n_parameters(self) -> int:
        """Weights; of an encoder and a decoder, those of the encoder."""
        return n_parameters(self.config)


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is studied, and how.

    Parameters
    ----------
    folder : Path
        That all is written to.
    participants : list of str
    families : dict of {family: Backbone}
    larger : dict of {family: Backbone}
        Larger models of some families.
    recordings : dict of {option: value}
        That say where recordings are and how they are read.
    kinds : dict of {kind of job: {option: value}}
        "config" names a configuration; see configs/reproduce.yaml.
    collections : list of str
        Clips of speech tasks, as `--collections` takes them.
    evaluation_chunk : float
    unrecorded : dict of {participant: stories}
        That the configuration trains on and a participant has not heard.
    code_version : str
    """

    folder: Path
    participants: list[str]
    families: dict[str, Backbone]
    larger: dict[str, Backbone] = field(default_factory=dict)
    recordings: dict[str, Any]
    kinds: dict[str, dict[str, Any]]
    collections: list[str] = field(default_factory=list)
    evaluation_chunk: float = 0.1
    unrecorded: dict[str, list[str]] = field(default_factory=dict)
    code_version: str = ""

    @property
    def backbones(self) -> dict[str, Backbone]:
        """Return all models that are started from, the larger ones as <family>-large."""
        return self.families | {f"{family}-large": one for family, one in self.larger.items()}

    def options_of(self, kind: str) -> dict[str, Any]:
        """Return what a kind of job is told, over what its configuration says."""
        own = self.kinds.get(kind, {})
        if kind in ("probe", "asr", "preference"):
            return own
        if kind == "stimulus":  # of the stories it needs to know no more than which
            ours = self.kinds.get("all", {})
            return {k: v for k, v in ours.items() if k.endswith(("_stories", "_story"))} | own
        chunk = {"evaluation_chunk": self.evaluation_chunk}
        return self.kinds.get("all", {}) | chunk | own

    @property
    def settings_hash(self) -> str:
        """Digest of all settings, but for whose recordings they are and where they lie."""
        kinds = {kind: self.options_of(kind) for kind in sorted(self.kinds)}
        configs = sorted({of["config"] for of in kinds.values() if "config" in of})
        told = [kinds, [read_config(config_path(name)) for name in configs]]
        told.append({family: one.name for family, one in self.families.items()})
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


def config_path(name: str) -> Path:
    """Return where a configuration is: one of this package's, or a file of the user's."""
    own = CONFIGS / name
    return own if own.exists() else Path(name)


def splits_of(kinds: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Return the stories that tuning and measuring divide, by the option that names them."""
    settings = read_config(config_path(kinds["all"]["config"])) | kinds["all"]
    return {
        "train_stories": settings["train_stories"],
        "validation_stories": settings["validation_stories"],
        "test_story": [settings["test_story"]],
    }


def figures_named(names: Iterable[str]) -> list[str]:
    """Return figures by number, in order.

    Parameters
    ----------
    names : iterable of str
        Such as "2", which is 2a, 2b and 2c, "13", "stages" (of the layer-stage paper), or "all".

    Raises
    ------
    ValueError
        There is no such figure.
    """
    chosen = set()
    for name in names:
        found = {f for f in FIGURES if name == "all" or name in (f, f.rstrip("abc"))}
        if not found:
            raise ValueError(f"figures must be all, or some of {', '.join(FIGURES)}; got {name!r}")
        chosen |= found
    return [figure for figure in FIGURES if figure in chosen]


def plan(study: Study) -> list[Job]:
    """All jobs of a study, each behind those that it needs, the families in turn.

    A pretrained model may be made or fetched by the first job that takes it, for which the family's
    other jobs would wait. What depends on no participant is done once: models tuned on what other
    models make of the stories, or on the sound alone; and pretrained representations, which are
    kept in the study's folder.

    Parameters
    ----------
    study : Study

    Returns
    -------
    list of Job
    """
    of_families = [list(_family_jobs(study, family)) for family in study.families]
    in_turn = [job for jobs in zip_longest(*of_families) for job in jobs if job is not None]
    return [*in_turn, *_sweeps(study)]


def _family_jobs(study, family):
    shared = list(_shared_jobs(study, family))
    yield from shared
    yield from _tasks_of_controls(study, family, shared)
    for number, participant in enumerate(study.participants):
        yield from _participant_jobs(study, family, participant, number, shared)


def _shared_jobs(study, family):
    """Models that are tuned without responses, for all participants: the first one's stories."""
    first = next((p for p in study.participants if p not in study.unrecorded), None)
    first = first or study.participants[0]
    for target in SHARED:
        if target in study.kinds:
            yield _job(
                study,
                f"{target.replace('_', '-')}-{family}",
                "tune",
                _tuned(study, family, first, target, [target]),
                "results.json",
                refuses=True,
            )
    if "stimulus" in study.kinds and study.families[family].config.model_type in STIMULUS_FAMILIES:
        words = _of_recordings(study, "stimulus", first)
        words["pretrained"] = study.families[family].name
        result = f"{STIMULUS_TUNED}/results.json"
        yield _job(study, f"stimulus-{family}", "stimulus_tune", words, result, refuses=True)


def _tasks_of_controls(study, family, shared):
    """What models that all participants share know of speech."""
    checkpoints = {"checkpoints": [*map(_model_of, shared)]}
    own = {"baseline": study.families[family].name}
    probing = _probing(study)
    # Participants' jobs train the pretrained recogniser
    recognition = _recognition(study, family, checkpoints | own | {"baseline_too": False})
    if shared and probing and "probe" in study.kinds:
        yield _job(
            study,
            f"probe-controls-{family}",
            "probe",
            probing | checkpoints | own,
            "probes.json",
            shared,
            OF_TASKS_OF_CONTROLS,
            _facts(study, family),
            ("probes.json",),
        )
    if shared and recognition and "asr" in study.kinds:
        yield _job(
            study,
            f"asr-controls-{family}",
            "asr",
            recognition,
            "asr.json",
            shared,
            OF_TASKS_OF_CONTROLS,
            _facts(study, family),
            ("asr.json",),
        )


def _participant_jobs(study, family, participant, number, shared):
    baseline = {"baseline": study.families[family].name}
    facts = _facts(study, family) | {"participant": participant}
    who = f"{family}-{participant}"

    # What is tuned for the participant: the model, and in the same folder its control
    words = _tuned(study, family, participant, "responses", ["responses"])
    tuned = _job(study, f"tune-{who}", "tune", words, "results.json", refuses=True)
    words = words | {"targets": ["responses", "permuted"], "stimulus": False, "low_level": False}
    permuted = _job(
        study, f"permuted-{who}", "compare", words, "compare.json", [tuned], folder=tuned.folder
    )
    brain_tuned = str(tuned.folder / BRAIN_TUNED)
    control = str(tuned.folder / TARGETS["permuted"].model)
    yield from (tuned, permuted)

    # How each aligns with the brain
    words = _of_recordings(study, "align", participant) | baseline
    aligned = {"result": "alignment.json", "sources": ("alignment.json",), "facts": facts}
    figures = OF_REGIONS | (OF_LARGER if family in study.larger else frozenset())
    yield _job(
        study,
        f"align-{who}",
        "align",
        words | {"checkpoints": [brain_tuned]},
        needs=[tuned],
        figures=figures,
        **aligned,
    )
    yield _job(
        study,
        f"align-controls-{who}",
        "align",
        words | {"checkpoints": [control, *map(_model_of, shared)]},
        needs=[permuted, *shared],
        figures=OF_CONTROLS,
        **aligned,
    )
    if family in study.larger:
        large = study.larger[family].name
        own = _of_recordings(study, "larger", participant)
        own |= {"baseline": large, "checkpoints": [brain_tuned]}
        of_larger = _facts(study, f"{family}-large") | {"participant": participant}
        yield _job(
            study,
            f"align-{family}-large-{participant}",
            "align",
            own | {"checkpoints": [large]},
            figures=OF_LARGER,
            **aligned | {"facts": of_larger},
        )

    # What they know of speech
    checkpoints = {"checkpoints": [brain_tuned, control]} | baseline
    probing = _probing(study)
    if probing and _takes(study, "probe", number):
        yield _job(
            study,
            f"probe-{who}",
            "probe",
            probing | checkpoints,
            "probes.json",
            [tuned, permuted],
            OF_TASKS,
            facts,
            ("probes.json",),
        )
    # The pretrained recogniser is the same whoever listened: the first one's job trains it
    recognised = checkpoints | ({"baseline_too": False} if number else {})
    words = _recognition(study, family, recognised)
    if words and _takes(study, "asr", number):
        yield _job(
            study,
            f"asr-{who}",
            "asr",
            words,
            "asr.json",
            [tuned, permuted],
            OF_RECOGNITION,
            facts,
            ("asr.json",),
        )
    words = study.options_of("preference") | _recordings(study, participant) | checkpoints
    if _takes(study, "preference", number):
        yield _job(
            study,
            f"preference-{who}",
            "preference",
            words | _cache(study),
            "preference.json",
            [tuned, permuted],
            OF_WORDS,
            facts,
            ("preference.json",),
        )


def _sweeps(study):
    """Figure 12: a family's models of both sizes, tuned on shares of the stories."""
    options, probing = study.options_of("sweep"), _probing(study)
    for family, large in study.larger.items() if "sweep" in study.kinds else ():
        for name, one in ((family, study.families[family]), (f"{family}-large", large)):
            for participant in study.participants[: options.get(N_PARTICIPANTS)]:
                words = _of_recordings(study, "sweep", participant)
                words |= {"pretrained": [one.name], "targets": ["responses"]}
                facts = _facts(study, name) | {"participant": participant}
                who = f"{name}-{participant}"
                swept = _job(
                    study,
                    f"sweep-{who}",
                    "sweep",
                    words,
                    "sweep.json",
                    figures=OF_SCALING,
                    facts=facts,
                    sources=("sweep.json",),
                )
                yield swept
                for fraction in options["fractions"] if probing else ():
                    run = swept.folder / Path(one.name).name / f"{fraction:g}" / BRAIN_TUNED
                    words = probing | {"checkpoints": [str(run)], "baseline": one.name}
                    yield _job(
                        study,
                        f"probe-sweep-{who}-{fraction:g}",
                        "probe",
                        words,
                        "probes.json",
                        [swept],
                        OF_SCALING,
                        facts | {"fraction": fraction, "n_parameters": one.n_parameters},
                        ("probes.json",),
                    )


def _probing(study):
    """What a job that probes is told of tasks; nothing where no collection is there."""
    folders = dict(given.partition("=")[::2] for given in study.collections)
    options = study.options_of("probe")
    tasks = options.get("tasks") or [name for name in COLLECTIONS if name in folders]
    if not tasks:
        return {}
    wanted = {task.partition("/")[0] for task in tasks}
    elsewhere = [f"{name}={at}" for name, at in folders.items() if at and name in wanted]
    collections = {"collections": elsewhere} if elsewhere else {}
    return options | {"tasks": tasks} | collections | _cache(study)


def _recognition(study, family, models):
    """What a job that recognises is told; nothing where no collection or no family is for that."""
    heard = [c for c in study.collections if c.partition("=")[0] in TRANSCRIBED]
    recognises = study.families[family].config.model_type in CTC_FAMILIES
    given = {"collections": heard[:1]}
    return study.options_of("asr") | models | given if heard and recognises else {}


def _takes(study, kind, number):
    """Whether a kind of job is done for the participant of a number, from 0 on."""
    n = study.kinds.get(kind, {}).get(N_PARTICIPANTS)
    return kind in study.kinds and (n is None or number < n)


def _recordings(study, participant):
    return study.recordings | {"participants": [participant]}


def _of_recordings(study, kind, participant):
    """What a job of a kind is told, of a participant who may have missed training stories."""
    options = study.options_of(kind)
    if lacking := study.unrecorded.get(participant):
        config = read_config(config_path(options["config"]))
        stories = options.get("train_stories") or config["train_stories"]
        options = options | {"train_stories": [s for s in stories if s not in lacking]}
    cache = {} if kind == "stimulus" else _cache(study)
    return options | _recordings(study, participant) | cache


def _tuned(study, family, participant, kind, targets):
    words = _of_recordings(study, kind, participant)
    return words | {"pretrained": study.families[family].name, "targets": targets}


def _cache(study):
    return {"cache_dir": str(study.folder / "representations")}


def _model_of(job):
    """The checkpoint that a job for all participants makes."""
    if job.name.startswith("stimulus-"):
        return str(job.folder / STIMULUS_TUNED)
    target = next(t for t in SHARED if job.name.startswith(t.replace("_", "-")))
    return str(job.folder / TARGETS[target].model)


def _facts(study, family):
    one = study.backbones[family]
    facts = {"family": family, "n_layers": one.n_layers, "n_parameters": one.n_parameters}
    return facts | {"settings_hash": study.settings_hash, "code_version": study.code_version}


def _job(
    study,
    name,
    script,
    words,
    result,
    needs=(),
    figures=frozenset(),
    facts=None,
    sources=(),
    *,
    folder=None,
    refuses=False,
):
    folder = folder or study.folder / "jobs" / name
    return Job(
        name=name,
        command=command(script, words | {"output_dir": str(folder)}),
        folder=folder,
        result=result,
        needs=tuple(job.name for job in needs),
        figures=figures,
        facts=facts or {},
        sources=sources,
        refuses=refuses,
    )


def command(script: str, options: dict[str, Any]) -> list[str]:
    """Return the words of a command, as a user would type them in the working directory.

    Parameters
    ----------
    script : str
        Name of a recipe.
    options : dict of {option: value}
        "config" first, whatever its place; None is left out.
    """
    words = ["python", _shortest(RECIPES / f"{script}.py")]
    config = options.get("config")
    ours = {"config": _shortest(config_path(config))} if config else {}
    for name, value in (ours | {k: v for k, v in options.items() if k != "config"}).items():
        if name == N_PARTICIPANTS or value is None:
            continue
        values = value if isinstance(value, list) else [value]
        words += [f"--{name}", *(json.dumps(v) if isinstance(v, bool) else str(v) for v in values)]
    return words


def _shortest(path):
    return min(str(path), os.path.relpath(path), key=len)

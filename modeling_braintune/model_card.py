"""The card of a checkpoint: what was tuned on what, how well it predicts, how it is loaded."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from huggingface_hub.errors import HTTPError, RemoteEntryNotFoundError
from tabulate import tabulate
from transformers import PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CTC_MAPPING_NAMES

from .kept_arrays import written_whole

CARD = "README.md"
UNPUBLISHED = "path/to/this/folder"
START, END = "<!-- alignment report -->", "<!-- end of alignment report -->"
LINK = "[{0}](https://huggingface.co/{0})"
CONTROL = "this is a control that a brain-tuned model is compared with, not a model of the brain."
# By how alignment is normalised, as results say: what selects voxels, and what it is divided by.
SELECTION = {
    "normalised": "noise ceiling above {:g}",
    "normalised across listeners": "correlation with other listeners above {:g}",
    "not normalised": "not selected by noise ceilings,",
}
DIVISION = {
    "normalised": "divided by the noise ceiling, and",
    "normalised across listeners": "divided by the correlation of the measured responses with the "
    "mean of other listeners', and",
    "not normalised": "not divided by a noise ceiling. It is",
}

BRAIN_TUNING = """\
@inproceedings{moussa2025braintuning,
  title     = {Improving Semantic Understanding in Speech Language Models via Brain-tuning},
  author    = {Moussa, Omer and Klakow, Dietrich and Toneva, Mariya},
  booktitle = {International Conference on Learning Representations},
  year      = {2025},
  url       = {https://arxiv.org/abs/2410.09230}
}"""
DS003020 = """\
@article{lebel2023natural,
  title   = {A natural language {fMRI} dataset for voxelwise encoding models},
  author  = {LeBel, Amanda and Wagner, Lauren and Jain, Shailee and Adhikari-Desai, Aneesh and
             Gupta, Bhavin and Morgenthal, Allyson and Tang, Jerry and Xu, Lixiang and
             Huth, Alexander G.},
  journal = {Scientific Data},
  volume  = {10},
  pages   = {555},
  year    = {2023},
  doi     = {10.1038/s41597-023-02437-z}
}"""


def model_card(
    results: Mapping[str, Any],
    settings: Mapping[str, Any],
    config: PreTrainedConfig,
    model: str = "brain-tuned",
    *,
    teacher: bool = False,
    permuted_from: str | None = None,
    repo: str | None = None,
    base_license: str | list[str] | None = None,
    data_license: str | None = None,
    figures: Mapping[str, str] | None = None,
) -> ModelCard:
    """Write the card of a tuned checkpoint.

    Of folders it names the last part only.

    Parameters
    ----------
    results : dict
        Of the run: "curves" {model: losses} and "participants" {name: scores}, which hold
        "alignment", "gain", "tests" and "impact" of every model by region, "n_trs",
        "participant", "test_story", "normalisation" and "notes".
    settings : dict
        Arguments of the run: pretrained, data, participants, stories and training arguments.
    config : PreTrainedConfig
        The checkpoint's, with `brain` and `num_voxels`.
    model : str
        What `results` calls the checkpoint.
    teacher : bool
        Whether it is a control that was tuned on a larger model's representations of the stories,
        not on responses.
    permuted_from : str, optional
        Of a control whose targets were permuted: what the model is called that was tuned on them
        in their right order, for as many steps.
    repo : str, optional
        Its name on the Hub.
    base_license, data_license : str, optional
        Licence of the base model (see `license_of`), which is that of the checkpoint too, and of
        the data.
    figures : dict of {str: str}, optional
        Captions, and paths relative to the card.

    Returns
    -------
    huggingface_hub.ModelCard
        With every score of the checkpoint, unrounded, in its metadata.
    """
    base, base_id = _named(settings["pretrained"])
    _, data_id = _named(settings["data"])
    learned_from = [p for name, b in config.brain.items() for p in b.get("participants") or [name]]
    participants, measured = _names(learned_from), list(results["participants"].values())
    done, control = ("tuned", "No response was used") if teacher else ("brain-tuned", "")
    if permuted_from:
        whose = "They" if teacher else "The responses"
        done = "permuted control"
        control = f"{whose} were permuted, so that they do not belong to the sound"
    predicted = f"{'the representations by' if teacher else 'the fMRI responses of'} {participants}"
    data = ModelCardData(
        license=base_license,
        library_name="transformers",
        base_model=base_id,
        datasets=data_id and [data_id],
        tags=["brain-tuning", "brain-encoding", "fmri", "speech", config.model_type],
        metrics=["brain_alignment"],
        model_name=f"{base.split('/')[-1]}-{model}-{', '.join(learned_from)}",
        eval_results=[e for scores in measured for e in _evaluations(scores, settings, model)],
    )
    sections = [
        f"# {_text(base.split('/')[-1])}, {done} on {participants}",
        f"{LINK.format(base_id) if base_id else _text(base)}, fine-tuned to predict {predicted} "
        f"{'of' if teacher else 'to'} spoken stories (brain-tuning, Moussa et al. 2025). "
        f"Recordings: {_data(settings)[1]}." + (f" {control}: {CONTROL}" if control else ""),
        "## Training",
        _table(["", ""], _training(results, settings, config, model, teacher, permuted_from)),
        "## Evaluation",
        _measure(measured[0], settings, model)
        + ' *permuted* is a control, tuned alike on permuted responses (the paper\'s "random").'
        * ("permuted" in measured[0]["alignment"])
        + " *head* is what the tuned head itself predicts, scored alike."
        * ("heads" in measured[0]),
        *(paragraph for scores in measured for paragraph in _alignment(scores, model)),
        *_pictures(figures),
        "## How to load it",
        _loading(config, repo),
        "## Limits",
        _limits(measured, predicted),
        "## Licences",
        f"- Base model, from which the weights derive: {_license(base_license)}\n"
        f"- Recordings: {_license(data_license)}",
        "## Citation",
        f"```bibtex\n{BRAIN_TUNING}" + f"\n\n{DS003020}" * _is_ds003020(settings) + "\n```",
    ]
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(sections) + "\n")


def stimulus_card(
    results: Mapping[str, Any],
    settings: Mapping[str, Any],
    base_license: str | list[str] | None = None,
) -> ModelCard:
    """Write the card of a checkpoint that went on with self-supervised training.

    Parameters
    ----------
    results : dict
        Of the run: "validation" [[step, loss]] and "chosen_step".
    settings : dict
        Of the run: "pretrained", "data", "participants", "train_stories", "learning_rate" and
        "seed".
    base_license : str, optional
        Of the pretrained model.

    Returns
    -------
    huggingface_hub.ModelCard
    """
    base, base_id = _named(settings["pretrained"])
    data_id, data = _data(settings)
    metadata = ModelCardData(
        license=base_license,
        library_name="transformers",
        base_model=base_id,
        datasets=[data_id] if "/" in data_id else None,
        tags=["speech", "self-supervised"],
    )
    stories, chosen = settings["train_stories"], results["chosen_step"]
    loss = dict(map(tuple, results["validation"])).get(chosen)
    rows = [
        ("stories", f"{len(stories)}: {_names(stories)}"),
        ("steps", f"{chosen}, chosen by the loss on the validation stories"),
        ("validation loss per masked frame", "unknown" if loss is None else f"{loss:.4g}"),
        ("learning rate", f"{settings['learning_rate']:g}"),
        ("seed", settings["seed"]),
    ]
    sections = [
        f"# {_text(base.split('/')[-1])}, stimulus-tuned",
        f"{LINK.format(base_id) if base_id else _text(base)}, whose self-supervised pretraining "
        "(wav2vec 2.0, Baevski et al. 2020) went on with the sound of spoken stories: "
        f"{data}. No response was used: {CONTROL}",
        "## Training",
        _table(["", ""], rows),
        "## Licences",
        f"- Base model, from which the weights derive: {_license(base_license)}",
        "## Citation",
        f"```bibtex\n{BRAIN_TUNING}\n```",
    ]
    return ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n" + "\n\n".join(sections) + "\n")


def add_results(
    card: ModelCard,
    results: Mapping[str, Any],
    model: str,
    figures: Mapping[str, str] | None = None,
) -> ModelCard:
    """Put a report of alignment and low-level impact into a card, in place of an earlier one.

    Parameters
    ----------
    card : huggingface_hub.ModelCard
    results : dict
        Of the report: a participant's scores as in `model_card`, with "settings".
    model : str
        What `results` calls the card's model.
    figures : dict of {str: str}, optional
        Captions, and paths relative to the card.

    Returns
    -------
    huggingface_hub.ModelCard
        Scores that its metadata held already, of the same region of the same test story, are
        replaced.

    Raises
    ------
    KeyError
        If the report does not speak of `model`.
    """
    card = ModelCard(str(card))
    known = [*(card.data.eval_results or []), *_evaluations(results, results["settings"], model)]
    by_name = {(r.unique_identifier, r.metric_type, r.metric_name): r for r in known}
    card.data.eval_results = list(by_name.values())
    card.data.model_name = card.data.model_name or model
    sections = [
        START,
        "## Alignment report",
        _measure(results, results["settings"], model),
        *_alignment(results, model),
        *_impact(results),
        *_pictures(figures),
        "\n".join(f"- {_text(note)}" for note in results["notes"]),
        END,
    ]
    report = "\n\n".join(section for section in sections if section)
    text, n_replaced = re.subn(f"{START}.*?{END}", lambda _: report, card.text, flags=re.DOTALL)
    card.text = text if n_replaced else f"{card.text.rstrip()}\n\n{report}\n"
    return card


def read_card(checkpoint: str | os.PathLike) -> ModelCard:
    """Read the card of a checkpoint.

    Parameters
    ----------
    checkpoint : folder or name on the Hub

    Returns
    -------
    huggingface_hub.ModelCard

    Raises
    ------
    FileNotFoundError
        If it has none.
    ValueError
        If its metadata cannot be read.
    """
    missing = f"{checkpoint} has no card ({CARD}): write one first"
    path = Path(checkpoint) / CARD
    if Path(checkpoint).is_dir() and not path.is_file():
        raise FileNotFoundError(missing)
    try:
        return ModelCard.load(path if path.is_file() else str(checkpoint))
    except RemoteEntryNotFoundError as error:
        raise FileNotFoundError(missing) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{CARD} of {checkpoint} cannot be read ({said}): fix it") from error


def save_card(
    card: ModelCard,
    folder: str | os.PathLike,
    files: Mapping[str, str | os.PathLike] | None = None,
) -> None:
    """Write a card to a checkpoint's folder, whole or not at all.

    Parameters
    ----------
    card : huggingface_hub.ModelCard
    folder : path-like
    files : dict of {str: path-like}, optional
        Copied beside it: paths relative to the card, and where they come from.
    """
    for place, source in (files or {}).items():
        target = Path(folder) / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    with written_whole(Path(folder) / CARD) as partial:
        card.save(partial)


def license_of(checkpoint: str | os.PathLike) -> str | list[str] | None:
    """Read the licence that a checkpoint's card states.

    Parameters
    ----------
    checkpoint : folder or name on the Hub

    Returns
    -------
    str, list of str, or None
        None where there is no card that can be read, or it states none.
    """
    try:
        return read_card(checkpoint).data.license
    except (OSError, ValueError, HTTPError):
        return None


def _named(name):
    """What to call a model or data set, and its name on the Hub, None for a folder."""
    name = str(name)
    if re.fullmatch(r"\w[\w.-]*/[\w.-]+", name) and not Path(name).exists():
        return name, name
    return Path(name).absolute().name, None


def _baseline(settings):
    """What the gain is over: a report names it, a run starts from it."""
    return _named(settings.get("baseline") or settings["pretrained"])[0]


def _is_ds003020(settings):
    name, _ = _named(settings["data"])
    return bool(re.fullmatch(r"ds003020([-_.].*)?", name.split("/")[-1]))


def _data(settings):
    """What to call the recordings in metadata, and in the text."""
    name, hub_id = _named(settings["data"])
    if _is_ds003020(settings):
        link = "[OpenNeuro ds003020](https://openneuro.org/datasets/ds003020) (LeBel et al. 2023)"
        return hub_id or "ds003020", link
    if hub_id:
        return hub_id, f"[{hub_id}](https://huggingface.co/datasets/{hub_id})"
    if name == "phantom":
        return name, "the phantom, simulated responses to stories in an invented language"
    return re.sub(r"[^\w.-]+", "-", name), _text(name)


def _evaluations(results, settings, model):
    """Every score of a model, as the Hub's metadata hold them."""
    data, _ = _data(settings)

    def evaluations(metric, name, by_region, tests=None):
        for region, scores in by_region.items():
            if scores["mean"] is None:
                continue
            arguments = {
                "region": region,
                "interval_95": scores["interval"] and [float(x) for x in scores["interval"]],
                "n_voxels": scores["n_voxels"],
                "n_trs": results["n_trs"],
                "layers": [int(layer) for layer in scores.get("layers", {})] or None,
            }
            if tests:
                arguments |= {name: float(tests[region][name]) for name in ("p", "p_holm")}
                arguments["n_blocks"] = int(tests[region]["n"])
            yield EvalResult(
                task_type="brain-encoding",
                task_name="Brain encoding",
                dataset_type=data,
                dataset_name=data,
                dataset_config=results["participant"],
                # A group of the metadata has one split: another test story must not join it.
                dataset_split=results["test_story"],
                metric_type=metric,
                metric_name=f"{name}, {region}",
                metric_value=float(scores["mean"]),
                metric_args={k: value for k, value in arguments.items() if value is not None},
            )

    return [
        *evaluations("brain_alignment", _alignment_name(results), _scores(results, model)),
        *evaluations(
            "brain_alignment_gain",
            f"Gain over {_baseline(settings)}{_unlike_noise_ceilings(results)}",
            results["gain"].get(model, {}),
            results["tests"].get(model),
        ),
        *(
            evaluation
            for feature, by_region in results["impact"].get(model, {}).items()
            for evaluation in evaluations(
                "low_level_impact", f"Low-level impact ({feature}), %", by_region
            )
        ),
    ]


def _alignment_name(results):
    other = _unlike_noise_ceilings(results)
    return f"Brain alignment{other}" if other else "Normalised brain alignment"


def _unlike_noise_ceilings(results):
    """How alignment is normalised, where that is not by noise ceilings."""
    normalisation = results["normalisation"]
    return "" if normalisation == "normalised" else f", {normalisation}"


def _scores(results, model):
    """Alignment by region; where only heads were tuned, of the backbone, which is measured once."""
    alignment = results["alignment"]
    return next(iter(alignment.values())) if len(alignment) == 1 else alignment[model]


def _text(name):
    """What others named, as text: neither markup nor HTML, and no end of a table's cell or line."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", " ".join(str(name).split()))


def _names(names):
    return ", ".join(map(_text, names))


def _table(header, rows):
    cells = [[str(cell) for cell in row] for row in rows]
    return tabulate(cells, header, "pipe", disable_numparse=True)


def _training(results, settings, config, model, teacher, permuted_from):
    """Rows of what was tuned on what."""
    tuned_on = settings.get("tuning_stories") or settings["train_stories"]
    for split, names in (
        ("train stories", tuned_on),
        ("validation stories", settings["validation_stories"]),
    ):
        yield split, f"{len(names)}: {_names(names)}"
    yield "test story", f"{_text(settings['test_story'])}, not tuned on"
    n_voxels = config.num_voxels
    (normalisation,) = {scores["normalisation"] for scores in results["participants"].values()}
    chosen_by = SELECTION[normalisation].format(settings["ceiling_threshold"])
    if settings["voxel_selection"] == "fdr":
        chosen_by = "repeats alike, by permutation at a false discovery rate of 5 %,"
    for participant, brain in config.brain.items():
        whose = f", {_text(participant)}" if len(config.brain) > 1 else ""
        n = n_voxels[participant] if isinstance(n_voxels, dict) else n_voxels
        targets = "permuted responses" if permuted_from else "the participant's responses"
        if together := brain.get("participants"):
            kind = "permuted responses" if permuted_from else "responses"
            targets = f"{kind} of {_names(together)} at vertices of {_text(participant)}"
        if teacher:
            targets = f"{n} values of {_text(participant)} per TR"
        if permuted_from:
            block = 1 if teacher else settings["permutation_block"]
            how = f"blocks of {block} TRs" if block > 1 else "permuted TR by TR"
            if not settings["permute_within"]:
                how = "those to other stories, in order"
            targets += f" ({how})"
        yield f"targets{whose}", targets
        named = settings["tuning_regions"] or brain["regions"] or ["all"]
        where = "the whole brain" if [*named] == ["all"] else " and ".join(map(_text, named))
        if not teacher:
            yield f"voxels{whose}", f"{n} of {brain['n_recorded_voxels']}: {chosen_by} in {where}"
        if atlas := brain.get("atlas"):
            yield f"atlas{whose}", f"{_text(atlas['name'])} (SHA-256 `{atlas['sha256']}`)"
        seconds = brain["n_trs_per_window"] * brain["tr"]
        yield f"TR{whose}", f"{brain['tr']:g} s"
        yield (
            f"sound per response{whose}",
            f"{brain['n_trs_per_window']} TRs ({seconds:g} s), up to and including its own",
        )
        if "fingerprint" in brain["data"]:
            yield f"data fingerprint{whose}", f"`{brain['data']['fingerprint']}`"
    yield "objective", settings["objective"]
    yield from _beyond(settings)
    warmup = settings["warmup_steps"]
    yield (
        "learning rates",
        f"{settings['learning_rate']:g} (backbone) and {settings['head_learning_rate']:g} (head), "
        f"{settings['lr_scheduler_type']} schedule, warm-up of "
        + (f"{100 * warmup:g} % of the steps" if warmup < 1 else f"{warmup:g} steps"),
    )
    yield "optimiser", f"{settings['optim']}, weight decay {settings['weight_decay']:g}"
    accumulated = settings["gradient_accumulation_steps"]
    yield "batch", f"{settings['per_device_train_batch_size'] * accumulated} windows per device"
    chosen = f"chosen by {settings['metric_for_best_model']} on the validation stories"
    if permuted_from:
        chosen = f"as many as the {permuted_from} model"
    curve = results["curves"][model]
    if settings.get("refit") and not permuted_from:
        chosen += ", and taken again from the beginning on the stories of both, as many epochs"
    yield "steps", f"{curve.get('refit_steps', curve['chosen_step'])}, {chosen}"
    half = [name for name in ("bf16", "fp16") if settings[name]]
    yield "precision", f"{half[0]} (mixed)" if half else "float32"
    yield "seed", settings["seed"]


def _beyond(settings):
    """Rows of what differs from the published way, where anything does."""
    retention, weight = settings.get("retention"), settings.get("retention_weight")
    if retention and weight:
        kinds = {
            "distil": "distillation towards the pretrained layers",
            "self_supervised": "the self-supervised losses of pretraining",
        }
        yield "retention", f"{kinds[retention]}, times {weight:g}"
    if settings.get("tune_layers"):
        yield "tuned layers", f"{settings['tune_layers']}; all before and after them is frozen"
    if settings.get("head_rank"):
        yield "head", f"linear, through a bottleneck of {settings['head_rank']} dimensions"


def _measure(results, settings, model):
    """What the numbers below are."""
    baseline = next(iter(results["alignment"]))
    layers = next((s["layers"] for s in _scores(results, model).values() if "layers" in s), {})
    chunk = settings["evaluation_chunk"]
    chunks = f" in chunks of {chunk:g} s" if chunk > settings["evaluation_stride"] else ""
    said = (
        f"{_alignment_name(results)}: for each layer, a ridge regression that is fitted on the "
        "training stories predicts the responses of every voxel to the test story, from "
        f"representations of {settings['evaluation_length']:g} s of sound every "
        f"{settings['evaluation_stride']:g} s{chunks}; their correlation with the measured "
        f"responses is {DIVISION[results['normalisation']]} averaged over voxels and over layers "
        f"{', '.join(map(str, layers))}. In brackets, 95 % bootstrap intervals over blocks of TRs."
    )
    if model not in results["gain"]:
        return said
    return (
        f"{said} The gain of *{_text(model)}* over *{_text(baseline)}*, which is "
        f"{_text(_baseline(settings))}, is tested by exchanging the two models' labels in blocks "
        "of TRs (p two-sided, Holm-corrected over regions)."
    )


def _alignment(results, model):
    """A line and a table of one participant."""
    alignment, gain, tests = (results[name] for name in ("alignment", "gain", "tests"))
    where = f"{_text(results['participant'])}, story '{_text(results['test_story'])}': "
    where += f"{results['n_trs']} TRs"
    if model in gain:
        where += f", {next((test['n'] for test in tests[model].values()), 0)} blocks"
    yield f"{where}."
    head = results.get("heads", {}).get(model)  # a report of `align` has none
    rows = [
        [
            _text(region),
            scores["n_voxels"],
            *(_cell(by_region[region]) for by_region in alignment.values()),
            *(
                [_cell(gain[model][region], "+"), _p(tests[model].get(region))]
                if model in gain
                else []
            ),
            *([_cell(head[region])] if head else []),
        ]
        for region, scores in _scores(results, model).items()
    ]
    columns = ["region", "voxels", *map(_text, alignment)]
    columns += [f"gain, {_text(model)}", "p"] * (model in gain) + ["head"] * bool(head)
    yield _table(columns, rows)


def _impact(results):
    """Paragraphs of low-level impact, where it was measured."""
    if not results["impact"]:
        return
    yield (
        "Low-level impact: per cent of the alignment that is gone once a low-level feature of the "
        "sound is removed from the representations."
    )
    features = list(next(iter(results["impact"].values())))
    regions = next(iter(results["alignment"].values()))
    yield _table(
        ["region", "model", *features],
        [
            [
                _text(region),
                _text(model),
                *(_cell(by_feature[f][region], digits=0) for f in features),
            ]
            for region in regions
            for model, by_feature in results["impact"].items()
        ],
    )


def _p(test):
    return f"{test['p_holm']:.3f}" if test else ""


def _cell(scores, sign="", digits=2):
    """Two decimals with the interval, as in the printed report."""
    if scores["mean"] is not None:
        value = f"{scores['mean']:{sign}.{digits}f}"
    else:
        value = "not determined" if scores["n_voxels"] else "empty"
    if scores["interval"] is None:
        return value
    low, high = scores["interval"]
    return f"{value} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def _pictures(figures):
    return [f"![{_text(caption)}]({quote(path)})" for caption, path in (figures or {}).items()]


def _loading(config, repo):
    reused = ""
    if config.model_type == "whisper":
        reused = """

With the decoder of the base model:

```python
from transformers import WhisperForConditionalGeneration

whisper = WhisperForConditionalGeneration.from_pretrained(checkpoint)
```"""
    elif config.model_type in MODEL_FOR_CTC_MAPPING_NAMES:
        reused = """

With a new head, to be fine-tuned for speech recognition:

```python
from transformers import AutoModelForCTC

recogniser = AutoModelForCTC.from_pretrained(checkpoint, vocab_size=40)
```"""
    return f"""\
```python
from transformers import AutoModel

checkpoint = "{repo or UNPUBLISHED}"
backbone = AutoModel.from_pretrained(checkpoint)  # no code of the checkpoint runs
with_head = AutoModel.from_pretrained(checkpoint, trust_remote_code=True)  # its code runs
```

With the package braintune, from any recording to predicted responses:

```python
from transformers import pipeline

from modeling_braintune import AutoModelForBrainTuning

model = AutoModelForBrainTuning.from_pretrained(checkpoint)
predict = pipeline("brain-encoding", model=checkpoint)
responses = predict("story.wav")["responses"]  # (n_trs, num_voxels)
```{reused}"""


def _limits(measured, what):
    said = [
        *dict.fromkeys(_text(note) for scores in measured for note in scores["notes"]),
        f"The head predicts {what}; it was not tested on anybody else's.",
        "Intervals and p-values cover the noise of this test story's responses, not the choice of "
        "stories, of participants or of the seed.",
    ]
    return "\n".join(f"- {sentence}" for sentence in said)


def _license(license):
    return license if isinstance(license, str) else ", ".join(license or ["not stated"])

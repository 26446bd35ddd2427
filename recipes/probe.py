"""Measure what can be read from each layer of speech models, from acoustics to meaning.

    python recipes/probe.py --model outputs/phantom/brain-tuned outputs/phantom/random \\
        --baseline phantom-wav2vec2 --tasks phantom
    python recipes/probe.py --model outputs/ds003020/brain-tuned --tasks timit crema_d \\
        --data <folder of TIMIT> <folder of CREMA-D>

A linear probe for every task and layer, on the mean over each clip's frames (Moussa et al. 2025,
section 3.4.3). A run that was interrupted goes on when the same command is given again.
"""

import csv
import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from functools import cache, partial
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from datasets import Audio, ClassLabel, load_dataset
from datasets.exceptions import DatasetNotFoundError
from sklearn.base import clone
from tqdm import tqdm
from transformers import AutoFeatureExtractor, AutoModel, HfArgumentParser

from datasets_scripts import (
    PHANTOM_TASKS,
    CremaD,
    PhantomTasks,
    Slurp,
    SpeechCommands,
    Timit,
    fbank,
    make_phantom_tasks,
    mfcc,
    read_recording,
    resample,
)
from datasets_scripts.names import check_name
from datasets_scripts.recordings.participant import HUB_NAME
from datasets_scripts.whole_files import written_whole
from evaluate_metrics.probes import ClassProbe, LabelProbe, RidgeProbe
from evaluate_metrics.reports.alignment import BASELINE
from modeling_braintune.clip_representations import clip_representations
from modeling_braintune.representation_cache import model_facts
from recipes.phantom import CACHE, DATA, MODELS, VERSION, phantom_model
from recipes.process import one_line_errors, prepare_process, progress_bars
from recipes.report import labelled_models, tuned_on

LOW_LEVEL = {"mfcc": mfcc, "fbank": fbank}
SENTENCES, WORDS = (partial(PhantomTasks, kind=kind) for kind in ("sentences", "words"))
# Of every collection, its tasks from acoustic to semantic and the builder of the clips for each.
COLLECTIONS = {
    "phantom": dict.fromkeys([*LOW_LEVEL, *PHANTOM_TASKS], SENTENCES) | {"word": WORDS},
    "timit": dict.fromkeys([*LOW_LEVEL, "phones_present", "sentence_type"], Timit),
    "slurp": {"action": Slurp},
    "speech_commands": {"word": SpeechCommands},
    "crema_d": {"emotion": CremaD},
}
TASKS = {
    f"{collection}/{task}": builder
    for collection, tasks in COLLECTIONS.items()
    for task, builder in tasks.items()
}
SPLITS = ("train", "validation", "test")
COLUMNS = (
    *("model", "participant", "task", "layer", "feature", "measure", "value"),
    *("n", "unit", "interval_low", "interval_high", "majority"),
)
MEASURES = {"macro_f1": "macro F1", "r2": "R^2"}
WEIGHTED = "weighted_sum"
FORMAT = 2  # of results: a new one has them computed again


@dataclass(kw_only=True)
class ProbeArguments:
    """Which models are probed by which tasks, and where the report goes."""

    model: list[str] = field(
        metadata={"help": f"Checkpoint folders, names on the Hub, or {', '.join(MODELS)}."}
    )
    tasks: list[str] = field(
        metadata={"help": f"{', '.join(COLLECTIONS)}, or single tasks such as timit/mfcc."}
    )
    data: list[str] | None = field(
        default=None,
        metadata={
            "help": "Folder, or name of a prepared data set on the Hub, for each collection in "
            f"the order of the tasks; '{DATA}' is made, and needs not be given alone."
        },
    )
    baseline: str | None = field(
        default=None, metadata={"help": "Model that the others are compared with."}
    )
    layers: list[int] | None = field(
        default=None, metadata={"help": "Layers to probe; all if none. 0 is the input."}
    )
    weighted_sum: bool = field(
        default=False, metadata={"help": "Also probe a sum of all layers with learned weights."}
    )
    max_unreadable: float = field(
        default=0.01, metadata={"help": "Share of a split's recordings that may be unreadable."}
    )
    precision: str = field(
        default="float32", metadata={"help": "Of the representations: float32 or bfloat16."}
    )
    batch_size: int = field(default=8, metadata={"help": "Clips that a model hears at once."})
    cache_dir: str = field(
        default=str(CACHE / "representations"), metadata={"help": "Keeps representations."}
    )
    report_dir: str = field(default="outputs/probes", metadata={"help": "Where to report."})

    def __post_init__(self):
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision must be float32 or bfloat16, got {self.precision!r}")
        self.names = labelled_models(self.model, self.baseline)
        for name in self.tasks:
            check_name("collection or task", name, [*COLLECTIONS, *TASKS])
        collections = dict.fromkeys(map(_collection, self.tasks))
        if self.data is None and list(collections) == [DATA]:
            self.data = [DATA]
        if len(self.data or ()) != len(collections):
            raise ValueError(
                f"data must hold a folder for each of {', '.join(collections)}, got {self.data}"
            )
        self.folders = dict(zip(collections, self.data, strict=True))

    def sources(self):
        """Tasks that share clips, {(collection, builder): [task]}."""
        sources = {}
        for name in self.tasks:
            for task, builder in TASKS.items():
                if name in (task, _collection(task)):
                    tasks = sources.setdefault((_collection(task), builder), {})
                    tasks[task] = None
        return {source: list(tasks) for source, tasks in sources.items()}


def _collection(task):
    return task.partition("/")[0]


def _name(task):
    return task.partition("/")[2]


def probe(arguments):
    """Probe every layer of every model by every task, and write the report.

    Parameters
    ----------
    arguments : ProbeArguments

    Returns
    -------
    dict
        - "rows": list of {column: value}, with the columns of `COLUMNS`; a task is called
          "<collection>/<task>", a layer by its number or "weighted_sum"; the participant is the
          one that the model was tuned on, as `tuned_on` has it;
        - "notes": what a reader of them must know;
        - "finished" {model: {task: {"key", "notes"}}}; what a result follows from is in its key;
        - "settings".

    Raises
    ------
    ValueError, FileNotFoundError
        A collection that is none, or is incomplete or unreadable; a clip that is too short for a
        model; classes that some split lacks, as `LinearProbe.fit` says.
    """
    names = arguments.names
    print("Models: " + ", ".join(f"{label} ({name})" for label, name in names.items()))
    checkpoints = {
        label: phantom_model(name)[0] if name in MODELS else name for label, name in names.items()
    }
    sources, notes = [], []
    for (collection, build), tasks in arguments.sources().items():
        folder = arguments.folders[collection]
        data, n_unreadable = open_clips(build, folder, tasks, arguments.max_unreadable)
        if n_unreadable:
            notes.append(f"{n_unreadable} recordings of {folder} are unreadable, and left out.")
        sources.append((data, tasks, cache(partial(task_targets, data))))
        sizes = ", ".join(f"{len(data[split])} {split}" for split in SPLITS)
        print(f"Tasks: {', '.join(tasks)} ({sizes} clips of {folder})")

    path = Path(arguments.report_dir) / "probes.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs = [(label, task) for label in names for _, tasks, _ in sources for task in tasks]
    results = _finished(path, pairs)
    with tqdm(total=len(pairs), desc="Probing", unit="task") as bar:
        for label, checkpoint in checkpoints.items():
            listener = _listener(checkpoint)
            for data, tasks, targets in sources:
                keys = _keys(*listener, data, tasks, arguments)
                unfinished = [
                    task
                    for task in tasks
                    if results.get((label, task), {}).get("key") != keys[task]
                ]
                bar.update(len(tasks) - len(unfinished))
                features = _features(*listener, data, arguments) if unfinished else None
                for task in unfinished:
                    rows, said = _probed(task, features, *targets(task), arguments)
                    whose = (label, tuned_on(listener[0].config))
                    rows = [dict(zip(COLUMNS, (*whose, *row), strict=True)) for row in rows]
                    results[label, task] = {"key": keys[task], "notes": said, "rows": rows}
                    write_report(_report(results, pairs, notes, arguments), path)
                    bar.update()
    report = _report(results, pairs, notes, arguments)
    write_report(report, path)
    print(table(report))
    print(f"{path.name} and {path.stem}.csv are in {path.parent}/")
    return report


def open_clips(build, folder, tasks, max_unreadable=0.01):
    """Prepare the clips that some tasks share, or take them from the Hub.

    Parameters
    ----------
    build : callable
        A value of `TASKS`.
    folder : str
        The collection; name of a prepared data set on the Hub; or "phantom".
    tasks : list of str
        Keys of `TASKS`.
    max_unreadable : float
        Share of a split's recordings that may be left out because they cannot be read.

    Returns
    -------
    data : DatasetDict
        With the splits of `SPLITS`, and sound files as they are in `audio`.
    n_unreadable : int
        Recordings that are left out, as the builder's description has it.

    Raises
    ------
    FileNotFoundError
        There is no such folder or data set, or the folder lacks what the collection consists of.
    ValueError
        As the builders; or the data set has not been prepared for these tasks.
    """
    if folder == DATA and build in (SENTENCES, WORDS):
        folder = CACHE / f"{DATA}-tasks-{VERSION}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_phantom_tasks(folder)
    if Path(folder).exists() or not HUB_NAME.fullmatch(folder):
        builder = build(folder, max_unreadable=max_unreadable)
        builder.download_and_prepare()
        unreadable = json.loads(builder.info.description)["unreadable"]
        return builder.as_dataset(), sum(map(len, unreadable.values()))
    try:
        data = load_dataset(folder, getattr(build, "keywords", {}).get("kind"))
    except (DatasetNotFoundError, ConnectionError) as error:
        raise FileNotFoundError(f"{folder} is no folder here, nor to be had: {error}") from error
    columns = {"file", "audio"} | {_name(task) for task in tasks} - LOW_LEVEL.keys()
    lacking = [split for split in SPLITS if split not in data] or sorted(
        columns.difference(data[SPLITS[0]].column_names)
    )
    if lacking:
        raise ValueError(
            f"{folder} is no data set that was prepared for {', '.join(tasks)}: it lacks "
            f"{', '.join(lacking)}"
        )
    return data.cast_column("audio", Audio(decode=False)), 0


def sounds(clips):
    """Sound of clips, read when it is taken.

    Parameters
    ----------
    clips : Dataset
        With sound files in `audio`.

    Returns
    -------
    sequence of float32 arrays of shape (n_samples,), mono at 16 kHz
    """

    def read(rows):
        files = (BytesIO(audio["bytes"]) for audio in rows["audio"])
        return {"audio": [resample(*read_recording(file)) for file in files]}

    return clips.select_columns("audio").with_transform(read)["audio"]


def task_targets(data, task):
    """What a task's probes are to tell of the clips.

    Labels that no clip has, or all training clips have, are left out: TIMIT's silence, for one.

    Parameters
    ----------
    data : dict of {split: Dataset}
    task : str
        Its name after the slash is a column of classes or lists of them, "mfcc" or "fbank".

    Returns
    -------
    probe : ClassProbe, LabelProbe or RidgeProbe
        Not fitted.
    targets : dict of {split: array}
        Classes by name (n_clips,), labels (n_clips, n_labels), or means over frames
        (n_clips, n_bands).
    notes : list of str
        Which labels are left out.

    Raises
    ------
    ValueError
        A clip is shorter than a frame of mel energies.
    """
    name = _name(task)
    if name in LOW_LEVEL:
        return RidgeProbe(), {split: _spectra(data[split], name) for split in data}, []
    feature = data["train"].features[name]
    if isinstance(feature, ClassLabel):
        classes = np.array(feature.names)
        return (
            ClassProbe(),
            {split: classes[list(clips[name])] for split, clips in data.items()},
            [],
        )
    labels = np.array(feature.feature.names)
    present = {
        split: np.array([np.isin(range(len(labels)), held) for held in clips[name]])
        for split, clips in data.items()
    }
    everywhere = present["train"].all(axis=0)
    nowhere = ~np.any([held.any(axis=0) for held in present.values()], axis=0)
    notes = [
        f"{task}: {', '.join(labels[which])} left out, being in {where}."
        for which, where in ((everywhere, "all training clips"), (nowhere, "no clip"))
        if which.any()
    ]
    kept = ~(everywhere | nowhere)
    targets = {split: held[:, kept] for split, held in present.items()}
    return LabelProbe(names=labels[kept]), targets, notes


def _spectra(clips, name):
    means = []
    for file, sound in zip(clips["file"], sounds(clips), strict=True):
        try:
            means.append(LOW_LEVEL[name](sound).mean(axis=0))
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
    return np.stack(means)


def _listener(checkpoint):
    model = AutoModel.from_pretrained(checkpoint, dtype=torch.float32)
    return model.to(PartialState().device), AutoFeatureExtractor.from_pretrained(checkpoint)


def _features(model, feature_extractor, data, arguments):
    """{split: (n_layers, n_clips, hidden)}."""
    with progress_bars():
        return {
            split: clip_representations(
                model,
                feature_extractor,
                sounds(clips),
                arguments.layers,
                names=clips["file"],
                cache_dir=arguments.cache_dir,
                batch_size=arguments.batch_size,
                progress=True,
                dtype=_dtype(arguments),
            )
            for split, clips in data.items()
        }


def _dtype(arguments):
    return torch.bfloat16 if arguments.precision == "bfloat16" else None


def _keys(model, feature_extractor, data, tasks, arguments):
    """{task: digest of all that its results follow from}."""
    facts = model_facts(model, feature_extractor, arguments.layers, _dtype(arguments)) | {
        "data": [data[split]._fingerprint for split in SPLITS],
        "weighted_sum": arguments.weighted_sum,
        "probes": FORMAT,
    }
    return {
        task: hashlib.sha256(json.dumps([facts, task], sort_keys=True).encode()).hexdigest()
        for task in tasks
    }


def _probed(task, features, probe, targets, notes, arguments):
    """Rows of a task's results but for model and participant, and notes on them."""
    layers = arguments.layers or list(range(len(features["train"])))
    chosen = [(layers, probe)]
    if arguments.weighted_sum:
        chosen.append(([WEIGHTED], clone(probe).set_params(weighted_sum=True)))
    fitting, validating, testing = ((features[split], targets[split]) for split in SPLITS)
    scores = {}
    try:
        for names, candidate in chosen:
            found = candidate.fit(*fitting, *validating).score(*testing)
            scores |= zip(names, found, strict=True)
    except ValueError as error:
        raise ValueError(f"{task}: {error}") from error
    absent = found[0]["absent"]
    if absent:
        notes = [
            *notes,
            f"{task}: no test clip has {', '.join(map(str, absent))}, which do not count.",
        ]
    measure = "r2" if isinstance(probe, RidgeProbe) else "macro_f1"
    rows = [
        (task, layer, None, measure, score["value"], score["n"], "clips")
        + (*score["interval"], score["majority"])
        for layer, score in scores.items()
    ]
    return rows, notes


def _finished(path, pairs):
    """Results of an earlier run by (model, task), of those that are asked for now."""
    if not path.exists():
        return {}
    report = json.loads(path.read_text(encoding="utf-8"))
    results = {
        (label, task): result | {"rows": []}
        for label, tasks in report["finished"].items()
        for task, result in tasks.items()
        if (label, task) in pairs
    }
    for row in report["rows"]:
        if (row["model"], row["task"]) in results:
            results[row["model"], row["task"]]["rows"].append(row)
    return results


def _report(results, pairs, notes, arguments):
    done = {pair: results[pair] for pair in pairs if pair in results}
    said = [note for result in done.values() for note in result["notes"]]
    finished = {label: {} for label, _ in done}
    for (label, task), result in done.items():
        finished[label][task] = {"key": result["key"], "notes": result["notes"]}
    return {
        "rows": [row for result in done.values() for row in result["rows"]],
        "notes": list(dict.fromkeys([*notes, *said])),
        "finished": finished,
        "settings": dataclasses.asdict(arguments),
    }


def write_report(report, path):
    """Write a report as JSON, and its rows as CSV beside it.

    Parameters
    ----------
    report : dict
        With "rows", whose columns are `COLUMNS`.
    path : Path
        Of the JSON file.
    """
    with written_whole(path) as whole:
        whole.write_text(json.dumps(report, indent=1), encoding="utf-8")
    with open(path.with_suffix(".csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(report["rows"])


def table(report):
    """The report as text: for every task, a line per layer and a column per model.

    Parameters
    ----------
    report : dict
        As `probe` returns it.

    Returns
    -------
    str
    """
    models, tasks = ({row[name]: None for row in report["rows"]} for name in ("model", "task"))
    lines = []
    for task in tasks:
        rows = {(r["layer"], r["model"]): r for r in report["rows"] if r["task"] == task}
        first = next(iter(rows.values()))
        lines += [
            "",
            f"{task}: {MEASURES[first['measure']]} on {first['n']} test clips [95 % interval]"
            + (f", gain over {BASELINE}" if BASELINE in models else "")
            + f"; without hearing {first['majority']:.2f}",
            _line("layer", models),
        ]
        for layer in {layer: None for layer, _ in rows}:
            of_baseline = rows.get((layer, BASELINE))
            cells = [_cell(rows.get((layer, model)), of_baseline) for model in models]
            lines.append(_line(layer, cells))
    return "\n".join([*lines, "", *report["notes"], ""])


def _line(name, cells):
    return f"{name:<14}" + " ".join(f"{cell:<27}" for cell in cells).rstrip()


def _cell(row, of_baseline):
    if row is None:
        return ""
    cell = f"{row['value']:.2f} [{row['interval_low']:.2f}, {row['interval_high']:.2f}]"
    if of_baseline is None or of_baseline is row:
        return cell
    return f"{cell} {row['value'] - of_baseline['value']:+.2f}"


def main():
    with one_line_errors():
        (arguments,) = HfArgumentParser(ProbeArguments).parse_args_into_dataclasses()
        prepare_process(PartialState().device, 1)
        probe(arguments)


if __name__ == "__main__":
    main()

"""Measure what can be read from each layer of speech models, from acoustics to meaning.

    python recipes/probe.py --checkpoints outputs/phantom/brain-tuned outputs/phantom/permuted \\
        --baseline phantom-wav2vec2 --tasks phantom
    python recipes/probe.py --checkpoints outputs/ds003020/brain-tuned --tasks timit crema_d \\
        --collections timit=<folder> crema_d=<folder>

A linear probe for every task and layer, on the mean over each clip's frames (Moussa et al. 2025,
section 3.4.3). A run that was interrupted goes on when the same command is given again.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from recipes.command.process import one_line_errors, prepare_process

from accelerate import PartialState
from datasets import DatasetDict
from tqdm import tqdm

from datasets_scripts import check_name
from datasets_scripts.collections import COLLECTIONS, TASKS, collection_of, tasks_by_clips
from datasets_scripts.speech_tasks import SPLITS, open_clips, sounds
from evaluate_metrics.reports.files import write_csv
from evaluate_metrics.reports.probes import (
    COLUMNS,
    probe_report,
    probe_results,
    probe_rows,
    probe_table,
)
from recipes.command.arguments import parse_arguments
from recipes.command.checkpoints import BASELINE, PHANTOM, checkpoint, clips_folder, labelled
from recipes.command.output_folder import write_json
from recipes.command.vocabulary import (
    Baseline,
    BatchSize,
    Checkpoints,
    Collections,
    Layers,
    MaxUnusable,
    Output,
    RemoteCode,
    Representations,
)
from recipes.stages.controls import tuned_participant
from recipes.stages.hearing import Hearer, facts_of, heard, hearer
from recipes.stages.probing import Targets, probed, result_keys, task_targets

REPORT = "probes.json"


@dataclass(kw_only=True)
class ProbeOptions(
    Checkpoints,
    Baseline,
    Collections,
    Layers,
    Representations,
    RemoteCode,
    BatchSize,
    MaxUnusable,
    Output,
):
    """Which models are probed by which tasks."""

    command: ClassVar[str] = "probe"

    tasks: list[str] = field(
        metadata={
            "help": "Tasks that models are probed by: all of a collection, one or several of "
            f"{', '.join(COLLECTIONS)}, or single ones such as timit/mfcc."
        }
    )
    weighted_sum: bool = field(
        default=False,
        metadata={
            "help": "Whether a sum of all layers with learned weights is probed too; false by "
            "default."
        },
    )

    def __post_init__(self) -> None:
        self.names = labelled(self.checkpoints, self.baseline)
        for name in self.tasks:
            check_name("collection or task", name, [*COLLECTIONS, *TASKS])
        for name in self.folders:
            check_name("collection", name, COLLECTIONS)
        wanted = dict.fromkeys(map(collection_of, self.tasks))
        if lacking := [name for name in wanted if name not in {*self.folders, PHANTOM}]:
            raise ValueError(
                f"collections must say where {', '.join(lacking)} is: give --collections "
                f"{' '.join(f'{name}=<folder>' for name in lacking)}"
            )
        super().__post_init__()


class Source(NamedTuple):
    """Clips with the tasks that share them."""

    data: DatasetDict
    tasks: list[str]
    targets: Callable[[str], Targets]  # of a task, worked out once


def probe(arguments: ProbeOptions) -> dict[str, Any]:
    """Probe every layer of every model by every task, and write the report.

    Parameters
    ----------
    arguments : ProbeOptions

    Returns
    -------
    dict
        - "rows": list of {column: value}, with the columns of `evaluate_metrics.reports.probes`; a
          task is called "<collection>/<task>", a layer by its number or "weighted_sum"; the
          participant is the one that the model was tuned on;
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
    checkpoints = {label: checkpoint(name) for label, name in names.items()}
    sources, notes = open_sources(arguments)
    path = Path(arguments.output_dir, REPORT)
    results = probe_results(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
    pairs = [(label, task) for label in names for source in sources for task in source.tasks]

    def write():
        report = probe_report(results, pairs, notes)
        report["settings"] = dataclasses.asdict(arguments)
        write_json(path, report)
        write_csv(path.with_suffix(".csv"), COLUMNS, report["rows"])
        return report

    with tqdm(total=len(pairs), desc="Probing", unit="task") as bar:
        for label, name in checkpoints.items():
            one = hearer(name, arguments.trust_remote_code)
            participant = tuned_participant(one.model.config)
            facts = facts_of(one, arguments)
            for source in sources:
                keys = result_keys(facts, source.data, source.tasks, arguments.weighted_sum)
                unfinished = [
                    task
                    for task in source.tasks
                    if results.get((label, task), {}).get("key") != keys[task]
                ]
                bar.update(len(source.tasks) - len(unfinished))
                features = represent(one, source.data, arguments) if unfinished else {}
                for task in unfinished:
                    targets = source.targets(task)
                    scores, said = probed(
                        task, features, targets, arguments.layers, arguments.weighted_sum
                    )
                    rows = probe_rows(label, participant, task, targets.measure, scores)
                    results[label, task] = {"key": keys[task], "notes": said, "rows": rows}
                    write()
                    bar.update()
    report = write()
    print(probe_table(report, BASELINE))
    print(f"{path.name} and {path.stem}.csv are in {path.parent}/")
    return report


def open_sources(arguments: ProbeOptions) -> tuple[list[Source], list[str]]:
    """Open the clips of all tasks, and say how many there are.

    Returns
    -------
    sources : list of Source
    notes : list of str
        How many recordings are left out.
    """
    sources, notes = [], []
    for (collection, build), tasks in tasks_by_clips(arguments.tasks).items():
        given = arguments.folders.get(collection, PHANTOM)
        folder = clips_folder(collection, given)
        data, n_unreadable = open_clips(build, folder, tasks, arguments.max_unusable)
        if n_unreadable:
            notes.append(
                f"{n_unreadable} recordings of {given} are missing or unreadable, and left out."
            )
        sources.append(Source(data, tasks, cache(partial(task_targets, data))))
        sizes = ", ".join(f"{len(data[split])} {split}" for split in SPLITS)
        print(f"Tasks: {', '.join(tasks)} ({sizes} clips of {given})")
    return sources, notes


def represent(one: Hearer, data: DatasetDict, arguments: ProbeOptions) -> dict[str, Any]:
    """Return a model's representations of clips, {split: array (n_layers, n_clips, hidden)}."""
    return {
        split: heard(one, sounds(clips), clips["file"], arguments) for split, clips in data.items()
    }


def main() -> None:
    with one_line_errors():
        (arguments,) = parse_arguments((ProbeOptions,))
        prepare_process(PartialState().device, 1)
        probe(arguments)


if __name__ == "__main__":
    main()

"""Predict a participant whom no model learned from, by the heads of those whom it did.

    python recipes/zero_shot.py --participants P04 \\
        --checkpoints outputs/each/brain-tuned outputs/one-space/brain-tuned

What a checkpoint's heads predict of the held-out story is put onto fsaverage5, averaged over its
heads, and taken at the participant's voxels, with nothing of the participant's but their places. A
model that was tuned on several participants with a head each is so the average of the others; one
of `tune.py --shared_space true` has one head for all. Each is set beside the first that is named.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from recipes.command.process import one_line_errors, prepare_process

from accelerate import PartialState

from evaluate_metrics.normalisation import alignment_name
from evaluate_metrics.reports import means_table
from recipes.command.arguments import CONFIGS, keys_of, parse_arguments
from recipes.command.checkpoints import checkpoint, recordings_folder
from recipes.command.output_folder import write_json
from recipes.command.vocabulary import (
    Alignment,
    BatchSize,
    Checkpoints,
    Output,
    Recordings,
    TestStory,
    check_once,
)
from recipes.stages.recordings import check_scoring, open_recordings, scoring_listener
from recipes.stages.shared_space import check_surfaces, zero_shot_scores
from recipes.stages.tuning_options import TrainerOptions, TuningOptions

DEFAULT_CONFIG = CONFIGS / "phantom.yaml"
RESULTS = "zero_shot.json"


@dataclass(kw_only=True)
class ZeroShotOptions(Recordings, Checkpoints, TestStory, Alignment, BatchSize, Output):
    """Whose responses are predicted, by which models' heads."""

    command: ClassVar[str] = "zero_shot"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.checkpoints:
            raise ValueError("checkpoints must name at least one model: give --checkpoints")
        check_once("checkpoints", self.checkpoints)


def told_apart(names: Sequence[str]) -> dict[str, str]:
    """Call each of several different paths by as many of its last parts as tell them apart.

    Examples
    --------
    >>> told_apart(["runs/each/brain-tuned", "runs/shared/brain-tuned"])
    {'each/brain-tuned': 'runs/each/brain-tuned', 'shared/brain-tuned': 'runs/shared/brain-tuned'}
    """
    parts = [Path(name).parts for name in names]
    for n in range(1, max(map(len, parts)) + 1):
        called = {"/".join(own[-n:]): name for own, name in zip(parts, names, strict=True)}
        if len(called) == len(names):
            break
    return called


def zero_shot(arguments: ZeroShotOptions) -> dict[str, dict[str, Any]]:
    """Predict, print a table for each participant, and write the results.

    Parameters
    ----------
    arguments : ZeroShotOptions

    Returns
    -------
    dict of {participant: results}
        As `zero_shot_scores`, and as written to `zero_shot.json`, beside "settings".

    Raises
    ------
    ValueError, FileNotFoundError
        As the parts that read and predict.
    """
    models = {label: checkpoint(name) for label, name in told_apart(arguments.checkpoints).items()}
    participants = open_recordings(recordings_folder(arguments.data), arguments)
    check_scoring(participants, arguments)
    check_surfaces(participants)
    device, results = PartialState().device, {}
    for participant in participants:
        one = scoring_listener(participant, arguments)
        found = zero_shot_scores(models, one, arguments, device, arguments.batch_size)
        results[one.name] = found
        print(
            f"\n{alignment_name(one.normalisation).capitalize()} of {one.name} on "
            f"{one.test.name!r}, as predicted by heads that learned nothing of {one.name} "
            f"[95 % interval]\n{means_table(found)}\n{found['n_unknown']} voxels above the "
            f"threshold lie where a model predicts nothing, and are left out.\n{one.ceiling_note}"
        )
    path = Path(arguments.output_dir) / RESULTS
    write_json(path, {"participants": results, "settings": asdict(arguments)})
    print(f"\n{RESULTS} is in {arguments.output_dir}/")
    return results


def main() -> None:
    with one_line_errors():
        (arguments,) = parse_arguments(
            (ZeroShotOptions,),
            DEFAULT_CONFIG,
            renamed={"output_dir": None},
            passed_over=keys_of(TuningOptions, TrainerOptions),
        )
        prepare_process(PartialState().device, 1)
        zero_shot(arguments)


if __name__ == "__main__":
    main()

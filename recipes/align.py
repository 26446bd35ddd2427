"""Measure how well speech models predict the brain, and how much of it is mere acoustics.

    accelerate launch recipes/align.py --checkpoints outputs/phantom/brain-tuned
    accelerate launch recipes/align.py --config recipes/configs/ds003020.yaml --data <folder> \\
        --participants UTS03 --checkpoints outputs/ds003020/brain-tuned

For every layer and region: normalised brain alignment on a held-out story and the impact of
low-level features on it, against the pretrained model that the configuration names. One
participant's report goes to the output folder, outputs/align unless the command line names another
(that of a configuration is where models are tuned), those of several to a folder each.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recipes.command.process import one_line_errors, prepare_process

import numpy as np
from accelerate import PartialState

from evaluate_metrics.reports import average_maps, file_name, report, table, write_places
from modeling_braintune import (
    CARD,
    add_results,
    check_access,
    commit_files,
    plain_errors,
    read_card,
    save_card,
)
from recipes.command.arguments import CONFIGS, keys_of, parse_arguments
from recipes.command.cache import representations_folder
from recipes.command.checkpoints import checkpoint, labelled, recordings_folder
from recipes.command.vocabulary import (
    Alignment,
    Baseline,
    Checkpoints,
    Layers,
    LowLevel,
    Output,
    Recordings,
    RemoteCode,
    Representations,
    Surface,
    TestStory,
    TrainStories,
)
from recipes.stages.encoding import Extraction, share_in_representations
from recipes.stages.estimates import estimate_measuring
from recipes.stages.maps import common_cortex, own_cortex
from recipes.stages.measuring import measure
from recipes.stages.recordings import check_scoring, listener, open_recordings
from recipes.stages.tuning_options import TrainerOptions, TuningOptions

DEFAULT_CONFIG = CONFIGS / "phantom.yaml"
FIGURES = {
    "Alignment and low-level impact": "figures/alignment.png",
    "Alignment by layer": "figures/layers.png",
}


@dataclass(kw_only=True)
class AlignOptions(
    Recordings,
    Checkpoints,
    Baseline,
    TrainStories,
    TestStory,
    Layers,
    Alignment,
    LowLevel,
    Representations,
    RemoteCode,
    Surface,
    Output,
):
    """Which models are measured, against which one, and where the report goes."""

    command = "align"
    group = "Output"

    update_card: bool = field(
        default=False,
        metadata={
            "help": "Whether the results are put into the models' cards, in folders and on the "
            "Hub; false by default."
        },
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        labelled(self.checkpoints)
        if self.update_card and len(self.participants) > 1:
            raise ValueError(
                "update_card takes the report of one participant, got "
                f"{', '.join(self.participants)}"
            )


def align(arguments: AlignOptions) -> dict[str, dict[str, Any]]:
    """Measure, print and write the reports.

    Parameters
    ----------
    arguments : AlignOptions

    Returns
    -------
    dict of {participant: results}
        As `recipes.stages.measuring.measure`, with "settings"; empty on all processes but the
        first, which only share in the representations.

    Raises
    ------
    ValueError, FileNotFoundError
        As the parts that read and measure.
    """
    state = PartialState()
    if arguments.baseline is None:
        raise ValueError("baseline must name the model to compare with: give --baseline")

    # Models and recordings, and whether cards can be written
    with state.main_process_first():
        baseline = checkpoint(arguments.baseline)
        checkpoints = {
            label: checkpoint(name)
            for label, name in labelled(arguments.checkpoints, baseline).items()
        }
        data = recordings_folder(arguments.data)
        participants = open_recordings(data, arguments)
        check_scoring(participants, arguments)
        for model in arguments.checkpoints if arguments.update_card else ():
            check_card(model)
    places = None if arguments.surface is None else np.load(arguments.surface)
    cortices = [own_cortex(one.name, one.anatomy, places) for one in participants]
    extraction = Extraction.of(
        arguments,
        device=state.device,
        precision=arguments.torch_precision,
        cache_dir=representations_folder(arguments.cache_dir),
        trust_remote_code=arguments.trust_remote_code,
    )

    # A report for each participant
    results, placed = {}, {}
    for participant, cortex in zip(participants, cortices, strict=True):
        one = listener(participant, arguments)
        if not state.is_main_process:
            share_in_representations(checkpoints.values(), one.represented, extraction)
            continue
        everywhere = cortex is not None or participant.mask is not None  # for maps
        if not results:
            print(
                estimate_measuring(
                    checkpoints.values(),
                    arguments,
                    extraction,
                    one,
                    n_listeners=len(participants),
                    n_features=arguments.n_removals,
                    everywhere=everywhere,
                )
            )
        found = measure(
            one,
            checkpoints,
            arguments,
            extraction,
            low_level=arguments.low_level,
            low_level_lags=arguments.low_level_lags,
            everywhere=everywhere,
            progress=True,
        )
        results[one.name] = found | {"settings": asdict(arguments)}
        print(table(found))
        folder = Path(arguments.output_dir)
        folder = folder / file_name(one.name) if len(participants) > 1 else folder
        paths = report(results[one.name], folder, cortex, participant.mask)
        common = common_cortex(one.name, participant.anatomy, places)
        if common is not None:
            placed[one.name] = common
            paths.append(write_places(common, folder))
        print(f"{', '.join(path.name for path in paths)} are in {folder}/")
        for model in arguments.checkpoints if arguments.update_card else ():
            update_card(model, results[one.name], folder)

    # What they have in common
    if len(results) > 1:
        folder = Path(arguments.output_dir)
        paths = average_maps([results[name] for name in placed], list(placed.values()), folder)
        if paths:
            print(
                f"{', '.join(path.name for path in paths)} of {', '.join(placed)} are in {folder}/"
            )
    return results


def check_card(model: str) -> None:
    """Make sure that `update_card` will find the card of a model, and may write it.

    Raises
    ------
    FileNotFoundError, ValueError, PermissionError, ConnectionError
        As `read_card` and `check_access`.
    """
    with plain_errors(model):
        read_card(model)
    if not Path(model).is_dir():
        check_access(model)


def update_card(model: str, results: dict[str, Any], folder: Path) -> None:
    """Put a report into a model's card, with two figures beside it.

    Parameters
    ----------
    model : str
        A folder, whose card is rewritten, or a name on the Hub, where a commit does it.
    results : dict
        Of `align`, of one participant.
    folder : Path
        Of the report.

    Raises
    ------
    FileNotFoundError, ValueError, PermissionError, ConnectionError
        As `read_card` and `commit_files`.
    """
    files = {place: folder / Path(place).name for place in FIGURES.values()}
    with plain_errors(model):
        card = add_results(read_card(model), results, Path(model).name, FIGURES)
    if Path(model).is_dir():
        save_card(card, model, files)
    else:
        commit_files({CARD: str(card).encode(), **files}, model, "Add a report of alignment")


def main() -> None:
    with one_line_errors():
        (arguments,) = parse_arguments(
            (AlignOptions,),
            DEFAULT_CONFIG,
            renamed={"pretrained": "baseline", "output_dir": None},
            passed_over=keys_of(TuningOptions, TrainerOptions),
        )
        state = PartialState()
        prepare_process(state.device, state.num_processes)
        align(arguments)


if __name__ == "__main__":
    main()

"""Find where participants' voxels lie: their regions, their mask, their places on the cortex.

    python recipes/anatomy.py --data path/to/ds003020 --participants UTS03 \\
        --atlas lh.HCP-MMP1.annot rh.HCP-MMP1.annot --atlas_spheres lh.sphere.reg rh.sphere.reg

The other commands do so by themselves where they are given an atlas; this one writes what it finds
to files that other programs read, and draws it, so that a look tells whether it is right.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recipes.command.process import one_line_errors

import numpy as np

from datasets_scripts import Anatomy, check_name, check_voxel_order, noise_ceiling
from datasets_scripts.recordings import (
    BIDS,
    DS003020,
    all_unfetched,
    find_layout,
    is_folder,
    kept_anatomy,
    write_anatomy,
)
from evaluate_metrics import anatomy_figure
from recipes.command.arguments import keys_of, parse_arguments
from recipes.command.checkpoints import recordings_folder
from recipes.command.vocabulary import Output, Recordings
from recipes.stages.maps import own_cortex
from recipes.stages.recordings import layout_options
from recipes.stages.tuning_options import TrainerOptions, TuningOptions

CEILING = 0.4  # what voxels are tuned on and measured above, unless a run says otherwise


@dataclass(kw_only=True)
class AnatomyOptions(Recordings, Output):
    """Whose voxels, what their regions follow from, and where all of it is written to."""

    def __post_init__(self) -> None:
        kept = self.output_dir is None
        super().__post_init__()
        if kept:
            self.output_dir = None


def anatomy(arguments: AnatomyOptions) -> dict[str, Anatomy]:
    """Find, write and draw where each participant's voxels lie.

    Parameters
    ----------
    arguments : AnatomyOptions

    Returns
    -------
    dict of {participant: Anatomy}

    Raises
    ------
    FileNotFoundError, ValueError
        As `datasets_scripts.recordings.kept_anatomy` and `datasets_scripts.check_voxel_order`; the
        recordings are prepared already.
    """
    data = recordings_folder(arguments.data)
    if not is_folder(data):
        raise ValueError(f"data: {data} holds recordings that are prepared already")
    layout = find_layout(data, layout_options(arguments))
    found = {}
    for name in arguments.participants:
        n_voxels, ceiling = recorded(layout, name)
        one, folder = kept_anatomy(
            layout, name, n_voxels, atlas=arguments.atlas, atlas_spheres=arguments.atlas_spheres
        )
        if arguments.output_dir is not None:
            folder = Path(arguments.output_dir)
        mask_name = layout.mask_name(name)
        if one.mask is not None and ceiling is not None and mask_name is not None:
            check_voxel_order(one.mask, ceiling, mask_name)
        found[name] = one
        print("\n".join(described(name, one, ceiling)))
        paths = write_anatomy(one, name, folder) + drawn(name, one, ceiling, folder)
        print(f"  {', '.join(str(path.relative_to(folder)) for path in paths)} are in {folder}/")
    return found


def recorded(layout: DS003020 | BIDS, participant: str) -> tuple[int | None, np.ndarray | None]:
    """Return how many voxels the responses have, and their noise ceilings, as far as fetched.

    Parameters
    ----------
    layout : DS003020 or BIDS
    participant : str

    Returns
    -------
    n_voxels : int or None
    ceiling : array of shape (n_voxels,), or None
        Of the first story that was heard repeatedly.
    """
    check_name(f"participant in {layout.root}", participant, layout.participants())
    fetched = [
        story
        for story in layout.stories(participant)
        if not all_unfetched(layout.response_files(participant, story))
    ]
    if not fetched:
        return None, None
    for story in layout.repeated_stories(participant, fetched)[:1]:
        (heard,) = layout.read_responses(participant, [story])
        if len(heard.repeats) > 1:
            return heard.repeats.shape[-1], noise_ceiling(heard.repeats)
    return layout.n_voxels(participant, fetched[:1]), None


def described(name: str, found: Anatomy, ceiling: np.ndarray | None) -> Iterator[str]:
    """Say in lines where a participant's voxels lie.

    Parameters
    ----------
    name : str
    found : Anatomy
    ceiling : array of shape (n_voxels,), or None
    """
    yield f"{name}: {found.n_voxels} voxels"
    for region, voxels in found.regions.items():
        line = f"  {region}: {len(voxels)} voxels"
        if ceiling is not None:
            above = np.count_nonzero(ceiling[voxels] > CEILING)
            line += f", {above} of them with a noise ceiling above {CEILING}"
        yield line
    if not found.regions:
        yield "  regions: none are known; give --atlas lh.HCP-MMP1.annot rh.HCP-MMP1.annot"
    elif found.atlas:
        yield f"  regions follow from {found.atlas['name']}"
    else:
        yield "  regions are those that the recordings' folder has a file of"
    if found.surface is not None:
        placed = np.count_nonzero(found.surface.voxels >= 0)
        yield f"  {placed} of the cortex's {len(found.surface.voxels)} vertices lie in voxels"
    else:
        yield "  the participant's own cortex is not known"


def drawn(name: str, found: Anatomy, ceiling: np.ndarray | None, folder: Path) -> list[Path]:
    """Draw regions and noise ceilings on the cortex, if there is one to draw on.

    Parameters
    ----------
    name : str
    found : Anatomy
    ceiling : array of shape (n_voxels,), or None
    folder : Path

    Returns
    -------
    list of Path
    """
    cortex = own_cortex(name, found)
    if cortex is None or (ceiling is None and not found.regions):
        return []
    path = folder / f"figures/{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    return anatomy_figure(
        cortex, found.regions, ceiling, path, f"{name}: regions and noise ceilings"
    )


def main() -> None:
    with one_line_errors():
        # A configuration of tune.py will do: how models are tuned is passed over.
        (arguments,) = parse_arguments(
            (AnatomyOptions,),
            renamed={"output_dir": None},
            passed_over=keys_of(TuningOptions, TrainerOptions),
        )
        anatomy(arguments)


if __name__ == "__main__":
    main()

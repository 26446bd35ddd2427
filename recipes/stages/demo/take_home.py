"""What a visitor takes home of a prediction: images, a table, an animation, and how to get them."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from datasets_scripts import write_surface, write_volume, written_whole
from evaluate_metrics import fsaverage5, surface_animation
from modeling_braintune.brain import Brain
from recipes.stages.demo.predicted import Predicted
from recipes.stages.demo.time_courses import time_courses
from recipes.stages.predicting import known_voxels
from recipes.stages.shared_space import placed

LETTERS = 60  # of a sound's name, at the most, in the names of files
SCRIPT = """\
from pathlib import Path

from recipes.stages.demo.predicted import predict
from recipes.stages.demo.sound import read_sound
from recipes.stages.demo.take_home import take_home
from recipes.stages.predicting import brain_pipeline

encode = brain_pipeline({checkpoint!r})
predicted = predict(encode, read_sound(Path({sound!r})), {participant!r})
print(predicted.responses.shape)  # {shape}: TRs, voxels
take_home(predicted, Path("."))
"""


def take_home(
    predicted: Predicted, folder: Path, tell: Callable[[Path], object] = lambda path: None
) -> list[Path]:
    """Write a prediction to files that other programs open.

    Parameters
    ----------
    predicted : Predicted
    folder : Path
        Made if need be. Files are called after the sound and the participant.
    tell : callable
        Is told the name of each file before it is written; what it raises ends the work.

    Returns
    -------
    list of Path
        - `.py`: the lines of Python that write the others;
        - `-regions.csv`: the regions' mean responses, a row for each TR;
        - `.nii.gz`: a volume for each TR, where the voxels' places are known;
        - `_hemi-L.func.gii` and `_hemi-R.func.gii`: a map of fsaverage5 for each TR, and `.gif`,
          the cortex at up to 300 of them, where it is known which vertices the voxels lie at.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    folder.mkdir(parents=True, exist_ok=True)
    brain, responses = predicted.brain, predicted.responses
    name = f"{_safe(Path(predicted.sound.name).stem)}-{_safe(brain.participant)}"
    written = [folder / f"{name}.py", folder / f"{name}-regions.csv"]
    for path, write in zip(written, (_write_script, _write_table), strict=True):
        tell(path)
        write(predicted, path)
    if brain.places is not None:
        mask, columns = known_voxels(brain)
        tell(path := folder / f"{name}.nii.gz")
        write_volume(path, placed(responses, columns), mask, brain.tr)
        written.append(path)
    if brain.fsaverage5 is not None and (brain.fsaverage5 >= 0).any():
        maps = placed(responses, brain.fsaverage5)
        tell(folder / f"{name}.func.gii")
        written += write_surface(folder / name, maps, len(brain.fsaverage5) // 2)
        tell(path := folder / f"{name}.gif")
        cortex = fsaverage5(regions=vertices_of_regions(brain))
        title = f"{brain.participant}, {predicted.sound.name}"
        with written_whole(path) as partial:
            surface_animation(cortex, maps, predicted.times, partial, title)
        written.append(path)
    return written


def vertices_of_regions(brain: Brain) -> dict[str, np.ndarray]:
    """Return the vertices of fsaverage5 at which a region's predicted voxels lie, where any do."""
    found = {
        region: np.flatnonzero(np.isin(brain.fsaverage5, columns))
        for region, columns in brain.regions.items()
    }
    return {region: vertices for region, vertices in found.items() if len(vertices)}


def _write_script(predicted, path):
    checkpoint = Path(predicted.checkpoint)
    # Where it is on the machine that shows the page is of no use to a visitor.
    named = checkpoint.name if checkpoint.is_absolute() else str(checkpoint)
    said = SCRIPT.format(
        checkpoint=named,
        sound=predicted.sound.name,
        participant=predicted.brain.participant,
        shape=predicted.responses.shape,
    )
    with written_whole(path) as partial:
        partial.write_text(said, encoding="utf-8")


def _write_table(predicted, path):
    courses = time_courses(predicted)
    with written_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["seconds", *(course.region for course in courses)])
        values = np.column_stack([course.values for course in courses])
        for time, row in zip(predicted.times, values, strict=True):
            rows.writerow([f"{time:g}", *(f"{value:.6g}" for value in row)])


def _safe(name):
    """A part of a file's name, from what a visitor or a data set calls something."""
    return re.sub(r"[^\w-]+", "-", name).strip("-")[:LETTERS] or "sound"

"""What the browser plays: one file with all that is predicted, beside the sound itself."""

import json
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile

from evaluate_metrics.figures.painting import limit_of
from evaluate_metrics.figures.slide import words
from evaluate_metrics.figures.surface_maps import REGIONS
from modeling_braintune.brain import Brain
from recipes.stages.demo.about import about
from recipes.stages.demo.predicted import Predicted
from recipes.stages.demo.surface import cortex_content
from recipes.stages.demo.time_courses import TimeCourse, time_courses

PLAYED, WAITING, SOUND = "prediction.json", "waiting.json", "sound.wav"
N_PEAKS = 600  # of the waveform
NO_CORTEX = (
    "No cortex is drawn: this checkpoint does not say which vertices of fsaverage5 its voxels lie "
    "at. Its regions have time courses."
)


def write_played(predicted: Sequence[Predicted], labels: Sequence[str], folder: Path) -> Path:
    """Write what the page plays of one sound.

    Parameters
    ----------
    predicted : list of Predicted
        Of one sound, by one checkpoint each; they are drawn side by side, in the same colours.
    labels : list of str
        What the checkpoints are called.
    folder : Path

    Returns
    -------
    Path
        A JSON file; the sound is a WAV beside it, which it names.
    """
    sound = predicted[0].sound
    soundfile.write(folder / SOUND, sound.samples, sound.rate, subtype="PCM_16")
    courses = [time_courses(one) for one in predicted]
    names = list(dict.fromkeys(course.region for of_one in courses for course in of_one))
    colours = dict(zip(names, cycle(REGIONS), strict=False))
    limit = limit_of(one.responses for one in predicted)
    highest = max(float(np.abs(course.values).max()) for of_one in courses for course in of_one)
    content = {
        "sound": {
            "name": sound.name,
            "file": SOUND,
            "seconds": sound.seconds,
            "said": sound.said,
            "peaks": _peaks(sound.samples),
        },
        "limit": limit,
        "highest": highest or 1.0,
        "checkpoints": [
            _checkpoint(one.checkpoint, one.brain, one.responses, label, of_one, limit, colours)
            for one, label, of_one in zip(predicted, labels, courses, strict=True)
        ],
    }
    path = folder / PLAYED
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
    return path


def write_waiting(
    checkpoints: Sequence[str], brains: Sequence[Brain], labels: Sequence[str], folder: Path
) -> Path:
    """Write what the page shows until there is a sound: where responses will be, which are 0 yet.

    Parameters
    ----------
    checkpoints : list of str
        Folders, or names on the Hub.
    brains : list of Brain
        Whose responses each predicts.
    labels : list of str
        What the checkpoints are called.
    folder : Path

    Returns
    -------
    Path
        A JSON file, as that of `write_played`, whose sound is null.
    """
    names = list(dict.fromkeys(name for brain in brains for name in brain.regions))
    colours = dict(zip(names, cycle(REGIONS), strict=False))
    rest = [
        _checkpoint(name, brain, np.zeros((1, len(brain.voxels))), label, [], 1.0, colours)
        for name, brain, label in zip(checkpoints, brains, labels, strict=True)
    ]
    content = {"sound": None, "limit": 1.0, "highest": 1.0, "checkpoints": rest}
    path = folder / WAITING
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
    return path


def _checkpoint(name, brain, responses, label, courses, limit, colours):
    is_placed = brain.fsaverage5 is not None and (brain.fsaverage5 >= 0).any()
    return {
        "label": label,
        "participant": brain.participant,
        "about": about(name, brain),
        "tr": brain.tr,
        "n_trs": len(responses),
        # Until then, a part of the window lies before the sound.
        "context": (brain.n_trs_per_window - 1) * brain.tr,
        "regions": [_region(course, colours) for course in courses],
        "cortex": cortex_content(brain, responses, limit, colours) if is_placed else None,
        "why": "" if is_placed else NO_CORTEX,
    }


def _region(course: TimeCourse, colours):
    return {
        "name": words(course.region),
        "colour": colours[course.region],
        "voxels": course.n_voxels,
        "values": np.round(course.values, 4).tolist(),
        "trusted": course.is_trusted,
        "said": course.said,
    }


def _peaks(samples):
    """The largest absolute sample of each part of a sound, as a share of the largest of all."""
    parts = np.array_split(np.abs(samples), min(N_PEAKS, len(samples)))
    peaks = np.array([part.max() for part in parts])
    return np.round(peaks / peaks.max(), 3).tolist()

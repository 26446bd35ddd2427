"""CREMA-D: sentences acted in six emotions (Cao et al. 2014)."""

import re
from os import PathLike
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Value

from .speech_task import Clip, SpeechTask, require, set_aside

EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
SENTENCES = {
    "DFA": "Don't forget a jacket",
    "IEO": "It's eleven o'clock",
    "IOM": "I'm on my way to the meeting",
    "ITH": "I think I have a doctor's appointment",
    "ITS": "I think I've seen this before",
    "IWL": "I would like a new alarm clock",
    "IWW": "I wonder what this is about",
    "MTI": "Maybe tomorrow it will be cold",
    "TAI": "The airplane is almost full",
    "TIE": "That is exactly what happened",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
ACTORS = tuple(str(number) for number in range(1001, 1092))
N_TEST, N_VALIDATION = 18, 9

RECORDINGS = "AudioWAV"
# The last field is the intensity. It has two letters, but for one file of the collection.
RECORDING = re.compile(rf"(\d{{4}})_({'|'.join(SENTENCES)})_({'|'.join(EMOTIONS)})_[A-Z]{{1,2}}")


class CremaD(SpeechTask):
    """Build CREMA-D's task: the emotion that an actor shows.

    Columns are `text` and `emotion` (the intended one, 6 classes). The collection has no splits:
    of its 91 actors the seed draws 18 for testing and 9 for validation; 64 are left for training.

    Parameters
    ----------
    data_dir : path-like
        The repository's folder, with AudioWAV.
    seed : int
        Draws the actors.
    **kwargs
        `max_unreadable` of `SpeechTask`; arguments of `datasets.DatasetBuilder`.

    Raises
    ------
    FileNotFoundError
        AudioWAV or all recordings of an actor are missing.
    ValueError
        A recording whose name tells no actor, sentence and emotion; as `SpeechTask`.
    """

    def __init__(self, data_dir: str | PathLike[str], seed: int = 0, **kwargs: Any) -> None:
        columns = {"text": Value("string"), "emotion": ClassLabel(names=[*EMOTIONS.values()])}
        super().__init__(data_dir, columns, _read_splits(Path(data_dir), seed), **kwargs)


def _read_splits(root, seed):
    require("CREMA-D", root, [RECORDINGS])
    clips = [_clip(path) for path in sorted((root / RECORDINGS).glob("*.wav"))]
    missing = sorted(set(ACTORS) - {clip.speaker for clip in clips})
    if missing:
        raise FileNotFoundError(
            f"{root / RECORDINGS} lacks the recordings of {len(missing)} of {len(ACTORS)} actors: "
            f"{', '.join(missing)}"
        )
    held = set_aside(ACTORS, N_TEST + N_VALIDATION, seed)
    test = set_aside(held, N_TEST, seed)
    actors = {"train": set(ACTORS) - held, "validation": held - test, "test": test}
    return {split: [clip for clip in clips if clip.speaker in own] for split, own in actors.items()}


def _clip(path):
    found = RECORDING.fullmatch(path.stem)
    if found is None or found[1] not in ACTORS:
        raise ValueError(
            f"{path}: a recording is named as 1001_DFA_ANG_XX.wav, by actor, sentence, emotion and "
            "intensity"
        )
    actor, sentence, emotion = found.groups()
    columns = {"text": SENTENCES[sentence], "emotion": EMOTIONS[emotion]}
    return Clip(f"{RECORDINGS}/{path.name}", actor, columns)

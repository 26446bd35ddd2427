"""The sound that a visitor gives, or why it cannot be heard."""

from pathlib import Path

import numpy as np

from datasets_scripts import Story
from datasets_scripts.recordings.sound import (
    read_recording,
    recording_format,
    recording_seconds,
    resample,
)
from recipes.stages.demo.predicted import Sound

LONGEST = 10.0  # minutes
SHORTEST = 1.0  # seconds
QUIETEST = 1e-4  # of full scale: below it lies the rounding of 16 bits
RATE = Story.sampling_rate


def read_sound(path: Path, name: str | None = None) -> Sound:
    """Read a sound as the models hear it; a long one is refused by its header, unread.

    Parameters
    ----------
    path : Path
        Any format that libsndfile reads.
    name : str, optional
        What the visitor calls it; the file's name by default.

    Returns
    -------
    Sound

    Raises
    ------
    FileNotFoundError, ValueError
        The file is no sound, damaged, shorter than `SHORTEST` seconds, longer than `LONGEST`
        minutes, or holds only silence; the message has the visitor's name of it, and no folder.
    """
    name = name or path.name
    try:
        seconds = recording_seconds(path)
        if seconds > LONGEST * 60:
            raise ValueError(
                f"{name}: a sound may last {LONGEST:g} minutes, got {seconds / 60:.1f}; cut it"
            )
        if seconds < SHORTEST:
            raise ValueError(
                f"{name}: a sound must last {SHORTEST:g} second, got {seconds:.2f} s; take a "
                "longer one"
            )
        rate, n_channels = recording_format(path)
        samples, rate = read_recording(path)
    except (FileNotFoundError, ValueError) as error:
        said = str(error).replace(str(path), name)
        if "not a readable sound file" in said:
            said = f"{name}: not a sound that can be read; WAV, FLAC, Ogg, MP3 and AIFF can"
        raise type(error)(said) from error
    loudest = float(np.abs(samples).max())
    if loudest < QUIETEST:
        raise ValueError(
            f"{name}: there is nothing to hear, all {len(samples) / rate:.1f} s are silent; is the "
            "microphone muted?"
        )
    return Sound(
        name=name,
        samples=np.asarray(resample(samples, rate, target=RATE), np.float32),
        rate=RATE,
        said=_said(rate, n_channels),
    )


def _said(rate, n_channels):
    """What a visitor cannot know from listening."""
    said = []
    if n_channels > 2:
        said.append(f"Its {n_channels} channels were averaged into one.")
    if rate < RATE:
        said.append(
            f"It has {rate} samples per second: models hear nothing of it above {rate // 2} Hz, "
            "and were tuned on sound up to 8000 Hz."
        )
    return " ".join(said)

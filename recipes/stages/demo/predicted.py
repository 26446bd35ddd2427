"""A sound that was given, and the responses that one checkpoint predicts to it."""

from dataclasses import dataclass

import numpy as np

from modeling_braintune.brain import Brain


@dataclass(frozen=True, kw_only=True)
class Sound:
    """What is heard: one channel, at the rate that models take.

    Attributes
    ----------
    name : str
        Of the file as it was given, without its folder.
    samples : float32 array of shape (n_samples,)
    rate : int
        Samples per second: 16000.
    said : str
        What was done to it, in a sentence; empty if nothing.
    """

    name: str
    samples: np.ndarray
    rate: int
    said: str = ""

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """One participant's responses to a sound, as one checkpoint predicts them.

    Attributes
    ----------
    checkpoint : str
        Folder or name on the Hub.
    brain : Brain
        The participant's.
    sound : Sound
    responses : float32 array of shape (n_trs, num_voxels)
    times : float array of shape (n_trs,)
        Midpoints of the TRs, in seconds from the sound's start.
    """

    checkpoint: str
    brain: Brain
    sound: Sound
    responses: np.ndarray
    times: np.ndarray

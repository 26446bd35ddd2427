"""A sound that was given, and the responses that one checkpoint predicts to it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from modeling_braintune import BrainEncodingPipeline
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


def predict(
    encode: BrainEncodingPipeline,
    sound: Sound,
    participant: str,
    tell: Callable[[int, int], object] = lambda done, n_trs: None,
) -> Predicted:
    """Predict a participant's responses to a sound.

    Parameters
    ----------
    encode : BrainEncodingPipeline
    sound : Sound
    participant : str
        One of those that the head predicts.
    tell : callable
        Is told at the start and after each batch of windows how many TRs are done, and of how many;
        what it raises ends the work.

    Returns
    -------
    Predicted

    Raises
    ------
    ValueError
        As `BrainEncodingPipeline`.
    """
    brain = encode.model.brain_of(participant)
    n_trs, done = len(brain.windows(len(sound.samples))), 0
    tell(done, n_trs)

    def after_batch(_model, _inputs, output):
        nonlocal done
        done += len(output.logits)
        tell(done, n_trs)

    hook = encode.model.register_forward_hook(after_batch)
    try:
        found = encode(
            {"array": sound.samples, "sampling_rate": sound.rate}, participant=participant
        )
    finally:
        hook.remove()
    return Predicted(
        checkpoint=encode.model.name_or_path,
        brain=brain,
        sound=sound,
        responses=found["responses"],
        times=found["times"],
    )

"""What models are tuned on: the participant's responses, and the controls of brain-tuning.

The one table of targets; everything else that a control is called by follows from it (Moussa et al.
2025, sections 3.3.1 and D.2).
"""

from typing import NamedTuple

from transformers import PretrainedConfig


class Target(NamedTuple):
    """What a model is tuned on.

    Parameters
    ----------
    model : str
        What that model is called, and its folder.
    permuted_from : str or None
        The target that this one is with its TRs in a wrong order. Such a model is taken at the step
        that was best for the one in the right order, since its own validation loss is best before
        training has begun.
    teacher : str or None
        "speech" or "text": the kind of model whose representations of the stories are the targets,
        in place of a participant's responses.
    """

    model: str
    permuted_from: str | None = None
    teacher: str | None = None

    @property
    def is_permuted(self) -> bool:
        return self.permuted_from is not None


TARGETS = {
    "responses": Target("brain-tuned"),
    "permuted": Target("permuted", permuted_from="responses"),
    "speech_model": Target("speech-model-tuned", teacher="speech"),
    "text_model": Target("text-model-tuned", teacher="text"),
    "permuted_text_model": Target(
        "permuted-text-model-tuned", permuted_from="text_model", teacher="text"
    ),
}
BRAIN_TUNED = TARGETS["responses"].model
STIMULUS_TUNED = "stimulus-tuned"  # on the sound alone: there is no target


def source_of(target: str) -> str:
    """Return the target that has the right order: the target itself unless it is permuted."""
    return TARGETS[target].permuted_from or target


def tuned_participant(config: PretrainedConfig) -> str | None:
    """Return the participant that a checkpoint was tuned on.

    Parameters
    ----------
    config : PretrainedConfig

    Returns
    -------
    str or None
        None for a model that was tuned on nobody, or on several: one for all participants.
    """
    brains = getattr(config, "brain", None) or {}
    # The heads of other models predict teachers, which are no participants.
    heard = [name for name, brain in brains.items() if TARGETS[brain["targets"]].teacher is None]
    return heard[0] if len(heard) == 1 else None

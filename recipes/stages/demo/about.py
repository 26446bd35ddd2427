"""What a visitor must know of a checkpoint: whose brain it is, its data, and its licence."""

from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData
from transformers.utils import cached_file

from modeling_braintune.brain import Brain
from recipes.stages.controls import TARGETS


def about(checkpoint: str, brain: Brain) -> str:
    """Say whose brain a checkpoint predicts, in a few sentences.

    Parameters
    ----------
    checkpoint : folder or name on the Hub
        What its card does not say, or where it has none, is said not to be known.
    brain : Brain
        The participant's.

    Returns
    -------
    str
    """
    licence, recordings = card_says(checkpoint)
    n_stories = len(brain.data.get("train_stories", []))
    taught = "measured responses"
    if brain.targets != "responses":
        taught = f"a control's targets ({TARGETS[brain.targets].model})"
    heard = f" to {n_stories} stories" if n_stories else ""
    whose, places = f"{brain.participant}'s brain", "recorded voxels"
    if brain.participants:
        whose = f"What {', '.join(brain.participants)} have in common on {brain.participant}"
        places = "vertices"
    return (
        f"{whose}: {len(brain.voxels)} of {brain.n_recorded_voxels} {places}, a volume every "
        f"{brain.tr:g} s. Tuned on {taught}{heard}"
        f"{f', data set {recordings}' if recordings else ''}. Licence: {licence or 'not known'}. "
        "What is shown is a model's prediction: nobody was scanned while this sound was heard."
    )


def card_says(checkpoint: str) -> tuple[str | None, str | None]:
    """Return the licence and the data set that a card names, None where it names none."""
    said = _card(checkpoint)
    measured = getattr(said, "eval_results", None) or []
    return said.get("license"), measured[0].dataset_name if measured else None


def card_sounds(checkpoint: str) -> list[Path]:
    """Return the examples that a card offers (`src` of its metadata's `widget`): files beside it.

    Those on other hosts are passed over, since nothing is loaded from there.
    """
    offered = [one.get("src") for one in _card(checkpoint).get("widget") or []]
    found = [
        cached_file(checkpoint, name, _raise_exceptions_for_missing_entries=False)
        for name in offered
        if name and "://" not in name
    ]
    return [Path(path) for path in found if path is not None]


def _card(checkpoint):
    """What the metadata of a card say; nothing where there is none."""
    path = cached_file(checkpoint, "README.md", _raise_exceptions_for_missing_entries=False)
    if path is None:
        return ModelCardData()
    return ModelCard.load(path, ignore_metadata_errors=True).data

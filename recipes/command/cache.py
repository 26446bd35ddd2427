"""The folder that this package keeps things in, within the Hugging Face cache."""

from pathlib import Path

from huggingface_hub import constants


def cache_folder(*parts: str) -> Path:
    """Return a place in the cache; `HF_HOME` says where that is.

    Parameters
    ----------
    *parts : str
        Of the place's path.

    Returns
    -------
    Path
        It may not exist yet.
    """
    return Path(constants.HF_HOME, "braintune", *parts)


def representations_folder(chosen: str | None) -> Path:
    """Return the folder that keeps representations: the one that was chosen, or the default one."""
    return cache_folder("representations") if chosen is None else Path(chosen)

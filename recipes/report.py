"""What reports call models, and whom these were tuned on."""

from pathlib import Path

from evaluate_metrics.reports.alignment import BASELINE

OF_RESPONSES = ("responses", "permuted")  # targets that are a participant's


def labelled_models(models, baseline=None):
    """Names of checkpoints by what reports call them, the baseline first.

    Parameters
    ----------
    models : list of str
        Folders or names on the Hub, called by the last part.
    baseline : str, optional

    Returns
    -------
    dict of {str: str}

    Raises
    ------
    ValueError
        Two would be called the same.
    """
    names = {BASELINE: baseline} if baseline else {}
    names |= {Path(name).name: name for name in models}
    if len({BASELINE, *names}) <= len(models):
        raise ValueError(
            f"models are told apart by the last part of their names, which must differ from one "
            f"another and from {BASELINE!r}; got {', '.join(models)}"
        )
    return names


def tuned_on(config):
    """The participant that a checkpoint was tuned on.

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
    listeners = [name for name, brain in brains.items() if brain["targets"] in OF_RESPONSES]
    return listeners[0] if len(listeners) == 1 else None

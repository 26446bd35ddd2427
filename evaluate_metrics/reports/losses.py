"""What the losses of tuning tell a reader of its results."""


def still_falling(curves: dict[str, dict]) -> list[str]:
    """A note on models that were tuned too short: their validation loss is lowest at the end.

    Parameters
    ----------
    curves : dict of {model: curve}
        As in `tuning_figure`. A model that ends before another one was stopped there on purpose,
        as a control is, and says nothing.

    Returns
    -------
    list of str
        One note or none.
    """
    losses = {model: curve["validation"] for model, curve in curves.items()}
    end = max((step for of_model in losses.values() for step, _ in of_model), default=0)
    falling = [
        model
        for model, of_model in losses.items()
        if len(of_model) > 1
        and of_model[-1][0] == end
        and of_model[-1][1] < min(loss for _, loss in of_model[:-1])
    ]
    if not falling:
        return []
    return [
        f"Warning: the validation loss of {' and '.join(falling)} was still falling when tuning "
        f"ended, at step {end}: more --num_train_epochs may tune further."
    ]

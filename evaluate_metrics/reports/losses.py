"""What the losses of tuning tell a reader of its results."""


def still_falling(curves: dict[str, dict], measure: str = "validation loss") -> list[str]:
    """A note on models that were tuned too short, or of which that cannot be told.

    A model was tuned too short if its last validation loss is the lowest one: neither patience nor
    a rise ended its tuning, but the number of steps did. One loss alone tells nothing.

    Parameters
    ----------
    curves : dict of {model: curve}
        As in `tuning_figure`. A model that ends before another one was stopped there on purpose,
        as a control is, and says nothing.
    measure : str
        What "validation" in the curves is called.

    Returns
    -------
    list of str
        A note for those of each kind that there are.
    """
    losses = {model: curve["validation"] for model, curve in curves.items()}
    end = max((step for of_model in losses.values() for step, _ in of_model), default=0)
    ended = {m: [loss for _, loss in found] for m, found in losses.items() if found[-1:]}
    ended = {m: found for m, found in ended.items() if losses[m][-1][0] == end}
    once = [model for model, found in ended.items() if len(found) == 1]
    falling = [m for m, found in ended.items() if len(found) > 1 and found[-1] < min(found[:-1])]
    notes = []
    if falling:
        notes.append(
            f"Warning: the {measure} of {' and '.join(falling)} was still falling when tuning "
            f"ended, at step {end}: more --num_train_epochs may tune further."
        )
    if once:
        notes.append(
            f"Warning: the {measure} of {' and '.join(once)} was computed only once, at step "
            f"{end}, so that nothing says how long to tune: give more --num_train_epochs, or a "
            "smaller --eval_steps."
        )
    return notes

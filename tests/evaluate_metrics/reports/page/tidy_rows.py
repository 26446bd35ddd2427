"""Rows of the tidy table, as far as the page reads them."""

NOTHING = dict.fromkeys(
    ("region", "task", "feature", "fraction", "interval_low", "interval_high", "seed")
)


def tidy(model, participant, value, **more):
    """A row of the tidy table, of alignment in language unless more is said."""
    row = {"family": "wav2vec2", "metric": "alignment", "region": "language", "layer": "mean"}
    return NOTHING | row | {"model": model, "participant": participant, "value": value} | more

"""Rows of the tidy table."""

from evaluate_metrics.reports.tidy import COLUMNS


def tidy(model, participant, value, **more):
    """A row of the tidy table, of alignment in language unless more is said."""
    row = {"family": "wav2vec2", "metric": "alignment", "region": "language", "layer": "mean"}
    row |= {"unit": "voxels", "normalisation": "normalised", "stride": 0.1, "chunk": 0.1, "n": 50}
    return (
        dict.fromkeys(COLUMNS)
        | row
        | {"model": model, "participant": participant, "value": value}
        | more
    )

"""The colour of each model, the same in all pictures."""

from collections.abc import Iterable
from itertools import cycle

# told apart by colour-blind readers too; what is only a control is grey
COLOURS = {"pretrained": "#56B4E9", "permuted": "#999999", "brain-tuned": "#D55E00"}
OTHERS = ("#009E73", "#0072B2", "#CC79A7", "#E69F00", "#F0E442")  # models of any other name
INK, FAINT, SHADE = "#222222", "#DDDDDD", "#F1F1F1"


def colours_of(models: Iterable[str]) -> dict[str, str]:
    """Colours by model, in the order to draw them: known models, then the others as they come."""
    known = {model: colour for model, colour in COLOURS.items() if model in models}
    others = dict.fromkeys(model for model in models if model not in COLOURS)
    return known | dict(zip(others, cycle(OTHERS), strict=False))

"""What is planted in the phantom, and so must be found: it stands in the place of publications."""

from ..probes import MEASURES
from .agreement import BASELINE, Published

DESIGN = "the phantom's design"
GAIN = "Gain in brain alignment, {} over {}"


def _gain(figure, model, place, sign, words, other=BASELINE):
    return Published(
        figure=figure,
        what=GAIN.format(model, other),
        metric="alignment",
        place=place,
        contrast=(model, other),
        sign=sign,
        words=words,
        source=DESIGN,
    )


def _task(figure, task, metric, sign, words):
    return Published(
        figure=figure,
        what=f"Change in {MEASURES[metric]}, brain-tuned against pretrained",
        metric=metric,
        place=task,
        sign=sign,
        words=words,
        source=DESIGN,
    )


PLANTED: list[Published] = [
    _gain("2a", "brain-tuned", "language", 1, "a gain: responses teach meaning"),
    _gain("2b", "brain-tuned", "auditory", 0, "none: sound is known before"),
    Published(
        figure="3a",
        what="Change in the impact of the power spectrum, brain-tuned against pretrained",
        metric="impact",
        place="language",
        feature="power_spectrum",
        sign=-1,
        unit=" points",
        words="a fall: loudness is all that is there before meaning",
        source=DESIGN,
    ),
    _task("4", "topic", "macro_f1", 1, "a rise: topics are meaning"),
    _gain("6", "permuted", "language", 0, "none: its targets hold nothing of the signal"),
    _gain("6", "brain-tuned", "language", 1, "a gain: the responses are what teaches", "permuted"),
    _gain("6", "stimulus-tuned", "language", 0, "none: sound teaches no meaning"),
    _gain("6", "text-model-tuned", "language", 1, "a gain: the text model knows meaning"),
    _task("9", "mfcc", "r2", 0, "none: acoustics stay"),
    _task("9", "fbank", "r2", 0, "none: acoustics stay"),
]

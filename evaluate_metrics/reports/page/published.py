"""What the papers report, as far as it is stated for certain: anything else is left out."""

from ...scores import MEAN_IMPACT
from .agreement import Published

PAPER = "Moussa, Klakow and Toneva (2025), ICLR"
ABSTRACT = (
    f"{PAPER}, abstract"  # which names no family: those that gain in alignment are held to it
)
GAIN = "Gain in brain alignment, brain-tuned over pretrained"
SELF_SUPERVISED = ("wav2vec2", "hubert")

PUBLISHED: list[Published] = [
    Published(
        figure="2a",
        what=GAIN,
        metric="alignment",
        place="late_language",
        families=SELF_SUPERVISED,
        value=30.0,
        relative=True,
        unit=" %",
        words="about +30 %",
        source=PAPER,
    ),
    Published(
        figure="2a",
        what=GAIN,
        metric="alignment",
        place="late_language",
        families=("whisper",),
        relative=True,
        unit=" %",
        words="none",
        source=PAPER,
    ),
    *(
        Published(
            figure="2b",
            what=GAIN,
            metric="alignment",
            place=region,
            relative=True,
            unit=" %",
            words="none",
            source=PAPER,
        )
        for region in ("early_auditory", "primary_auditory")
    ),
    Published(
        figure="3a",
        what="Change in low-level impact, brain-tuned against pretrained",
        metric="impact",
        place="late_language",
        feature=MEAN_IMPACT,
        families=SELF_SUPERVISED,
        sign=-1,
        unit=" points",
        words="a fall",
        source=ABSTRACT,
    ),
    Published(
        figure="4",
        what="Change in macro F1, brain-tuned against pretrained",
        metric="macro_f1",
        place="action",
        families=SELF_SUPERVISED,
        sign=1,
        words="a rise, as in all semantic tasks",
        source=ABSTRACT,
    ),
    Published(
        figure="8",
        what="Change in the preference d, brain-tuned against pretrained",
        metric="d",
        place="preference",
        families=SELF_SUPERVISED,
        sign=-1,
        words="a fall: more semantic",
        source=ABSTRACT,
    ),
]

"""What the papers report, as far as it is stated for certain: anything else is left out."""

from .agreement import Published

PAPER = "Moussa, Klakow and Toneva (2025), ICLR"
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
]

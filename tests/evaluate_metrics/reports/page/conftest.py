"""A study with pictures, tables and claims, as `page` takes it."""

import pytest
from PIL import Image

from evaluate_metrics.figures.paper import Drawn
from evaluate_metrics.reports.page import PLANTED, PageFigure, Study, claims, claims_by_figure
from tests.evaluate_metrics.reports.page.tidy_rows import tidy


@pytest.fixture
def rows():
    """Four participants who gain in language, and do not in auditory."""
    found = []
    for number, participant in enumerate(("P01", "P02", "P03", "P04")):
        before = 0.3 + 0.01 * number
        off = 0.005 * (-1) ** number
        found += [
            tidy("pretrained", participant, before),
            tidy("brain-tuned", participant, 1.3 * before + off),
            tidy("pretrained", participant, before, region="auditory"),
            tidy("brain-tuned", participant, before + off, region="auditory"),
        ]
    return found


@pytest.fixture
def study(rows, tmp_path):
    """Three figures, two with claims, and one that was left out."""
    drawn = []
    for number, size in (("2a", (1800, 900)), ("2b", (400, 300)), ("stages", (400, 300))):
        picture = tmp_path / f"{number}.png"
        Image.new("RGB", size, "#D55E00").save(picture)
        drawn.append(
            Drawn(
                number=number,
                title="Alignment by family <and> control",
                pictures=[picture, picture.with_suffix(".pdf")],
                alt='Bars: "brain-tuned" above pretrained',
                table=rows,
                caption="Means over four participants & standard errors.",
            )
        )
    placed = claims_by_figure(claims(PLANTED, rows), [one.number for one in drawn])
    return Study(
        title="Brain-tuning on the phantom",
        about=[("Participants", "P01, P02, P03, P04"), ("Models", "wav2vec2")],
        figures=[PageFigure(one, placed[one.number]) for one in drawn],
        warnings=["Few participants: 4 of wav2vec2."],
        commands=["python recipes/tune.py --participants P01 --output_dir " + "long/" * 40],
        left_out=[("9", "no MFCC rows: give --collections timit=<folder>")],
        expectations="planted",
    )

"""The page holds all that it is given, and shows it in a browser without asking for more."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from evaluate_metrics.figures.paper import FIGURES
from evaluate_metrics.reports.page import (
    PLANTED,
    PageFigure,
    Study,
    claims,
    claims_by_figure,
    page,
)
from tests import chromium

VOID = {"meta", "link", "img", "br"}


class Outline(HTMLParser):
    """Elements of a page with their attributes and text, which must be closed in order."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), []))
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_endtag(self, tag):
        assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, text):
        for number in self.open:
            self.elements[number][2].append(text)

    def all(self, *tags):
        return [
            (attributes, " ".join("".join(text).split()))
            for tag, attributes, text in self.elements
            if tag in tags
        ]


def test_everything_given_is_on_the_page(study):
    html = page(study)
    outline = Outline(html)
    ((_, text),) = outline.all("body")
    for _, value in study.about:
        assert value in text
    assert study.warnings[0] in text
    assert all(why in text for _, why in study.left_out)
    assert study.commands[0] in html
    for figure in study.figures:
        assert figure.drawn.title in text and figure.drawn.caption in text
        for claim in figure.claims:
            assert claim.published.words in text and claim.sentence in text
    (language,), (auditory,), _ = (figure.claims for figure in study.figures)
    assert language.agreement == "above" and auditory.agreement == "within"
    assert "+0.095 [" in text
    assert len(outline.all("details")) == 3 + 1
    drawn = [text for _, text in outline.all("tr") if text.startswith("wav2vec2")]
    assert len(drawn) == 3 * 16  # rows of all tables, whose first column is the family
    columns = [text for attributes, text in outline.all("th") if attributes["scope"] == "col"]
    assert columns.count("value") == 3 and "task" not in columns  # which no row has


def test_headings_descend_and_landmarks_tables_and_pictures_have_names(study):
    outline = Outline(page(study))
    levels = [int(tag[1]) for tag, *_ in outline.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))
    for tag in ("main", "nav", "header"):
        assert len(outline.all(tag)) == 1
    ids = [a["id"] for _, a, _ in outline.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes, _ in outline.elements:
        assert attributes.get("aria-labelledby", ids[0]) in ids
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids
    assert len(outline.all("caption")) == len(outline.all("table")) == 4
    assert {a["scope"] for a, _ in outline.all("th")} == {"col", "row"}
    assert [a["alt"] for a, _ in outline.all("img")] == ['Bars: "brain-tuned" above pretrained'] * 3
    assert outline.all("html")[0][0]["lang"] == "en"


def test_text_that_others_chose_stays_text(study):
    evil = '<script>alert(1)</script><img src="http://elsewhere/x.png">"\'>'
    drawn = replace(study.figures[0].drawn, title=evil, alt=evil, caption=evil)
    drawn = replace(drawn, table=[{evil: evil}])
    html = page(
        Study(evil, [(evil, evil)], [PageFigure(drawn)], [evil], [evil], [(evil, evil)], evil)
    )
    outline = Outline(html)
    assert not outline.all("script") and len(outline.all("img")) == 1
    assert outline.all("img")[0][0]["alt"] == evil


def test_several_pictures_are_told_apart(study, tmp_path):
    second = tmp_path / "second.png"
    Image.new("RGB", (3, 2)).save(second)
    drawn = study.figures[0].drawn
    drawn = replace(drawn, pictures=[*drawn.pictures, second])
    alts = [a["alt"] for a, _ in Outline(page(Study("t", figures=[PageFigure(drawn)]))).all("img")]
    assert [alt.removeprefix(drawn.alt) for alt in alts] == [
        " (picture 1 of 2)",
        " (picture 2 of 2)",
    ]


def test_figures_of_the_paper_stand_beside_what_is_planted(rows, tmp_path):
    drawn = [FIGURES[number].draw(rows, tmp_path) for number in ("2a", "2b")]
    placed = claims_by_figure(claims(PLANTED, rows), [one.number for one in drawn])
    html = page(Study("t", figures=[PageFigure(one, placed[one.number]) for one in drawn]))
    pictures = Outline(html).all("img")
    assert [attributes["alt"] for attributes, _ in pictures] == [one.alt for one in drawn]
    assert "The interval lies above 0: as expected." in html
    assert "The interval holds 0: as expected." in html


def test_an_empty_study_is_a_page_too():
    assert "No figure could be drawn." in page(Study("Nothing"))


def test_what_cannot_be_shown_is_refused_by_name(study, tmp_path):
    one, *_, other = study.figures
    with pytest.raises(ValueError, match="once on a page; got 2a, 2a"):
        page(replace(study, figures=[one, one]))
    no_picture = PageFigure(replace(one.drawn, pictures=[tmp_path / "only.pdf"]))
    with pytest.raises(ValueError, match="figure 2a needs a picture of .png.*only.pdf"):
        page(replace(study, figures=[no_picture]))
    lost = PageFigure(replace(other.drawn, pictures=[tmp_path / "lost.png"]))
    with pytest.raises(FileNotFoundError, match="lost.png"):
        page(replace(study, figures=[lost]))


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    if chromium.PATH is None:
        pytest.skip(f"no Chromium on the path: none of {', '.join(chromium.NAMES)}")
    with chromium.opened(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def shown(tab, study, tmp_path):
    path = tmp_path / "index.html"
    path.write_text(page(study), encoding="utf-8")
    tab.open(path.as_uri())
    return tab


def complaints(tab):
    """Errors and warnings of the console, of the page's own policy among them."""
    logged = [event["entry"] for event in tab.of("Log.entryAdded")]
    return [
        *tab.of("Runtime.exceptionThrown"),
        *tab.of("Runtime.consoleAPICalled"),
        *(entry for entry in logged if entry["level"] in ("warning", "error")),
    ]


def test_the_browser_asks_for_nothing_else_and_complains_of_nothing(shown):
    asked = {event["request"]["url"] for event in shown.of("Network.requestWillBeSent")}
    there = {url for url in asked if not url.startswith("data:")}
    assert len(there) == 1 and there.pop().endswith("index.html")
    assert complaints(shown) == []
    margin = shown.value("getComputedStyle(document.querySelector('figure')).marginLeft")
    assert margin == "0px"  # the policy lets the page's own style in


def test_the_policy_of_the_page_refuses_what_it_does_not_hold(tab, study, tmp_path):
    path = tmp_path / "altered.html"
    altered = '<img src="http://127.0.0.1:9/x.png"><script>document.title = "run"</script></main>'
    path.write_text(page(study).replace("</main>", altered), encoding="utf-8")
    tab.open(path.as_uri())
    assert len([e for e in complaints(tab) if "Content Security Policy" in str(e)]) == 2
    assert tab.value("document.title") == study.title


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 375, 1280])
def test_every_picture_is_shown_and_nothing_is_wider_than_the_screen(shown, width, scheme):
    shown.show(width, scheme)
    assert shown.value("document.documentElement.scrollWidth") <= width
    widths = shown.value("[...document.images].map(i => [i.naturalWidth, i.width])")
    assert [natural for natural, _ in widths] == [1800, 400, 400]
    assert all(0 < displayed <= width for _, displayed in widths)
    # Unfolded tables scroll in themselves.
    shown.value("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert shown.value("document.documentElement.scrollWidth") <= width


CONTRASTS = """
(() => {
  const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(channel);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = e => {
    const colour = getComputedStyle(e).backgroundColor;
    return colour === "rgba(0, 0, 0, 0)" && e.parentElement ? behind(e.parentElement) : colour;
  };
  return [...document.querySelectorAll("body *")].filter(e => e.textContent.trim()).map(e => {
    const two = [light(getComputedStyle(e).color), light(behind(e))].sort((a, b) => b - a);
    return (two[0] + 0.05) / (two[1] + 0.05);
  });
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(shown, scheme):
    """By WCAG's level AA."""
    shown.show(375, scheme)
    assert min(shown.value(CONTRASTS)) >= 4.5


def test_paper_has_what_is_folded_on_the_screen(shown):
    seen = "[...document.querySelectorAll('details table, pre')].map(e => e.checkVisibility())"
    shown.show(700)
    assert shown.value(seen) == [False] * 4
    shown.show(700, media="print")
    assert shown.value(seen) == [True] * 4
    assert shown.value("document.documentElement.scrollWidth") <= 700
    assert shown.value("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert shown.paper().startswith(b"%PDF")

"""What is expected of a study, and whether what was found agrees, by where intervals lie."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from ..tables import BASELINE

ABOVE, WITHIN, BELOW = "above", "within", "below"
NORMAL = norm.ppf(0.975)  # standard errors that a 95 % interval reaches, to either side
# What a row is called that holds the difference to the pretrained model, with its own interval
CHANGES = {"alignment": "gain", "impact": "impact change", "d": "d_change"}


@dataclass(frozen=True, kw_only=True)
class Published:
    """What is expected of a difference between two models.

    Parameters
    ----------
    figure : str
        Number of the figure that shows it.
    what : str
        The quantity, in words.
    metric : str
        As rows of results call it.
    place : str
        Region, or task without its collection.
    words : str
        What is expected, in words.
    source : str
        Who says so.
    contrast : (str, str)
        Model, and the one that is subtracted.
    families : tuple of str
        Whose models it is expected of.
    feature : str, optional
        Low-level feature.
    value : float, optional
        The expected difference. Without one, `sign` says which side of 0 it lies on.
    sign : {-1, 0, 1}
        0: no difference.
    relative : bool
        Whether the difference is in per cent of the model that is subtracted.
    unit : str
        Stands behind numbers.
    """

    figure: str
    what: str
    metric: str
    place: str
    words: str
    source: str
    contrast: tuple[str, str] = ("brain-tuned", BASELINE)
    families: tuple[str, ...] = ("wav2vec2", "hubert", "whisper")
    feature: str | None = None
    value: float | None = None
    sign: int = 0
    relative: bool = False
    unit: str = ""

    @property
    def reference(self) -> float:
        """What an interval is held against: the expected value, or 0."""
        return 0.0 if self.value is None else self.value


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An expectation beside what was found.

    Parameters
    ----------
    published : Published
    family : str
    estimate, low, high : float or None
        The difference with its 95 % interval.
    n : int
        Participants.
    why : str
        Why there is none of these.
    """

    published: Published
    family: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    why: str = ""

    @property
    def agreement(self) -> str:
        """As `agreement` says it, with the reason where nothing can be compared."""
        if self.why:
            return f"not comparable: {self.why}"
        return agreement(self.published, self.estimate, self.low, self.high)

    @property
    def verdict(self) -> str:
        """What `agreement` means for the expectation, in a few words."""
        found, expected = self.agreement, self.published
        if found not in (ABOVE, WITHIN, BELOW):
            return "not comparable"
        if expected.value is not None or not expected.sign:
            return "as expected" if found == WITHIN else "not as expected"
        if found == WITHIN:
            return "not shown"
        return "as expected" if (found == ABOVE) == (expected.sign > 0) else "not as expected"

    @property
    def sentence(self) -> str:
        """The whole of it, in words.

        Examples
        --------
        >>> none = Published(
        ...     figure="2", what="gain", metric="alignment", place="auditory", words="", source=""
        ... )
        >>> Claim(published=none, family="hubert", estimate=0.1, low=-0.1, high=0.3).sentence
        'The interval holds 0: as expected.'
        """
        where = {ABOVE: "lies above", WITHIN: "holds", BELOW: "lies below"}.get(self.agreement)
        if where is None:
            return f"{self.agreement[0].upper()}{self.agreement[1:]}."
        reference = (
            f"{self.published.reference:g}{self.published.unit if self.published.value else ''}"
        )
        return f"The interval {where} {reference}: {self.verdict}."


def agreement(
    published: Published, estimate: float | None, low: float | None, high: float | None
) -> str:
    """Say where an interval lies: of what is expected, or of 0 where only a sign is.

    Parameters
    ----------
    published : Published
    estimate, low, high : float or None
        A difference with its interval.

    Returns
    -------
    str
        "above", "within" or "below"; or "not comparable: " and why.

    Examples
    --------
    >>> rise = Published(
    ...     figure="2", what="gain", metric="alignment", place="language", words="+30 %", source="",
    ...     value=30, relative=True,
    ... )
    >>> agreement(rise, 25, 12, 38), agreement(rise, 10, 4, 16), agreement(rise, 10, None, None)
    ('within', 'below', 'not comparable: no interval')
    """
    if estimate is None or not math.isfinite(estimate):
        return "not comparable: no estimate"
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return "not comparable: no interval"
    if low > high:
        return f"not comparable: an interval from {low:g} to {high:g} is none"
    if low > published.reference:
        return ABOVE
    return BELOW if high < published.reference else WITHIN


def claim(published: Published, family: str, rows: Iterable[Mapping[str, Any]]) -> Claim:
    """Take what was found of an expectation from tidy rows.

    Participants' differences are averaged. A participant's own row may have an interval, over
    blocks of TRs: what is particular to a story is so to all who heard it, and does not average
    out. So its variance is added to that over participants; a single one has that interval alone.

    Parameters
    ----------
    published : Published
    family : str
    rows : iterable of dict
        The tidy table.

    Returns
    -------
    Claim
    """
    model, other = published.contrast
    rows = [row for row in rows if row["family"] == family and _is_of(published, row)]
    mine, its = (_by_participant(rows, name, published.metric) for name in (model, other))
    lacking = [name for name, values in ((model, mine), (other, its)) if not values]
    if lacking:
        of = f"{published.feature} " * bool(published.feature)
        what = f"no {of}{published.metric} of {' and '.join(lacking)} in {published.place}"
        return Claim(published=published, family=family, why=what)
    pairs = {who: (x, its.get(who, its.get(None))) for who, x in mine.items()}
    pairs = {who: pair for who, pair in pairs.items() if pair[1] is not None}
    if not pairs:
        what = f"{model} and {other} were measured in different participants"
        return Claim(published=published, family=family, why=what)
    if published.relative and (flat := [who for who, (_, y) in pairs.items() if not y > 0]):
        what = f"the {published.metric} of {other} is not positive in {', '.join(map(str, flat))}"
        return Claim(published=published, family=family, why=what)

    def scaled(difference, y):
        return 100 * difference / y if published.relative else difference

    n = len(pairs)
    differences = [scaled(x - y, y) for x, y in pairs.values()]
    own = [
        [scaled(end, y) for end in _own_interval(rows, published, who)]
        for who, (_, y) in pairs.items()
    ]
    if n > 1:
        low, high = _over_participants(differences, own)
    else:
        ((low, high),) = own
        if math.isnan(low) or math.isnan(high):
            what = "one participant only, and its difference has no interval"
            return Claim(published=published, family=family, why=what)
    return Claim(
        published=published,
        family=family,
        estimate=float(np.mean(differences)),
        low=float(low),
        high=float(high),
        n=n,
    )


def claims(published: Iterable[Published], rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Take what was found of all expectations from tidy rows.

    Parameters
    ----------
    published : iterable of Published
    rows : list of dict
        The tidy table.

    Returns
    -------
    list of Claim
        One for each expectation and each of its families that rows are of.
    """
    measured = {row["family"] for row in rows}
    return [
        claim(one, family, rows)
        for one in published
        for family in one.families
        if family in measured
    ]


def claims_by_figure(found: Iterable[Claim], numbers: Sequence[str]) -> dict[str, list[Claim]]:
    """Put claims beside figures.

    Parameters
    ----------
    found : iterable of Claim
    numbers : list of str
        Of the figures that are drawn, in order.

    Returns
    -------
    dict of {number: list of Claim}
        A claim whose figure is not drawn stands nowhere.
    """
    found = list(found)
    return {number: [one for one in found if one.published.figure == number] for number in numbers}


def _is_of(published, row):
    """Whether a row is of the place and feature, and not of a sweep's share of the data."""
    place = row["task"].rpartition("/")[2] if row["task"] else row["region"]
    of_share = not _is_nothing(row["fraction"])
    return place == published.place and row["feature"] == published.feature and not of_share


def _by_participant(rows, model, metric):
    """{participant: mean over seeds}, of layers' mean or, where there is none, over layers."""
    found = [
        row
        for row in rows
        if row["model"] == model and row["metric"] == metric and not _is_nothing(row["value"])
    ]
    means = [row for row in found if row["layer"] in ("mean", "all")]
    layers = [row for row in found if str(row["layer"]).isdigit() and int(row["layer"]) > 0]
    values = {}
    for row in means or layers:
        values.setdefault(row["participant"], []).append(row["value"])
    return {participant: float(np.mean(of)) for participant, of in values.items()}


def _own_interval(rows, published, participant):
    """The interval of the difference as measured, NaN where there is none or there are several."""
    change = CHANGES.get(published.metric)
    if published.contrast[1] != BASELINE:
        change = f"gain over {published.contrast[1]}" if published.metric == "alignment" else None
    found = [
        (row["interval_low"], row["interval_high"])
        for row in rows
        if row["metric"] == change
        and row["model"] == published.contrast[0]
        and row["participant"] == participant
        and row["layer"] == "mean"
    ]
    if len(found) != 1 or any(_is_nothing(end) for end in found[0]):
        return math.nan, math.nan
    return found[0]


def _over_participants(values, own):
    """Interval of a mean over participants, who share what their own intervals are over, if any."""
    of_story = np.mean([high - low for low, high in own]) / 2 / NORMAL
    of_story = 0.0 if math.isnan(of_story) else of_story
    over_all = np.var(values, ddof=1) / len(values)
    variance = over_all + of_story**2
    # Satterthwaite's degrees of freedom: participants are few, blocks of TRs many
    degrees = (len(values) - 1) * (variance / over_all) ** 2 if over_all else np.inf
    half = student.ppf(0.975, degrees) * math.sqrt(variance)
    return np.mean(values) - half, np.mean(values) + half


def _is_nothing(value):
    return value is None or math.isnan(value)

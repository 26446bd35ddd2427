"""Models compared: every number that a report holds, from predictions of one participant."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .brain_alignment.alignment import alignment_scores
from .low_level_impact.impact import impact, impact_scores
from .statistics import (
    alignment_interval,
    alignment_resamples,
    block_exchange_test,
    block_permutation_p,
    bootstrap_p,
    fdr,
    holm,
    impact_resamples,
    percentile_interval,
    student_interval,
    true_discoveries,
)

MEAN_IMPACT = "mean of the four"
LAGS = ", lags "  # in the name of what is removed at several lags, behind the feature's own
RATE = 0.05  # of false discoveries
BLOCK = 10  # TRs that are resampled or exchanged together, over which responses depend on others
N_BLOCKS = 8  # of a long story: autocorrelation asks for long blocks, and tests for several
WIDEST = 100  # points between the ends of the interval of a share in per cent that says anything

ByRegion = dict[str, dict[str, Any]]  # {region: scores}


@dataclass(frozen=True)
class ScoredLayers:
    """What a model's layers predict of a story, and how well: scored once, for all comparisons.

    Parameters
    ----------
    predictions : dict of {layer: array of shape (n_trs, n_voxels)}
    scores : dict of {layer: dict}
        As `alignment_scores` gives them, with "regions" and voxel by voxel.
    """

    predictions: dict[Any, np.ndarray]
    scores: dict[Any, dict[str, Any]]
    drawn: dict[str, np.ndarray] = field(default_factory=dict)  # resamples of regions, drawn once

    @cached_property
    def per_voxel(self) -> np.ndarray:
        """Each voxel's alignment, averaged over layers: an array of shape (n_voxels,)."""
        return np.mean([s["brain_alignment_per_voxel"] for s in self.scores.values()], axis=0)

    def within(self, members: np.ndarray) -> list[np.ndarray]:
        """Each layer's predictions of some voxels, which a bool mask tells."""
        return [predicted[:, members] for predicted in self.predictions.values()]


@dataclass
class Scores:
    """Scores of models' predictions for one participant, by region, with intervals and tests.

    A model's predictions are scored by `score`, and what that gives is passed to all else. Scores
    are dicts {region: scores}, with the number of voxels, "n_voxels"; a region without voxels has
    None for the rest. Means over layers are means of the layers' scores.

    Parameters
    ----------
    references : array of shape (n_trs, n_voxels)
        The measured responses, in voxels above the noise-ceiling threshold only.
    ceiling : array of shape (n_voxels,), or None
        Their noise ceilings. Without them alignment is not normalised: it is the correlation.
    regions : dict of {str: bool array of shape (n_voxels,)}

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> responses = rng.standard_normal((100, 4))
    >>> scores = Scores(responses, np.full(4, 0.8), {"all": np.ones(4, dtype=bool)})
    >>> tuned, pretrained = (
    ...     scores.score({12: responses + noise * rng.standard_normal((100, 4))})
    ...     for noise in (1.0, 2.0)
    ... )
    >>> scores.gain(tuned, pretrained)["all"]["mean"] > 0.1
    True
    """

    references: np.ndarray
    ceiling: np.ndarray | None
    regions: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        if self.ceiling is None:
            self.ceiling = np.ones(self.references.shape[1])

    @property
    def block(self) -> int:
        """TRs that are resampled or exchanged together: half of a story of few TRs.

        `recipes/benchmarks/error_rates.py` shows the error rates that this leaves.
        """
        n_trs = len(self.references)
        return min(max(BLOCK, n_trs // N_BLOCKS), n_trs // 2)

    def score(self, predictions: dict[Any, np.ndarray]) -> ScoredLayers:
        """Score a model's predictions, layer by layer: voxels, and regions by their means.

        Parameters
        ----------
        predictions : dict of {layer: array of shape (n_trs, n_voxels)}

        Raises
        ------
        ValueError
            If a layer's predictions are not finite, or not of the references' shape.
        """
        scores = {
            layer: alignment_scores(
                predicted,
                self.references,
                noise_ceiling=self.ceiling,
                regions=self.regions,
                threshold=0.0,  # these voxels have passed it
                per_voxel=True,
            )
            for layer, predicted in predictions.items()
        }
        return ScoredLayers(predictions, scores)

    def _by_region(self, score):
        """{region: score(members)}, or that it is empty."""
        empty = {"mean": None, "interval": None}
        return {
            region: (score(region, members) if members.any() else empty)
            | {"n_voxels": int(members.sum())}
            for region, members in self.regions.items()
        }

    @property
    def n_blocks(self) -> float:
        """Blocks that a story has."""
        return len(self.references) / self.block

    def _alignment_interval(self, layer, members):
        """Of a layer's alignment averaged over members."""
        return alignment_interval(
            [layer], self.references[:, members], self.ceiling[members], block=self.block
        )

    def alignment(self, model: ScoredLayers) -> ByRegion:
        """Alignment: "mean" over layers, 95 % "interval", "layers", "layer_intervals"."""

        def score(region, members):
            layers = {
                layer: scores["regions"][region]["brain_alignment"]
                for layer, scores in model.scores.items()
            }
            predicted = model.within(members)
            return {
                "mean": float(np.mean(list(layers.values()))),
                "interval": student_interval(self.resamples(model)[region], self.n_blocks),
                "layers": layers,
                "layer_intervals": {
                    layer: self._alignment_interval(p, members)
                    for layer, p in zip(layers, predicted, strict=True)
                },
            }

        return self._by_region(score)

    def gain(self, model: ScoredLayers, baseline: ScoredLayers) -> ByRegion:
        """What a model has over another: "mean" over layers and its "interval"."""
        change = self.change(model, baseline)

        def score(region, _):
            drawn = self.resamples(model)[region] - self.resamples(baseline)[region]
            return {
                "mean": float(change[region].mean()),
                "interval": student_interval(drawn, self.n_blocks),
            }

        return self._by_region(score)

    def resamples(self, model: ScoredLayers) -> dict[str, np.ndarray]:
        """Alignment averaged over layers, {region: array of shape (1 + n_resamples,)}.

        The first is as observed; the others are in resamples, the same ones for all models. Regions
        without voxels are left out.
        """
        for region, members in self.regions.items():
            if members.any() and region not in model.drawn:
                model.drawn[region] = alignment_resamples(
                    model.within(members),
                    self.references[:, members],
                    self.ceiling[members],
                    block=self.block,
                )
        return model.drawn

    def within_trs(
        self, models: dict[str, ScoredLayers], trs: np.ndarray
    ) -> dict[str, dict[str, ByRegion]]:
        """Alignment at some TRs, and what it is above that of the first model.

        "alignment" and "gain" {model: scores}.
        Correlations are over these TRs alone, a bool array of shape (n_trs,), and resamples are
        those of the whole story. An interval is None where a resample holds none of them.
        """
        drawn = {
            model: {
                region: alignment_resamples(
                    of.within(members),
                    self.references[:, members],
                    self.ceiling[members],
                    block=self.block,
                    trs=trs,
                )
                for region, members in self.regions.items()
                if members.any()
            }
            for model, of in models.items()
        }

        def scores(found):
            sure = np.isfinite(found).all()
            interval = student_interval(found, self.n_blocks) if sure else None
            return {"mean": float(found[0]), "interval": interval}

        baseline, *others = drawn.values()
        return {
            "alignment": {
                model: self._by_region(lambda region, _, of=of: scores(of[region]))
                for model, of in drawn.items()
            },
            "gain": {
                model: self._by_region(
                    lambda region, _, of=of: scores(of[region] - baseline[region])
                )
                for model, of in zip([*models][1:], others, strict=True)
            },
        }

    def tests(self, model: ScoredLayers, baseline: ScoredLayers) -> ByRegion:
        """Block-exchange test of two models, with "p_holm" over the regions that are not empty."""
        tests = {
            region: block_exchange_test(
                model.within(members),
                baseline.within(members),
                self.references[:, members],
                self.ceiling[members],
                block=self.block,
            )
            for region, members in self.regions.items()
            if members.any()
        }
        corrected = holm([test["p"] for test in tests.values()])
        return {
            region: test | {"p_holm": float(p)}
            for (region, test), p in zip(tests.items(), corrected, strict=True)
        }

    def predicted(self, model: ScoredLayers) -> ByRegion:
        """Per cent of voxels that the last layer predicts better than misplaced blocks do.

        Per voxel by block permutation, at a false discovery rate of 5 %. The "interval" says how
        many it does predict at the least, with 95 % confidence for all regions together; that
        it predicts all of them, if weakly, no test can exclude.
        """
        p = self._chance(model)
        significant = fdr(p) <= RATE
        least = true_discoveries(p, self.regions)

        def score(region, members):
            return {
                "mean": 100 * float(significant[members].mean()),
                "interval": (100 * least[region] / int(members.sum()), 100.0),
            }

        return self._by_region(score)

    def above_chance(self, model: ScoredLayers) -> np.ndarray:
        """Whether a voxel is among those of `predicted`: a bool array of shape (n_voxels,)."""
        return fdr(self._chance(model)) <= RATE

    def _chance(self, model):
        """Per voxel, that misplaced blocks predict as well as the last layer."""
        last = model.predictions[max(model.predictions)]
        return block_permutation_p(last, self.references, block=self.block)

    def impact(self, model: ScoredLayers, left: ScoredLayers) -> ByRegion:
        """Low-level impact in per cent, from predictions of what is `left` without a feature.

        "mean" is R of the alignments averaged over layers, with its 95 % "interval";
        "residual_alignment" is what is left of them; "layers" are the layers' own R, with
        "layer_intervals"; "resamples" is R in each resample, the same resamples for all
        predictions, or None as "interval" is. R of an alignment near zero can be anything: it is
        None, not determined, where the interval is wider than from nothing to all, 100 points, or
        where there is none since the alignment is not positive in some resample.
        """
        by_layer = {
            layer: impact_scores(scores, left.scores[layer])["regions"]
            for layer, scores in model.scores.items()
        }

        def resamples(members, predicted, residual):
            return impact_resamples(
                predicted,
                residual,
                self.references[:, members],
                self.ceiling[members],
                block=self.block,
            )

        def score(region, members):
            scores = [by_layer[layer][region] for layer in by_layer]
            whole, rest = (
                float(np.mean([s[name] for s in scores]))
                for name in ("brain_alignment", "residual_brain_alignment")
            )
            predicted = model.within(members)
            residual = [left.predictions[layer][:, members] for layer in by_layer]
            drawn = resamples(members, predicted, residual)
            alone = {
                layer: resamples(members, [p], [r])
                for layer, p, r in zip(by_layer, predicted, residual, strict=True)
            }
            interval = _interval_of(drawn)
            intervals = {layer: _interval_of(r) for layer, r in alone.items()}
            return {
                "mean": _determined(impact(whole, rest), interval),
                "interval": interval,
                "layers": {
                    layer: _determined(
                        by_layer[layer][region]["low_level_impact"], intervals[layer]
                    )
                    for layer in by_layer
                },
                "layer_intervals": intervals,
                "residual_alignment": rest,
                "resamples": drawn,
            }

        return self._by_region(score)

    def change(self, model: ScoredLayers, baseline: ScoredLayers) -> dict[str, np.ndarray]:
        """Per voxel, how much its alignment averaged over layers exceeds another model's."""
        change = model.per_voxel - baseline.per_voxel
        return {region: change[members] for region, members in self.regions.items()}

    def mean_impact(self, impact: dict[str, ByRegion]) -> ByRegion:
        """The headline: mean of the features' impact, but for that of all of them together.

        Takes {feature: scores of `impact`}. Layers have no intervals.
        """
        single = [scores for name, scores in impact.items() if name != "all"]
        means = {region: [scores[region]["mean"] for scores in single] for region in self.regions}
        drawn = {region: _mean_of([s[region].get("resamples") for s in single]) for region in means}

        def score(region, values):
            scores = [s[region] for s in single]
            of_layers = {
                layer: [s["layers"][layer] for s in scores] for layer in scores[0].get("layers", ())
            }
            layers = {
                "layers": {layer: _mean_if_all(of) for layer, of in of_layers.items()},
                "layer_intervals": dict.fromkeys(of_layers),
            }
            return {
                "mean": _mean_if_all(values),
                "interval": _interval_of(drawn[region]),
                "n_voxels": scores[0]["n_voxels"],
                "resamples": drawn[region],
            } | (layers if of_layers else {})

        return {region: score(region, values) for region, values in means.items()}

    def impact_tests(
        self, impact: dict[str, ByRegion], baseline: dict[str, ByRegion]
    ) -> dict[str, ByRegion]:
        """How a model's low-level impact differs from another's, by feature and region.

        Takes {feature: scores of `impact` or `mean_impact`} of both. A test holds the difference
        of the means, "mean", in percentage points, its 95 % "interval", "p" of the bootstrap, and
        "p_holm" over regions and features. Regions where an impact means nothing in some resample
        have none.
        """

        def difference(mine, other):
            drawn = np.subtract(mine["resamples"], other["resamples"])
            return {
                "mean": mine["mean"] - other["mean"],
                "interval": _interval_of(drawn),
                "p": bootstrap_p(drawn),
                "n_voxels": mine["n_voxels"],
            }

        found = {feature: {} for feature in impact}
        for feature, by_region in impact.items():
            for region, mine in by_region.items():
                other = baseline[feature][region]
                if not any(s["mean"] is None or s["resamples"] is None for s in (mine, other)):
                    found[feature][region] = difference(mine, other)
        tests = [test for by_region in found.values() for test in by_region.values()]
        for test, p in zip(tests, holm([test["p"] for test in tests]), strict=True):
            test["p_holm"] = float(p)
        return found


def _interval_of(drawn):
    """The interval of a resampled score; None where it means nothing in some resample."""
    return None if drawn is None else percentile_interval(drawn)


def _determined(share, interval):
    """A share in per cent; None where its interval says nothing."""
    return share if interval is not None and interval[1] - interval[0] <= WIDEST else None


def _mean_if_all(values):
    """Mean of numbers; None where one of them is."""
    return None if None in values else float(np.mean(values))


def _mean_of(resampled):
    """Mean of resampled scores; None where one of them means nothing in some resample."""
    return None if any(r is None for r in resampled) else np.mean(resampled, axis=0)

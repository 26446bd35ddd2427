"""Models compared: every number that a report holds, from predictions of one participant."""

from dataclasses import dataclass

import numpy as np

from .brain_alignment.alignment import alignment_scores
from .low_level_impact.impact import impact_scores
from .statistics import (
    alignment_interval,
    block_exchange_test,
    block_permutation_p,
    bootstrap_p,
    fdr,
    holm,
    impact_resamples,
    percentile_interval,
    true_discoveries,
)

MEAN_IMPACT = "mean of the four"


@dataclass
class Scores:
    """Scores of models' predictions for one participant, by region, with intervals and tests.

    Predictions are dicts {layer: array of shape (n_trs, n_voxels)}. Scores are dicts {region:
    scores}, with the number of voxels, "n_voxels"; a region without voxels has None for the rest.
    Means over layers are means of the layers' scores.

    Parameters
    ----------
    references : array of shape (n_trs, n_voxels)
        The measured responses, in voxels above the noise-ceiling threshold only.
    ceiling : array of shape (n_voxels,)
        Their noise ceilings.
    regions : dict of {str: bool array of shape (n_voxels,)}
    """

    references: np.ndarray
    ceiling: np.ndarray
    regions: dict

    def _scores(self, predictions, per_voxel=False):
        return alignment_scores(
            predictions,
            self.references,
            noise_ceiling=self.ceiling,
            regions=self.regions,
            threshold=0.0,  # these voxels have passed it
            per_voxel=per_voxel,
        )

    def _by_region(self, score):
        """{region: score(members)}, or that it is empty."""
        empty = {"mean": None, "interval": None}
        return {
            region: (score(region, members) if members.any() else empty)
            | {"n_voxels": int(members.sum())}
            for region, members in self.regions.items()
        }

    def _interval(self, predictions, members, baseline=None):
        return alignment_interval(
            [predicted[:, members] for predicted in predictions],
            self.references[:, members],
            self.ceiling[members],
            baseline and [predicted[:, members] for predicted in baseline],
        )

    def alignment(self, predictions):
        """Alignment: "mean" over layers, 95 % "interval", "layers", "layer_intervals"."""
        by_layer = {layer: self._scores(p)["regions"] for layer, p in predictions.items()}

        def score(region, members):
            layers = {layer: by_layer[layer][region]["brain_alignment"] for layer in by_layer}
            return {
                "mean": float(np.mean(list(layers.values()))),
                "interval": self._interval(predictions.values(), members),
                "layers": layers,
                "layer_intervals": {
                    layer: self._interval([p], members) for layer, p in predictions.items()
                },
            }

        return self._by_region(score)

    def gain(self, predictions, baseline):
        """What a model has over another: "mean" over layers and its "interval"."""
        change = self.per_voxel(predictions) - self.per_voxel(baseline)

        def score(region, members):
            return {
                "mean": float(change[members].mean()),
                "interval": self._interval(predictions.values(), members, baseline.values()),
            }

        return self._by_region(score)

    def tests(self, predictions, baseline):
        """Block-exchange test of two models, with "p_holm" over the regions that are not empty."""
        tests = {
            region: block_exchange_test(
                [p[:, members] for p in predictions.values()],
                [p[:, members] for p in baseline.values()],
                self.references[:, members],
                self.ceiling[members],
            )
            for region, members in self.regions.items()
            if members.any()
        }
        corrected = holm([test["p"] for test in tests.values()])
        return {
            region: test | {"p_holm": float(p)}
            for (region, test), p in zip(tests.items(), corrected, strict=True)
        }

    def predicted(self, predictions):
        """Per cent of voxels that the last layer predicts better than misplaced blocks do.

        Per voxel by block permutation, at a false discovery rate of 5 %. The "interval" says how
        many it does predict at the least, with 95 % confidence for all regions together; that
        it predicts all of them, if weakly, no test can exclude.
        """
        p = block_permutation_p(predictions[max(predictions)], self.references)
        significant = fdr(p) <= 0.05
        least = true_discoveries(p, self.regions)

        def score(region, members):
            return {
                "mean": 100 * float(significant[members].mean()),
                "interval": (100 * least[region] / int(members.sum()), 100.0),
            }

        return self._by_region(score)

    def impact(self, predictions, left):
        """Low-level impact in per cent, from predictions of what is `left` without a feature.

        "mean" is R of the alignments averaged over layers, None unless that is positive, with its
        95 % "interval"; "residual_alignment" is what is left of them; "layers" are the layers' own
        R, with "layer_intervals"; "resamples" is R in each resample, the same resamples for all
        predictions, or None as "interval" is.
        """
        by_layer = {
            layer: impact_scores(self._scores(predictions[layer]), self._scores(left[layer]))
            for layer in predictions
        }
        by_layer = {layer: scores["regions"] for layer, scores in by_layer.items()}

        def resamples(members, layers):
            return impact_resamples(
                [predictions[k][:, members] for k in layers],
                [left[k][:, members] for k in layers],
                self.references[:, members],
                self.ceiling[members],
            )

        def score(region, members):
            scores = [by_layer[layer][region] for layer in by_layer]
            whole, rest = (
                float(np.mean([s[name] for s in scores]))
                for name in ("brain_alignment", "residual_brain_alignment")
            )
            drawn = resamples(members, predictions)
            return {
                "mean": 100 * (whole - rest) / whole if whole > 0 else None,
                "interval": _interval(drawn),
                "layers": {k: by_layer[k][region]["low_level_impact"] for k in by_layer},
                "layer_intervals": {k: _interval(resamples(members, [k])) for k in predictions},
                "residual_alignment": rest,
                "resamples": drawn,
            }

        return self._by_region(score)

    def per_voxel(self, predictions):
        """Each voxel's alignment, averaged over layers."""
        layers = [self._scores(p, True)["brain_alignment_per_voxel"] for p in predictions.values()]
        return np.mean(layers, axis=0)

    def change(self, predictions, baseline):
        """Per voxel, how much its alignment averaged over layers exceeds another model's."""
        change = self.per_voxel(predictions) - self.per_voxel(baseline)
        return {region: change[members] for region, members in self.regions.items()}

    def mean_impact(self, impact):
        """The headline: mean of the features' impact, but for that of all of them together.

        Takes {feature: scores of `impact`}.
        """
        single = [scores for name, scores in impact.items() if name != "all"]
        means = {region: [scores[region]["mean"] for scores in single] for region in self.regions}
        drawn = {region: [scores[region].get("resamples") for scores in single] for region in means}
        drawn = {
            region: None if any(r is None for r in values) else np.mean(values, axis=0)
            for region, values in drawn.items()
        }
        return {
            region: {
                "mean": None if None in values else float(np.mean(values)),
                "interval": _interval(drawn[region]),
                "n_voxels": single[0][region]["n_voxels"],
                "resamples": drawn[region],
            }
            for region, values in means.items()
        }

    def impact_tests(self, impact, baseline):
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
                "interval": _interval(drawn),
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


def _interval(drawn):
    """The interval of a resampled score; None where it means nothing in some resample."""
    return None if drawn is None else percentile_interval(drawn)

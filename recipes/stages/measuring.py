"""How well models predict the brain of a listener: alignment, gains, low-level impact, heads."""

from collections.abc import Collection, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from datasets_scripts import Story, low_level_features, training_windows
from datasets_scripts.words import new_words
from evaluate_metrics import LAGS, Scores
from evaluate_metrics.reports import notes
from modeling_braintune import AutoModelForBrainTuning, load_feature_extractor
from recipes.stages.controls import TARGETS
from recipes.stages.encoding import Extraction, encode
from recipes.stages.recordings import Listener, TuningListener, check_test_story
from recipes.stages.shared_space import carried_over

USUAL_DELAYS = [1, 2, 3, 4]
LOW = 0.2  # noise ceiling, by which a division means little
FEW = 20  # TRs, over which a correlation means little


def measure(
    one: Listener,
    checkpoints: Mapping[str, str | PathLike],
    arguments: Any,
    extraction: Extraction,
    *,
    low_level: bool = False,
    low_level_lags: Sequence[int] | None = None,
    pairs: Sequence[tuple[str, str]] = (),
    everywhere: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Compare models on a listener's test story.

    Parameters
    ----------
    one : Listener
    checkpoints, extraction, low_level_lags, pairs, everywhere, progress
        As `align`.
    arguments : recipes.command.vocabulary.Alignment
    low_level : bool
        Also measure the impact of low-level features.

    Returns
    -------
    dict
        What `align` gives, with "participant", "test_story", "normalisation", of the listener, and
        "notes": what a reader must know.

    Raises
    ------
    ValueError
        As `align` and `datasets_scripts.low_level_features`.
    """
    results = align(
        checkpoints,
        one.train,
        one.test,
        one.ceiling,
        one.measured_regions,
        extraction,
        threshold=arguments.lowest_ceiling,
        test_skip_trs=arguments.test_skip_trs,
        low_level=low_level_features(one.train, *one.penalties, one.test) if low_level else None,
        low_level_lags=low_level_lags,
        delays=arguments.delays,
        penalty_stories=one.penalties,
        pairs=pairs,
        everywhere=everywhere,
        progress=progress,
    )
    results |= {
        "participant": one.name,
        "test_story": one.test.name,
        "normalisation": one.normalisation,
    }
    said = [
        one.ceiling_note,
        *_low_ceilings(one, results["per_voxel"]["voxels"]),
        *_settings(one, arguments.delays),
        *notes(results, one.participant.regions),
    ]
    return results | {"notes": said}


def _low_ceilings(one, voxels):
    """A warning of voxels whose correlation is divided by next to nothing."""
    n_low = 0 if one.ceiling is None else int(np.count_nonzero(one.ceiling[voxels] < LOW))
    if n_low:
        yield (
            f"Warning: {n_low} voxels have a noise ceiling below {LOW:g}, by which their "
            "correlation is divided: their alignment is anything but sure."
        )


def _settings(one, delays):
    """What of the encoding models is not as usual."""
    if list(delays) != USUAL_DELAYS:
        yield f"Encoding models have delays of {', '.join(map(str, delays))} TRs."
    if one.penalties:
        names = ", ".join(story.name for story in one.penalties)
        yield f"Penalties of encoding models were chosen on {names}."


def align(
    checkpoints: Mapping[str, str | PathLike],
    train_stories: list[Story],
    test_story: Story,
    ceiling: np.ndarray | None,
    regions: dict[str, np.ndarray],
    extraction: Extraction,
    *,
    threshold: float = 0.4,
    test_skip_trs: int = 0,
    low_level: dict[str, list[np.ndarray]] | None = None,
    low_level_lags: Sequence[int] | None = None,
    delays: Sequence[int] = (1, 2, 3, 4),
    penalty_stories: Sequence[Story] = (),
    pairs: Sequence[tuple[str, str]] = (),
    everywhere: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Predict a held-out story's responses from each model's representations, and score them.

    An encoding model per layer is fitted on the training stories; models are compared on the same
    voxels, those with a noise ceiling above the threshold (Moussa et al. 2025, section 3.2).
    Without noise ceilings nothing is normalised: alignment is the correlation, of all voxels.

    Parameters
    ----------
    checkpoints : dict of {str: folder or name on the Hub}
        The first is the baseline that the others are compared with.
    train_stories : list of Story
    test_story : Story
        Its responses are the mean over its repeats, if it was heard repeatedly.
    ceiling : array of shape (n_voxels,), or None
        Noise ceiling of the test story's responses.
    regions : dict of {str: array of voxel indices}
    extraction : Extraction
        How representations are computed.
    threshold : float
    test_skip_trs : int
        TRs left out at the test story's start, on top of the trims (Antonello et al. 2023).
    low_level : dict of {feature: list of arrays of shape (n_trs, n_features)}, optional
        From `low_level_features`: also measure what is left without each of them. An array for
        each training story, each of `penalty_stories`, and the test story.
    low_level_lags : (first, last), optional
        TRs, such as -3 and 3: also measure what is left without the features at all of them.
    delays : list of int
        Of the encoding models, in TRs.
    penalty_stories : list of Story
        That penalties are chosen on; by default cross-validation over the training stories does.
    pairs : list of (model, other)
        Also to be compared, beside each with the baseline.
    everywhere : bool
        Whether voxels outside the regions are measured too, for maps.
    progress : bool

    Returns
    -------
    dict
        - "alignment" {model: {region: scores}}; scores hold "mean" over layers, its 95 % bootstrap
          "interval" over blocks of TRs, "n_voxels", "layers" {layer: mean} and "layer_intervals";
        - "gain" {model: {region: scores}} over the baseline;
        - "tests" {model: {region: test}}: block-exchange test against the baseline, with "p_holm"
          over regions;
        - "impact_tests" {model: {feature: {region: test}}}, with `low_level`: the difference of
          the model's impact from the baseline's, of `Scores.impact_tests`;
        - "predicted_voxels" {model: {region: scores}}: per cent of voxels predicted better than by
          misplaced blocks, at a false discovery rate of 5 %, in the model's last layer; its
          "interval" reaches from what is sure with 95 % confidence to all of them;
        - "impact" {model: {feature: {region: scores}}} in per cent, with `low_level`;
        - "change" {model: {region: array (n_region_voxels,)}}: of the voxels' alignment;
        - "per_voxel": "noise_ceiling" of all voxels, unless there are none; their number,
          "n_voxels"; "voxels", the indices of those that are measured, and of these, by model,
          "alignment", "residual_alignment" without the last low-level feature, both averaged over
          layers, and whether they are "above_chance", that is, among the predicted voxels;
        - "pairs": list of {"model", "other", "gain", "tests"} for `pairs`;
        - "resamples" {model: {region: list of float}}: alignment averaged over layers, as observed
          and in resamples of blocks of TRs, the same ones for all models, of which a story has
          "n_blocks";
        - "penalty_edges" {model: {"smallest", "largest"}}: per cent of voxels, averaged over
          layers, that chose an end of the grid of penalties;
        - "by_words": what is scored at TRs that follow words which no training story holds, of
          `new_words`, and at the others: "n_new" and "n_words", and for "known" and "new" words
          "n_trs", "alignment" {model: {region: scores}} and "gain" {model: {region: scores}} over
          the baseline, of `Scores.within_trs`; without the last two where TRs are below 20. None
          where the stories have no words;
        - "evaluation_stride" and "evaluation_chunk": of the extraction, in seconds, which
          alignment depends on;
        - "n_trs", and "n_excluded": voxels left out for all models, since their scored responses
          are constant or some of their responses are not finite.

        A region without a voxel above the threshold has None for all but "n_voxels".

    Raises
    ------
    ValueError
        Too little is left of the test story, or a window is longer than a model takes.
    """
    check_test_story(test_story.name, len(test_story.responses), test_skip_trs)
    n_voxels = test_story.responses.shape[1]
    voxels = np.arange(n_voxels)
    if not everywhere:
        voxels = np.unique(np.concatenate([np.asarray(v, dtype=int) for v in regions.values()]))
    if ceiling is not None:
        voxels = voxels[ceiling[voxels] > threshold]
    # A ceiling from other repeats says nothing of the responses that are scored.
    references = test_story.responses[test_skip_trs:, voxels].astype(np.float32)
    varies = np.isfinite(references).all(axis=0) & (references.max(0) > references.min(0))
    for story in (*train_stories, *penalty_stories):
        varies &= np.isfinite(story.responses[:, voxels]).all(axis=0)
    n_excluded = int(np.count_nonzero(~varies))
    voxels, references = voxels[varies], references[:, varies]
    responses, chosen_on = (
        [story.responses[:, voxels].astype(np.float32) for story in stories]
        for stories in (train_stories, penalty_stories)
    )
    scored = Scores(
        references=references,
        ceiling=None if ceiling is None else ceiling[voxels],
        regions={name: np.isin(voxels, indices) for name, indices in regions.items()},
    )

    encoded = {
        model: encode(
            checkpoint,
            train_stories,
            test_story,
            responses,
            scored,
            extraction,
            test_skip_trs=test_skip_trs,
            low_level=low_level,
            low_level_lags=low_level_lags,
            delays=delays,
            penalties_on=list(zip(penalty_stories, chosen_on, strict=True)),
            progress=model if progress else None,
        )
        for model, checkpoint in checkpoints.items()
    }
    layers = {model: one.layers for model, one in encoded.items()}
    baseline, *others = layers
    impact = {model: one.impact for model, one in encoded.items() if low_level}
    impact_tests = {
        model: _impact_tests(scored, impact[model], impact[baseline])
        for model in others
        if low_level
    }
    for by_region in (r for by_feature in impact.values() for r in by_feature.values()):
        for scores in by_region.values():
            scores.pop("resamples", None)  # too many to report
    return {
        "alignment": {model: scored.alignment(of) for model, of in layers.items()},
        "gain": {model: scored.gain(layers[model], layers[baseline]) for model in others},
        "tests": {model: scored.tests(layers[model], layers[baseline]) for model in others},
        "predicted_voxels": {model: scored.predicted(of) for model, of in layers.items()},
        "impact": impact,
        "impact_tests": impact_tests,
        "change": {model: scored.change(layers[model], layers[baseline]) for model in others},
        "per_voxel": {
            "voxels": voxels,
            "n_voxels": n_voxels,
            **({} if ceiling is None else {"noise_ceiling": ceiling}),
            "alignment": {model: of.per_voxel for model, of in layers.items()},
            "above_chance": {model: scored.above_chance(of) for model, of in layers.items()},
            "residual_alignment": {
                model: one.left_over for model, one in encoded.items() if low_level
            },
        },
        "resamples": {
            model: {
                region: drawn.round(5).tolist() for region, drawn in scored.resamples(of).items()
            }
            for model, of in layers.items()
        },
        "n_blocks": scored.n_blocks,
        "penalty_edges": {
            model: dict(zip(("smallest", "largest"), _shares(one, len(voxels)), strict=True))
            for model, one in encoded.items()
        },
        "by_words": _by_words(
            scored, layers, new_words(test_story, train_stories, delays), test_skip_trs
        ),
        "evaluation_stride": extraction.stride,
        "evaluation_chunk": max(extraction.chunk, extraction.stride),
        "n_trs": len(references),
        "n_excluded": n_excluded,
        "pairs": [
            {
                "model": model,
                "other": other,
                "gain": scored.gain(layers[model], layers[other]),
                "tests": scored.tests(layers[model], layers[other]),
            }
            for model, other in pairs
        ],
    }


def _by_words(scored, layers, words, skipped):
    """Alignment at TRs that follow known words only, and at those that follow new ones."""
    if not words.n_words:
        return None
    new = words.follows[skipped:]
    found = {"n_new": words.n_new, "n_words": words.n_words}
    for kind, trs in (("known", ~new), ("new", new)):
        found[kind] = {"n_trs": int(trs.sum())}
        if found[kind]["n_trs"] >= FEW:
            found[kind] |= scored.within_trs(layers, trs)
    return found


def _impact_tests(scored, impact, baseline):
    """Tests of features at the same TR, and of those at several lags: a family each."""
    tests = {}
    for lagged in (False, True):
        of_kind = {feature: by for feature, by in impact.items() if (LAGS in feature) is lagged}
        tests |= scored.impact_tests(of_kind, baseline)
    return tests


def _shares(encoded, n_voxels):
    """Per cent of voxels at the smallest and at the largest penalty, averaged over layers."""
    return (100 * np.mean(list(encoded.at_edges.values()), axis=0) / n_voxels).tolist()


def head_alignments(
    one: TuningListener, arguments: Any, training: Any, models: Collection[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Score the heads that predict the participant's responses, not those of a teacher.

    Parameters
    ----------
    one : TuningListener
    arguments : TuningOptions
    training : TrainerOptions
        In whose output folder the models are.
    models : collection of str
        Those that were tuned.

    Returns
    -------
    dict of {model: as `head_alignment`}
    """
    return {
        target.model: head_alignment(
            Path(training.output_dir) / target.model,
            one,
            arguments,
            training.device,
            training.per_device_eval_batch_size,
        )
        for target in TARGETS.values()
        if target.teacher is None and target.model in models
    }


def head_alignment(
    checkpoint: str | PathLike, one: TuningListener, arguments: Any, device: Any, batch_size: int
) -> dict[str, dict[str, Any]]:
    """Score what a tuned model's own head predicts of the test story.

    Parameters
    ----------
    checkpoint : folder
    one : TuningListener
        Where the head is not of this one's own voxels, as `carried_over`.
    arguments : TuningOptions
    device : torch.device
    batch_size : int

    Returns
    -------
    dict of {region: {"mean", "interval", "n_voxels"}}
    """
    model = AutoModelForBrainTuning.from_pretrained(checkpoint).to(device)
    feature_extractor = load_feature_extractor(checkpoint)
    test, voxels, skipped = one.test, one.voxels, arguments.test_skip_trs
    if one.name in model.brains:
        predictions = model.predict_responses(
            test.audio,
            feature_extractor,
            training_windows(test.tr_times, test.tr, arguments.n_trs_per_window)[skipped:],
            participant=one.name,
            batch_size=batch_size,
        )
    else:
        predictions = carried_over(model, feature_extractor, one, skipped, batch_size)[:, voxels]
    references = test.responses[skipped:, voxels].astype(np.float32)
    live = np.isfinite(references).all(axis=0) & (references.max(0) > references.min(0))
    live &= np.isfinite(predictions).all(axis=0)
    scored = Scores(
        references=references[:, live],
        ceiling=None if one.ceiling is None else one.ceiling[voxels[live]],
        regions={
            region: np.isin(voxels[live], indices)
            for region, indices in one.measured_regions.items()
        },
    )
    by_region = scored.alignment(scored.score({"head": predictions[:, live]}))
    kept = ("mean", "interval", "n_voxels")
    return {region: {key: s[key] for key in kept} for region, s in by_region.items()}

"""Measure how well speech models predict the brain, and how much of it is mere acoustics.

    accelerate launch recipes/align.py --model outputs/phantom/brain-tuned
    accelerate launch recipes/align.py --config recipes/configs/ds003020.yaml --data <folder> \\
        --participant UTS03 --model outputs/ds003020/brain-tuned

For every layer and region: normalised brain alignment on a held-out story and the impact of
low-level features on it, against the pretrained model that the configuration names.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState

from datasets_scripts import low_level_features, noise_ceiling, open_participant, voxels_at
from evaluate_metrics import Scores
from evaluate_metrics.reports.alignment import notes, report, table
from modeling_braintune import BrainTuningArguments
from modeling_braintune.model_card import CARD, add_results, read_card, save_card
from recipes.arguments import parse_arguments
from recipes.encoding import encode, layer_features
from recipes.phantom import CACHE, DATA, MODELS, phantom_data, phantom_model
from recipes.process import one_line_errors, prepare_process
from recipes.publish import check_access, commit_files, plain_errors
from recipes.report import labelled_models

DEFAULT_CONFIG = Path(__file__).parent / "configs" / "phantom.yaml"
SHORTEST = 20  # TRs: two blocks of the bootstrap
OWN_REPEATS = (
    "Warning: noise ceilings, and with them the voxels, come from the repeats of {!r}, on which "
    "the models are scored too."
)


@dataclass(kw_only=True)
class RecordingArguments:
    """Which recordings, and how models are measured on them."""

    data: str = field(
        metadata={
            "help": "Folder in the layout of ds003020 or of BIDS derivatives, name of a prepared "
            f"data set on the Hub, or '{DATA}'."
        }
    )
    train_stories: list[str] = field(
        metadata={"help": "Stories to tune on; encoding models are fitted on them too."}
    )
    test_story: str = field(metadata={"help": "Repeated story that models are compared on."})
    tr: float | None = field(
        default=None, metadata={"help": "Seconds per TR of ds003020, instead of 2.0."}
    )
    tr_times: str | None = field(
        default=None, metadata={"help": "Folder of exact TR times, <story>.report, for ds003020."}
    )
    space: str | None = field(
        default=None, metadata={"help": "Space of the BIDS images, where there are several."}
    )
    dtype: str = field(
        default="float32", metadata={"help": "Of the prepared responses: float32 or float16."}
    )
    ceiling_threshold: float = field(
        default=0.4, metadata={"help": "Voxels need a noise ceiling above it."}
    )
    ceiling_story: str | None = field(
        default=None, metadata={"help": "Repeated story to take noise ceilings from instead."}
    )
    ceiling_repeats: int | None = field(
        default=None,
        metadata={"help": "Repeats of the test story for noise ceilings; the others are scored."},
    )
    test_skip_trs: int = field(
        default=0, metadata={"help": "TRs left out at the start of the test story."}
    )
    layers: list[int] | None = field(
        default=None, metadata={"help": "Layers to measure; all of the transformer if none."}
    )
    evaluation_length: float = field(
        default=16.0, metadata={"help": "Seconds of sound behind each representation."}
    )
    evaluation_stride: float = field(
        default=0.1, metadata={"help": "Seconds between two representations."}
    )

    def open(self, participant):
        """Open a participant's recordings.

        Parameters
        ----------
        participant : str

        Returns
        -------
        Participant
        """
        options = {name: getattr(self, name) for name in ("tr", "tr_times", "space")}
        options = {name: value for name, value in options.items() if value is not None}
        data = phantom_data()[0] if self.data == DATA else self.data
        return open_participant(data, participant, dtype=self.dtype, options=options)

    def scored_story(self, participant):
        """As the function of that name, with these arguments."""
        return scored_story(
            participant,
            self.test_story,
            skip_trs=self.test_skip_trs,
            ceiling_story=self.ceiling_story,
            n_repeats=self.ceiling_repeats,
        )


@dataclass(kw_only=True)
class AlignArguments(RecordingArguments):
    """Which models are measured, against which one, and where the report goes."""

    model: list[str] = field(metadata={"help": "Checkpoint folders or names on the Hub."})
    participant: str = field(metadata={"help": "Such as UTS03; P01 and P02 are the phantom's."})
    baseline: str | None = field(
        default=None,
        metadata={"help": "What they are compared with: `model` of the configuration if none."},
    )
    low_level: bool = field(
        default=True, metadata={"help": "Also measure the impact of low-level features."}
    )
    precision: str = field(
        default="float32", metadata={"help": "Of the representations: float32 or bfloat16."}
    )
    cache_dir: str = field(
        default=str(CACHE / "representations"), metadata={"help": "Keeps representations."}
    )
    surface: str | None = field(
        default=None,
        metadata={
            "help": "For maps on fsaverage5 instead of slices: .npy of its vertices' places in "
            "the participant's functional space, (20484, 3) in mm, left hemisphere first."
        },
    )
    report_dir: str = field(default="outputs/alignment", metadata={"help": "Where to report."})
    update_card: bool = field(
        default=False,
        metadata={"help": "Put the results into the models' cards, in folders and on the Hub."},
    )

    def __post_init__(self):
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision must be float32 or bfloat16, got {self.precision!r}")
        labelled_models(self.model)


def align(
    checkpoints,
    train_stories,
    test_story,
    ceiling,
    regions,
    *,
    layers=None,
    length=16.0,
    stride=0.1,
    threshold=0.4,
    test_skip_trs=0,
    low_level=None,
    precision=None,
    pairs=(),
    cache_dir=None,
    device="cpu",
    progress=False,
):
    """Predict a held-out story's responses from each model's representations, and score them.

    An encoding model per layer is fitted on the training stories; models are compared on the same
    voxels, those with a noise ceiling above the threshold (Moussa et al. 2025, section 3.2).

    Parameters
    ----------
    checkpoints : dict of {str: folder or name on the Hub}
        The first is the baseline that the others are compared with.
    train_stories : list of Story
    test_story : Story
        Its responses are the mean over its repeats.
    ceiling : array of shape (n_voxels,)
        Noise ceiling of the test story's responses.
    regions : dict of {str: array of voxel indices}
    layers : list of int, optional
        Every layer of the transformer, but not its input, by default.
    length, stride : float
        Seconds; of the evaluation windows.
    threshold : float
    test_skip_trs : int
        TRs left out at the test story's start, on top of the trims (Antonello et al. 2023).
    low_level : dict of {feature: list of arrays of shape (n_trs, n_features)}, optional
        From `low_level_features`: also measure what is left without each of them.
    precision : torch.dtype, optional
        torch.bfloat16 for representations that are computed twice as fast, at 1 % relative error.
    pairs : list of (model, other)
        Also to be compared, beside each with the baseline.
    cache_dir : path-like, optional
        Keep representations there, and what follows from them for each model.
    device : str or torch.device
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
        - "per_voxel": "voxels" (indices), their "noise_ceiling" and, by model, "alignment" and
          "residual_alignment" without the last low-level feature, averaged over layers;
        - "pairs": list of {"model", "other", "gain", "tests"} for `pairs`;
        - "n_trs", and "n_excluded": voxels left out for all models, since their scored responses
          are constant or not finite.

        A region without a voxel above the threshold has None for all but "n_voxels".

    Raises
    ------
    ValueError
        Too little is left of the test story, or a window is longer than a model takes.
    """
    check_test_story(test_story, test_skip_trs)
    voxels = np.unique(np.concatenate([np.asarray(v, dtype=int) for v in regions.values()]))
    voxels = voxels[ceiling[voxels] > threshold]
    # A ceiling from other repeats says nothing of the responses that are scored.
    references = test_story.responses[test_skip_trs:, voxels].astype(np.float32)
    varies = np.isfinite(references).all(axis=0) & (references.max(0) > references.min(0))
    n_excluded = int(np.count_nonzero(~varies))
    voxels, references = voxels[varies], references[:, varies]
    responses = [story.responses[:, voxels].astype(np.float32) for story in train_stories]
    scored = Scores(
        references=references,
        ceiling=ceiling[voxels],
        regions={name: np.isin(voxels, indices) for name, indices in regions.items()},
    )

    encoded = {
        model: encode(
            checkpoint,
            train_stories,
            test_story,
            responses,
            scored,
            layers=layers,
            length=length,
            stride=stride,
            test_skip_trs=test_skip_trs,
            low_level=low_level,
            precision=precision,
            cache_dir=cache_dir,
            device=device,
            progress=progress and model,
        )
        for model, checkpoint in checkpoints.items()
    }
    predictions = {model: one.predictions for model, one in encoded.items()}
    baseline = predictions[next(iter(checkpoints))]
    alignment = {model: scored.alignment(p) for model, p in predictions.items()}
    others = {model: p for model, p in predictions.items() if p is not baseline}
    impact = {model: one.impact for model, one in encoded.items() if low_level}
    impact_tests = {
        model: scored.impact_tests(impact[model], impact[next(iter(impact))])
        for model in others
        if low_level
    }
    for by_region in (r for by_feature in impact.values() for r in by_feature.values()):
        for scores in by_region.values():
            scores.pop("resamples", None)  # too many to report
    return {
        "alignment": alignment,
        "gain": {model: scored.gain(p, baseline) for model, p in others.items()},
        "tests": {model: scored.tests(p, baseline) for model, p in others.items()},
        "predicted_voxels": {model: scored.predicted(p) for model, p in predictions.items()},
        "impact": impact,
        "impact_tests": impact_tests,
        "change": {model: scored.change(p, baseline) for model, p in others.items()},
        "per_voxel": {
            "voxels": voxels,
            "noise_ceiling": scored.ceiling,
            "alignment": {model: scored.per_voxel(p) for model, p in predictions.items()},
            "residual_alignment": {
                model: one.left_over for model, one in encoded.items() if low_level
            },
        },
        "n_trs": len(references),
        "n_excluded": n_excluded,
        "pairs": [
            {
                "model": model,
                "other": other,
                "gain": scored.gain(predictions[model], predictions[other]),
                "tests": scored.tests(predictions[model], predictions[other]),
            }
            for model, other in pairs
        ],
    }


def check_test_story(story, skip_trs=0):
    """Refuse a story that models cannot be compared on.

    Raises
    ------
    ValueError
        It has no repeats to take a noise ceiling from, or too few TRs are left of it.
    """
    if story.repeats is None:
        raise ValueError(f"test_story {story.name!r} has no repeats to take a noise ceiling from")
    left = len(story.responses) - skip_trs
    if skip_trs < 0 or left < SHORTEST:
        raise ValueError(
            f"test_skip_trs={skip_trs} leaves {left} of the {len(story.responses)} TRs of "
            f"{story.name}; at least {SHORTEST} are needed"
        )


def scored_story(participant, test_story, *, skip_trs=0, ceiling_story=None, n_repeats=None):
    """The story that models are compared on, and the noise ceilings of its responses.

    The noise ceilings select voxels, so they should not come from the repeats that are scored:
    they can be had from another repeated story, or from some of the repeats, whereupon the mean of
    the others is scored (Schoppe et al. 2016).

    Parameters
    ----------
    participant : Participant
    test_story : str
    skip_trs : int
        TRs left out at the test story's start.
    ceiling_story : str, optional
        Repeated story to take the noise ceilings from instead.
    n_repeats : int, optional
        Take the noise ceilings from so many of the first repeats, and score the mean of the rest.

    Returns
    -------
    test : Story
    ceiling : array of shape (n_voxels,)
    note : str
        Where the noise ceilings come from.

    Raises
    ------
    ValueError
        As `check_test_story`; both options are given; too few repeats for either part.
    """
    (test,) = participant.stories([test_story])
    check_test_story(test, skip_trs)
    if ceiling_story is not None and n_repeats is not None:
        raise ValueError("ceiling_story and ceiling_repeats exclude each other, got both")
    if ceiling_story is not None:
        (other,) = participant.stories([ceiling_story])
        if other.repeats is None:
            raise ValueError(f"ceiling_story {ceiling_story!r} has no repeats")
        ceiling = noise_ceiling(other.repeats, n_scored=len(test.repeats))
        return test, ceiling, f"Noise ceilings, and with them the voxels, come from {other.name!r}."
    repeats = test.repeats[:, skip_trs:]
    if n_repeats is None:
        return test, noise_ceiling(repeats), OWN_REPEATS.format(test.name)
    if not 2 <= n_repeats < len(repeats):
        raise ValueError(
            f"ceiling_repeats must be from 2 to {len(repeats) - 1}, so that of the {len(repeats)} "
            f"repeats of {test.name} some are left to score, got {n_repeats}"
        )
    scored = test.repeats[n_repeats:]
    mean = scored.mean(axis=0, dtype=np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (mean - mean.mean(axis=0)) / mean.std(axis=0)
    ceiling = noise_ceiling(repeats[:n_repeats], n_scored=len(scored))
    note = (
        f"Noise ceilings, and with them the voxels, come from {n_repeats} repeats of "
        f"{test.name!r}; models are scored on the mean of the other {len(scored)}."
    )
    return dataclasses.replace(test, responses=mean, repeats=scored), ceiling, note


def _label(checkpoint):
    return Path(checkpoint).name


def main():
    with one_line_errors():
        (arguments,) = parse_arguments(
            (AlignArguments,),
            DEFAULT_CONFIG,
            renamed={"model": "baseline"},
            passed_over=_keys_of_tuning(),
        )
        state = PartialState()
        prepare_process(state.device, state.num_processes)
        run(arguments)


def _keys_of_tuning():
    from recipes.tune import TuneArguments  # which imports this module

    recipes = (TuneArguments, BrainTuningArguments)
    return {field.name for recipe in recipes for field in dataclasses.fields(recipe)}


def run(arguments):
    """Measure, print and write the report.

    Parameters
    ----------
    arguments : AlignArguments

    Returns
    -------
    dict
        As `align`; None on all processes but the first, which only share in the representations.

    Raises
    ------
    ValueError, FileNotFoundError
        As the parts that read and measure.
    """
    state = PartialState()
    with state.main_process_first():
        participant = arguments.open(arguments.participant)
        baseline = arguments.baseline
        if baseline in MODELS:
            baseline, _ = phantom_model(baseline)
        for model in arguments.model if arguments.update_card else ():
            check_card(model)
    if baseline is None:
        raise ValueError("baseline must name the model to compare with; got none")
    test, ceiling, note = arguments.scored_story(participant)
    train = list(participant.stories(arguments.train_stories))
    vertices = None
    if arguments.surface is not None:
        if participant.mask is None:
            raise ValueError(
                f"surface: where the voxels of {participant.name} lie is not known; its data need "
                f"derivative/masks/{participant.name}.nii.gz"
            )
        vertices = voxels_at(np.load(arguments.surface), participant.mask)
    checkpoints = labelled_models(arguments.model, baseline)
    measured = {
        "layers": arguments.layers,
        "length": arguments.evaluation_length,
        "stride": arguments.evaluation_stride,
        "device": state.device,
        "precision": torch.bfloat16 if arguments.precision == "bfloat16" else None,
        "cache_dir": arguments.cache_dir,
    }
    if not state.is_main_process:
        for checkpoint in checkpoints.values():
            layer_features(checkpoint, [*train, test], **measured)
        return None
    results = align(
        checkpoints,
        train,
        test,
        ceiling,
        participant.regions or {"all": np.arange(len(ceiling))},
        threshold=arguments.ceiling_threshold,
        test_skip_trs=arguments.test_skip_trs,
        low_level=low_level_features(train, test) if arguments.low_level else None,
        progress=True,
        **measured,
    )
    results |= {
        "participant": arguments.participant,
        "test_story": test.name,
        "notes": [note, *notes(results, participant.regions)],
        "settings": dataclasses.asdict(arguments),
    }
    print(table(results))
    title = f"{arguments.participant}, story {test.name!r}, {results['n_trs']} TRs"
    paths = report(results, arguments.report_dir, title, participant.mask, vertices)
    print(f"{', '.join(path.name for path in paths)} are in {arguments.report_dir}/")
    for model in arguments.model if arguments.update_card else ():
        update_card(model, results)
    return results


def check_card(model):
    """Make sure that `update_card` will find the card of a model, and may write it.

    Raises
    ------
    FileNotFoundError, ValueError, PermissionError, ConnectionError
        As `read_card` and `check_access`.
    """
    with plain_errors(model):
        read_card(model)
    if not Path(model).is_dir():
        check_access(model)


def update_card(model, results):
    """Put a report into a model's card, with two figures beside it.

    Parameters
    ----------
    model : str
        A folder, whose card is rewritten, or a name on the Hub, where a commit does it.
    results : dict
        Of `run`.

    Raises
    ------
    FileNotFoundError, ValueError, PermissionError, ConnectionError
        As `read_card` and `commit_files`.
    """
    figures = {
        "Alignment and low-level impact": "figures/alignment.png",
        "Alignment by layer": "figures/layers.png",
    }
    report_dir = Path(results["settings"]["report_dir"])
    files = {place: report_dir / Path(place).name for place in figures.values()}
    with plain_errors(model):
        card = add_results(read_card(model), results, _label(model), figures)
    if Path(model).is_dir():
        save_card(card, model, files)
    else:
        commit_files({CARD: str(card).encode(), **files}, model, "Add a report of alignment")


if __name__ == "__main__":
    main()

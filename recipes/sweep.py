"""Brain-tune on growing shares of the stories, from models of several sizes.

    python recipes/sweep.py --fractions 0.125 0.25 0.5 1 --models phantom-wav2vec2 phantom-hubert \\
        --output_dir outputs/sweep
    python recipes/summarise.py --results outputs/sweep --report_dir outputs/sweep/summary

Takes all arguments of `recipes/tune.py`. The second command draws alignment against the amount of
data and the size of the model. Encoding models are fitted on all training stories, whatever was
tuned on: the pretrained model scores the same at every share. A run that is finished with the same
settings is not run again.
"""

import copy
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModel

from evaluate_metrics.reports.alignment import rows
from modeling_braintune import BrainTuningArguments
from recipes.arguments import parse_arguments
from recipes.process import one_line_errors, prepare_process
from recipes.targets import tuned_on
from recipes.train import write_json
from recipes.tune import DEFAULT_CONFIG, TuneArguments, materials, tune
from recipes.tune_seeds import finished

RESULTS = "sweep.json"
LINE = "{:<24} {:>10} {:>9} {:>8} {:>8}  {}"


@dataclass(kw_only=True)
class SweepArguments:
    """Which models are tuned on how much."""

    fractions: list[float] = field(
        default_factory=lambda: [0.125, 0.25, 0.5, 1.0],
        metadata={"help": "Shares of the stories to tune on; by whole stories, at least one."},
    )
    models: list[str] | None = field(
        default=None, metadata={"help": "Models to start from; `model` of the file if none."}
    )
    stories_seed: int = field(
        default=0, metadata={"help": "Of the order in which stories are added."}
    )


def sweep(sweeping, arguments, training):
    """Run `recipes.tune.tune` for every model and share of the stories.

    The other stories stay as they are, and a share holds the smaller ones.

    Parameters
    ----------
    sweeping : SweepArguments
    arguments : TuneArguments
    training : BrainTuningArguments

    Returns
    -------
    dict
        As written to `sweep.json` after every run: "rows", those of
        `evaluate_metrics.reports.alignment.rows` with "pretrained", the model that was started from, "fraction", "n_trs", the participant's TRs
        that were tuned on, and "n_parameters" of the starting model; and "settings".

    Raises
    ------
    ValueError
        As `story_shares`; models have the same last part of their names; runs cannot all be pushed
        to one place.
    FileExistsError
        As `recipes.tune.tune`.
    """
    models = sweeping.models or [arguments.model]
    if len({Path(model).name for model in models}) < len(models):
        raise ValueError(f"models need different last parts of their names, got {models}")
    if training.push_to_hub:
        raise ValueError("push_to_hub: a sweep tunes many models; publish one with publish.py")
    shares = story_shares(tuned_on(arguments), sweeping.fractions, sweeping.stories_seed)
    say = print if training.process_index == 0 else lambda *_: None
    output = Path(training.output_dir)
    with training.main_process_first(local=False):
        sizes = {
            model: n_parameters(materials(dataclasses.replace(arguments, model=model), say))
            for model in models
        }
        n_trs = {name: _story_lengths(arguments, name) for name in arguments.participants}

    runs = []
    for model in models:
        for fraction, stories in shares.items():
            this = copy.copy(training)
            this.output_dir = str(output / Path(model).name / f"{fraction:g}")
            tuned = dataclasses.replace(arguments, model=model, tuning_stories=stories)
            runs.append((model, fraction, tuned, this))
    say(LINE.format("model", "weights", "fraction", "stories", "TRs", ""))
    for model, fraction, tuned, this in runs:
        size, n = f"{sizes[model] / 1e6:.3g} M", len(tuned.tuning_stories)
        trs = sum(by_story[story] for by_story in n_trs.values() for story in tuned.tuning_stories)
        done = "finished" if finished(tuned, this) else "to be run"
        say(LINE.format(Path(model).name, size, f"{fraction:g}", n, trs, done))

    report = {"rows": [], "settings": dataclasses.asdict(sweeping)}
    for model, fraction, tuned, this in runs:
        say(f"\n{Path(model).name}, {fraction:g} of the stories: {', '.join(tuned.tuning_stories)}")
        results = finished(tuned, this) or tune(tuned, this)
        if training.process_index > 0:
            continue
        for name, scores in results["participants"].items():
            of_run = {
                "pretrained": Path(model).name if Path(model).is_dir() else model,
                "fraction": fraction,
                "n_trs": sum(n_trs[name][story] for story in tuned.tuning_stories),
                "n_parameters": sizes[model],
            }
            report["rows"] += [row | of_run for row in rows(scores)]
        write_json(output / RESULTS, report)
    say(f"\n{RESULTS} is in {output}/")
    return report


def story_shares(stories, fractions, seed=0):
    """Nested subsets of stories.

    Parameters
    ----------
    stories : list of str
    fractions : list of float
        Above 0, at most 1; rounded to whole stories, at least one.
    seed : int
        Of the order in which stories are added.

    Returns
    -------
    dict of {fraction: list of str}
        From the smallest on; stories in the order that they were given in.

    Raises
    ------
    ValueError
        A fraction is out of range, or two take the same stories.
    """
    order = np.random.default_rng(seed).permutation(len(stories))
    shares = {}
    for fraction in sorted(fractions):
        if not 0 < fraction <= 1:
            raise ValueError(f"fractions must be above 0 and at most 1, got {fraction:g}")
        n = max(1, round(fraction * len(stories)))
        shares[fraction] = [stories[i] for i in sorted(order[:n])]
    numbers = [len(share) for share in shares.values()]
    if len(set(numbers)) < len(fractions):
        raise ValueError(
            f"fractions {', '.join(f'{f:g}' for f in sorted(fractions))} of {len(stories)} stories "
            f"are {', '.join(map(str, numbers))} stories; give fractions that differ in them"
        )
    return shares


def n_parameters(checkpoint):
    """Count the weights of a speech model; of an encoder and a decoder, those of the encoder.

    Parameters
    ----------
    checkpoint : folder or name on the Hub

    Returns
    -------
    int
    """
    config = AutoConfig.from_pretrained(checkpoint)
    with torch.device("meta"):  # shapes without memory
        model = AutoModel.from_config(config)
    encoder = model.get_encoder() if config.is_encoder_decoder else model
    return encoder.num_parameters()


def _story_lengths(arguments, participant):
    """{story: TRs} of the stories to tune on."""
    stories = arguments.open(participant).stories(tuned_on(arguments))
    return {story.name: len(story.tr_times) for story in stories}


def main():
    with one_line_errors():
        sweeping, arguments, training = parse_arguments(
            (SweepArguments, TuneArguments, BrainTuningArguments),
            DEFAULT_CONFIG,
            renamed={"participant": "participants"},
        )
        prepare_process(training.device, training.world_size)
        sweep(sweeping, arguments, training)


if __name__ == "__main__":
    main()

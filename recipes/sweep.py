"""Brain-tune on growing shares of the stories, from models of several sizes.

    python recipes/sweep.py --fractions 0.125 0.25 0.5 1 --pretrained phantom-wav2vec2 \\
        phantom-hubert --output_dir outputs/sweep
    python recipes/summarise.py --results outputs/sweep --output_dir outputs/sweep/summary

Takes all options of `recipes/tune.py`, but several models to tune. The second command draws
alignment against the amount of data and the size of the model. Encoding models are fitted on all
training stories, whatever was tuned on: the pretrained model scores the same at every share. A run
that is finished with the same settings is not run again.
"""

import copy
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipes.command.process import one_line_errors, prepare_process

import numpy as np
from transformers import AutoConfig

from evaluate_metrics.reports import rows
from recipes.command.arguments import keys_of, parse_arguments
from recipes.command.checkpoints import checkpoint, recordings_folder
from recipes.command.output_folder import finished_results, run_settings, write_json
from recipes.command.sole_run import sole_run
from recipes.stages.backbones import n_parameters
from recipes.stages.recordings import open_recordings, tuned_on
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from recipes.tune import DEFAULT_CONFIG, tune

RESULTS = "sweep.json"
LINE = "{:<24} {:>10} {:>9} {:>8} {:>8}  {}"


@dataclass(kw_only=True)
class SweepOptions(TuningOptions):
    """Which models are tuned on how much."""

    pretrained: list[str] = field(  # type: ignore[assignment] # several, of which a run takes one
        metadata=TuningOptions.__dataclass_fields__["pretrained"].metadata
    )
    fractions: list[float] = field(
        default_factory=lambda: [0.125, 0.25, 0.5, 1.0],
        metadata={
            "help": "Shares of the stories that are tuned on, above 0 and at most 1, rounded to "
            "whole stories; 0.125 0.25 0.5 1 by default."
        },
    )
    stories_seed: int = field(
        default=0,
        metadata={"help": "Seed of the order in which stories are added; 0 by default."},
    )

    def of_run(self, pretrained: str, stories: list[str]) -> TuningOptions:
        """Return the options of one run."""
        own = {key: getattr(self, key) for key in keys_of(TuningOptions)}
        return TuningOptions(**own | {"pretrained": pretrained, "tuning_stories": stories})


def sweep(arguments: SweepOptions, training: TrainerOptions) -> dict[str, Any]:
    """Run `recipes.tune.tune` for every model and share of the stories.

    The other stories stay as they are, and a share holds the smaller ones.

    Parameters
    ----------
    arguments : SweepOptions
    training : TrainerOptions

    Returns
    -------
    dict
        As written to `sweep.json` after every run: "rows", those of `evaluate_metrics.reports.rows`
        with "pretrained", the model that was started from, "fraction", "n_trs", the participant's
        TRs that were tuned on, and "n_parameters" of the starting model; and "settings".

    Raises
    ------
    ValueError
        As `story_shares`; models have the same last part of their names; runs cannot all be pushed
        to one place.
    FileExistsError
        As `recipes.tune.tune`.
    """
    models = arguments.pretrained
    if len({Path(model).name for model in models}) < len(models):
        raise ValueError(
            f"pretrained: models need different last parts of their names, got {', '.join(models)}"
        )
    if training.push_to_hub:
        raise ValueError("push_to_hub: a sweep tunes many models; publish one with publish.py")
    shares = story_shares(tuned_on(arguments), arguments.fractions, arguments.stories_seed)
    say = print if training.process_index == 0 else lambda *_: None
    output = Path(training.output_dir)
    with training.main_process_first(local=False):
        configs = {
            model: AutoConfig.from_pretrained(checkpoint(model, say), trust_remote_code=False)
            for model in models
        }
        sizes = {model: n_parameters(config) for model, config in configs.items()}
        data = recordings_folder(arguments.data, say)
        n_trs = {
            participant.name: participant.n_trs for participant in open_recordings(data, arguments)
        }

    # What is to be done
    runs = []
    for model in models:
        for fraction, stories in shares.items():
            this = copy.copy(training)
            this.output_dir = str(output / Path(model).name / f"{fraction:g}")
            runs.append((model, fraction, arguments.of_run(model, stories), this))
    say(LINE.format("model", "weights", "fraction", "stories", "TRs", ""))
    for model, fraction, tuned, this in runs:
        size, n = f"{sizes[model] / 1e6:.3g} M", len(tuned.tuning_stories)
        trs = sum(by_story[story] for by_story in n_trs.values() for story in tuned.tuning_stories)
        done = "finished" if _results(tuned, this) else "to be run"
        say(LINE.format(Path(model).name, size, f"{fraction:g}", n, trs, done))

    # A run after the other
    report: dict[str, Any] = {"rows": [], "settings": dataclasses.asdict(arguments)}
    for model, fraction, tuned, this in runs:
        say(f"\n{Path(model).name}, {fraction:g} of the stories: {', '.join(tuned.tuning_stories)}")
        results = _results(tuned, this) or tune(tuned, this)
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


def _results(arguments, training):
    return finished_results(training.output_dir, run_settings(arguments, training))


def story_shares(
    stories: list[str], fractions: list[float], seed: int = 0
) -> dict[float, list[str]]:
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


def main() -> None:
    with one_line_errors():
        arguments, training = parse_arguments((SweepOptions, TrainerOptions), DEFAULT_CONFIG)
        prepare_process(training.device, training.world_size)
        with sole_run(training.output_dir, training.process_index == 0):
            sweep(arguments, training)


if __name__ == "__main__":
    main()

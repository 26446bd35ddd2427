"""Tune, probe and recognise with many sets of options, and set all of them side by side.

    python recipes/variants.py
    python recipes/variants.py --only today distil-1 --seeds 0 --max_steps 4 --asr_steps 4

A configuration names variants: what each changes of tune.py's own configuration. Every one is tuned
with every seed, measured by alignment, by linear probes and by recognition, one run after the
other; what is finished is not run again. The last table has a line for each variant.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from recipes.command.process import one_line_errors, prepare_process

from accelerate import PartialState

from datasets_scripts import check_name, written_whole
from evaluate_metrics.reports import BASELINE
from evaluate_metrics.reports.variants import variants_table
from recipes.asr import AsrOptions, asr
from recipes.command.arguments import CONFIGS, chosen_config, parse_arguments, read_config
from recipes.command.output_folder import write_json
from recipes.command.sole_run import sole_run
from recipes.command.vocabulary import Output, Seeds
from recipes.probe import ProbeOptions, probe
from recipes.stages.controls import BRAIN_TUNED
from recipes.stages.recognition import RecognitionOptions
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from recipes.tune import tuned_with_seed

DEFAULT_CONFIG = CONFIGS / "phantom-beyond.yaml"
RESULTS, TABLE = "variants.json", "variants.md"


@dataclass(kw_only=True)
class VariantsOptions(Seeds, Output):
    """Which variants are tuned, and how they are measured."""

    command: ClassVar[str] = "variants"

    tasks: list[str] = field(
        metadata={"help": ProbeOptions.__dataclass_fields__["tasks"].metadata["help"]}
    )
    only: list[str] = field(
        default_factory=list,
        metadata={"help": "Variants by name, of those of the configuration; all by default."},
    )
    max_steps: int = field(
        default=-1, metadata={"help": "Steps of every tuning; as its epochs say by default."}
    )
    asr_steps: int = field(
        default=1000,
        metadata={"help": "Steps of every recogniser; 1000 by default, 0 to train none."},
    )

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ValueError("seeds: give at least one")
        super().__post_init__()


def words(options: dict[str, Any]) -> list[str]:
    """Return options as a command line has them."""
    said = []
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        said += [f"--{name}", *(str(v).lower() if isinstance(v, bool) else str(v) for v in values)]
    return said


def measured(
    name: str, changes: dict[str, Any], seed: int, arguments: VariantsOptions, is_first: bool
) -> list[dict[str, Any]]:
    """Tune a variant with a seed and measure it, where that is not done.

    Parameters
    ----------
    name : str
    changes : dict of options of tune.py
    seed : int
    arguments : VariantsOptions
    is_first : bool
        Of the variants with this seed: the pretrained model, which is all of theirs, is probed and
        learns to recognise beside it.

    Returns
    -------
    list of dict
        With "variant", "seed", "model" (pretrained or brain-tuned), "measure" and "value", a mean
        over layers where there are several.
    """
    output = Path(arguments.output_dir, name, f"seed-{seed}")
    given = {"targets": "responses", "seed": seed, "output_dir": output / "tune"}
    if arguments.max_steps > 0:
        given |= {"max_steps": arguments.max_steps, "eval_steps": arguments.max_steps}
        given |= {"save_steps": arguments.max_steps}
    line = words(given | changes)
    tuning = parse_arguments(
        (TuningOptions, TrainerOptions), CONFIGS / "phantom.yaml", arguments=line
    )
    rows: list[dict[str, Any]] = []

    def row(model, measure, value):
        rows.append(
            {"variant": name, "seed": seed, "model": model, "measure": measure, "value": value}
        )

    for scores in tuned_with_seed(*tuning).values():
        for model, by_region in scores["alignment"].items():
            for region, score in by_region.items():
                row(model, region, score["mean"])
    baseline, tuned = tuning[0].pretrained, str(output / "tune" / BRAIN_TUNED)
    line = words({"checkpoints": tuned, "tasks": arguments.tasks, "output_dir": output / "probe"})
    (probing,) = parse_arguments((ProbeOptions,), arguments=line)
    found: dict[tuple[str, str], list[float]] = {}
    for scored in probe(replace(probing, baseline=baseline if is_first else None))["rows"]:
        found.setdefault((scored["model"], scored["task"]), []).append(scored["value"])
    for (model, task), values in found.items():
        row(model, task, sum(values) / len(values))
    if arguments.asr_steps:
        every = {"max_steps": arguments.asr_steps, "seed": seed, "output_dir": output / "asr"}
        every |= {"eval_steps": min(100, arguments.asr_steps)}
        line = words({"checkpoints": tuned, "save_steps": every["eval_steps"]} | every)
        recognition, learning = parse_arguments(
            (AsrOptions, RecognitionOptions), CONFIGS / "phantom-asr.yaml", arguments=line
        )
        recognition = replace(recognition, baseline=baseline if is_first else None)
        for scored in asr(recognition, learning)["rows"]:
            if scored["measure"] == "wer":
                row(scored["model"], "phone error rate", scored["value"])
    return rows


def compare(arguments: VariantsOptions, variants: dict[str, dict[str, Any]]) -> list[dict]:
    """Measure all variants with all seeds, one after the other, and write the table.

    Parameters
    ----------
    arguments : VariantsOptions
    variants : dict of {name: options of tune.py}

    Returns
    -------
    list of dict
        The rows of `measured`, as written to `variants.json`.

    Raises
    ------
    ValueError
        An unknown variant, or as tune.py, probe.py and asr.py.
    """
    for name in arguments.only:
        check_name("variant", name, variants)
    output, rows = Path(arguments.output_dir), []
    chosen = {n: changes for n, changes in variants.items() if n in (arguments.only or variants)}
    for name, changes in chosen.items():
        for seed in arguments.seeds:
            print(f"\n{name}, seed {seed}: {' '.join(words(changes)) or 'as it is'}")
            rows += measured(name, changes, seed, arguments, name == next(iter(chosen)))
            write_json(output / RESULTS, {"rows": rows, "settings": asdict(arguments)})
    table = variants_table(rows, BRAIN_TUNED, BASELINE)
    with written_whole(output / TABLE) as partial:
        partial.write_text(table + "\n", encoding="utf-8")
    print(f"\n{table}\n\n{TABLE} and {RESULTS} are in {output}/")
    return rows


def main() -> None:
    with one_line_errors():
        (arguments,) = parse_arguments(
            (VariantsOptions,), DEFAULT_CONFIG, passed_over=("variants",)
        )
        prepare_process(PartialState().device, 1)
        with sole_run(arguments.output_dir, True):
            compare(arguments, read_config(chosen_config(DEFAULT_CONFIG)[0])["variants"])


if __name__ == "__main__":
    main()

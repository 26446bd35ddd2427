"""Tune, probe and recognise with many sets of options, and set all of them side by side.

    python recipes/variants.py
    python recipes/variants.py --only today distil-1 --seeds 0

A configuration names variants: what each changes of how models are tuned. Every one is tuned with
every seed, measured by alignment, by linear probes and by recognition. Each of these is a job, a
command of this package; killed anywhere, the same command goes on with what is left. The last table
has a line for each variant.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from recipes.command.process import one_line_errors

from datasets_scripts import check_name, written_whole
from evaluate_metrics.reports import BASELINE
from evaluate_metrics.reports.variants import variants_table
from recipes.command.arguments import CONFIGS, chosen_config, parse_arguments, read_config
from recipes.command.output_folder import RESULTS, write_json
from recipes.command.vocabulary import Output, Seeds
from recipes.probe import ProbeOptions
from recipes.stages.controls import BRAIN_TUNED
from recipes.stages.study.jobs import Job, done
from recipes.stages.study.planning import command, config_path
from recipes.stages.study.running import Here, run_all

DEFAULT_CONFIG = CONFIGS / "phantom-beyond.yaml"
ROWS, TABLE = "variants.json", "variants.md"
OF_JOBS = ("tuning", "recognition", "variants")  # keys of the configuration


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
    n_at_once: int = field(
        default=1, metadata={"help": "Number of jobs that run at once; 1 by default."}
    )

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ValueError("seeds: give at least one")
        if self.n_at_once < 1:
            raise ValueError(f"n_at_once must be at least 1 job, got {self.n_at_once}")
        super().__post_init__()


def plan(arguments: VariantsOptions, config: dict[str, Any]) -> list[Job]:
    """All jobs: of each seed those of all variants, a tuning and what measures it.

    Parameters
    ----------
    arguments : VariantsOptions
    config : dict
        "tuning" and "recognition": options of tune.py and of asr.py, with the "config" that they
        are added to; "variants" {name: further options of tune.py}.

    Returns
    -------
    list of Job
        The pretrained model, which is all of theirs, is measured beside the first variant.

    Raises
    ------
    ValueError
        There is no such variant.
    """
    variants = config["variants"]
    for name in arguments.only:
        check_name("variant", name, variants)
    chosen = [name for name in variants if name in (arguments.only or variants)]
    tuning = config["tuning"] | {"targets": ["responses"]}
    pretrained = read_config(config_path(tuning["config"]))["pretrained"]
    jobs = []
    for seed in arguments.seeds:
        for name in chosen:
            baseline = {"baseline": pretrained if name == chosen[0] else ""}
            tune = _job(
                arguments, name, seed, "tune", tuning | {"seed": seed} | variants[name], RESULTS
            )
            measured = {"checkpoints": [str(tune.folder / BRAIN_TUNED)]} | baseline
            probing = measured | {"tasks": arguments.tasks}
            probe = _job(arguments, name, seed, "probe", probing, "probes.json", tune)
            recognition = config["recognition"] | measured | {"seed": seed}
            asr = _job(arguments, name, seed, "asr", recognition, "asr.json", tune)
            jobs += [tune, probe, asr]
    return jobs


def _job(arguments, variant, seed, script, words, result, *needs):
    name = f"{script}-{variant}-{seed}"
    folder = Path(arguments.output_dir, "jobs", name)
    return Job(
        name=name,
        command=command(script, words | {"output_dir": str(folder)}),
        folder=folder,
        result=result,
        needs=tuple(job.name for job in needs),
        facts={"variant": variant, "seed": seed},
        refuses=script == "tune",
    )


def rows(jobs: Iterable[Job]) -> Iterator[dict[str, Any]]:
    """What jobs that are done found.

    Parameters
    ----------
    jobs : list of Job
        Of `plan`.

    Yields
    ------
    dict
        With "variant", "seed", "model" (pretrained or brain-tuned), "measure" and "value", a mean
        over layers where there are several.
    """
    for job in filter(done, jobs):
        found = json.loads((job.folder / job.result).read_text(encoding="utf-8"))
        for (model, measure), values in _measures(job.script, found).items():
            value = sum(values) / len(values)
            yield job.facts | {"model": model, "measure": measure, "value": value}


def _measures(script, found):
    """{(model, measure): values} of what a command wrote."""
    measures: dict[tuple[str, str], list[float]] = {}
    if script == "tune":
        for scores in found["participants"].values():
            for model, by_region in scores["alignment"].items():
                for region, score in by_region.items():
                    measures.setdefault((model, region), []).append(score["mean"])
    elif script == "probe":
        for row in found["rows"]:
            measures.setdefault((row["model"], row["task"]), []).append(row["value"])
    else:
        for row in found["rows"]:
            if row["measure"] == "wer":  # of phones, which are its words
                measures.setdefault((row["model"], "phone error rate"), []).append(row["value"])
    return measures


def compare(arguments: VariantsOptions, config: dict[str, Any]) -> list[dict[str, Any]]:
    """Run what is not done, and write the table of what is.

    Parameters
    ----------
    arguments, config
        As `plan`.

    Returns
    -------
    list of dict
        Of `rows`, as written to `variants.json`.

    Raises
    ------
    ValueError
        As `plan`.
    SystemExit
        Jobs failed, which are named; the same command tries them again.
    """
    jobs, output = plan(arguments, config), Path(arguments.output_dir)
    failed = run_all(jobs, Here(arguments.n_at_once))
    found = list(rows(jobs))
    if found:
        write_json(output / ROWS, {"rows": found, "settings": asdict(arguments)})
        table = variants_table(found, BRAIN_TUNED, BASELINE)
        with written_whole(output / TABLE) as partial:
            partial.write_text(table + "\n", encoding="utf-8")
        print(f"\n{table}\n\n{TABLE} and {ROWS} are in {output}/")
    for name, why in failed.items():
        print(f"{name} failed: {why}", file=sys.stderr)
    if failed:
        sys.exit(f"{len(failed)} jobs failed; the same command tries them again")
    return found


def main() -> None:
    with one_line_errors():
        (arguments,) = parse_arguments((VariantsOptions,), DEFAULT_CONFIG, passed_over=OF_JOBS)
        compare(arguments, read_config(chosen_config(DEFAULT_CONFIG)[0]))


if __name__ == "__main__":
    main()

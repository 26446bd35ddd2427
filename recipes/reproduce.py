"""Reproduce the figures of both papers from one folder, by one command.

    python recipes/reproduce.py                                         # the phantom
    python recipes/reproduce.py --data <folder> --atlas lh.HCP-MMP1.annot rh.HCP-MMP1.annot \\
        --collections timit=<folder> slurp=<folder> --dry_run true

A plan says which commands that takes, what each is for, and what it costs: `--dry_run true` shows
it, and what is missing. A job runs once, after those that it needs, and one that fails stops only
those that need it. Killed anywhere, the same command goes on. The output folder then holds one
tidy table of results, a picture and a table for each figure, and a page of them all.
"""

import argparse
import sys
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from recipes.command.process import one_line_errors

from transformers import AutoConfig, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

from datasets_scripts import check_name
from datasets_scripts.recordings import Inventory
from modeling_braintune import load_feature_extractor
from recipes.command.arguments import CONFIGS, chosen_config, parse_arguments, read_config
from recipes.command.checkpoints import PHANTOM, recordings_folder
from recipes.command.output_folder import write_json
from recipes.command.vocabulary import Alignment, Collections, Output, Recordings
from recipes.phantom import MODELS
from recipes.stages.study.cluster import CLUSTERS, Cluster
from recipes.stages.study.costs import Costs, heard_by, operations_a_second, summary, time_backbones
from recipes.stages.study.finishing import PAGE, finish
from recipes.stages.study.jobs import Job, done, for_figures
from recipes.stages.study.missing import (
    look_around,
    missing_collections,
    missing_inputs,
    missing_table,
)
from recipes.stages.study.planning import (
    FIGURES,
    Backbone,
    Study,
    config_path,
    figures_named,
    plan,
    splits_of,
)
from recipes.stages.study.running import Here, run_all, sole_holder
from recipes.stages.study.tables import job_table

# Keys of the configuration that say what jobs are told
OF_JOBS = ("checkpoints", "larger", "jobs")
LOCK = ".lock"  # of the study's folder, while what its jobs share is written
EXECUTORS = ("here", *CLUSTERS)
CEILINGS = {"ceiling", "ceiling_story", "ceiling_repeats"}  # other than of what is scored
CHUNKS = (0.1, 1.0)  # seconds between windows, of which hours are told
CHANGES = (
    "With a chunk of 1 s a representation hears up to 0.9 s of what follows: alignment comes out "
    "about as high, and the report says so."
)


@dataclass(kw_only=True)
class ReproduceOptions(Recordings, Collections, Output):
    """Which figures are made, from whom, and where jobs run."""

    command: ClassVar[str] = "reproduce"

    models: list[str] = field(
        metadata={"help": "Families of models by name, of wav2vec2, hubert and whisper."}
    )
    figures: list[str] = field(
        metadata={
            "help": "Figures by number: all, or some of "
            f"{', '.join(dict.fromkeys(f.rstrip('abc') for f in FIGURES))}, the last one being "
            "the layer-stage paper's."
        }
    )
    dry_run: bool = field(
        default=False,
        metadata={
            "help": "Whether nothing is run, but the plan is shown, with what it costs and what is "
            "missing; false by default."
        },
    )
    evaluation_chunk: float = field(
        default=0.1, metadata=Alignment.__dataclass_fields__["evaluation_chunk"].metadata
    )
    executor: str = field(
        default="here",
        metadata={
            "help": "Where jobs run: here (the default), as processes of this machine; local, "
            "through submitit, one for each GPU of this machine; or slurm, on a cluster."
        },
    )
    n_at_once: int = field(
        default=1, metadata={"help": "Number of jobs that run at once; 1 by default."}
    )
    slurm: list[str] = field(
        default_factory=list,
        metadata={
            "help": "What jobs ask the cluster for, as submitit names it, such as "
            "slurm_partition=gpu timeout_min=600 mem_gb=64; a GPU each by default."
        },
    )

    def __post_init__(self) -> None:
        self.numbers = figures_named(self.figures)
        if self.n_at_once < 1:
            raise ValueError(f"n_at_once must be at least 1 job, got {self.n_at_once}")
        check_name("executor", self.executor, EXECUTORS)
        asked = [given.partition("=") for given in self.slurm]
        if not all(name and value for name, _, value in asked):
            raise ValueError(f"slurm must be given as <name>=<value>, got {' '.join(self.slurm)}")
        self.asked = {name: value for name, _, value in asked}
        if self.participants:  # else once it is known who there is
            super().__post_init__()


def study_of(arguments: ReproduceOptions, config: dict[str, Any]) -> Study:
    """Return what is studied, by the options and by what a configuration says of jobs."""
    checkpoints, larger = config["checkpoints"], config.get("larger", {})
    for name in arguments.models:
        check_name("family", name, checkpoints)
    fields_of = Recordings.__dataclass_fields__
    return Study(
        folder=Path(arguments.output_dir),
        participants=arguments.participants,
        families={name: backbone(checkpoints[name]) for name in arguments.models},
        larger={name: backbone(larger[name]) for name in arguments.models if name in larger},
        recordings={
            name: value
            for name, value in asdict(arguments).items()
            if name in fields_of.keys() - {"participants"} and value != fields_of[name].default
        },
        kinds=config["jobs"],
        collections=arguments.collections,
        evaluation_chunk=arguments.evaluation_chunk,
        code_version=version("braintune"),
    )


def backbone(told: str | dict[str, Any]) -> Backbone:
    """Return a model, of which a configuration tells the name, or the shape beside it."""
    if isinstance(told, dict):
        shape = {key: value for key, value in told.items() if key != "name"}
        config = AutoConfig.for_model(**shape)
        whisper = config.model_type == "whisper"
        extractor = WhisperFeatureExtractor() if whisper else Wav2Vec2FeatureExtractor()
        return Backbone(name=told["name"], config=config, feature_extractor=extractor)
    if told in MODELS:
        config, extractor = MODELS[told]()
    else:
        config = AutoConfig.from_pretrained(told, trust_remote_code=False)
        extractor = load_feature_extractor(told)
    return Backbone(name=told, config=config, feature_extractor=extractor)


def reproduce(arguments: ReproduceOptions, config: dict[str, Any]) -> list[Job]:
    """Plan, run what is not done, and draw.

    Parameters
    ----------
    arguments : ReproduceOptions
    config : dict
        With the keys of `OF_JOBS`.

    Returns
    -------
    list of Job
    """
    splits = splits_of(config["jobs"])
    found = look_around(recordings_folder(arguments.data), arguments, splits)
    if found is not None:
        arguments = replace(arguments, participants=[one.name for one in found.participants])
    if not arguments.participants:
        raise ValueError(f"participants: give those of {arguments.data} with --participants")
    study = study_of(arguments, config)
    if found is not None:
        train = {*splits["train_stories"]}
        lacking = {one.name: sorted({*one.unrecorded} & train) for one in found.participants}
        study = replace(
            study, unrecorded={name: stories for name, stories in lacking.items() if stories}
        )
    jobs = for_figures(plan(study), arguments.numbers)
    if arguments.dry_run:
        print(forecast(study, jobs, arguments, found, splits))
        return jobs
    if not jobs:
        absent = missing_collections({*arguments.collections}, arguments.numbers)
        wanted = " ".join(f"{name}=<folder>" for name in absent)
        raise ValueError(
            f"figures {', '.join(arguments.numbers)} cannot be made of what is given"
            + (f": give --collections {wanted}" if wanted else "")
        )
    print(job_table(jobs))
    with sole_holder(study.folder / LOCK):
        write_json(study.folder / "plan.json", [job.told() for job in jobs])
    failed = run_all(jobs, executor_of(arguments, study))
    n_done = sum(map(done, jobs))
    print(f"{n_done} of {len(jobs)} jobs are done, in {study.folder}/jobs/")
    for job in jobs:
        if job.name in failed:
            print(f"{job.name} failed: {failed[job.name]} ({job.place('.log')})", file=sys.stderr)
    if n_done:
        with sole_holder(study.folder / LOCK):  # another call may be drawing the same
            draw(study, jobs, arguments, config)
    if failed:
        sys.exit(f"{len(failed)} jobs failed; the same command tries them again")
    return jobs


def executor_of(arguments: ReproduceOptions, study: Study) -> Here | Cluster:
    """Return what runs the jobs."""
    if arguments.executor == "here":
        return Here(arguments.n_at_once)
    folder = study.folder / "submitit"
    return Cluster(arguments.executor, folder, arguments.n_at_once, arguments.asked)


def draw(
    study: Study, jobs: list[Job], arguments: ReproduceOptions, config: dict[str, Any]
) -> None:
    """Write the tidy table, the figures and the page, and say which figures are not drawn."""
    told = config["jobs"]["all"]
    settings = read_config(config_path(told["config"])) | told
    given = {name.partition("=")[0] for name in arguments.collections}
    is_phantom = arguments.data == PHANTOM
    left_out = finish(
        study,
        jobs,
        arguments.numbers,
        planted=is_phantom,
        circular=() if settings.keys() & CEILINGS else study.participants,
        missing=missing_collections(given, arguments.numbers),
    )
    for number, why in left_out:
        print(f"Figure {number} is not drawn: {why}")
    print(f"{PAGE}, figures/, results.parquet and results.csv are in {study.folder}/")


def forecast(
    study: Study,
    jobs: list[Job],
    arguments: ReproduceOptions,
    found: Inventory | None,
    splits: dict[str, list[str]],
) -> str:
    """Say which jobs there are, what they cost here, and what is missing, as text."""
    if found is None:
        return f"{job_table(jobs)}\n\nOf {arguments.data} neither costs nor gaps are known."
    heard = {one.name: heard_by(one, splits) for one in found.participants}
    timed, operations = time_backbones(study), operations_a_second()

    def costing(study: Study, jobs: list[Job]) -> list[Job]:
        return Costs(study, heard, timed, operations).of(jobs)

    lines = [" ".join(job.command) for job in jobs]
    lines += ["", job_table(costing(study, jobs)), ""]
    for chunk in dict.fromkeys([study.evaluation_chunk, *CHUNKS]):
        costs = summary(costing(replace(study, evaluation_chunk=chunk), jobs))
        lines.append(f"With --evaluation_chunk {chunk:g}: {costs}")
    lines.append(CHANGES)
    given = [name.partition("=")[0] for name in arguments.collections]
    if absent := list(missing_collections(given, arguments.numbers)):
        collections = [*study.collections, *(f"{name}=<folder>" for name in absent)]
        whole = replace(study, collections=collections)
        costs = summary(costing(whole, for_figures(plan(whole), arguments.numbers)))
        lines.append(f"With {', '.join(absent)} too, at {study.evaluation_chunk:g} s: {costs}")
    has_atlas = arguments.atlas is not None
    missing = missing_inputs(found, given, arguments.numbers, has_atlas)
    return "\n".join([*lines, "", missing_table(missing)])


def default_config() -> Path:
    """Return the configuration that goes with the recordings on the command line."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--data", default=PHANTOM)
    data = parser.parse_known_args()[0].data
    return CONFIGS / ("reproduce-phantom.yaml" if data == PHANTOM else "reproduce.yaml")


def main() -> None:
    with one_line_errors():
        default = default_config()
        (arguments,) = parse_arguments((ReproduceOptions,), default, passed_over=OF_JOBS)
        reproduce(arguments, read_config(chosen_config(default)[0]))


if __name__ == "__main__":
    main()

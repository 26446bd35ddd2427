"""What a tuned checkpoint tells of itself, from the run that made it: its card, its alignment."""

import json
from os import PathLike
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from modeling_braintune import license_of, model_card, save_card, write_alignment
from recipes.command.output_folder import CURVE, run_settings, write_json, written_anew
from recipes.stages.controls import TARGETS
from recipes.stages.tuning_options import TrainerOptions, TuningOptions

ARGUMENTS, CONFIG = "training_arguments.json", "config.json"


def describe(
    name: str,
    arguments: TuningOptions,
    training: TrainerOptions,
    results: dict[str, Any],
    pretrained: str | PathLike,
    figures: dict[str, str],
) -> None:
    """Put the card of a checkpoint beside it, with figures, and its training arguments.

    How well its head predicts each participant goes into the checkpoint itself.

    Parameters
    ----------
    name : str
        The model's, and its folder's in the output folder.
    arguments : TuningOptions
    training : TrainerOptions
    results : dict
        "participants" {name: what `measure` gives, with "heads"} and "curves" {model: losses}.
    pretrained : folder or name on the Hub
    figures : dict of {caption: file in the output folder}
    """
    output, settings = Path(training.output_dir), run_settings(arguments, training)
    with written_anew(output / name / CURVE, CONFIG):
        _carry_alignment(output / name, results, name)
    if arguments.lora_rank:
        _carry_alignment(output / f"{name}-adapter", results, name)
    config = AutoConfig.from_pretrained(output / name, trust_remote_code=False)
    (targets,) = {brain["targets"] for brain in config.brain.values()}
    target = TARGETS[targets]
    card = model_card(
        results,
        settings,
        config,
        name,
        teacher=target.teacher is not None,
        permuted_from=target.permuted_from and TARGETS[target.permuted_from].model,
        repo=training.push_to_hub,
        base_license=arguments.license or license_of(pretrained),
        data_license=arguments.data_license,
        figures={caption: f"figures/{figure}" for caption, figure in figures.items()},
    )
    files = {f"figures/{figure}": output / figure for figure in figures.values()}
    save_card(card, output / name, files)
    # What folders are called on this machine is nobody else's business.
    public = {
        key: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
        for key, value in settings.items()
    }
    write_json(output / name / ARGUMENTS, public)


def _carry_alignment(folder, results, model):
    """Have a checkpoint say what its own head predicts of the test story, region by region."""
    brains = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["brain"]
    for participant, scores in results["participants"].items():
        if participant not in brains:  # all share a head, which is nobody's own
            continue
        if by_region := scores["heads"].get(model):
            alignment = {
                region: dict(zip(("low", "high"), s["interval"], strict=True), value=s["mean"])
                for region, s in by_region.items()
                if s["mean"] is not None
            }
            facts = {"story": scores["test_story"], "n_trs": scores["n_trs"]}
            facts |= {"normalisation": scores["normalisation"]}
            write_alignment(folder, participant, alignment, facts if alignment else {})

"""Fine-tune speech models to recognise speech, and compare how many errors they make.

    python recipes/asr.py --checkpoints outputs/phantom/brain-tuned outputs/phantom/permuted \\
        --baseline phantom-wav2vec2                                     # the phantom, in minutes
    python recipes/asr.py --config recipes/configs/asr.yaml --collections timit=<folder> \\
        --checkpoints outputs/ds003020/brain-tuned --baseline facebook/wav2vec2-base

Every model is tuned as a whole, but for its frozen feature encoder, by connectionist temporal
classification (CTC), all else being equal: Moussa et al. 2025, section 3.4.3. A run that was
interrupted goes on when the same command is given again.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipes.command.process import one_line_errors, prepare_process

from transformers import AutoConfig

from datasets_scripts import check_name
from datasets_scripts.collections import TRANSCRIBED
from datasets_scripts.speech_tasks import SPLITS, UNITS
from evaluate_metrics.reports import still_falling
from evaluate_metrics.reports.files import write_csv
from evaluate_metrics.reports.probes import COLUMNS
from evaluate_metrics.reports.recognition import recognition_report, recognition_table
from modeling_braintune import check_family
from recipes.command.arguments import CONFIGS, parse_arguments
from recipes.command.checkpoints import BASELINE, checkpoint, clips_folder, labelled
from recipes.command.output_folder import RESULTS, write_json
from recipes.command.sole_run import sole_run
from recipes.command.vocabulary import Baseline, Checkpoints, Collections, MaxUnusable
from recipes.stages.controls import tuned_participant
from recipes.stages.recognition import (
    RecognitionOptions,
    check_one_process,
    expected_minutes,
    open_transcribed,
    recognise,
)

DEFAULT_CONFIG = CONFIGS / "phantom-asr.yaml"
REPORT = "asr.json"


@dataclass(kw_only=True)
class AsrOptions(Checkpoints, Baseline, Collections, MaxUnusable):
    """Which models learn to recognise what."""

    units: str = field(
        default="phones",
        metadata={
            "help": "What is recognised: phones (the default), without silences, or characters, of "
            "lower-cased text without punctuation other than apostrophes."
        },
    )
    baseline_too: bool = field(
        default=True,
        metadata={
            "help": "Whether the baseline learns it too; false where another run has taught it. "
            "True by default."
        },
    )

    def __post_init__(self) -> None:
        for name in self.folders:
            check_name("collection", name, TRANSCRIBED)
        if len(self.folders) != 1:
            raise ValueError(
                f"collections must name one of {', '.join(TRANSCRIBED)}, such as "
                f"timit=path/to/TIMIT, got {' '.join(self.collections) or 'none'}"
            )
        check_name("units", self.units, UNITS)
        self.names = labelled(self.checkpoints, self.baseline if self.baseline_too else "")
        super().__post_init__()


def asr(arguments: AsrOptions, training: RecognitionOptions) -> dict[str, Any]:
    """Tune every model to recognise speech, count its errors, and write the report.

    Parameters
    ----------
    arguments : AsrOptions
    training : RecognitionOptions

    Returns
    -------
    dict
        - "rows", "differences" and "n_words", as `evaluate_metrics.reports.recognition` has them;
          the task is called "<collection>/asr_<units>";
        - "chosen_step" {model: step}, "notes" and "settings".

    Raises
    ------
    ValueError, FileNotFoundError, FileExistsError, FloatingPointError
        As `check_one_process`, `check_family`, `open_transcribed` and `recognise`.
    """
    check_one_process(training)
    output, units = Path(training.output_dir), arguments.units
    ((collection, given),) = arguments.folders.items()
    task = f"{collection}/asr_{units}"
    checkpoints = {label: checkpoint(name) for label, name in arguments.names.items()}
    for name in checkpoints.values():
        check_family(name)

    # What is heard and said, alike for all models
    folder = clips_folder(collection, given)
    splits, tokenizer, notes = open_transcribed(
        collection, folder, units, list(checkpoints.values()), arguments.max_unusable
    )
    sizes = ", ".join(f"{len(splits[split])} {split}" for split in SPLITS)
    print(f"{task}: {sizes} clips of {given}, {len(tokenizer) - 2} tokens")
    ahead = [
        name
        for label, name in checkpoints.items()
        if training.overwrite_output_dir or not (output / label / RESULTS).exists()
    ]
    minutes = expected_minutes(ahead, splits, tokenizer, training)
    print(f"Estimated time: {minutes:.1f} min for {len(ahead)} models")

    # Every model learns it, and is tested
    results = {}
    for label, name in checkpoints.items():
        results[label] = recognise(output / label, name, splits, tokenizer, units, training)
        print(f"{label}: chosen at step {results[label]['chosen_step']}")

    # How many errors they make
    error_rates = {label: {"validation": result["wer"]} for label, result in results.items()}
    for label, curve in error_rates.items():  # each is tuned for itself
        notes += still_falling({label: curve}, "validation error rate")
    notes.append("Intervals resample clips, as if those of one speaker were independent.")
    report = recognition_report(
        {label: result["clips"] for label, result in results.items()},
        {
            label: tuned_participant(AutoConfig.from_pretrained(name, trust_remote_code=False))
            for label, name in checkpoints.items()
        },
        task,
        BASELINE,
    )
    report |= {
        "chosen_step": {label: result["chosen_step"] for label, result in results.items()},
        "notes": notes,
        "settings": dataclasses.asdict(arguments) | json.loads(training.to_json_string()),
    }
    path = output / REPORT
    write_json(path, report)
    write_csv(path.with_suffix(".csv"), COLUMNS, report["rows"])
    print(recognition_table(report, units, BASELINE))
    print(f"{path.name}, {path.stem}.csv and a checkpoint of each model are in {output}/")
    return report


def main() -> None:
    with one_line_errors():
        arguments, training = parse_arguments((AsrOptions, RecognitionOptions), DEFAULT_CONFIG)
        prepare_process(training.device, training.world_size)
        with sole_run(training.output_dir, training.process_index == 0):
            asr(arguments, training)


if __name__ == "__main__":
    main()

"""Open a page in the browser on which a sound is heard, and the predicted cortex is seen.

    python recipes/demo.py --checkpoints outputs/phantom/brain-tuned
    python recipes/demo.py --checkpoints outputs/phantom/brain-tuned outputs/phantom/permuted

The page is for this machine alone, unless --server_name says otherwise; the sounds that are given
never leave it, and are deleted when the page is closed. Two checkpoints are shown side by side.
"""

import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from recipes.command.process import one_line_errors, prepare_process

from accelerate import PartialState

from recipes.command.arguments import parse_arguments
from recipes.command.checkpoints import labelled
from recipes.command.examples import offered
from recipes.command.vocabulary import (
    Checkpoints,
    Participants,
    RemoteCode,
    check_once,
)
from recipes.stages.predicting import PATIENCE, brain_pipeline, patient_enough

MOST = 2  # checkpoints, side by side


@dataclass(kw_only=True)
class DemoOptions(Checkpoints, Participants, RemoteCode):
    """Which models are seen, and where the page is."""

    precise: bool = field(
        default=False,
        metadata={
            "help": "Whether responses are predicted in float32 however long that takes; false by "
            "default: in bfloat16, at 1 %% relative error, if a minute of sound would take more "
            f"than {PATIENCE:g} s here and bfloat16 takes less."
        },
    )
    examples: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Sound files that the page offers; by default those that a checkpoint's card "
            "offers, or two of the phantom's stories beside a checkpoint that was tuned on it."
        },
    )
    server_name: str = field(
        default="127.0.0.1",
        metadata={
            "help": "Address that the page is opened on: 127.0.0.1 for this machine alone (the "
            "default), 0.0.0.0 for all that reach it."
        },
    )
    server_port: int | None = field(
        default=None,
        metadata={"help": "Port of the page; the first free one from 7860 by default."},
    )
    inbrowser: bool = field(
        default=False,
        metadata={"help": "Whether a browser is opened on the page; false by default."},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_once("participants", self.participants)
        if not 0 < len(self.checkpoints) <= MOST:
            raise ValueError(
                f"checkpoints must name one model, or {MOST} to be seen side by side, got "
                f"{', '.join(self.checkpoints) or 'none'}"
            )
        for path in self.examples:
            if not Path(path).is_file():
                raise FileNotFoundError(f"--examples {path}: there is no such file")


def demo(arguments: DemoOptions) -> None:
    """Open the page, until the process is interrupted.

    Parameters
    ----------
    arguments : DemoOptions

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such model or sound, a model does not say whose voxels it predicts, or does not
        know a participant.
    ImportError
        Without Gradio or Plotly.
    """
    # Not before: help is given without what the page needs
    from recipes.stages.demo.page import launch, page

    names = labelled(arguments.checkpoints)
    encoders = {
        label: brain_pipeline(name, arguments.trust_remote_code) for label, name in names.items()
    }
    if not arguments.precise:
        encoders = {label: patient_enough(encode) for label, encode in encoders.items()}
    for label, encode in encoders.items():
        print(f"{label} predicts in {str(encode.model.dtype).removeprefix('torch.')}")
    examples = offered(arguments.examples, names.values())
    blocks = page(encoders, arguments.participants, examples)
    launch(
        blocks,
        server_name=arguments.server_name,
        server_port=arguments.server_port,
        inbrowser=arguments.inbrowser,
    )


def main() -> None:
    with one_line_errors():
        # What visitors gave is deleted as the process ends, which this signal would not let it do.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        (arguments,) = parse_arguments((DemoOptions,))
        prepare_process(PartialState().device, 1)
        demo(arguments)


if __name__ == "__main__":
    main()

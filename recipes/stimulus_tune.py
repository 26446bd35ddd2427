"""Train a speech model on the sound of the stories alone: what is gained without any brain?

    accelerate launch recipes/stimulus_tune.py                          # the phantom, in a minute
    accelerate launch recipes/stimulus_tune.py --config recipes/configs/stimulus.yaml \\
        --data <folder>

The control of Moussa et al. 2025, section 3.3.1: wav2vec 2.0's self-supervised pretraining goes on
with the windows that brain-tuning is done on. The result, `<output_dir>/stimulus-tuned`, is an
ordinary checkpoint, which `recipes/align.py` measures. A configuration of `recipes/tune.py` will
do: what says how to tune on a brain is passed over.
"""

from recipes.command.process import one_line_errors, prepare_process

from recipes.command.arguments import CONFIGS, keys_of, parse_arguments
from recipes.command.checkpoints import checkpoint, one_participant, recordings_folder
from recipes.command.sole_run import sole_run
from recipes.stages.recordings import open_recordings
from recipes.stages.stimulus import StimulusOptions, stimulus_tune
from recipes.stages.tuning_options import TrainerOptions, TuningOptions

DEFAULT_CONFIG = CONFIGS / "phantom-stimulus.yaml"


def main() -> None:
    with one_line_errors():
        arguments, training = parse_arguments(
            (StimulusOptions, TrainerOptions), DEFAULT_CONFIG, passed_over=keys_of(TuningOptions)
        )
        prepare_process(training.device, training.world_size)
        training.log_level_replica = "error"
        say = print if training.process_index == 0 else lambda *_: None
        with training.main_process_first(local=False):
            pretrained = checkpoint(arguments.pretrained, say)
            data = recordings_folder(arguments.data, say)
            one_participant(arguments.participants)
            (participant,) = open_recordings(data, arguments)
        with sole_run(training.output_dir, training.process_index == 0):
            stimulus_tune(arguments, training, pretrained, participant, say)


if __name__ == "__main__":
    main()

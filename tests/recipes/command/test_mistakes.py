"""Single mistakes on the command line: one clear line each, before anything is read or written."""

import re

from recipes.command.process import one_line_errors

import pytest
from huggingface_hub import constants

from recipes.align import DEFAULT_CONFIG as ALIGN
from recipes.align import AlignOptions
from recipes.asr import DEFAULT_CONFIG as ASR
from recipes.asr import AsrOptions
from recipes.command.arguments import keys_of, parse_arguments
from recipes.stages.recognition import RecognitionOptions
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from recipes.tune import DEFAULT_CONFIG as TUNE
from recipes.tune import tune

TUNING = [
    # How long, how much at once
    ("--early_stopping_patience 0", "early_stopping_patience must be at least 1"),
    ("--early_stopping_patience -2", "early_stopping_patience must be at least 1 .* got -2"),
    ("--num_train_epochs 0", "num_train_epochs must be above 0, got 0"),
    ("--num_train_epochs -3", "num_train_epochs must be above 0, got -3"),
    ("--num_train_epochs many", "num-train-epochs: invalid float value: 'many'"),
    ("--per_device_train_batch_size 0", "per_device_train_batch_size must be at least 1, got 0"),
    ("--per_device_eval_batch_size 0", "per_device_eval_batch_size must be at least 1, got 0"),
    ("--gradient_accumulation_steps 0", "gradient_accumulation_steps must be at least 1, got 0"),
    ("--gradient_accumulation_steps 1.5", "accumulation-steps: invalid int value: '1.5'"),
    ("--dataloader_num_workers -1", "dataloader_num_workers must not be negative"),
    ("--logging_steps 0", "logging_steps"),
    # How it learns
    ("--learning_rate -0.1", "learning_rate must not be negative, got -0.1"),
    ("--head_learning_rate -1", "head_learning_rate must not be negative"),
    ("--weight_decay -0.1", "weight_decay must not be negative"),
    ("--warmup_steps -1", "warmup_steps must not be negative"),
    ("--max_grad_norm -1", "max_grad_norm must not be negative"),
    ("--lr_scheduler_type lineal", "lineal"),
    ("--optim adamm", "adamm"),
    ("--objective mae", "unknown objective: got 'mae'"),
    ("--label_smoothing_factor 0.1", "label_smoothing_factor is for classes"),
    ("--neftune_noise_alpha 5", "neftune_noise_alpha is for embeddings"),
    ("--batch_eval_metrics false", "batch_eval_metrics must be true"),
    ("--fp16 true --use_cpu true", "fp16 needs a GPU"),
    ("--layerdrop 1", "layerdrop must be from 0 to below 1, got 1"),
    ("--dropout -0.1", "dropout must be from 0 to below 1, got -0.1"),
    ("--lora_rank -1", "lora_rank must not be negative"),
    ("--lora_dropout 1", "lora_dropout must be from 0 to below 1"),
    ("--lora_rank 2 --heads_only true", "drop lora_rank"),
    # What is chosen
    ("--eval_strategy no", "eval_strategy must be steps or epoch, got no"),
    ("--eval_strategy epoch", "save_strategy must be epoch as eval_strategy is, got steps"),
    ("--save_steps 7", "saving steps to be a round multiple of .* found 7"),
    ("--metric_for_best_model accuracy", "unknown metric_for_best_model: got 'accuracy'"),
    ("--metric_for_best_model eval_los", "'los'.*'loss'"),
    # What is written where
    ("--report_to tensorbord", "report_to: tensorbord is not installed"),
    ("--output_dir=", "output_dir must name a folder"),
    ("--resume_from_checkpoint nowhere", "unknown option: got --resume_from_checkpoint"),
    ("--config nowhere.yaml", "nowhere.yaml: no such file"),
    ("--learnig_rate 1", "Did you mean '--learning_rate'"),
    ("--seed -1", "seed must not be negative"),
    ("--seed 1 2", "more values than an option takes: got 2"),
    # Which recordings, and how they are measured
    ("--participants P01 P01", "name each participant once"),
    ("--train_stories story01 story01", "'story01' is in train_stories and in train_stories"),
    ("--test_story story33", "'story33' is in validation_stories and in test_story"),
    ("--tuning_stories story99", "unknown training story"),
    ("--targets respones", "unknown target: got 'respones'.*'responses'"),
    ("--targets permuted", "name both"),
    ("--teacher_dtype float8", "unknown teacher_dtype"),
    ("--text_layers 1 1", "text_layers: name each once, got 1 1"),
    ("--layers 3 3", "layers: name each once, got 3 3"),
    ("--layers last", "--layers: invalid int value: 'last'"),
    ("--ceiling_threshold -0.1", "ceiling_threshold must be from 0 to 1, got -0.1"),
    ("--ceiling_threshold 40", "ceiling_threshold must be from 0 to 1, got 40"),
    ("--ceiling_threshold nan", "ceiling_threshold must be from 0 to 1, got nan"),
    ("--ceiling a.npy --ceiling_repeats 4", "exclude each other"),
    ("--ceiling none a.npy", "ceiling none stands alone, got none a.npy"),
    ("--ceiling none --objective weighted_mse", "weights voxels by their noise ceilings"),
    ("--tr 2.0045 --tr_times reports", "tr and tr_times exclude each other"),
    ("--ceiling a.npy --voxel_selection fdr", "voxel_selection fdr compares repeats"),
    ("--voxel_selection best", "voxel_selection must be one of threshold, fdr, got 'best'"),
    ("--delays -1 0", "delays must be TRs from 0 on, got"),
    ("--delays 1 1", "delays: name each once, got 1 1"),
    ("--penalty_stories story01", "story 'story01' is in penalty_stories and in train_stories"),
    ("--penalty_stories repeated", "story 'repeated' is in penalty_stories and in test_story"),
    ("--evaluation_length 0", "evaluation_length must be above 0 seconds"),
    ("--evaluation_chunk 0.25", "evaluation_chunk must be a multiple of evaluation_stride"),
    ("--evaluation_chunk 20", "no longer than evaluation_length, got 20"),
    ("--evaluation_stride -1", "evaluation_stride must be above 0 seconds, got -1"),
    ("--test_skip_trs -5", "test_skip_trs must not be negative"),
    ("--n_trs_per_window 0", "n_trs_per_window must be above 0 TRs"),
    ("--permutation_block 0", "permutation_block must be above 0 TRs"),
    ("--text_context 0", "text_context must be above 0 tokens"),
    ("--atlas_spheres lh.sphere.reg", "atlas_spheres must be two files"),
]
OTHERS = [
    ("align", "--precision half", "precision must be one of"),
    ("align", "--low_level_lags 3", "low_level_lags must be the first and the last lag, got 3"),
    ("align", "--low_level_lags 3 -3", "the first and the last lag, got 3 -3"),
    ("align", "--low_level_lags -3 3 --low_level false", "low_level_lags say how low_level"),
    ("align", "--layers 1 1", "layers: name each once"),
    ("align", "--ceiling_threshold -1", "ceiling_threshold must be from 0 to 1"),
    ("asr", "--max_unusable 2", "max_unusable must be from 0 to 1"),
    ("asr", "--num_train_epochs 0 --max_steps -1", "num_train_epochs must be above 0"),
    ("asr", "--eval_strategy no", "eval_strategy must be steps or epoch"),
    ("asr", "--units letters", "unknown units: got 'letters'"),
]
COMMANDS = {
    "tune": ((TuningOptions, TrainerOptions), TUNE, {}),
    "align": (
        (AlignOptions,),
        ALIGN,
        {
            "renamed": {"pretrained": "baseline", "output_dir": None},
            "passed_over": keys_of(TuningOptions, TrainerOptions),
        },
    ),
    "asr": ((AsrOptions, RecognitionOptions), ASR, {}),
}


@pytest.mark.parametrize(
    ("command", "words", "message"), [("tune", *mistake) for mistake in TUNING] + OTHERS
)
def test_a_mistake_ends_in_one_line(command, words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = said(COMMANDS[command], words.split(), capsys)
    assert re.search(message, line), line
    assert not list(tmp_path.iterdir())


def said(command, words, capsys):
    """The one line that a command ends in."""
    classes, default, more = command
    with pytest.raises(SystemExit) as stopped, one_line_errors():
        parse_arguments(classes, default, words, **more)
    # What sys.exit is given is printed as it is
    code = stopped.value.code
    line = f"{code}\n" if isinstance(code, str) else capsys.readouterr().err
    assert line.count("\n") == 1, line
    return line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("seed: 1".encode("utf-16"), "mine.yaml: save it as UTF-8 text"),
        (b"seed: 1\nseed: 2", "mine.yaml: not a YAML file .*'seed' is given twice"),
        (b"seed: [1", "mine.yaml: not a YAML file"),
        (b"- seed", "mine.yaml: expected lines of 'key: value', got list"),
        (b"", "mine.yaml: expected lines of 'key: value'"),
        (b"sead: 1", "mine.yaml: unknown key 'sead'. Did you mean 'seed'"),
        (b"layers: [1, null]", "layers must be a value or a list of values"),
        (b"seed: 1", "the following arguments are required: --test_story"),
    ],
)
def test_a_mistake_in_a_configuration_ends_in_one_line(content, message, capsys, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    assert re.search(message, said(COMMANDS["tune"], ["--config", str(path)], capsys))


def test_a_tracker_that_is_not_installed_is_named_with_those_that_are(capsys, monkeypatch):
    found = "recipes.command.trainer_options.get_available_reporting_integrations"
    monkeypatch.setattr(found, lambda: ["tensorboard"])
    message = said(COMMANDS["tune"], ["--report_to", "wandb"], capsys)
    assert "report_to: wandb is not installed, or no tracker; installed are tensorboard" in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora_rank": 17}, "lora_rank must be at most 16, the width of .*, got 17"),
        ({"pretrained": "./nowhere"}, "no checkpoint at './nowhere': the path does not exist"),
        ({"pretrained": "ada/none"}, "no model 'ada/none': there is no such folder"),
        (
            {"targets": ["text_model"], "text_teacher": "./nowhere"},
            "no checkpoint at './nowhere': the path does not exist",
        ),
        ({"speech_teacher": "ada/none"}, "no model 'ada/none': there is no such folder"),
    ],
)
def test_a_mistaken_model_ends_in_one_line_before_recordings_are_opened(
    changes, message, configuration, tmp_path, monkeypatch
):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    given = {"data": str(tmp_path / "none"), "targets": ["speech_model"]} | changes
    config = configuration(**given)
    words = ["--config", str(config), "--output_dir", str(tmp_path / "output")]
    arguments, training = parse_arguments((TuningOptions, TrainerOptions), TUNE, words)
    with pytest.raises(SystemExit) as stopped, one_line_errors():
        tune(arguments, training)
    assert re.search(message, stopped.value.code) and "\n" not in stopped.value.code
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_mistake_nothing_is_refused(command):
    classes, default, more = COMMANDS[command]
    words = ["--checkpoints", "phantom-hubert"] if command == "align" else []
    parse_arguments(classes, default, words, **more)

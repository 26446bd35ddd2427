"""The whole run: what it leaves behind, what it refuses, how it goes on."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import HfApi, ModelCard
from safetensors.numpy import load_file
from transformers import AutoModel

import recipes.stages.training
from datasets_scripts import noise_ceiling, read_ds003020, read_regions
from modeling_braintune import AutoModelForBrainTuning, BrainTuningCollator, load_lora
from recipes.command.arguments import parse_arguments
from recipes.command.output_folder import finished_curve
from recipes.stages.demo.predicted import predict
from recipes.stages.demo.sound import read_sound
from recipes.stages.predicting import brain_pipeline
from recipes.stages.training import train
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from recipes.tune import DEFAULT_CONFIG, tune
from tests.command_process import run_command, run_two

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPE = str(REPOSITORY / "recipes" / "tune.py")
LISTENING_MINI = REPOSITORY.parent / "shared" / "data" / "listening-mini"
MODELS, REGIONS = {"pretrained", "permuted", "brain-tuned"}, {"language", "auditory"}


def arguments(config, output, *more):
    words = ["--config", str(config), "--output_dir", str(output), *more]
    return parse_arguments((TuningOptions, TrainerOptions), DEFAULT_CONFIG, words)


def command(config, output, *more):
    return [RECIPE, "--config", str(config), "--output_dir", str(output), *more]


def environment(**more):
    return os.environ | {"OMP_NUM_THREADS": "1", **more}


def launch(config, output, *more):
    words = [sys.executable, "-m", "accelerate.commands.launch", *command(config, output, *more)]
    return subprocess.run(words, capture_output=True, text=True, env=environment())


@pytest.fixture(scope="module")
def finished(tmp_path_factory, settings):
    """Output folder and printed text of a run under `accelerate launch`."""
    folder = tmp_path_factory.mktemp("tune")
    config = folder / "configuration.yaml"
    config.write_text(json.dumps(settings))  # JSON is YAML
    done = launch(config, folder / "output")
    assert done.returncode == 0, done.stderr
    return config, folder / "output", done.stdout


def test_results_hold_alignment_and_gain_by_model_and_region(finished):
    _, output, _ = finished
    results = json.loads((output / "results.json").read_text())["participants"]["P01"]
    assert results["alignment"].keys() == MODELS
    assert results["gain"].keys() == MODELS - {"pretrained"}
    for scores in (*results["alignment"].values(), *results["gain"].values()):
        assert scores.keys() == REGIONS
        for region in scores.values():
            low, high = region["interval"]
            assert low <= region["mean"] <= high
            assert region["n_voxels"] > 0
    language = results["alignment"]["brain-tuned"]["language"]
    assert language["mean"] == pytest.approx(np.mean(list(language["layers"].values())))
    gain = language["mean"] - results["alignment"]["pretrained"]["language"]["mean"]
    assert results["gain"]["brain-tuned"]["language"]["mean"] == pytest.approx(gain)


def test_permuted_model_is_taken_at_the_step_chosen_for_the_brain_tuned_one(finished):
    _, output, _ = finished
    curves = json.loads((output / "results.json").read_text())["curves"]
    losses = dict(curves["brain-tuned"]["validation"])
    chosen = curves["brain-tuned"]["chosen_step"]
    assert losses[chosen] == min(losses.values())
    assert curves["permuted"]["chosen_step"] == curves["permuted"]["train"][-1][0] == chosen


def test_both_checkpoints_load_with_head_and_as_plain_backbone(finished, recordings):
    _, output, _ = finished
    for name in ("brain-tuned", "permuted"):
        model = AutoModelForBrainTuning.from_pretrained(output / name)
        regions = read_regions(recordings, "P01")
        assert 0 < model.config.num_voxels <= sum(map(len, regions.values()))
        _, info = AutoModel.from_pretrained(output / name, output_loading_info=True)
        assert not info["missing_keys"]
        kinds = {path.suffix for path in (output / name).iterdir() if path.is_file()}
        # Nothing that would need unpickling
        assert kinds == {".json", ".md", ".png", ".py", ".safetensors"}
        assert (output / name / "losses.png").read_bytes().startswith(b"\x89PNG")


def test_tuning_moves_the_transformer_and_not_the_feature_encoder(finished, pretrained):
    _, output, _ = finished
    before = load_file(pretrained / "model.safetensors")
    after = load_file(output / "brain-tuned" / "model.safetensors")
    moved = {name for name, value in before.items() if (after[f"wav2vec2.{name}"] != value).any()}
    assert any(name.startswith("encoder.layers.0") for name in moved)
    assert not any(name.startswith("feature_extractor") for name in moved)


def test_the_run_says_what_lies_ahead_and_what_came_out(finished):
    _, output, printed = finished
    for words in (
        "Estimated time: ",
        "voxels of 30: noise ceiling above 0.4 in language and auditory",
        "pretrained",
        "brain-tuned: chosen at step",
        "gain, brain-tuned",
        "TRs are few",
        "come from the repeats of 'repeated'",
        str(output),
    ):
        assert words in printed
    assert (output / "alignment-P01.png").read_bytes().startswith(b"\x89PNG")


def test_a_finished_run_is_not_overwritten_unless_told(finished):
    config, output, _ = finished
    before = (output / "results.json").stat().st_mtime_ns
    with pytest.raises(FileExistsError, match="holds a finished run"):
        tune(*arguments(config, output))
    assert (output / "results.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "mistake", [("--test_story", "story99"), ("--tuning_stories", "story01"), ("--layers", "7")]
)
def test_a_mistake_costs_no_finished_run(finished, mistake):
    config, output, _ = finished
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    with pytest.raises(ValueError):
        tune(*arguments(config, output, "--overwrite_output_dir", "true", *mistake))
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before


def test_the_settings_list_what_the_run_made(finished):
    _, output, _ = finished
    made = json.loads((output / "settings.json").read_text())["made"]
    assert {path.name for path in output.iterdir()} - {"settings.json"} <= {*made}


def test_one_seed_gives_the_same_losses_with_kept_features_and_without(finished, tmp_path):
    config, output, _ = finished
    first = json.loads((output / "results.json").read_text())["curves"]
    with pytest.warns(UserWarning, match="more than max_bytes=1,000"):
        again = tune(*arguments(config, tmp_path / "none", "--feature_cache_gb", "1e-6"))["curves"]
    assert json.loads(json.dumps(again)) == first
    assert not list(output.glob(".*"))


def test_another_seed_gives_other_losses(finished, tmp_path):
    config, output, _ = finished
    first = json.loads((output / "results.json").read_text())["curves"]
    words = ("--seed", "1", "--max_steps", "1", "--eval_steps", "1", "--save_steps", "1")
    other = tune(*arguments(config, tmp_path / "other", *words))["curves"]
    for name in ("brain-tuned", "permuted"):
        assert other[name]["train"][0][1] != first[name]["train"][0][1]


def together(config, output, *more):
    return run_two(RECIPE, "--config", config, "--output_dir", output, *more)


def curves(output):
    return json.loads((output / "results.json").read_text())["curves"]["brain-tuned"]


# An epoch's last batch is filled up where processes share it.
DETERMINISTIC = {"apply_spec_augment": False, "layerdrop": 0.0, "dropout": 0.0}
DETERMINISTIC |= {"dataloader_drop_last": True}


@pytest.fixture(scope="module")
def deterministic(tmp_path_factory, settings):
    """Configuration without chance, and the output folder of a run in one process."""
    folder = tmp_path_factory.mktemp("deterministic")
    config = folder / "configuration.yaml"
    changes = {"num_train_epochs": 1, "targets": ["responses"]}
    config.write_text(json.dumps(settings | DETERMINISTIC | changes))
    tune(*arguments(config, folder / "one"))
    return config, folder / "one"


def test_two_processes_give_the_losses_of_one_with_the_same_batch(deterministic, tmp_path):
    config, alone = deterministic
    more = ("--per_device_train_batch_size", "4", "--layerdrop", "0.1")
    more += ("--activation_checkpointing", "true")
    printed = together(config, tmp_path / "two", *more)
    assert printed.count("Estimated time: ") == printed.count("LayerDrop is off") == 1
    one, two = curves(alone), curves(tmp_path / "two")
    assert len(one["train"]) > 3
    np.testing.assert_allclose(two["train"], one["train"], rtol=1e-5)
    np.testing.assert_allclose(two["validation"], one["validation"], rtol=1e-5)


def test_sharded_parameters_give_the_losses_of_whole_ones(deterministic, tmp_path):
    config, alone = deterministic
    shards = str(REPOSITORY / "recipes" / "configs" / "fsdp.json")
    batch = ("--per_device_train_batch_size", "4")
    together(config, tmp_path / "shards", "--fsdp", "--fsdp_config", shards, *batch)
    one, two = curves(alone), curves(tmp_path / "shards")
    np.testing.assert_allclose(two["train"], one["train"], rtol=1e-5)
    np.testing.assert_allclose(two["validation"], one["validation"], rtol=1e-5)
    whole, gathered = (
        load_file(output / "brain-tuned" / "model.safetensors")
        for output in (alone, tmp_path / "shards")
    )
    for name, values in whole.items():
        np.testing.assert_allclose(gathered[name], values, atol=1e-4, err_msg=name)


def test_a_checkpoint_says_whose_voxels_it_predicts(finished, recordings):
    _, output, _ = finished
    regions = read_regions(recordings, "P01")
    (story,) = read_ds003020(recordings, "P01", ["repeated"])
    model = AutoModelForBrainTuning.from_pretrained(output / "brain-tuned")
    brain = model.brains["P01"]
    for region, columns in brain.regions.items():
        assert set(brain.voxels[columns]) <= set(regions[region])
    np.testing.assert_allclose(
        brain.noise_ceiling, noise_ceiling(story.repeats)[brain.voxels], rtol=1e-6
    )
    assert brain.noise_ceiling.min() > 0.4
    assert (brain.tr, brain.n_trs_per_window, brain.n_recorded_voxels) == (2.0, 5, 30)
    assert brain.targets == "responses" and len(brain.data["fingerprint"]) == 64
    control = AutoModelForBrainTuning.from_pretrained(output / "permuted")
    assert control.brains["P01"].targets == "permuted"


def carried(scores):
    """What a head's scores by region are in a checkpoint."""
    return {
        region: {"value": s["mean"], "low": s["interval"][0], "high": s["interval"][1]}
        for region, s in scores.items()
    }


def test_a_checkpoint_says_how_well_its_own_head_predicts_the_test_story(finished):
    _, output, _ = finished
    scores = json.loads((output / "results.json").read_text())["participants"]["P01"]
    for name, by_region in scores["heads"].items():
        brain = AutoModelForBrainTuning.from_pretrained(output / name).brain_of("P01")
        assert brain.alignment == carried(by_region) and brain.alignment.keys() == REGIONS
        assert brain.measured_on == {
            "story": "repeated",
            "n_trs": scores["n_trs"],
            "normalisation": "normalised",
        }
        assert finished_curve(output / name / "losses.json")  # whose checksums are those of it


def test_the_page_plays_what_the_checkpoint_says_of_its_head(finished, recordings):
    """Of known words: voxels rise and fall with the recorded responses as the card promises."""
    _, output, _ = finished
    sound = read_sound(recordings / "stimuli" / "repeated.wav")
    predicted = predict(brain_pipeline(str(output / "brain-tuned")), sound, "P01")
    (story,) = read_ds003020(recordings, "P01", ["repeated"])
    recorded = np.searchsorted(predicted.times, story.tr_times)
    np.testing.assert_allclose(predicted.times[recorded], story.tr_times)
    brain = predicted.brain
    played, found = predicted.responses[recorded], story.responses[:, brain.voxels]
    r = [np.corrcoef(*pair)[0, 1] for pair in zip(played.T, found.T, strict=True)]
    for region, columns in brain.regions.items():
        mean = np.mean(np.array(r)[columns] / brain.noise_ceiling[columns])
        assert mean == pytest.approx(brain.alignment[region]["value"], abs=1e-3)


def test_several_participants_share_a_backbone(configuration, recordings, tmp_path):
    config = configuration(participants=["P01", "P02"], num_train_epochs=1)
    results = tune(*arguments(config, tmp_path / "output"))
    assert results["participants"].keys() == {"P01", "P02"}
    model = AutoModelForBrainTuning.from_pretrained(tmp_path / "output" / "brain-tuned")
    n_voxels = {name: r["n_tuning_voxels"] for name, r in results["participants"].items()}
    assert model.config.num_voxels == n_voxels
    for name in ("P01", "P02"):
        assert model.brains[name].participant == name
        heads = results["participants"][name]["heads"]["brain-tuned"]
        assert model.brains[name].alignment == carried(heads)
        assert (tmp_path / "output" / f"alignment-{name}.png").exists()


def test_a_new_participant_gets_a_head_on_the_frozen_backbone(finished, configuration, tmp_path):
    _, output, _ = finished
    config = configuration(
        pretrained=str(output / "brain-tuned"),
        participants=["P02"],
        heads_only=True,
        num_train_epochs=1,
    )
    results = tune(*arguments(config, tmp_path / "output"))
    assert results["curves"].keys() == {"brain-tuned"}
    scores = results["participants"]["P02"]
    assert scores["alignment"].keys() == {"backbone"} and not scores["gain"]
    assert "their backbone is that of brain-tuned, unchanged" in scores["notes"][-1]
    card = ModelCard.load(tmp_path / "output" / "brain-tuned" / "README.md")
    assert "| backbone " in card.text and "gain" not in card.text
    for region, head in scores["heads"]["brain-tuned"].items():
        low, high = head["interval"]
        assert low <= head["mean"] <= high and region in REGIONS
    before, after = (
        load_file(folder / "brain-tuned" / "model.safetensors")
        for folder in (output, tmp_path / "output")
    )
    assert all((after[name] == before[name]).all() for name in before if name[:4] != "head")
    model = AutoModelForBrainTuning.from_pretrained(tmp_path / "output" / "brain-tuned")
    assert model.brains.keys() == {"P02"}


def test_a_control_differs_from_brain_tuning_by_its_targets_only(
    configuration, tmp_path, monkeypatch
):
    heard, targets = {}, {}

    def recorded_train(name, *rest, **options):
        class Recorder(BrainTuningCollator):
            def __call__(self, items):
                heard.setdefault(name, []).append(np.stack([item["audio"] for item in items]))
                targets.setdefault(name, []).append(np.stack([item["labels"] for item in items]))
                return super().__call__(items)

        monkeypatch.setattr(recipes.stages.training, "BrainTuningCollator", Recorder)
        return train(name, *rest, **options)

    monkeypatch.setattr(recipes.stages.training, "train", recorded_train)
    config = configuration(
        targets=["text_model", "permuted", "responses"],
        text_teacher="phantom-gpt2-untaught",
        num_train_epochs=1,
        feature_cache_gb=0,
    )
    output = tmp_path / "output"
    results = tune(*arguments(config, output))
    names = ["brain-tuned", "permuted", "text-model-tuned"]
    assert list(results["curves"]) == list(heard) == names
    configs = [json.loads((output / name / "config.json").read_text()) for name in names]
    for own in configs:
        del own["brain"], own["num_voxels"]
    assert configs[0] == configs[1] == configs[2]
    whole = heard["brain-tuned"]
    for name in names[1:]:
        assert len(heard[name]) == len(whole) or name == "permuted"  # which may end earlier
        for batch, other in zip(whole, heard[name], strict=False):
            np.testing.assert_array_equal(batch, other)
        assert not np.array_equal(targets[name][0], targets["brain-tuned"][0])

    control = AutoModelForBrainTuning.from_pretrained(output / "text-model-tuned")
    (brain,) = control.brains.values()
    assert (brain.participant, brain.targets) == ("phantom-gpt2-untaught", "text_model")
    card = (output / "text-model-tuned" / "README.md").read_text()
    assert "this is a control" in card and f"{control.config.num_voxels} values of" in card


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_adapters_are_tuned_and_merged(configuration, tmp_path, pretrained):
    config = configuration(lora_rank=2, num_train_epochs=1)
    tune(*arguments(config, tmp_path / "output"))
    merged = AutoModelForBrainTuning.from_pretrained(tmp_path / "output" / "brain-tuned")
    adapted = load_lora(tmp_path / "output" / "brain-tuned-adapter", pretrained)
    sound = torch.randn(1, 16000)
    torch.testing.assert_close(merged(sound).logits, adapted.eval()(sound).logits)
    before = load_file(pretrained / "model.safetensors")
    after = merged.base_model.state_dict()
    moved = {name for name in before if (after[name].numpy() != before[name]).any()}
    assert moved and all("_proj.weight" in name for name in moved)
    alone, whole = adapted.get_base_model().brain_of("P01"), merged.brain_of("P01")
    assert alone.alignment == whole.alignment and whole.alignment.keys() == REGIONS


def test_a_finished_run_is_published_with_a_card_of_its_numbers(
    finished, loopback_hub, tmp_path, capsys
):
    config, output, _ = finished
    tune(*arguments(config, output, "--push_to_hub", "ada/mini"))
    assert capsys.readouterr().out.count("Uploaded to ada/mini") == 1
    assert HfApi(loopback_hub.url, loopback_hub.token).file_exists("ada/mini", "model.safetensors")
    with pytest.raises(PermissionError, match="who may write to repositories of ada only"):
        tune(*arguments(config, output, "--push_to_hub", "grace/mini"))

    scores = json.loads((output / "results.json").read_text())["participants"]["P01"]
    card = ModelCard.load(output / "brain-tuned" / "README.md")
    reported = {
        (result.metric_type, result.metric_args["region"]): result.metric_value
        for result in card.data.eval_results
    }
    for region in REGIONS:
        alignment = scores["alignment"]["brain-tuned"][region]["mean"]
        assert reported["brain_alignment", region] == alignment
        assert reported["brain_alignment_gain", region] == pytest.approx(
            scores["gain"]["brain-tuned"][region]["mean"]
        )
    published = "".join(
        path.read_text()
        for path in (output / "brain-tuned").glob("*")
        if path.suffix != ".png" and path.is_file() and path.suffix != ".safetensors"
    )
    assert str(tmp_path.parents[1]) not in published  # no folder of this machine


def no_large_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_full_disk_ends_in_one_line_and_the_run_goes_on_after_it(deterministic, tmp_path):
    # The other run has prepared the recordings: it is the saving of a checkpoint that must fail.
    config, alone = deterministic
    words = ("--config", config, "--output_dir", tmp_path / "output", "--feature_cache_gb", 0)
    full = run_command("tune", *words, prepare=no_large_files)
    assert full.returncode == 1
    assert "the disk is full" in full.stderr.splitlines()[-1], full.stderr
    tune(*arguments(config, tmp_path / "output", "--feature_cache_gb", "0"))
    whole, pieces = curves(alone), curves(tmp_path / "output")
    for part in ("train", "validation"):
        np.testing.assert_allclose(pieces[part], whole[part], rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation_stories": ["story01"]}, "'story01' is in train_stories and in validation"),
        ({"test_story": "story04"}, "'story04' is in validation_stories and in test_story"),
        ({"test_story": "story05"}, "unknown story .* got 'story05'.*story04"),
        ({"participants": ["P03"]}, "unknown participant .* got 'P03'.*P01"),
        ({"tuning_regions": ["langage"]}, "unknown region: got 'langage'.*'language'"),
        ({"ceiling_threshold": 0.999}, "no voxel of .* noise ceiling above 0.999"),
        ({"n_trs_per_window": 40}, "window of 80 s is longer than its sound of 60 s"),
        (
            {"permutation_block": 30, "permute_within": True},
            "permutation_block, story story01: block must be from 1 to",
        ),
        ({"tuning_stories": ["story02"]}, "to other stories .* story02 alone .*permute_within"),
        ({"teacher_dtype": "float8"}, "unknown teacher_dtype: got 'float8'"),
        ({"targets": ["permuted"]}, "permuted is taken at the step .* name both"),
        ({"targets": ["respones"]}, "unknown target: got 'respones'.*'responses'"),
        ({"data": "nowhere"}, "no folder nowhere, and it is not the name of a data set on the Hub"),
        ({"pretrained": "./nowhere"}, "no checkpoint at './nowhere'"),
        (
            {"ceiling_repeats": 10},
            "ceiling_repeats must be from 2 to 9.* 10 times, got 10",
        ),
        ({"layers": [7]}, "layers must be among 0 .* to 2, got"),
    ],
)
def test_bad_settings_stop_the_run_before_it_begins(configuration, tmp_path, changes, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        tune(*arguments(configuration(**changes), tmp_path / "output"))
    assert not (tmp_path / "output").exists()


def test_a_mistyped_key_of_the_configuration_names_the_nearest(configuration, tmp_path):
    with pytest.raises(ValueError, match="unknown key 'train_storys'.*'train_stories'"):
        arguments(configuration(train_storys=["story01"]), tmp_path / "output")


def test_the_validation_stories_must_be_other_than_repeated(configuration, tmp_path):
    changes = {"test_story": "story04", "validation_stories": ["repeated"]}
    with pytest.raises(ValueError, match="test_story 'story04' has no repeats"):
        tune(*arguments(configuration(**changes), tmp_path / "output"))


@pytest.mark.skipif(not LISTENING_MINI.exists(), reason="needs the listening-mini recordings")
def test_recordings_that_this_project_did_not_make(configuration, tmp_path, capsys):
    changes = {
        "data": str(LISTENING_MINI),
        "participants": ["UTS01"],
        "train_stories": ["avatar", "legacy", "naked"],
        "validation_stories": ["souls"],
        "test_story": "wheretheressmoke",
        "num_train_epochs": 1,
    }
    results = tune(*arguments(configuration(**changes), tmp_path / "output"))
    assert results["participants"]["UTS01"]["n_trs"] == 28
    printed = capsys.readouterr().out
    assert "28 TRs are few" in printed and "[" in printed
    assert AutoModelForBrainTuning.from_pretrained(tmp_path / "output" / "brain-tuned")


def cells(markdown):
    """A Markdown table's rows of cells, and the line below it."""
    lines = markdown.splitlines()
    table = [line for line in lines if line.startswith("|") and "--" not in line]
    below = next(line for line in lines[lines.index(table[-1]) + 1 :] if line)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table], below


def test_seeds_are_brought_together_in_one_table(configuration, tmp_path):
    config = configuration(num_train_epochs=1, eval_strategy="epoch", save_strategy="epoch")
    done = run_command("tune", *command(config, tmp_path / "output")[1:], "--seeds", 0, 1)
    assert done.returncode == 0, done.stderr
    (header, *rows), caption = cells((tmp_path / "output" / "seeds.md").read_text())
    assert header == ["region", "what", "seed 0", "seed 1", "mean", "spread"]
    models = ["pretrained", "permuted", "brain-tuned"]
    models += ["permuted - pretrained", "brain-tuned - pretrained", "brain-tuned - permuted"]
    assert sorted(row[:2] for row in rows) == sorted(
        [region, what] for region in REGIONS for what in models
    )
    for row in rows:
        one, other, mean, spread = (float(cell.split()[0]) for cell in row[2:])
        assert mean == pytest.approx((one + other) / 2, abs=1.1e-3)
        assert spread == pytest.approx(abs(one - other) / 2**0.5, abs=1.5e-3)
    assert "are over 2 seeds, blocks of TRs; they do not cover other participants" in caption

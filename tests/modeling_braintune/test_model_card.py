"""The card of a checkpoint: its numbers, its words, and what the Hub's client makes of it."""

import copy
import itertools
import json
import re

import pytest
from huggingface_hub import HfApi, ModelCard
from transformers import Wav2Vec2Config, WhisperConfig

from modeling_braintune.model_card import (
    add_results,
    license_of,
    model_card,
    read_card,
    save_card,
)

REGIONS = ("language", "auditory")
MODELS = ("pretrained", "permuted", "brain-tuned")
VALUES = (x / 7 for x in itertools.count(1))  # sevenths: no decimal writes them in full


def scores(n_voxels=100, **more):
    value = next(VALUES)
    return {"mean": value, "interval": [value - 1 / 3, value + 1 / 3], "n_voxels": n_voxels} | more


def found(impact=False):
    """What a measurement finds, with one region that has no voxel above the threshold."""
    silent = {"mean": None, "interval": None, "n_voxels": 0}

    def by_region(**more):
        return {region: scores(**more) for region in REGIONS} | {"silent": silent}

    compared = MODELS[1:]
    test = {"statistic": 0.1, "p": 1 / 1001, "n": 24, "p_holm": 2 / 1001}
    features = ("power_spectrum", "all", "mean of the four") if impact else ()
    return {
        "alignment": {model: by_region(layers={1: 0.1, 2: 0.2}) for model in MODELS},
        "gain": {model: by_region() for model in compared},
        "tests": {model: dict.fromkeys(REGIONS, test) for model in compared},
        "impact": {m: {f: by_region() for f in features} for m in MODELS if features},
        "n_trs": 232,
        "normalisation": "normalised",
        "participant": "P01",
        "test_story": "repeated",
        "notes": ["Warning: the ceilings come from the scored repeats."],
    }


SETTINGS = {
    "pretrained": "facebook/wav2vec2-base",
    "data": "ada/listening",
    "participants": ["P01"],
    "train_stories": ["avatar", "legacy"],
    "validation_stories": ["souls"],
    "test_story": "repeated",
    "ceiling_threshold": 0.4,
    "voxel_selection": "threshold",
    "tuning_regions": ["language", "auditory"],
    "permutation_block": 15,
    "permute_within": False,
    "objective": "mse",
    "evaluation_length": 16.0,
    "evaluation_stride": 0.1,
    "evaluation_chunk": 1.0,
    "learning_rate": 5e-5,
    "head_learning_rate": 1e-4,
    "lr_scheduler_type": "linear",
    "warmup_steps": 0.1,
    "optim": "adamw_torch",
    "weight_decay": 0.0,
    "per_device_train_batch_size": 16,
    "gradient_accumulation_steps": 8,
    "metric_for_best_model": "eval_loss",
    "bf16": True,
    "fp16": False,
    "seed": 3,
}
BRAIN = {
    "tr": 2.0045,
    "n_trs_per_window": 5,
    "n_recorded_voxels": 95556,
    "targets": "responses",
    "trims": {},
    "space": None,
    "data": {"fingerprint": "0123abcd"},
    "regions": list(REGIONS),
}


def config(config_class=Wav2Vec2Config, **changes):
    brain = {"P01": BRAIN | changes}
    return config_class(num_voxels=50732, brain=brain)


def run(**participants):
    return {
        "participants": participants,
        "curves": {model: {"chosen_step": 160} for model in MODELS[1:]},
    }


@pytest.fixture
def results():
    return run(P01=found())


@pytest.fixture
def report():
    """What a later report found about the same models, with low-level impact."""
    return found(impact=True) | {
        "settings": {
            "data": "ada/listening",
            "participants": ["P01"],
            "checkpoints": ["ada/brain-tuned"],
            "baseline": "facebook/wav2vec2-base",
            "evaluation_length": 8.0,
            "evaluation_stride": 0.5,
            "evaluation_chunk": 0.1,
        }
    }


def metadata(card):
    """{(metric, name): evaluation} of what is read back from a card's text."""
    back = ModelCard(str(card)).data.eval_results
    assert len({(r.metric_type, r.metric_name, r.dataset_split) for r in back}) == len(back)
    return {(r.metric_type, r.metric_args["region"]): r for r in back}


def squeezed(card):
    """A card's text without the blanks that line up the columns of its tables."""
    return re.sub(" {2,}", " ", card.text)


def row(text, region):
    (line,) = re.findall(rf"^\| {region} \| \d.*$", text, re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("model", ["brain-tuned", "permuted"])
def test_metadata_hold_the_numbers_of_the_results_to_the_last_digit(results, model):
    kept = metadata(model_card(json.loads(json.dumps(results)), SETTINGS, config(), model))
    results = results["participants"]["P01"]
    assert set(kept) == {
        (metric, region)
        for metric in ("brain_alignment", "brain_alignment_gain")
        for region in REGIONS  # the silent one has no number
    }
    for region in REGIONS:
        alignment, gain = results["alignment"][model][region], results["gain"][model][region]
        evaluation = kept["brain_alignment", region]
        assert evaluation.metric_value == alignment["mean"]
        assert evaluation.metric_args == {
            "region": region,
            "interval_95": alignment["interval"],
            "n_voxels": 100,
            "n_trs": 232,
            "layers": [1, 2],
        }
        evaluation = kept["brain_alignment_gain", region]
        assert evaluation.metric_value == gain["mean"]
        assert evaluation.metric_args == {
            "region": region,
            "interval_95": gain["interval"],
            "n_voxels": 100,
            "n_trs": 232,
            "p": 1 / 1001,
            "p_holm": 2 / 1001,
            "n_blocks": 24,
        }
        assert (evaluation.dataset_type, evaluation.dataset_config, evaluation.dataset_split) == (
            "ada/listening",
            "P01",
            "repeated",
        )


def test_the_table_holds_them_with_two_decimals(results):
    text = squeezed(model_card(results, SETTINGS, config()))
    results = results["participants"]["P01"]
    assert "P01, story 'repeated': 232 TRs, 24 blocks." in text
    for region in REGIONS:
        expected = [region, "100"]
        for model in MODELS:
            low, high = results["alignment"][model][region]["interval"]
            mean = results["alignment"][model][region]["mean"]
            expected.append(f"{mean:.2f} [{low:.2f}, {high:.2f}]")
        gain = results["gain"]["brain-tuned"][region]
        low, high = gain["interval"]
        expected += [f"{gain['mean']:+.2f} [{low:+.2f}, {high:+.2f}]", "0.002"]
        assert row(text, region) == expected
    assert row(text, "silent") == ["silent", "0", "empty", "empty", "empty", "empty", ""]


def test_what_the_head_predicts_by_itself_has_a_column(results):
    assert "head |" not in str(model_card(results, SETTINGS, config()))
    silent = {"mean": None, "interval": None, "n_voxels": 0}
    head = {region: scores() for region in REGIONS} | {"silent": silent}
    results["participants"]["P01"]["heads"] = {"brain-tuned": head}
    card = squeezed(model_card(results, SETTINGS, config()))
    assert "| p | head |" in card and "what the tuned head itself predicts" in card
    for region in REGIONS:
        assert re.search(rf"\| {region} .* {head[region]['mean']:.2f} \[.*\] \|\n", card)


def test_it_says_what_was_tuned_on_what(results):
    card = model_card(
        results,
        SETTINGS,
        config(),
        base_license="apache-2.0",
        data_license="cc0-1.0",
        figures={"The losses": "figures/tuning.png"},
    )
    assert card.data.base_model == "facebook/wav2vec2-base"
    assert card.data.datasets == ["ada/listening"]
    assert card.data.license == "apache-2.0" and card.data.library_name == "transformers"
    assert {"brain-tuning", "fmri", "speech", "wav2vec2"} <= set(card.data.tags)
    for said in (
        "# wav2vec2-base, brain-tuned on P01",
        "| train stories | 2: avatar, legacy |",
        "| validation stories | 1: souls |",
        "| test story | repeated, not tuned on |",
        "| targets | the participant's responses |",
        "| voxels | 50732 of 95556: noise ceiling above 0.4 in language and auditory |",
        "| TR | 2.0045 s |",
        "| sound per response | 5 TRs (10.0225 s), up to and including its own |",
        "| data fingerprint | `0123abcd` |",
        "| objective | mse |",
        "5e-05 (backbone) and 0.0001 (head), linear schedule, warm-up of 10 % of the steps",
        "| batch | 128 windows per device |",
        "| steps | 160, chosen by eval_loss on the validation stories |",
        "| precision | bf16 (mixed) |",
        "| seed | 3 |",
        "of 16 s of sound every 0.1 s in chunks of 1 s;",
        "averaged over voxels and over layers 1, 2.",
        "over *pretrained*, which is facebook/wav2vec2-base,",
        "![The losses](figures/tuning.png)",
        "- Warning: the ceilings come from the scored repeats.",
        "from which the weights derive: apache-2.0\n- Recordings: cc0-1.0",
        "arxiv.org/abs/2410.09230",
    ):
        assert said in squeezed(card)
    assert "lebel" not in card.text  # other recordings than theirs


def test_the_control_does_not_pass_for_a_model_of_the_brain(results):
    card = model_card(results, SETTINGS, config(), "permuted", permuted_from="brain-tuned")
    text = squeezed(card)
    assert "# wav2vec2-base, permuted control on P01" in text
    assert "not a model of the brain" in text
    assert "| targets | permuted responses (those to other stories, in order) |" in text
    assert "| steps | 160, as many as the brain-tuned model |" in text
    assert "not a model of the brain" not in model_card(results, SETTINGS, config()).text
    within = SETTINGS | {"permute_within": True}
    card = model_card(results, within, config(), "permuted", permuted_from="brain-tuned")
    assert "| targets | permuted responses (blocks of 15 TRs) |" in squeezed(card)
    card = model_card(
        results, within, config(), "permuted", teacher=True, permuted_from="text-model-tuned"
    )
    text = squeezed(card)
    assert "They were permuted" in text and "per TR (permuted TR by TR) |" in text
    assert "| steps | 160, as many as the text-model-tuned model |" in text


def test_several_participants_have_rows_and_numbers_of_their_own():
    results = run(P01=found(), P02=found() | {"participant": "P02"})
    both = Wav2Vec2Config(
        num_voxels={"P01": 200, "P02": 150}, brain={"P01": BRAIN, "P02": BRAIN | {"tr": 1.5}}
    )
    card = model_card(results, SETTINGS | {"participants": ["P01", "P02"]}, both)
    values = {
        (e.dataset_config, e.metric_args["region"]): e.metric_value
        for e in ModelCard(str(card)).data.eval_results
        if e.metric_type == "brain_alignment"
    }
    assert values == {
        (name, region): scores["alignment"]["brain-tuned"][region]["mean"]
        for name, scores in results["participants"].items()
        for region in REGIONS
    }
    text = squeezed(card)
    assert "brain-tuned on P01, P02" in text and "P02, story 'repeated': 232 TRs" in text
    assert text.count("- Warning: the ceilings") == 1
    assert "| voxels, P01 | 200 of" in text and "| voxels, P02 | 150 of" in text
    assert "| TR, P02 | 1.5 s |" in text


@pytest.mark.parametrize(
    ("config_class", "said", "unsaid"),
    [
        (Wav2Vec2Config, "AutoModelForCTC.from_pretrained", "Whisper"),
        (WhisperConfig, "WhisperForConditionalGeneration.from_pretrained", "CTC"),
    ],
)
def test_its_code_can_be_run_from_where_it_is_published(results, config_class, said, unsaid):
    text = model_card(results, SETTINGS, config(config_class), repo="ada/phantom").text
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for block in blocks:
        compile(block, "card", "exec")
    code = "".join(blocks)
    assert 'checkpoint = "ada/phantom"' in code
    for way in (
        "AutoModel.from_pretrained(checkpoint)  #",
        "AutoModel.from_pretrained(checkpoint, trust_remote_code=True)",
        "AutoModelForBrainTuning.from_pretrained(checkpoint)",
        'pipeline("brain-encoding", model=checkpoint)',
        said,
    ):
        assert way in code
    assert unsaid not in code


def test_folders_are_named_by_their_last_part(results, report, tmp_path):
    for name in ("my-model", "my recordings"):
        (tmp_path / name).mkdir()
    local = {"pretrained": str(tmp_path / "my-model"), "data": str(tmp_path / "my recordings")}
    card = model_card(results, SETTINGS | local, config())
    card = add_results(
        card,
        report | {"settings": report["settings"] | local | {"baseline": local["pretrained"]}},
        "brain-tuned",
    )
    assert str(tmp_path) not in str(card) and str(tmp_path.parent) not in str(card)
    assert card.data.base_model is card.data.datasets is card.data.license is None
    assert "my-model, fine-tuned to predict" in card.text
    assert "Recordings: my recordings." in card.text
    # The Hub takes no spaces in the name of a data set.
    assert {r.dataset_type for r in card.data.eval_results} == {"my-recordings"}
    assert card.text.count("not stated") == 2


@pytest.mark.parametrize(
    ("data", "cited"),
    [("anywhere/ds003020", True), ("ada/ds003020-prepared", True), ("stories", False)],
)
def test_the_recordings_of_lebel_et_al_are_cited(results, data, cited):
    changes = {"data": data, "participants": ["UTS03"]}
    text = model_card(results, SETTINGS | changes, config()).text
    assert ("10.1038/s41597-023-02437-z" in text) == ("LeBel" in text) == cited


def test_names_are_text_whatever_they_hold(results, report):
    name = "a|b <img src=x>\n[c](http://x) `d` <!-- end of alignment report -->"
    told = "a\\|b \\<img src=x\\> \\[c\\](http://x) \\`d\\` \\<!-- end of alignment report --\\>"

    def renamed(found):
        for kind in ("alignment", "gain"):
            for by_region in found[kind].values():
                by_region[name] = by_region.pop("language")
        for tests in found["tests"].values():
            tests[name] = tests.pop("language")
        found["impact"] = {}
        return found | {"participant": name, "test_story": name, "notes": [name]}

    results["participants"] = {name: renamed(results["participants"]["P01"])}
    names = {"participants": [name], "train_stories": [name], "test_story": name}
    names |= {"validation_stories": [name], "tuning_regions": [name]}
    card = model_card(results, SETTINGS | names, Wav2Vec2Config(num_voxels=9, brain={name: BRAIN}))
    report = renamed(report)
    card = add_results(card, report, "brain-tuned")
    assert add_results(card, report, "brain-tuned").text == card.text
    text = squeezed(card)
    assert name.splitlines()[0] not in text and text.count(told) > 8
    assert re.search(rf"^\| {re.escape(told)} \| \d", text, re.MULTILINE)


def test_what_is_simulated_is_said_to_be(results):
    text = model_card(results, SETTINGS | {"data": "phantom"}, config()).text
    assert "simulated responses" in text


def test_a_report_replaces_the_scores_of_its_story_and_its_own_section(results, report):
    card = model_card(results, SETTINGS, config())
    figures = {"By layer": "figures/layers.png"}
    added = add_results(card, report, "brain-tuned", figures)
    kept = metadata(added)
    for region in REGIONS:
        for metric, name in (("brain_alignment", "alignment"), ("brain_alignment_gain", "gain")):
            evaluation = kept[metric, region]
            assert evaluation.metric_value == report[name]["brain-tuned"][region]["mean"]
    impact = {r.metric_name: r.metric_value for r in added.data.eval_results}
    for feature, by_region in report["impact"]["brain-tuned"].items():
        for region in REGIONS:
            name = f"Low-level impact ({feature}), %, {region}"
            assert impact[name] == by_region[region]["mean"]
    assert len(added.data.eval_results) == 2 * 2 + 2 * 3
    assert added.text.startswith(card.text.rstrip())
    assert "![By layer](figures/layers.png)" in added.text
    scores = report["impact"]["permuted"]["all"]["language"]
    low, high = scores["interval"]
    cell = f"{scores['mean']:.0f} [{low:.0f}, {high:.0f}]"
    assert re.search(
        rf"^\| language \| permuted \|.*\| {re.escape(cell)} \|", squeezed(added), re.M
    )

    assert str(add_results(added, report, "brain-tuned", figures)) == str(added)
    assert "figures/layers.png" not in str(add_results(added, report, "brain-tuned"))
    assert "Low-level" not in add_results(added, report | {"impact": {}}, "brain-tuned").text


def test_a_report_on_another_story_stands_beside(results, report):
    card = model_card(results, SETTINGS, config())
    other = add_results(card, report | {"test_story": "other"}, "brain-tuned")
    back = ModelCard(str(other)).data.eval_results
    splits = [r.dataset_split for r in back]
    assert splits.count("repeated") == 4 and splits.count("other") == 10
    assert back[:4] == card.data.eval_results


def test_a_report_goes_into_a_card_of_any_hand(report):
    card = ModelCard("---\nlicense: mit\n---\n# Mine\n\nMy words.\n")
    added = add_results(card, report, "brain-tuned")
    assert added.data.license == "mit" and added.data.model_name == "brain-tuned"
    assert added.text.startswith("# Mine\n\nMy words.\n\n")
    assert str(card) == "---\nlicense: mit\n---\n# Mine\n\nMy words.\n"
    # What its author adds later stays where a new report comes in.
    later = ModelCard(str(added) + "\nAn afterthought.\n")
    assert add_results(later, report, "brain-tuned").text.endswith("\nAn afterthought.\n")


def test_impact_that_means_nothing_has_no_number(report):
    meaningless = copy.deepcopy(report)
    meaningless["impact"]["brain-tuned"]["all"]["language"] |= {"mean": None, "interval": (-4, 6)}
    card = add_results(ModelCard("---\nlicense: mit\n---\n"), meaningless, "brain-tuned")
    said = r"^\| language \| brain-tuned \|.*\| not determined \[-4, 6\] \|"
    assert re.search(said, squeezed(card), re.MULTILINE)
    names = {r.metric_name for r in card.data.eval_results}
    assert "Low-level impact (all), %, language" not in names
    assert "Low-level impact (all), %, auditory" in names


def test_a_card_is_kept_with_its_figures_and_read_back(results, tmp_path):
    (tmp_path / "drawn.png").write_bytes(b"a figure")
    card = model_card(results, SETTINGS, config(), base_license="apache-2.0")
    folder = tmp_path / "checkpoint"
    save_card(card, folder, {"figures/tuning.png": tmp_path / "drawn.png"})
    assert str(read_card(folder)) == str(card)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"README.md", "figures/tuning.png"}
    assert license_of(folder) == "apache-2.0"


def test_licences_that_are_not_stated_are_not_guessed(tmp_path):
    assert license_of(tmp_path) is None
    (tmp_path / "README.md").write_text("---\ntags: [x]\n---\n")
    assert license_of(tmp_path) is None
    (tmp_path / "README.md").write_text("---\nlicense: [unclosed\n---\n")
    assert license_of(tmp_path) is None


def test_a_card_that_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} has no card .README.md.: write"):
        read_card(tmp_path)
    (tmp_path / "README.md").write_text("---\nlicense: [unclosed\n---\n")
    with pytest.raises(ValueError, match="README.md of .* cannot be read .* fix it"):
        read_card(tmp_path)


def test_the_hub_takes_it_and_gives_its_licence(results, report, loopback_hub, tmp_path):
    card = model_card(results, SETTINGS, config(), base_license="apache-2.0")
    save_card(add_results(card, report, "brain-tuned"), tmp_path)
    hub = HfApi(loopback_hub.url, loopback_hub.token)
    for name in ("carded", "cardless"):
        hub.create_repo(f"ada/{name}")
    written = str(tmp_path / "README.md")
    hub.upload_file(path_or_fileobj=written, path_in_repo="README.md", repo_id="ada/carded")
    known = hub.model_info("ada/carded").card_data.to_dict()
    assert known == read_card(tmp_path).data.to_dict()
    licenses = [license_of(f"ada/{name}") for name in ("carded", "cardless", "nowhere")]
    assert licenses == ["apache-2.0", None, None]


def test_a_card_of_what_is_not_normalised_says_so_and_nothing_else(results, report):
    for found in (results["participants"]["P01"], report):
        found |= {"normalisation": "not normalised", "notes": ["Alignment is not normalised."]}
    card = add_results(model_card(results, SETTINGS, config()), report, "brain-tuned")
    text = str(card)
    left, n_said = re.subn("not normalised", "", text)
    assert n_said > 4 and "ormalised" not in left
    chosen = "| voxels | 50732 of 95556: not selected by noise ceilings, in language and auditory |"
    assert chosen in squeezed(card)
    assert "measured responses is not divided by a noise ceiling. It is averaged" in text
    named = [one.metric_name for one in card.data.eval_results if "brain" in one.metric_type]
    assert named and all(", not normalised, " in name for name in named)


def test_a_card_says_that_alignment_is_normalised_across_listeners(results):
    results["participants"]["P01"]["normalisation"] = "normalised across listeners"
    text = squeezed(model_card(results, SETTINGS, config()))
    assert "| voxels | 50732 of 95556: correlation with other listeners above 0.4 in " in text
    assert "Brain alignment, normalised across listeners: for each layer" in text
    assert "divided by the correlation of the measured responses with the mean of other" in text

"""What a run tunes on: the same sound for every target, and the targets themselves."""

import numpy as np
import pytest

from datasets_scripts import permute_blocks, permute_stories
from recipes.command.arguments import parse_arguments
from recipes.command.checkpoints import checkpoint
from recipes.stages.recordings import open_recordings, tuning_listener
from recipes.stages.targets import brain, brains
from recipes.stages.targets import windows as windows_of
from recipes.stages.tuning_options import TrainerOptions, TuningOptions


@pytest.fixture
def arguments(configuration, tmp_path):
    def parsed(**changes):
        words = ["--config", str(configuration(**changes)), "--output_dir", str(tmp_path)]
        return parse_arguments((TuningOptions, TrainerOptions), arguments=words)[0]

    return parsed


def listener(given):
    (participant,) = open_recordings(given.data, given)
    return tuning_listener(participant, given)


def windows(*given, **options):
    return windows_of(*given, **options, located=checkpoint)


def test_targets_differ_and_the_sound_does_not(arguments):
    targets = ["responses", "permuted", "text_model", "permuted_text_model"]
    given = arguments(targets=targets, text_teacher="phantom-gpt2-untaught", permute_within=True)
    one = listener(given)
    pairs = {target: train for target, (train, _) in windows(given, [one], targets).items()}
    for name in targets[1:]:
        assert len(pairs[name]) == len(pairs["responses"])
        for i in (0, 20, 65):
            same, other = pairs["responses"][i], pairs[name][i]
            np.testing.assert_array_equal(other["audio"], same["audio"])
            assert not np.array_equal(other["labels"], same["labels"])
    taught = np.stack([pairs["text_model"][i]["labels"] for i in range(22)])  # of one story
    np.testing.assert_allclose(taught.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(taught.std(axis=0), 1, atol=1e-4)
    shuffled = np.stack([pairs["permuted_text_model"][i]["labels"] for i in range(22)])
    order = permute_blocks(22, 1, [0, 0])
    np.testing.assert_array_equal(shuffled, taught[order])
    (brain,) = brains(given, [one], "text_model", pairs["text_model"])
    assert (brain.participant, len(brain.voxels)) == ("phantom-gpt2-untaught", taught.shape[1])


def test_permuted_targets_are_those_to_other_stories(arguments, capsys):
    targets = ["responses", "permuted", "text_model", "permuted_text_model"]
    given = arguments(
        train_stories=["story01", "story02"],
        validation_stories=["story03", "story04"],
        text_teacher="phantom-gpt2-untaught",
    )
    one = listener(given)
    pairs = windows(given, [one], targets, seed=3)
    n_trs = [len(story.tr_times) for story in one.train]
    order = permute_stories(n_trs, 3)
    assert set(order[: n_trs[0]]) <= set(range(n_trs[0], sum(n_trs)))
    for true, permuted in (("responses", "permuted"), ("text_model", "permuted_text_model")):
        own, others = pairs[true][0], pairs[permuted][0]
        for i in range(len(own)):
            np.testing.assert_array_equal(others.labels(i), own.labels(order[i]))
    printed = capsys.readouterr().out
    assert printed.count("targets correlate with the true ones by r = ") == 2


def test_a_run_can_tune_on_fewer_stories_than_its_encoding_models_are_fitted_on(arguments):
    given = arguments(tuning_stories=["story03", "story01"])
    one = listener(given)
    assert [story.name for story in one.train] == given.train_stories
    (pairs, validation) = windows(given, [one], ["responses"])["responses"]
    n_trs = {story.name: len(story.tr_times) for story in (*one.train, *one.validation)}
    assert len(pairs) == n_trs["story01"] + n_trs["story03"]
    assert len(validation) == n_trs["story04"]
    (brain,) = brains(given, [one], "responses", pairs)
    assert brain.data["train_stories"] == ["story03", "story01"]
    with pytest.raises(ValueError, match="training story to tune on.*story04"):
        arguments(tuning_stories=["story04"])


def test_a_brain_knows_its_cortex_and_its_atlas(arguments, anatomical, tmp_path):
    root, truth = anatomical
    given = arguments(
        data=str(root),
        participants=["UTS05"],
        train_stories=["story01"],
        validation_stories=["story02"],
        tuning_regions=["late_language"],
        atlas=truth.atlas,
    )
    one = listener(given)
    known = brain(given, one, "responses")
    column = {voxel: i for i, voxel in enumerate(one.voxels)}
    expected = [column.get(voxel, -1) for voxel in truth.fsaverage5.tolist()]
    np.testing.assert_array_equal(known.fsaverage5, expected)
    assert max(expected) > 0 and min(expected) == -1
    np.testing.assert_array_equal(known.regions["late_language"], np.arange(len(one.voxels)))
    assert known.atlas == one.participant.anatomy.atlas != {}

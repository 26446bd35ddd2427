"""Several seeds in one table."""

import json

from recipes.tune_seeds import table, tune_seeds


def results(pretrained, tuned):
    return {
        "alignment": {
            "pretrained": {"language": {"mean": pretrained}},
            "brain-tuned": {"language": {"mean": tuned}},
        },
        "gain": {"brain-tuned": {"language": {"mean": tuned - pretrained}}},
    }


def test_the_table_shows_every_seed_its_mean_and_the_gain():
    lines = table({0: results(0.2, 0.3), 7: results(0.2, 0.5)}).splitlines()
    assert lines[0] == "| region | model | seed 0 | seed 7 | mean | gain |"
    assert lines[2] == "| language | pretrained | 0.200 | 0.200 | 0.200 |  |"
    assert lines[3] == (
        "| language | brain-tuned | 0.300 | 0.500 | 0.400 | +0.200 (+0.100 to +0.300) |"
    )


def test_a_finished_seed_is_not_run_again(tmp_path):
    class Training:
        output_dir = str(tmp_path)

    done = results(0.1, 0.2)
    (tmp_path / "seed-3").mkdir()
    (tmp_path / "seed-3" / "results.json").write_text(json.dumps(done))
    assert tune_seeds([3], None, Training()) == {3: done}

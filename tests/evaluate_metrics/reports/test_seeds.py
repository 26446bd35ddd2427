"""Several seeds in one table."""

from evaluate_metrics.reports.seeds import gains_by_seed, scores_by_seed


def cells(table):
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def tuned(pretrained, tuned):
    scores = {
        "evaluation_stride": 0.1,
        "normalisation": "normalised",
        "alignment": {
            "pretrained": {"language": {"mean": pretrained}},
            "brain-tuned": {"language": {"mean": tuned}},
        },
        "gain": {
            "brain-tuned": {"language": {"mean": None if tuned is None else tuned - pretrained}}
        },
    }
    return {"participants": {"P01": scores, "P02": {}}}


def compared(gain):
    def of(gain):
        interval = (gain - 0.05, gain + 0.05)
        empty = {"mean": None, "interval": None, "n_voxels": 0}
        return {"language": {"mean": gain, "interval": interval, "n_voxels": 9}, "silent": empty}

    def tests(p):
        return {"language": {"p": p / 2, "p_holm": p}}

    return {
        "evaluation_stride": 0.1,
        "normalisation": "normalised",
        "alignment": {"pretrained": dict.fromkeys(("language", "silent"))},
        "gain": {"brain-tuned": of(gain), "permuted": of(-0.01)},
        "tests": {"brain-tuned": tests(0.012), "permuted": tests(1.0)},
        "pairs": [
            {
                "model": "brain-tuned",
                "other": "permuted",
                "gain": of(gain + 0.01),
                "tests": tests(0.002),
            }
        ],
    }


def test_the_table_of_tuning_shows_every_seed_its_mean_and_the_gain():
    header, _, baseline, brain_tuned = cells(
        scores_by_seed({0: tuned(0.2, 0.3), 7: tuned(0.2, 0.5)})
    )
    assert header == ["region", "model", "seed 0", "seed 7", "mean", "gain"]
    assert baseline == ["language", "pretrained", "0.200", "0.200", "0.200", ""]
    assert brain_tuned == [
        *("language", "brain-tuned", "0.300", "0.500", "0.400"),
        "+0.200 (+0.100 to +0.300)",
    ]


def test_tables_say_how_alignment_was_measured():
    for text in (scores_by_seed({0: tuned(0.2, 0.3)}), gains_by_seed({0: compared(0.1)})):
        assert text.endswith("|\n\nNormalised brain alignment, representations every 0.1 s.")


def test_names_of_regions_open_no_cell():
    run = tuned(0.2, 0.3)
    scores = run["participants"]["P01"]
    for by_region in (*scores["alignment"].values(), *scores["gain"].values()):
        by_region["a|b"] = by_region.pop("language")
    assert "| a\\|b " in scores_by_seed({0: run})


def test_an_empty_region_is_empty_with_every_seed():
    lines = cells(scores_by_seed({0: tuned(None, None), 7: tuned(None, None)}))
    assert lines[2:] == [
        ["language", "pretrained", "empty", "empty", "empty", ""],
        ["language", "brain-tuned", "empty", "empty", "empty", "empty"],
    ]


def test_the_table_of_comparisons_has_a_line_for_every_region_and_pair():
    header, _, *lines = cells(gains_by_seed({0: compared(0.1), 4: compared(0.2)}))
    assert header == ["region", "what", "seed 0", "seed 4"]
    assert lines[0] == [
        *("language", "brain-tuned - pretrained"),
        *("+0.100 [+0.050, +0.150] p=0.012", "+0.200 [+0.150, +0.250] p=0.012"),
    ]
    assert lines[1][:3] == ["language", "permuted - pretrained", "-0.010 [-0.060, +0.040] p=1.000"]
    assert lines[2][:3] == [
        *("language", "brain-tuned - permuted"),
        "+0.110 [+0.060, +0.160] p=0.002",
    ]
    assert [line[2:] for line in lines[3:]] == [["empty", "empty"]] * 3
    assert {line[0] for line in lines[3:]} == {"silent"}

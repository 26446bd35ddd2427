"""The table, the files and the figures of a comparison of models."""

import copy
import csv
import json
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from evaluate_metrics import MEAN_IMPACT, Scores, tuning_figure
from evaluate_metrics.reports import NORMALISED, NOT_NORMALISED, alignment
from evaluate_metrics.reports.alignment import (
    COLUMNS,
    comparison_report,
    notes,
    over_layers,
    penalty_note,
    report,
    rows,
    table,
    title_of,
)

N_TRS, N_VOXELS = 40, 7
VOXELS = np.array([1, 2, 3, 5, 6, 8, 9])  # of the participant's, those above the threshold
MEMBERS = {"late_language": [0, 1, 2], "auditory": [2, 3, 4, 5, 6], "silent": []}
LIVE = ("late_language", "auditory")
MODELS = ("pretrained", "permuted", "brain-tuned")
LAYERS = (2, 12)
FEATURES = ("power_spectrum", "articulation", "all", MEAN_IMPACT)
COMPARED = MODELS[1:]


def compare(low_level):
    """What is found about three models, of which the brain-tuned one sees most of the signal."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((N_TRS, N_VOXELS))
    regions = {name: np.isin(np.arange(N_VOXELS), voxels) for name, voxels in MEMBERS.items()}

    def seen(noise):
        return {layer: signal + noise * rng.standard_normal(signal.shape) for layer in LAYERS}

    scored = Scores(seen(0.5)[2], rng.uniform(0.7, 0.9, N_VOXELS), regions)
    models = {
        model: scored.score(seen(noise))
        for model, noise in zip(MODELS, (1.0, 1.1, 0.3), strict=True)
    }
    compared = {model: models[model] for model in COMPARED}
    baseline = models["pretrained"]
    impact, left_over = {}, {}
    for model in MODELS if low_level else ():
        left = {feature: scored.score(seen(2.0)) for feature in FEATURES[:-1]}
        impact[model] = {
            feature: scored.impact(models[model], rest) for feature, rest in left.items()
        }
        impact[model][MEAN_IMPACT] = scored.mean_impact(impact[model])
        left_over[model] = left["all"].per_voxel
    impact_tests = {
        model: scored.impact_tests(impact[model], impact["pretrained"])
        for model in COMPARED
        if low_level
    }
    for by_region in (r for by_feature in impact.values() for r in by_feature.values()):
        for scores in by_region.values():
            scores.pop("resamples", None)
    return {
        "alignment": {model: scored.alignment(m) for model, m in models.items()},
        "gain": {model: scored.gain(m, baseline) for model, m in compared.items()},
        "tests": {model: scored.tests(m, baseline) for model, m in compared.items()},
        "predicted_voxels": {model: scored.predicted(m) for model, m in models.items()},
        "impact": impact,
        "impact_tests": impact_tests,
        "change": {model: scored.change(m, baseline) for model, m in compared.items()},
        "per_voxel": {
            "voxels": VOXELS,
            "n_voxels": 10,
            "noise_ceiling": rng.uniform(0.1, 0.9, 10),
            "alignment": {model: m.per_voxel for model, m in models.items()},
            "above_chance": {model: scored.above_chance(m) for model, m in models.items()},
            "residual_alignment": left_over,
        },
        "n_trs": N_TRS,
        "evaluation_stride": 0.1,
        "evaluation_chunk": 0.1,
        "normalisation": "normalised",
        "penalty_edges": {model: {"smallest": 0.0, "largest": 1.0} for model in MODELS},
        "by_words": None,
        "n_excluded": 0,
        "participant": "UTS03",
        "test_story": "wheretheressmoke",
        "notes": ["Few TRs.", "No regions."],
    }


@pytest.fixture(scope="module")
def results():
    return compare(low_level=True)


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    """The files of a report, by name."""
    paths = report(results, tmp_path_factory.mktemp("runs") / "new" / "report")
    return {path.name: path for path in paths}


@pytest.fixture(scope="module")
def read(written):
    """The rows of the CSV, as dicts of text."""
    with open(written["alignment.csv"], newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def as_json(content):
    """As JSON has it: keys are text, arrays and tuples are lists."""
    if isinstance(content, dict):
        return {str(key): as_json(value) for key, value in content.items()}
    return list(content) if isinstance(content, np.ndarray | tuple) else content


def test_report_is_json_csv_a_change_figure_for_each_compared_model_and_voxels(written):
    figures = ["alignment.png", "layers.png", "change-permuted.png", "change-brain-tuned.png"]
    assert list(written) == ["alignment.json", "alignment.csv", *figures, "voxels.npz"]
    assert set(written["alignment.json"].parent.iterdir()) == set(written.values())


def test_maps_of_a_known_cortex_stand_with_the_other_files(results, make_cortex, tmp_path):
    voxels = np.full(516, -1)
    voxels[:10] = np.arange(10)
    shapes = {"flat": make_cortex().shapes["flat"]}
    paths = report(results, tmp_path, make_cortex(voxels=voxels, shapes=shapes))
    drawn = [path.name for path in paths if path.name.startswith("map-")]
    quantities = ("noise-ceiling", "alignment", "alignment-change", "impact-change")
    assert drawn == [f"map-{name}.{ending}" for name in quantities for ending in ("png", "pdf")]
    assert set(tmp_path.iterdir()) == set(paths)


def test_figures_are_called_by_what_was_measured_and_how(results):
    title = "UTS03, story 'wheretheressmoke', 40 TRs, representations every 0.1 s"
    assert title_of(results) == title


def test_every_row_has_the_stride(read):
    assert {row["stride"] for row in read} == {row["chunk"] for row in read} == {"0.1"}


def test_chunks_are_said_in_the_table_and_titles(results):
    chunked = results | {"evaluation_chunk": 1.0}
    assert "40 TRs, representations every 0.1 s in chunks of 1 s, mean" in table(chunked)
    assert title_of(chunked).endswith("40 TRs, representations every 0.1 s in chunks of 1 s")
    assert {row["chunk"] for row in rows(chunked)} == {1.0}


def test_figures_are_pictures(written):
    for name, path in written.items():
        if name.endswith(".png"):
            assert imread(path)[..., :3].std() > 0.01


def test_json_holds_all_that_was_found_but_voxel_by_voxel(results, written):
    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    found = json.loads(written["alignment.json"].read_text(), parse_constant=refuse)
    assert found == as_json({key: results[key] for key in results if key != "per_voxel"})


def test_voxels_are_kept_as_arrays(results, written):
    voxels = results["per_voxel"]
    expected = {name: voxels[name] for name in ("voxels", "n_voxels", "noise_ceiling")}
    for model in MODELS:
        for name in ("alignment", "above_chance", "residual_alignment"):
            expected[f"{name}/{model}"] = voxels[name][model]
    with np.load(written["voxels.npz"]) as kept:
        assert set(kept) == set(expected)
        for name in expected:
            np.testing.assert_array_equal(kept[name], expected[name])


def test_csv_has_the_columns_and_rows_of_the_results(results, written):
    with open(written["alignment.csv"], newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    assert tuple(header) == COLUMNS
    found = list(rows(results))
    assert {tuple(row) for row in found} == {COLUMNS}
    assert lines == [["" if cell is None else str(cell) for cell in row.values()] for row in found]


def test_rows_of_what_json_holds_are_the_same(results, written):
    read = json.loads(written["alignment.json"].read_text())
    assert list(rows(read)) == [as_json(row) for row in rows(results)]


def test_csv_has_a_row_for_every_number(read):
    def selected(measure):
        keys = ("model", "region", "layer", "feature")
        return [tuple(row[key] for key in keys) for row in read if row["measure"] == measure]

    layers = ("mean", *map(str, LAYERS))
    by_region = [*((region, layer) for region in LIVE for layer in layers), ("silent", "mean")]
    means = {(region, "mean") for region in MEMBERS}
    assert sorted(selected("alignment")) == sorted(
        (m, *key, "") for m in MODELS for key in by_region
    )
    assert set(selected("gain")) == {(model, *key, "") for model in COMPARED for key in means}
    assert sorted(selected("impact")) == sorted(
        (model, *key, feature) for model in MODELS for feature in FEATURES for key in by_region
    )
    assert set(selected("impact change")) == {
        (model, region, "mean", feature)
        for model in COMPARED
        for feature in FEATURES
        for region in LIVE
    }
    assert {row["participant"] for row in read} == {"UTS03"}


def test_rows_hold_the_numbers(results):
    by_key = {tuple(row.values())[:6]: row for row in rows(results)}
    key = ("brain-tuned", "UTS03", "auditory")

    row, scores = by_key[*key, "mean", None, "gain"], results["gain"]["brain-tuned"]["auditory"]
    test = results["tests"]["brain-tuned"]["auditory"]
    assert row["value"] == scores["mean"]
    assert (row["interval_low"], row["interval_high"]) == scores["interval"]
    assert (row["p"], row["p_holm"]) == (test["p"], test["p_holm"])

    scores = results["alignment"]["brain-tuned"]["auditory"]
    for layer in LAYERS:
        row = by_key[*key, layer, None, "alignment"]
        assert row["value"] == scores["layers"][layer]
        assert (row["interval_low"], row["interval_high"]) == scores["layer_intervals"][layer]
        assert row["p"] is None

    scores = results["impact"]["brain-tuned"]["articulation"]["auditory"]
    row = by_key[*key, "mean", "articulation", "impact"]
    assert row["value"] == scores["mean"]
    assert (row["interval_low"], row["interval_high"]) == scores["interval"]
    assert by_key[*key, 12, "articulation", "impact"]["value"] == scores["layers"][12]


def test_every_value_has_its_n(read):
    for row in read:
        assert int(row["n"]) == len(MEMBERS[row["region"]]) and row["unit"] == "voxels"
        assert (row["value"] == "") is (row["region"] == "silent")


def test_every_value_lies_in_its_interval(read):
    for row in read:
        of_a_layer = row["layer"] != "mean" and row["feature"] == MEAN_IMPACT
        if row["value"] == "" or of_a_layer:
            assert row["interval_low"] == row["interval_high"] == ""
        else:
            low, value, high = (
                float(row[name]) for name in ("interval_low", "value", "interval_high")
            )
            assert low <= value <= high
            assert low < high or row["measure"] == "predicted_voxels"


def test_every_change_has_its_p_and_nothing_else_has(read):
    for row in read:
        tested = row["measure"] in ("gain", "impact change") and row["region"] in LIVE
        assert (row["p"] != "") is (row["p_holm"] != "") is tested


def line_of(text, name):
    """The line of the table that begins so, without its name."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return line.removeprefix(name)


def part_of(text, title):
    """What the heading of a part of the table says after its title, and the lines below it."""
    (part,) = [part for part in text.split("\n\n") if part.strip().startswith(f"{title} ")]
    heading, lines = part.strip().split("\n", 1)
    return heading.removeprefix(title), lines


def cell(scores, number="{:.2f}"):
    return f"{number} [{number}, {number}]".format(scores["mean"], *scores["interval"])


def test_table_says_what_was_scored_and_what_a_reader_must_know(results):
    text = table(results)
    assert "on 'wheretheressmoke'" in text and "40 TRs, representations every 0.1 s" in text
    for region, voxels in MEMBERS.items():
        assert f" {region} ({len(voxels)} voxels)" in text
    assert text.endswith("\n\nFew TRs.\nNo regions.\n")


def test_table_prints_the_alignment_of_every_model_and_region(results):
    _, lines = part_of(table(results), "Normalised brain alignment")
    for model in MODELS:
        line = line_of(lines, model)
        for region in LIVE:
            assert f" {cell(results['alignment'][model][region])} " in line
        assert line.endswith(" empty")


def test_table_prints_every_gain_with_its_adjusted_p(results):
    for model in COMPARED:
        line = line_of(table(results), f"gain, {model}")
        for region in LIVE:
            p = results["tests"][model][region]["p_holm"]
            assert f" {cell(results['gain'][model][region], '{:+.2f}')} p={p:.3f} " in line
        assert line.count("p=") == len(LIVE) and line.endswith(" empty")


def test_pairs_of_models_have_lines_and_rows_of_their_own(results):
    gain, tests = (results[name]["permuted"] for name in ("gain", "tests"))
    pair = {"model": "brain-tuned", "other": "permuted", "gain": gain, "tests": tests}
    paired = results | {"pairs": [pair]}
    line = line_of(table(paired), "brain-tuned over permuted")
    assert line.split() == line_of(table(paired), "gain, permuted").split()
    added = [row for row in rows(paired) if row not in list(rows(results))]
    assert [row["measure"] for row in added] == ["gain over permuted"] * len(MEMBERS)
    assert [row["value"] for row in added] == [gain[region]["mean"] for region in MEMBERS]


def test_table_prints_every_layer_of_every_region_that_has_voxels(results):
    text = table(results)
    for region in LIVE:
        heading, lines = part_of(text, f"{region}, by layer")
        assert re.split(" {2,}", heading.strip()) == ["layer 2", "layer 12"]
        for model in MODELS:
            values = results["alignment"][model][region]["layers"].values()
            assert line_of(lines, model).split() == [f"{value:.2f}" for value in values]
    assert "silent, by layer" not in text


def test_table_prints_the_impact_of_every_feature_on_every_model_and_region(results):
    text = table(results)
    for region in LIVE:
        heading, lines = part_of(text, f"impact, {region}, %")
        for model in MODELS:
            line = line_of(lines, model)
            for feature in FEATURES[:-1]:
                assert f" {feature} " in heading
                scores = results["impact"][model][feature][region]
                assert f" {cell(scores, '{:.0f}')} " in line.replace("*", " ")
            headline = cell(results["impact"][model][MEAN_IMPACT][region], "{:.0f}")
            assert heading.endswith(f" {MEAN_IMPACT}") and line.rstrip("*").endswith(f" {headline}")
            tests = results["impact_tests"].get(model, {})
            starred = tests and tests[MEAN_IMPACT][region]["p_holm"] < 0.05
            assert line.endswith("*") == bool(starred)
    _, lines = part_of(text, "impact, silent, %")
    for model in MODELS:
        assert line_of(lines, model).split() == ["empty"] * len(FEATURES)


@pytest.mark.parametrize(
    ("interval", "said"),
    [(None, "  not determined  "), ((-388.4, 570.2), "  not determined [-388, 570]  ")],
)
def test_impact_that_is_not_determined_is_said_and_a_row_without_value(results, interval, said):
    meaningless = copy.deepcopy(results)
    scores = meaningless["impact"]["permuted"]["articulation"]["auditory"]
    scores |= {"mean": None, "interval": interval}
    _, lines = part_of(table(meaningless), "impact, auditory, %")
    assert said in line_of(lines, "permuted")
    (row,) = [
        cells
        for cells in (tuple(row.values()) for row in rows(meaningless))
        if cells[:6] == ("permuted", "UTS03", "auditory", "mean", "articulation", "impact")
    ]
    ends = interval or (None, None)
    assert row[6:] == (None, 5, "voxels", *ends, None, None, 0.1, "normalised", 0.1)


def test_impact_at_several_lags_has_a_table_of_its_own_and_no_bars(results, tmp_path, monkeypatch):
    lagged = copy.deepcopy(results)
    for model in MODELS:
        for feature, by_region in list(lagged["impact"][model].items()):
            lagged["impact"][model][f"{feature}, lags -3 to 3"] = by_region
    plain, text = table(results), table(lagged)
    assert part_of(text, "impact, auditory, %  ") == part_of(plain, "impact, auditory, %  ")
    heading, lines = part_of(text, "impact, auditory, %, lags -3 to 3")
    assert heading.split() == " ".join(FEATURES).split()
    scores = results["impact"]["permuted"]["all"]["auditory"]
    assert f"{scores['mean']:.0f} [" in line_of(lines, "permuted")
    drawn = []
    monkeypatch.setattr(alignment, "report_figure", lambda found, *_, **__: drawn.append(found))
    monkeypatch.setattr(alignment, "layer_figure", lambda *_, **__: None)
    compared = {key: lagged[key] for key in lagged if key not in ("per_voxel", "change")}
    comparison_report(compared, tmp_path)
    assert list(drawn[0]["impact"]["permuted"]) == list(FEATURES)


def test_models_lead_to_no_other_folder(results, tmp_path):
    renamed = results | {"change": {"../../out": results["change"]["permuted"]}}
    paths = report(renamed, tmp_path / "report")
    assert {path.parent for path in paths} == {tmp_path / "report"}
    assert (tmp_path / "report" / "change-_.._out.png").exists()


@pytest.mark.parametrize("model", ["m", "a-model-of-a-very-long-name-from-somewhere-on-the-hub"])
def test_columns_stand_below_their_headings_whatever_the_models_are_called(results, model):
    renamed = copy.deepcopy(results)
    for key in ("alignment", "gain", "tests", "impact", "impact_tests"):
        renamed[key][model] = renamed[key].pop("brain-tuned")
    heading, lines = part_of(table(renamed), "impact, late_language, %")
    start = len("impact, late_language, %") + heading.index("power_spectrum")
    for name in ("pretrained", "permuted", model):
        (line,) = [line for line in lines.splitlines() if line.startswith(f"{name} ")]
        assert line[start - 1] == " " != line[start]
        assert line[len(name) : start].strip() == ""


def test_report_without_impact_leaves_it_out(tmp_path):
    without_impact = compare(low_level=False)
    assert "impact" not in table(without_impact)
    assert {row["measure"] for row in rows(without_impact)} == {
        "alignment",
        "gain",
        "predicted_voxels",
    }
    paths = report(without_impact, tmp_path)
    assert json.loads(paths[0].read_text())["impact"] == {}
    assert all(path.stat().st_size for path in paths)


def test_notes_say_that_regions_are_missing_voxels_dead_or_trs_few():
    def said(
        n_trs=100,
        n_excluded=0,
        regions=MEMBERS,
        stride=0.1,
        normalisation=NORMALISED,
        words=None,
    ):
        found = {"n_trs": n_trs, "n_excluded": n_excluded, "evaluation_stride": stride}
        found["evaluation_chunk"] = 0.1
        found |= {"normalisation": normalisation}
        found |= {"penalty_edges": {"tuned": {"smallest": 0.0, "largest": 1.0}}}
        found |= {"by_words": words}
        penalties = "Voxels that chose the smallest and the largest penalty: tuned 0.0 % and 1.0 %."
        return [note for note in notes(found, regions) if note != penalties]

    assert said() == []
    (regions,) = said(regions={})
    assert regions.startswith("No regions are given: all voxels above the noise ceiling")
    assert said(regions={}, normalisation=NOT_NORMALISED) == [
        "No regions are given: all voxels count."
    ]
    (few,) = said(n_trs=99)
    assert few.startswith("99 TRs are few")
    (dead,) = said(n_excluded=3)
    assert dead.startswith("3 voxels are left out")
    assert said(99, 3, {}) == [regions, dead, few]
    (known,) = said(words={"n_new": 0, "n_words": 5})
    assert known == "Every word of the test story is in a training story too."
    assert said(words={"n_new": 1, "n_words": 5}) == []
    (sparse,) = said(stride=0.2)
    assert sparse.startswith("Warning: representations every 0.2 s, not 0.1 s")


@pytest.mark.parametrize(("share", "warned"), [(4.9, False), (5.0, True)])
@pytest.mark.parametrize("edge", ["smallest", "largest"])
def test_voxels_at_an_end_of_the_penalties_are_warned_of_from_5_per_cent_on(edge, share, warned):
    ends = {"smallest": 0.0, "largest": 0.0}
    note = penalty_note({"pretrained": ends, "tuned": ends | {edge: share}})
    assert note.startswith("Warning: ") == note.endswith("too narrow for them.") == warned
    assert "pretrained 0.0 % and 0.0 %, tuned " in note and f"{share} %" in note


def test_error_bars_are_a_standard_error_over_layers():
    scores = {"mean": 0.5, "interval": (0, 1), "layers": {1: 0.4, 2: 0.5, 3: 0.6}, "n_voxels": 3}
    empty = {"mean": None, "interval": None, "n_voxels": 0}
    impact = {"mean": 10.0, "interval": None, "layers": {1: None, 2: 5.0, 3: 15.0}, "n_voxels": 3}
    drawn = over_layers(
        {
            "alignment": {"tuned": {"language": scores, "other": empty}},
            "normalisation": NORMALISED,
            "impact": {"tuned": {"all": {"language": impact}}},
            "tests": {},
            "impact_tests": {},
        }
    )
    error = 0.1 / np.sqrt(3)
    assert drawn["alignment"]["tuned"]["language"]["interval"] == pytest.approx(
        (0.5 - error, 0.5 + error)
    )
    assert drawn["alignment"]["tuned"]["other"] == empty
    assert drawn["impact"]["tuned"]["all"]["language"]["interval"] == pytest.approx((5.0, 15.0))


def test_a_comparison_is_json_csv_and_two_figures(results, tmp_path):
    compared = {key: results[key] for key in results if key not in ("per_voxel", "change")}
    paths = comparison_report(compared, tmp_path)
    names = ["compare.json", "compare.csv", "compare.png", "compare-layers.png"]
    assert [path.name for path in paths] == names
    assert set(tmp_path.iterdir()) == set(paths)
    assert json.loads(paths[0].read_text()) == as_json(compared)
    with open(paths[1], newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    assert tuple(header) == COLUMNS and len(lines) == len(list(rows(compared)))
    assert all(imread(path)[..., :3].std() > 0.01 for path in paths[2:])


def in_figures(monkeypatch):
    """All text of the figures that are saved from now on."""
    said = []

    def save(figure, *args, **kwargs):
        said.extend(text.get_text() for text in figure.findobj(Text))

    monkeypatch.setattr(Figure, "savefig", save)
    return said


def test_what_is_not_normalised_says_so_and_nothing_says_otherwise(
    results, make_cortex, tmp_path, monkeypatch
):
    voxels = {k: v for k, v in results["per_voxel"].items() if k != "noise_ceiling"}
    found = results | {"normalisation": NOT_NORMALISED, "per_voxel": voxels}
    drawn = in_figures(monkeypatch)
    places = np.full(516, -1)
    places[:10] = np.arange(10)
    cortex = make_cortex(voxels=places, shapes={"flat": make_cortex().shapes["flat"]})
    paths = report(found, tmp_path, cortex)
    compared = {key: found[key] for key in found if key not in ("per_voxel", "change")}
    comparison_report(compared, tmp_path)
    curve = {"train": [(1, 1.0)], "validation": [(1, 1.0)]}
    losses = dict.fromkeys(COMPARED, curve)
    tuning_figure(found["alignment"], losses, tmp_path / "a.png", normalisation=NOT_NORMALISED)
    assert not any("noise-ceiling" in path.name for path in paths)
    with np.load(tmp_path / "voxels.npz") as kept:  # which would refuse a pickle
        assert "noise_ceiling" not in kept and kept["n_voxels"] == 10
    texts = [table(found), *(path.read_text() for path in paths[:2]), "\n".join(drawn)]
    for text in texts:
        left, n_said = re.subn("not normalised", "", text)
        assert n_said and "normalised" not in left.lower() and "noise ceiling" not in left
    # bars, layers, change of two models, maps as PNG and PDF; bars and layers; tuning
    assert sum("not normalised" in text for text in drawn) == 4 + 2 * 2 + 2 + 1


def test_what_is_normalised_across_listeners_says_so(results):
    text = table(results | {"normalisation": "normalised across listeners"})
    assert text.startswith("\nBrain alignment, normalised across listeners on 'wheretheressmoke'")
    assert table(results).startswith("\nNormalised brain alignment on 'wheretheressmoke'")


def by_words(**new):
    """What is scored at TRs that follow known words and new ones."""

    def scores(mean):
        there = {"mean": mean, "interval": (mean - 0.05, mean + 0.05), "n_voxels": 3}
        return {"late_language": there, "auditory": {"mean": None, "interval": None, "n_voxels": 0}}

    known = {
        "n_trs": 70,
        "alignment": {"pretrained": scores(0.41), "brain-tuned": scores(0.62)},
        "gain": {"brain-tuned": scores(0.21)},
    }
    return {"n_new": 3, "n_words": 12, "known": known, "new": known | {"n_trs": 50} | new}


def test_known_and_new_words_stand_side_by_side(results):
    found = results | {"by_words": by_words()}
    text = table(found)
    assert "70 TRs follow known words only; 50 follow new ones" in text and "(25% of" in text
    assert text.count("+0.21 [+0.16, +0.26]") == 2
    read = {(r["measure"], r["model"], r["region"]): r for r in rows(found)}
    new = read["gain, new words", "brain-tuned", "late_language"]
    assert new["value"] == 0.21 and new["interval_low"] == pytest.approx(0.16)
    assert read["alignment, known words", "pretrained", "auditory"]["value"] is None


def test_what_too_few_trs_follow_is_not_determined(results):
    few = by_words()
    few["new"] = {"n_trs": 4}
    found = results | {"by_words": few}
    text = table(found)
    assert "4 follow new ones" in text and "not determined" in text
    assert not any("new words" in row["measure"] for row in rows(found))
    few["known"] = {"n_trs": 9}
    assert "follow new ones" not in table(found)

"""Files of results in one schema."""

import json

import pytest

from evaluate_metrics.reports.merging import COLUMNS, merged, result_files


def row(model="pretrained", participant="P01", value=0.5, **more):
    """A row with all columns; of a task unless a region is given."""
    known = {"model": model, "participant": participant, "value": value, "measure": "macro_f1"}
    known |= {"layer": 1, "n": 30, "unit": "clips", "task": "phantom/word"}
    if value is not None:
        known |= {"interval_low": value - 0.1, "interval_high": value + 0.1}
    if "region" in more:
        known |= {"task": None, "measure": "alignment", "layer": "mean", "unit": "voxels"}
        known |= {"stride": 0.1, "chunk": 0.1, "normalisation": "normalised"}
    return dict.fromkeys(COLUMNS) | known | more


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_what_runs_left_below_their_report_is_passed_over(tmp_path):
    files = [
        written(tmp_path / name, {})
        for name in ("asr/asr.json", "sweep/sweep.json", "tuned/compare.json", "tuned/results.json")
    ]
    losses = [
        written(tmp_path / folder / "results.json", {"train": []})
        for folder in ("asr/brain-tuned", "tuned/stimulus-tuned")
    ]
    for path in losses:
        written(path.with_name("config.json"), {})
    written(tmp_path / "sweep" / "small" / "1" / "results.json", {"of": "a run of the sweep"})
    assert sorted(result_files([str(tmp_path)])) == sorted(files)
    assert result_files([str(losses[0])]) == [losses[0]]
    with pytest.raises(FileNotFoundError, match="none of alignment.json, .* in it"):
        result_files([str(losses[0].parent)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "bad/alignment.json is no JSON of results"),
        ('{"rows": [{"value": NaN}]}', "no JSON of results: a value is NaN"),
        ("[1]", "holds no results: expected rows, participants or alignment, got list"),
        ('{"loss": 1}', "holds no results: .* got loss"),
        ('{"alignment": {}, "gain": {}}', "lacks 'participant': measure again"),
        ('{"rows": [{"model": "a"}]}', "a row lacks participant, layer, feature, measure, value"),
    ],
)
def test_a_file_that_is_no_results_is_named_with_what_is_wrong(content, message, tmp_path):
    path = tmp_path / "bad" / "alignment.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        merged([path])


@pytest.mark.parametrize("more", [{"region": "language", "task": "a/b"}, {"task": None}])
def test_a_row_is_of_a_region_or_of_a_task(more, tmp_path):
    path = written(tmp_path / "probes.json", {"rows": [row() | more]})
    with pytest.raises(ValueError, match="a row needs a region or else a task"):
        merged([path])


def test_different_values_of_the_same_thing_name_both_files(tmp_path):
    paths = [
        written(tmp_path / name / "probes.json", {"rows": [row(value=value)]})
        for name, value in (("a", 0.5), ("b", 0.5 + 1e-9), ("c", 0.6))
    ]
    assert merged(paths[:2]) == [row()]
    with pytest.raises(ValueError, match=r"a/probes.json and .*c/probes.json hold different .*P01"):
        merged(paths)
    empty = written(tmp_path / "d" / "probes.json", {"rows": [row(value=None)]})
    with pytest.raises(ValueError, match="0.5 and None; leave out one of the files"):
        merged([paths[0], empty])


def test_alignment_of_two_strides_is_not_compared(tmp_path):
    dense, sparse = (
        written(tmp_path / name / "sweep.json", {"rows": [row(model, region="language") | stride]})
        for name, model, stride in (("a", "x", {"stride": 0.1}), ("b", "y", {"stride": 0.5}))
    )
    probes = written(tmp_path / "probes.json", {"rows": [row()]})
    message = "a/sweep.json and .*b/sweep.json hold .* every 0.1 s and every 0.5 s, .* be compared"
    with pytest.raises(ValueError, match=message):
        merged([dense, probes, sparse])
    assert len(merged([dense, probes])) == 2
    unknown = written(tmp_path / "c.json", {"rows": [row(region="language") | {"stride": None}]})
    with pytest.raises(ValueError, match="a row lacks stride"):
        merged([unknown])


def test_alignment_of_two_chunks_is_not_compared(tmp_path):
    paths = [
        written(tmp_path / f"{chunk}.json", {"rows": [row(name, region="a") | {"chunk": chunk}]})
        for name, chunk in (("x", 0.1), ("y", 1.0))
    ]
    with pytest.raises(ValueError, match="in chunks of 0.1 s and in chunks of 1 s, .* be compared"):
        merged(paths)


def test_normalised_and_other_alignment_are_not_compared(tmp_path):
    ours, theirs = (
        written(
            tmp_path / name / "sweep.json",
            {"rows": [row(name, region="language") | {"normalisation": normalisation}]},
        )
        for name, normalisation in (("a", "normalised"), ("b", "not normalised"))
    )
    message = "a/sweep.json and .*b/sweep.json .* is normalised and not normalised, .*--ceil"
    with pytest.raises(ValueError, match=message):
        merged([ours, theirs])
    assert [one["normalisation"] for one in merged([theirs])] == ["not normalised"]


def test_places_without_results_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such file"):
        result_files([str(tmp_path / "nowhere")])
    with pytest.raises(FileNotFoundError, match="none of alignment.json, .* in it"):
        result_files([str(tmp_path)])


def test_results_of_two_families_and_of_two_seeds_are_kept_apart(tmp_path):
    """The model that a run started from stands in its file, or in the settings beside it."""
    known = {("wav2vec2-base", 0): 0.5, ("hubert-base", 0): 0.6, ("hubert-base", 1): 0.7}
    paths = []
    for (family, seed), value in known.items():
        folder = tmp_path / family / str(seed)
        content = {"rows": [row("brain-tuned", value=value, pretrained=None, seed=None)]}
        del content["rows"][0]["pretrained"], content["rows"][0]["seed"]
        settings = {"pretrained": f"some/{family}", "seed": seed}
        if seed:
            content["settings"] = settings
        else:
            written(folder / "settings.json", settings)
        paths.append(written(folder / "probes.json", content))
    found = merged(paths)
    assert {(one["pretrained"], one["seed"]): one["value"] for one in found} == known
    measured = written(tmp_path / "p.json", content | {"settings": {"baseline": "a/whisper-tiny"}})
    (one,) = merged([measured])
    assert (one["pretrained"], one["seed"]) == ("whisper-tiny", None)

"""The tidy table: a row for each value, the same ones from wherever and in whatever order."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluate_metrics.reports.tidy import COLUMNS, Source, read_tidy, tidy, write_tidy

RESULTS = {"model": "brain-tuned", "participant": "P01", "feature": None, "value": 0.5, "n": 30}
RESULTS |= {"unit": "clips", "interval_low": 0.4, "interval_high": 0.6, "measure": "macro_f1"}


def written(path, *rows, **content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"rows": list(rows), **content}))
    return path


def result(**more):
    """A row of a task as probe.py writes it, or of a region as align.py does."""
    task = {"task": "phantom/word", "layer": 1}
    region = {"layer": "mean", "measure": "alignment", "unit": "voxels", "stride": 0.1, "chunk": 1}
    region |= {"normalisation": "normalised"}
    return RESULTS | (region if "region" in more else task) | more


def row(**more):
    return dict.fromkeys(COLUMNS) | {"family": "hubert", "value": 0.5, "layer": "1"} | more


def test_two_families_stand_apart(tmp_path):
    paths = [written(tmp_path / name / "probes.json", result()) for name in ("a", "b")]
    facts = [{"family": "hubert", "n_layers": 12}, {"family": "whisper", "n_layers": 4}]
    rows = tidy(map(Source, paths, facts))
    assert [(r["family"], r["n_layers"], r["layer"]) for r in rows] == [
        ("hubert", 12, "1"),
        ("whisper", 4, "1"),
    ]


def test_a_family_is_the_model_that_was_started_from_unless_a_fact_names_it(tmp_path):
    path = written(tmp_path / "a.json", result(), settings={"baseline": "models/hubert-base"})
    assert [r["family"] for r in tidy([Source(path, {})])] == ["hubert-base"]
    assert [r["family"] for r in tidy([Source(path, {"family": "hubert"})])] == ["hubert"]


def test_what_a_file_tells_goes_before_facts(tmp_path):
    facts = {"participant": "P02", "fraction": 0.5}
    path = written(tmp_path / "a.json", result(), result(model="pretrained", participant=None))
    assert [r["participant"] for r in tidy([Source(path, facts)])] == ["P01", None]
    path = written(tmp_path / "b.json", result(participant=None))
    assert [(r["participant"], r["fraction"]) for r in tidy([Source(path, facts)])] == [
        ("P02", 0.5)
    ]


def test_one_value_from_two_jobs_stands_once(tmp_path):
    paths = [written(tmp_path / f"{i}.json", result(value=0.5 + i * 1e-9)) for i in range(2)]
    sources = [Source(path, {"family": "hubert"}) for path in paths]
    assert len(tidy(sources)) == 1
    assert tidy(sources) == tidy(sources[::-1])


def test_values_that_conflict_are_told_with_both_files(tmp_path):
    paths = [written(tmp_path / f"{value}.json", result(value=value)) for value in (0.5, 0.6)]
    with pytest.raises(ValueError, match=r"0\.5\.json and .*0\.6\.json hold different values of"):
        tidy([Source(path, {"family": "hubert"}) for path in paths])


def test_a_pretrained_model_may_come_out_otherwise_in_another_job(tmp_path):
    """A recogniser, or a probe, that chance has made a little better; the first file's counts."""
    pretrained = {"model": "pretrained", "participant": None}
    paths = [
        written(tmp_path / f"{name}.json", result(value=value, **pretrained))
        for name, value in (("a", 0.6), ("b", 0.5))
    ]
    for order in (paths, paths[::-1]):
        with pytest.warns(
            UserWarning, match=r"a\.json and .*b\.json hold .* 0\.6 and 0\.5; the first"
        ):
            (found,) = tidy([Source(path, {"family": "hubert"}) for path in order])
        assert found["value"] == 0.6


def test_a_control_is_named_as_the_models_of_controls_are(tmp_path):
    models = ("brain-tuned", "mine", "permuted", "pretrained", "text-model-tuned")
    path = written(tmp_path / "a.json", *(result(model=model) for model in models))
    controls = [r["control"] for r in tidy([Source(path, {"family": "hubert"})])]
    assert controls == [None, None, "permuted", None, "text-model-tuned"]


def test_facts_that_are_no_columns_are_refused(tmp_path):
    path = written(tmp_path / "a.json", result())
    with pytest.raises(ValueError, match=r"a\.json: facts must be columns .* got familly"):
        tidy([Source(path, {"familly": "hubert"})])


def test_alignment_that_cannot_be_compared_is_refused(tmp_path):
    paths = [
        written(tmp_path / f"{chunk}.json", result(region="language", participant=p, chunk=chunk))
        for p, chunk in (("P01", 0.1), ("P02", 1))
    ]
    with pytest.raises(ValueError, match="in chunks of 0.1 s and in chunks of 1 s"):
        tidy([Source(path, {"family": "hubert"}) for path in paths])


TEXTS = st.none() | st.text('aN/,"\n é', min_size=1, max_size=5) | st.sampled_from(["NA", "null"])
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(
    st.builds(
        row,
        participant=TEXTS,
        region=st.none() | st.just("language"),
        task=TEXTS,
        layer=st.sampled_from(["mean", "1", "2", "10"]),
        value=NUMBERS,
        seed=st.none() | st.integers(0, 3),
        fraction=st.none() | st.sampled_from([0.125, 1.0]),
        p=NUMBERS,
        vertices=st.none() | st.lists(st.none() | st.floats(-9, 9, width=32), max_size=3),
    ),
    unique_by=lambda r: (
        tuple(r[k] for k in ("participant", "region", "task", "layer", "seed")) + (r["fraction"],)
    ),
    min_size=1,
    max_size=6,
)


@given(ROWS, st.randoms())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_parquet_and_csv_hold_the_same_rows_in_any_order_but_for_vertices(tmp_path, rows, chance):
    first, second = tmp_path / "a", tmp_path / "b"
    paths = write_tidy(rows, first)
    shuffled = random.Random(chance.random()).sample(rows, len(rows))
    assert [p.read_bytes() for p in write_tidy(shuffled, second)] == [p.read_bytes() for p in paths]
    parquet, csv = (read_tidy([path]) for path in paths)
    assert [r | {"vertices": None} for r in parquet] == csv
    assert sorted(map(repr, parquet)) == sorted(map(repr, rows))
    assert [p.read_bytes() for p in write_tidy(parquet, second)] == [p.read_bytes() for p in paths]


def test_results_of_two_laboratories_concatenate(tmp_path):
    ours, theirs = (row(participant=p, value=v) for p, v in (("UTS01", 0.5), ("sub-1", 0.6)))
    paths = [write_tidy([r], tmp_path / r["participant"])[i] for i, r in enumerate((ours, theirs))]
    assert read_tidy(paths) == [ours, theirs]


def test_participants_of_two_laboratories_with_one_name_are_told(tmp_path):
    paths = [write_tidy([row(participant="S1", value=v)], tmp_path / str(v))[0] for v in (0.5, 0.6)]
    with pytest.raises(ValueError, match=r"0\.5/.* and .*0\.6/.* hold different .* hubert, S1"):
        read_tidy(paths)


def test_datasets_reads_what_is_written(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = [row(participant="P01", seed=0, n=30), row(participant="P02", p=0.5)]
    parquet, csv = map(str, write_tidy(rows, tmp_path))
    cache = str(tmp_path / "cache")
    read = datasets.Dataset.from_parquet(parquet, cache_dir=cache)
    assert read.to_list() == rows
    assert read.features["n"].dtype == "int64"
    assert datasets.Dataset.from_csv(csv, cache_dir=cache)["value"] == [0.5, 0.5]


def test_another_table_is_refused(tmp_path):
    (tmp_path / "other.csv").write_text("family,value\nhubert,1\n")
    with pytest.raises(
        ValueError, match=r"other\.csv is no tidy table: it lacks the columns model"
    ):
        read_tidy([tmp_path / "other.csv"])


def test_nothing_is_left_beside_the_tables(tmp_path):
    assert sorted(write_tidy([row()], tmp_path)) == sorted(tmp_path.iterdir())

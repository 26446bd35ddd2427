import csv
import json

import numpy as np
import pytest

from evaluate_metrics.reports.files import file_name, write_csv, write_json


def test_json_has_arrays_as_lists(tmp_path):
    write_json(tmp_path / "a.json", {"a": np.arange(3), "b": [{"c": None, "d": "é"}]})
    read = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert read == {"a": [0, 1, 2], "b": [{"c": None, "d": "é"}]}


def test_csv_has_a_column_for_each_name_and_blanks_where_there_is_nothing(tmp_path):
    rows = ({"a": value, "b": None} for value in (0.1, "x, y"))
    write_csv(tmp_path / "a.csv", ("a", "b", "c"), rows)
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["a", "b", "c"], ["0.1", "", ""], ["x, y", "", ""]]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("sub-01", "sub-01"),
        ("brain-tuned", "brain-tuned"),
        ("v1.5", "v1.5"),
        ("../../etc", "_.._etc"),
        ("a/b\\c", "a_b_c"),
        (".hidden", "hidden"),
        ("..", "_"),
        ("a\0b\n<c>", "a_b_c_"),
        ("Zoë", "Zoë"),
    ],
)
def test_a_name_leads_to_no_other_folder(name, file):
    assert file_name(name) == file


def test_a_column_of_another_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'d'"):
        write_csv(tmp_path / "a.csv", ("a", "b"), [{"a": 1, "d": 2}])

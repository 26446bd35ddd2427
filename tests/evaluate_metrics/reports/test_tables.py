import pytest

from evaluate_metrics.reports.tables import cell, escaped, markdown_table, star, text_table


def test_a_cell_holds_value_and_interval_in_the_digits_asked_for():
    assert cell(0.254, (0.176, 0.31)) == "0.25 [0.18, 0.31]"
    assert cell(0.2546, (0.1761, 0.31), digits=3) == "0.255 [0.176, 0.310]"
    assert cell(61.4, (40.2, 81.0), digits=0) == "61 [40, 81]"
    assert cell(0.25) == "0.25"


def test_signs_are_those_of_differences():
    assert cell(0.1, (-0.02, 0.22), sign=True) == "+0.10 [-0.02, +0.22]"
    assert cell(-0.1, sign=True) == "-0.10"
    assert cell(-0.1) == "-0.10"


def test_p_and_star_follow_the_interval():
    assert cell(0.1, (0, 0.2), sign=True, p=0.0123, star="*") == "+0.10 [+0.00, +0.20] p=0.012*"
    assert cell(0.1, p=1) == "0.10 p=1.000"


def test_a_cell_without_a_value_says_so():
    assert cell(None, p=0.1, star="*") == "empty"
    assert cell(None, (0, 1), p=0.1, missing="not determined") == "not determined [0.00, 1.00]"


@pytest.mark.parametrize(("p", "said"), [(0.049, "*"), (0.05, ""), (0.5, ""), (None, "")])
def test_a_star_says_that_p_is_below_the_level(p, said):
    assert star(p) == said


def test_text_keeps_cells_as_they_are():
    text = text_table(["", "seed 0", 1], [["a", "0.20", None], ["longer", "1e5", "x"]])
    assert text.split("\n") == [
        "        seed 0    1",
        "a       0.20",
        "longer  1e5       x",
    ]


def test_markdown_keeps_cells_as_they_are():
    text = markdown_table(["region", 0], [["all", "0.20"], ["some", 1], ["none", None]])
    assert text.split("\n") == [
        "| region   | 0    |",
        "|:---------|:-----|",
        "| all      | 0.20 |",
        "| some     | 1    |",
        "| none     |      |",
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("late_language", "late_language"),
        ("UTS03 - 2", "UTS03 - 2"),
        ("a|b", r"a\|b"),
        ("[click](https://bad.example)", r"\[click\](https://bad.example)"),
        ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ("![](x)", r"!\[\](x)"),
        ("**a** `b` ~c~", r"\*\*a\*\* \`b\` \~c\~"),
        ("a\n\n# b", "a # b"),
        ("a\\", "a\\\\"),
        ("a & b", "a &amp; b"),
    ],
)
def test_names_mean_nothing_in_markdown(name, shown):
    assert escaped(name) == shown


def test_rows_may_be_any_iterables():
    rows = (map(str, range(2)) for _ in range(2))
    assert text_table(iter("ab"), rows).split("\n") == ["a    b", "0    1", "0    1"]

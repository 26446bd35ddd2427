from evaluate_metrics.reports.task_rows import COLUMNS, task_row


def test_a_row_has_all_columns_in_their_order():
    row = task_row("tuned", "P01", "timit/mood", 3, "macro_f1", 0.5, 30, "clips", (0.4, 0.6))
    assert tuple(row) == COLUMNS
    assert (row["model"], row["layer"], row["feature"]) == ("tuned", 3, None)
    assert (row["value"], row["n"], row["unit"]) == (0.5, 30, "clips")
    assert (row["interval_low"], row["interval_high"]) == (0.4, 0.6)

"""Bring the measurements of several participants and models together: a table, tests, figures.

    python recipes/summarise.py --results outputs/P01 outputs/P02/alignment.json outputs/probe
    python recipes/summarise.py --results outputs/sweep --output_dir outputs/sweep/summary

Takes what align.py, tune.py, compare.py, probe.py, asr.py, preference.py and sweep.py write, in one
schema: a row holds a value of a model, of one participant or (participant None) of all, in a region
of the brain or in a task. Models are tested over participants (Moussa et al. 2025, section 3.3).
"""

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from recipes.command.process import one_line_errors

from evaluate_metrics.reports import BASELINE
from evaluate_metrics.reports.merging import FILES, merged, result_files
from evaluate_metrics.reports.summary import markdown, summary_of, summary_report
from recipes.command.arguments import parse_arguments
from recipes.command.vocabulary import Baseline, Output


@dataclass(kw_only=True)
class SummaryOptions(Baseline, Output):
    """What is brought together."""

    command: ClassVar[str] = "summarise"

    results: list[str] = field(
        metadata={
            "help": f"Files of results, or folders that are searched for some: {', '.join(FILES)}."
        }
    )

    def __post_init__(self) -> None:
        if self.baseline is None:
            self.baseline = BASELINE
        super().__post_init__()


def summarise(arguments: SummaryOptions) -> dict[str, Any]:
    """Merge results, average and test them over participants, and write and draw the summary.

    Parameters
    ----------
    arguments : SummaryOptions

    Returns
    -------
    dict
        As written to `summary.json`: "rows", all that was read, {column: value} each; "summary",
        over participants, with the columns of `SUMMARY`; "notes"; and "settings".

    Raises
    ------
    FileNotFoundError, ValueError
        As `result_files` and `merged`; no row is of the baseline.
    """
    table = merged(result_files(arguments.results))
    content = summary_of(table, arguments.baseline) | {"settings": asdict(arguments)}
    paths = summary_report(content, arguments.output_dir, arguments.baseline)
    print(markdown(content["summary"], content["notes"]))
    print(f"{', '.join(path.name for path in paths)} are in {arguments.output_dir}/")
    return content


def main() -> None:
    with one_line_errors():
        (arguments,) = parse_arguments((SummaryOptions,))
        summarise(arguments)


if __name__ == "__main__":
    main()

"""What the names of BIDS files say."""

from collections.abc import Iterable
from pathlib import Path

# Their labels are numbers, which are written with leading zeros or without.
NUMBERED = ("run", "res")


def entities(path: Path) -> dict[str, str]:
    """The key-value pairs of a file name, such as {"sub": "001", "task": "pieman"}."""
    parts = path.name.split(".")[0].split("_")
    pairs = dict(part.split("-", 1) for part in parts if "-" in part)
    return {key: numbered(value) if key in NUMBERED else value for key, value in pairs.items()}


def numbered(label: str) -> str:
    """A label without leading zeros, if it is a number."""
    return str(int(label)) if label.isdigit() else label


def suffix(path: Path) -> str:
    """The last part of a file name, such as "bold"; empty where that is a key-value pair."""
    last = path.name.split(".")[0].split("_")[-1]
    return "" if "-" in last else last


def fitting(path: Path, candidates: Iterable[Path]) -> list[Path]:
    """Files whose names say nothing that a file's own does not, those that say the most first.

    By BIDS's principle of inheritance such files are about that file too.
    """
    own = entities(path).items()
    found = [candidate for candidate in candidates if entities(candidate).items() <= own]
    return sorted(found, key=lambda candidate: len(entities(candidate)), reverse=True)

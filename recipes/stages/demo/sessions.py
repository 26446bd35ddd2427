"""What is kept for a visitor while the page is open, and nothing of it afterwards."""

import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from recipes.stages.demo.predicted import Predicted, Sound


class Gone(Exception):
    """The visitor has closed the page."""


@dataclass
class Session:
    """A visitor's sound, with what was predicted of it.

    Attributes
    ----------
    folder : Path
        Of what the page shows, under a name that nobody else can guess.
    given : set of Path
        Files that the visitor gave and that are not read yet.
    sound : Sound or None
    predicted : list of Predicted
    """

    folder: Path
    given: set[Path] = field(default_factory=set)
    sound: Sound | None = None
    predicted: list[Predicted] = field(default_factory=list)

    def new_folder(self, kind: str) -> Path:
        """Make a folder, in place of the one of that kind that there was, and return it.

        It has a name of its own: a browser takes what is at a known address for what it has.
        """
        shutil.rmtree(self.folder / kind, ignore_errors=True)
        folder = self.folder / kind / secrets.token_urlsafe(8)
        folder.mkdir(parents=True)
        return folder


class Sessions:
    """All visitors' sessions.

    Parameters
    ----------
    folder : Path
        Where files of theirs are, while they are there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, Session] = {}
        self._closed: set[str] = set()

    def of(self, visitor: str) -> Session:
        """Return a visitor's session, which begins with the first call.

        Raises
        ------
        Gone
            It has ended.
        """
        if visitor in self._closed:
            raise Gone("the page was closed")
        if visitor not in self._open:
            self._open[visitor] = Session(self.folder / secrets.token_urlsafe(16))
        return self._open[visitor]

    def end(self, visitor: str) -> None:
        """Forget a visitor's sound and all that came of it."""
        self._closed.add(visitor)
        session = self._open.pop(visitor, None)
        if session is not None:
            for path in session.given:
                self.let_go(path)
            shutil.rmtree(session.folder, ignore_errors=True)

    def let_go(self, path: Path, visitor: str = "") -> None:
        """Delete a file that was given, unless somebody else gave the same and still waits.

        Parameters
        ----------
        path : Path
            Files of the same content have one.
        visitor : str
            Who waits for it no more; by default nobody who is here.
        """
        if visitor in self._open:
            self._open[visitor].given.discard(path)
        if not any(path in session.given for session in self._open.values()):
            path.unlink(missing_ok=True)

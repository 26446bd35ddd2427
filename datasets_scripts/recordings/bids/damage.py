"""Images that cannot be read say so in one line."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from ..annex import check_plain

# What damage shows as, in the parsers of NIfTI, GIFTI and CIFTI.
DAMAGE = (
    ImageFileError,
    HeaderDataError,
    OSError,
    EOFError,
    zlib.error,
    ExpatError,
    ParseError,
    struct.error,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
)


@contextmanager
def readable(path: Path, kind: str) -> Iterator[None]:
    """Raise a ValueError that names the file where it is damaged.

    Parameters
    ----------
    path : Path
    kind : str
        What the file should be ("NIfTI image").
    """
    check_plain(path)
    try:
        yield
    except DAMAGE as error:
        raise ValueError(f"{path}: truncated, or not a {kind} ({error})") from error

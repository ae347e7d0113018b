"""The one error of the studies package, and what a full or closed disk is in words."""

from __future__ import annotations

import errno
from pathlib import Path

from engine.errors import Problem, ProblemError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a full disk answers."""
CLOSED = frozenset({errno.EACCES, errno.EROFS, errno.EPERM})
"""What a file or folder answers that this user may not write, or that lies on a medium that can only be read."""
NO_NAME = frozenset({errno.ENAMETOOLONG, errno.ELOOP})
"""What a name answers that no file can have."""


class StudyError(ProblemError):
    """A study file, a study or its folder is wrong."""


def disk_problem(error: OSError, folder: Path | None = None) -> Problem | None:
    """What is wrong with a disk, for people; None where the error is of another kind.

    Args:
        error: as the operating system gives it.
        folder: where it was written to, for errors that name no file.
    """
    named = Path(error.filename) if isinstance(error.filename, str) and error.filename else folder
    if named is not None and named.name.startswith(".") and ".part" in named.name:
        named = named.parent  # a temporary file of our own (engine.files), whose name says nothing to people
    place = () if named is None else (named,)
    if error.errno in FULL:
        return Problem(place=() if folder is None else (folder,), what="the disk is full", remedy="free some space")
    if error.errno in CLOSED:
        what = f"cannot be written ({error.strerror})"
        return Problem(place=place, what=what, remedy="allow writing there, or use another folder")
    if error.errno in NO_NAME:
        return Problem(place=place, what=f"is no name for a file ({error.strerror})", remedy="use another one")
    return None

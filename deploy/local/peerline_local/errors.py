"""What is said when the local stack cannot do something: one line, no traceback."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DISK_IS_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
DISK_FULL_TEXT = "No space left on device"


class StackError(Exception):
    """Something the person at the keyboard can act on, told in one line."""


@contextmanager
def disk_errors_in_one_line(folder: Path) -> Iterator[None]:
    """
    Turn a failed write under `folder` into one clear line.

    Raises StackError for a full disk, a missing right or a read-only file system.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_IS_FULL:
            raise StackError(disk_is_full(folder)) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StackError(f"cannot write {error.filename or folder}: {error.strerror}") from None
        raise


def disk_is_full(folder: Path) -> str:
    """Return the line that names the folder whose disk has no space left."""
    return f"no space left on the disk that holds {folder}: free some, or choose another folder"

"""What is found where the journal's file ought to be, and what is made of it.

A file is made under another name and renamed when it is complete; so is the one that takes the
place of a damaged file, which is kept, as ``<name>.damaged-<n>``. At no moment is there
half a journal. What is no file of this user is neither followed nor touched.
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ipcluster_ext.transport.files import write_private
from ipcluster_ext.transport.pages import Head, committed, judge, salvage
from ipcluster_ext.transport.rowfile import (
    NEW,
    SIDES,
    RowFile,
    beside,
    connect,
    identity_of,
    is_elsewhere,
    make_file,
)
from ipcluster_ext.transport.rows import Row, unpack


class Opened(NamedTuple):
    """A file, and what was in it.

    Attributes
    ----------
    file
        Ready to be written to.
    rows
        The valid rows that were found, in order of number; they are in the file.
    lost
        How many were found damaged; a page on which no rows can be told apart counts as one.
    note
        For people: what was wrong with the file, if anything was.
    """

    file: RowFile
    rows: list[Row]
    lost: int
    note: str


def open_rows(path: Path, *, most_nbytes: int) -> Opened:
    """Open a journal's file, or make it; what is in its place and no journal is set aside.

    Parameters
    ----------
    path
        Where; the folder must be there.
    most_nbytes
        How large it may become.

    Raises
    ------
    sqlite3.OperationalError
        Another process has it (see `is_busy`), or the disk is in trouble (see `reason`).
    OSError
        The disk is in trouble, or what is in its place is not a file of this user.
    """
    _resume(path)
    log = read_own(beside(path, "-wal"))
    match judge(read_own(path, 100)):
        case Head.EMPTY:
            _install(make_file(path, []), path)
            return _take(path, b"", most_nbytes)
        case Head.OURS:
            try:
                return _take(path, log, most_nbytes)
            except sqlite3.Error as error:
                if is_elsewhere(error):
                    raise
            return _mend(path, log, most_nbytes)
        case Head.OTHER:
            aside = set_aside(path, log, [])
            note = (
                f"The journal {path} was written by another version of this program, or by "
                f"another program. It is kept as {aside}; tasks in it are unknown to the hub."
            )
            return _take(path, b"", most_nbytes)._replace(note=note)
        case Head.DAMAGED:
            return _mend(path, log, most_nbytes)


def _take(path: Path, log: bytes, most_nbytes: int) -> Opened:
    """Open a file and read its rows; forget those whose checksum is wrong.

    Raises
    ------
    sqlite3.Error
        It is damaged beyond that, or as for `open_rows`.
    """
    connection = connect(path, most_nbytes)
    rows: list[Row] = []
    damaged: list[int] = []
    try:
        checked = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        for number, packed in connection.execute("SELECT number, data FROM rows ORDER BY number"):
            row = unpack(number, packed) if isinstance(packed, bytes) else None
            if row is None:
                damaged.append(number)
            else:
                rows.append(row)
        frames = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
        if checked != "ok" or frames < committed(log):
            raise sqlite3.DatabaseError(checked)  # noqa: TRY301 - it is as SQLite's own
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # see `committed`
        file = RowFile(connection, path)
        if damaged:
            file.delete(damaged)
    except BaseException:
        connection.close()
        raise
    return Opened(file, rows, len(damaged), _note(path, rows, damaged) if damaged else "")


def _mend(path: Path, log: bytes, most_nbytes: int) -> Opened:
    """Put what can be read of a damaged file into a new one, and keep the damaged one."""
    rows, damaged, pages = salvage(read_own(path), log)
    aside = set_aside(path, log, rows)
    file = RowFile(connect(path, most_nbytes), path)
    note = _note(path, rows, damaged, pages, aside)
    return Opened(file, rows, len(damaged) + pages, note)


def _note(
    path: Path, rows: list[Row], damaged: list[int], pages: int = 0, aside: Path | None = None
) -> str:
    """Say what was wrong with a file."""
    lost: list[str] = []
    if damaged:
        names = ", ".join(map(str, damaged[:10])) + (", …" if len(damaged) > 10 else "")
        lost.append(f"{len(damaged)} of its rows ({names})")
    if pages:
        lost.append(f"what stood on {pages} of its pages")
    unread = f" {' and '.join(lost)} could not be read: tasks there are unknown to the hub."
    return (
        f"The journal {path} was damaged. {len(rows)} of its rows are intact."
        f"{unread if lost else ''}{f' The damaged file is kept as {aside}.' if aside else ''}"
        " If this happens again, check the disk."
    )


def read_rows(path: Path) -> list[Row]:
    """Read the valid rows of a file, as it stands there, without opening it.

    Raises
    ------
    OSError
        It cannot be read, or is not a file of this user.
    """
    file, log = read_own(path), read_own(beside(path, "-wal"))
    return salvage(file, log).rows if judge(file[:100]) is not Head.OTHER else []


def _install(new: Path, path: Path) -> None:
    """Put a complete file into its place; a log that is still there belongs to another."""
    for side in SIDES:
        beside(path, side).unlink(missing_ok=True)
    new.replace(path)


def _resume(path: Path) -> None:
    """Go on where a process was killed that had moved one file away, and not yet another in."""
    new = beside(path, NEW)
    complete = identity_of(new) is not None and identity_of(beside(new, "-wal")) is None
    if identity_of(path) is None and complete and judge(read_own(new, 100)) is Head.OURS:
        _install(new, path)


def set_aside(path: Path, log: bytes, rows: Iterable[Row]) -> Path:
    """Rename a file and its log, and put a new one in its place.

    Parameters
    ----------
    path
        The file; nobody has it open.
    log
        Its log, which SQLite may have deleted meanwhile.
    rows
        What is in the new file.

    Returns
    -------
    The new name of the old file.
    """
    new = make_file(path, rows)
    count = 1
    while identity_of(aside := beside(path, f".damaged-{count}")) is not None:
        count += 1
    path.rename(aside)
    with contextlib.suppress(OSError):  # it is for people, and the disk may be full
        if log:
            write_private(beside(aside, "-wal"), log)
    _install(new, path)
    return aside


def read_own(path: Path, nbytes: int = -1) -> bytes:
    """Read a file of this user, from its beginning; nothing if it is not there.

    Raises
    ------
    OSError
        It cannot be read, or is a link, a folder, or somebody else's.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            raise PermissionError(1, "it is not a file of this user", str(path))
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read(nbytes)
    finally:
        os.close(fd)

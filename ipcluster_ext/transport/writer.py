"""What the journal does with a disk in trouble: say so, go on in memory, try again.

Not a thread; `journal` has one that calls this. What is decided here is when a file is opened
anew, what is kept meanwhile, and what people are told.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.transport.backlog import Backlog
from ipcluster_ext.transport.quarantine import Opened, open_rows, read_rows, set_aside
from ipcluster_ext.transport.rowfile import LARGEST_ROW, RowFile, is_busy, is_full, reason
from ipcluster_ext.transport.sockets import check_folder

if TYPE_CHECKING:
    from ipcluster_ext.transport.rows import Row

MOST_KEPT = 64 * 1024 * 1024
"""Bytes of rows that are kept for a disk in trouble."""
SHARE = 4 * 1024 * 1024
"""Bytes that are written at once; a row may be larger."""
LOOK_EVERY = 1.0
SHRINK_EVERY = 0.05
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
BUSY_FOR = 0.5
"""Seconds that the last owner of the file gets to be gone."""
TROUBLE = (sqlite3.Error, OSError, MemoryError, OverflowError, ClusterError)


class Writer:
    """Writes rows, or keeps them until it can.

    Parameters
    ----------
    path
        The file; its folder is made if it is not there.
    complain
        Told each time that `trouble` changes.
    most_nbytes
        How large the file may become.

    Attributes
    ----------
    backlog
        What is to be written and deleted.
    recovered
        The valid rows that were in the file when it was opened first.
    lost
        How many were damaged then.
    trouble
        A sentence for people; empty if all is well.
    written
        The number up to which every row is on disk or was given up.
    at_rest
        Whether no row is held back or being written.
    """

    def __init__(self, path: Path, complain: Callable[[str], None], *, most_nbytes: int) -> None:
        self._path = path
        self._complain = complain
        self._most_nbytes = most_nbytes
        self._file: RowFile | None = None
        self._failure = self._note = ""
        self._known = self._removed = self._loose = False
        self._pause = FIRST_PAUSE
        self._retry_at = self._look_at = 0.0
        self.recovered: list[Row] = []
        self.lost = 0
        self.trouble = ""
        self.at_rest = True
        self._begin()
        self.written = self.recovered[-1].number if self.recovered else 0
        largest = min(LARGEST_ROW, most_nbytes // 2)
        self.backlog = Backlog(self.written, largest=largest)
        self._announce()

    def _begin(self) -> None:
        """Open the file for the first time; if that cannot be, read it at least."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_folder(self._path.parent)
            self._hold(self._open())
        except TROUBLE as error:
            self._fail(error)
            if not is_busy(error) and not isinstance(error, ClusterError):
                with contextlib.suppress(*TROUBLE):
                    self.recovered = read_rows(self._path)
                    self._known = True

    def _open(self) -> Opened:
        deadline = time.monotonic() + BUSY_FOR
        while True:
            try:
                return open_rows(self._path, most_nbytes=self._most_nbytes)
            except sqlite3.Error as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(FIRST_PAUSE / 10)

    def _hold(self, opened: Opened) -> None:
        self._file, self.recovered, self.lost, self._note = opened
        self._known = True

    def work(self, taken: int) -> None:
        """Do what is to be done, if it can be done now.

        Parameters
        ----------
        taken
            The highest number in the backlog, or given up; all rows count as written afterwards.
        """
        now = time.monotonic()
        self.at_rest = False
        self.backlog.ripen(now)
        if now >= self._retry_at:
            try:
                self._try(now)
            except TROUBLE as error:
                self._fail(error)
            else:
                self._failure, self._pause = "", FIRST_PAUSE
        if self._failure:
            self.backlog.ripen(float("inf"))  # there is nothing to wait for
            self.backlog.trim(MOST_KEPT)
        complete_to = self.backlog.complete_to
        self.written = taken if complete_to is None else max(self.written, complete_to)
        self.at_rest = complete_to is None
        self._announce()

    def find(self, number: int) -> list[Frame] | None:
        """Return a row that was appended and not dropped; None if it cannot be had."""
        data = self.backlog.rows.get(number)
        if data is not None:
            return list(data)
        try:
            row = None if self._file is None else self._file.read(number)
        except TROUBLE as error:
            self._fail(error)
            return None
        return None if row is None else [*row.data]

    def fail(self, error: Exception, taken: int) -> None:
        """Take the disk for broken, for a reason that nobody had thought of; else as `work`."""
        self._fail(error)
        self.written, self.at_rest = taken, True
        self._announce()

    def _try(self, now: float) -> None:
        file = self._file or self._reopen()
        if self._failure:
            file.make_room()
            if not self.backlog:
                file.rehearse()
        if self.backlog.gone:
            file.delete(self.backlog.gone)
            self.backlog.gone = []
        while rows := self.backlog.share(SHARE):
            file.write(rows)
            self.backlog.wrote(rows)
        look = now >= self._look_at
        loose = file.tidy(look=look)
        if look:
            self._look_at = now + (SHRINK_EVERY if loose else LOOK_EVERY)
        self._loose = loose or not look

    def _reopen(self) -> RowFile:
        """Open the file again, or at last; rows that the hub does not know are put aside."""
        opened = open_rows(self._path, most_nbytes=self._most_nbytes)
        note = opened.note
        if self._removed:
            note = (
                f"The journal {self._path} was removed while it was in use. Only the hub's memory "
                "has what was in it."
            )
        elif opened.rows and not self._known:
            opened.file.close()
            aside = set_aside(self._path, b"", [])
            opened = open_rows(self._path, most_nbytes=self._most_nbytes)
            note = (
                f"The journal {self._path} could not be read when the hub started. It is kept as "
                f"{aside}; tasks in it are unknown to the hub."
            )
        self._file = opened.file
        self._known, self._removed = True, False
        self._note = note or self._note
        return opened.file

    def _fail(self, error: Exception) -> None:
        file, self._retry_at = self._file, time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._removed |= isinstance(error, FileNotFoundError) and file is not None
        crowded = False
        if file is not None and is_full(error):
            with contextlib.suppress(sqlite3.Error):
                crowded = file.crowded
        elif file is not None:
            file.close()
            self._file = None
        why = _why(error, self._most_nbytes if crowded else 0)
        self._failure = (
            f"The journal {self._path} cannot be written: {why}"
            " Tasks go on, but what the journal does not have is lost if the hub is killed."
            " It is tried again every few seconds."
        )

    def _announce(self) -> None:
        unkept = (
            f"The journal {self._path} could not keep everything that it was given; if the hub is"
            " killed, tasks that have not ended may be lost."
        )
        said = [self._failure, self._note, unkept if self.backlog.unkept else ""]
        trouble = " ".join(filter(None, said))
        if trouble != self.trouble:
            before, self.trouble = self.trouble, trouble
            again = "" if self._failure or not before else f"The journal {self._path} works again."
            self._complain(" ".join(filter(None, [again, trouble])))

    def wait_for(self) -> float | None:
        """Return in how many seconds to work although nobody asks for it; None if never."""
        if self._failure:
            return max(0.0, self._retry_at - time.monotonic())
        soonest = next(iter(self.backlog.held.values()), None)
        if self._loose:
            soonest = self._look_at if soonest is None else min(soonest, self._look_at)
        return None if soonest is None else max(0.0, soonest - time.monotonic())

    def close(self) -> None:
        """Write what is left, if that can be, and close the file."""
        self.backlog.ripen(float("inf"))
        if self.backlog:
            with contextlib.suppress(*TROUBLE):
                self._try(time.monotonic())
        if self._file is not None:
            self._file.close()


def _why(error: Exception, limit: int) -> str:
    """Say what is wrong, and what to do about it."""
    if limit:
        return f"it has reached its limit of {limit >> 20} MiB. It has room once tasks have ended."
    if is_full(error):
        return f"{reason(error)}. Make room there."
    if is_busy(error):
        return f"{reason(error)}. End that one (`fuser -v` tells which it is)."
    return f"{reason(error)}. Check the disk and the folder."

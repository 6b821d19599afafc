"""The hub's journal: what it must not forget if it is killed, on disk within a few milliseconds.

The hub appends rows and drops them, and looks how far they are `written`; a thread of the journal
does the rest, in groups. Nothing that the hub calls waits for a disk or raises for one. If the disk
is full, broken, or somebody else's, that is said aloud, rows count as written, and they are
written as soon as they can be.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.transport.rowfile import beside, size_on_disk
from ipcluster_ext.transport.writer import Writer

if TYPE_CHECKING:
    from ipcluster_ext.transport.rows import Row

GATHER = 0.02
"""Seconds from the first row of a group until the group is written."""
MOST_NBYTES = 1024 * 1024 * 1024
MOST_WAITING = 256 * 1024 * 1024
"""Bytes of rows that wait for a slow disk at most; further rows are given up."""
LATE = 0.05
"""A group that has waited so long for the interpreter is let through."""
GIVE_WAY_FOR = 0.001
PACE = 64 * 1024 * 1024
"""Bytes of rows that may wait before whoever appends is slowed down."""
SLOW_DOWN_FOR = 0.05
CLOSE_WITHIN = 2.0

_Appended = tuple[int, Sequence[Frame] | None, int]


class _Wanted(NamedTuple):
    """Rows to be read."""

    numbers: list[int]


_Command = _Appended | _Wanted | list[int] | None

_log = logging.getLogger(__name__)


class Journal:
    """Numbered rows of bytes that survive the process; for one thread, as which the hub is meant.

    Making one opens the file and reads it, in the calling thread, and starts a thread.

    Parameters
    ----------
    path
        The file; its folder, of mode 0700, is made if it is not there. None to keep nothing:
        every row counts as written at once.
    complain
        Told, in sentences, each time that `trouble` changes: while the journal is made by the
        calling thread, later **by the journal's**. The default writes to the log.
    most_nbytes
        How large the file may become, in bytes; beyond that, it is as if the disk were full.

    Attributes
    ----------
    recovered
        The valid rows that were found, in order of number; whoever has read them empties the list.
    lost
        How many rows were found damaged; a page of the file on which nobody can tell rows apart
        counts as one.
    most_nbytes
        As given.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        complain: Callable[[str], None] | None = None,
        most_nbytes: int = MOST_NBYTES,
    ) -> None:
        self.most_nbytes = most_nbytes
        self.recovered: list[Row] = []
        self.lost = 0
        self._path = path
        self._queue: queue.SimpleQueue[_Command] = queue.SimpleQueue()
        self._rested = threading.Event()
        self._asked = self._done = 0
        self._put_nbytes = self._taken_nbytes = 0
        self._since = 0.0
        self._last = 0
        self._given_up = 0
        self._found: deque[tuple[int, list[Frame] | None]] = deque()
        self._sought = 0
        self._writer: Writer | None = None
        self._thread: threading.Thread | None = None
        if path is not None:
            self._writer = Writer(path, complain or _log.warning, most_nbytes=most_nbytes)
            self.recovered, self.lost = self._writer.recovered, self._writer.lost
            self._last = self._writer.written
            self._thread = threading.Thread(
                target=self._run, args=(self._writer,), name="ipcluster_ext-journal", daemon=True
            )
            self._thread.start()

    @property
    def trouble(self) -> str:
        """What is wrong, where, what follows from it and what to do; empty if all is well."""
        return "" if self._writer is None else self._writer.trouble

    @property
    def written(self) -> int:
        """The number up to which every row would survive the process, or was given up aloud."""
        return self._given_up if self._writer is None else self._writer.written

    @property
    def idle(self) -> bool:
        """Whether everything that was asked for has been done, or given up aloud."""
        return self._asked == self._done and (self._writer is None or self._writer.at_rest)

    @property
    def nbytes(self) -> int:
        """How large the file is, with the log beside it, in bytes."""
        if self._path is None:
            return 0
        return size_on_disk(self._path) + size_on_disk(beside(self._path, "-wal"))

    def append(self, number: int, data: Sequence[Frame]) -> None:
        """Have a row written.

        Parameters
        ----------
        number
            Higher than any before, and than any that was recovered.
        data
            Its parts; they must not change until the row is written.
        """
        if self._thread is None:  # nothing is kept, or no longer
            self._given_up = number
            return
        nbytes = sum(map(len, data))
        if self._asked == self._done:
            self._since = time.monotonic()
        self._asked += 1
        self._put_nbytes += nbytes
        late = self._put_nbytes - self._taken_nbytes > MOST_WAITING
        self._queue.put((number, None if late else data, nbytes))

    def drop(self, numbers: Iterable[int]) -> None:
        """Have rows deleted; one that has not been written yet never is, and counts as written."""
        if self._thread is not None:
            self._asked += 1
            self._queue.put(list(numbers))

    @property
    def looking_up(self) -> bool:
        """Whether rows are being read."""
        return self._sought > 0

    def look_up(self, numbers: Iterable[int]) -> None:
        """Have rows read that were appended and not dropped; `take_found` returns them."""
        wanted = list(numbers)
        self._sought += len(wanted)
        if self._thread is None:
            self._found.extend((number, None) for number in wanted)
        else:
            self._asked += 1
            self._queue.put(_Wanted(wanted))

    def take_found(self) -> list[tuple[int, list[Frame] | None]]:
        """Return the rows that were read since the last time; None for one that cannot be had."""
        found = [self._found.popleft() for _ in range(len(self._found))]
        self._sought -= len(found)
        return found

    def give_way(self) -> None:
        """Let the journal's thread have the interpreter, for 1 ms at most, if it is kept waiting.

        A thread that releases the interpreter only for moments, as between two looks whether
        something has come, hardly ever gives another one the time to take it. So whoever never
        sleeps calls this, once in each of its turns; it costs nothing unless rows are late. Where
        the disk does not keep up with what is appended, it waits a little longer, so that those
        who send are slowed down rather than anything given up.
        """
        if self._put_nbytes - self._taken_nbytes > PACE and not self.trouble:
            self._rested.clear()
            self._rested.wait(SLOW_DOWN_FOR)
        elif self._asked != self._done:
            now = time.monotonic()
            if now > self._since + LATE:
                self._since = now
                self._rested.clear()
                self._rested.wait(GIVE_WAY_FOR)

    def close(self) -> None:
        """Write what is left, within 2 s, and close the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._asked += 1
            self._queue.put(None)
            thread.join(CLOSE_WITHIN)
            if thread.is_alive():
                _log.warning("the journal %s could not be written within 2 s", self._path)

    def _run(self, writer: Writer) -> None:
        going = True
        while going:
            try:
                going = self._turn(writer)
            except Exception as error:  # noqa: BLE001 - the hub must never wait for a dead thread
                _log.exception("the journal %s", self._path)
                writer.fail(error, self._last)
                going = self._thread is not None
        writer.close()

    def _turn(self, writer: Writer) -> bool:
        """Wait for a group, and do what it asks for; return whether there will be another."""
        commands = self._group(writer.wait_for())
        nbytes = 0
        now = time.monotonic()
        wanted: list[int] = []
        for command in commands:
            if isinstance(command, _Wanted):
                wanted += command.numbers
            elif isinstance(command, tuple):
                self._last, data, size = command
                writer.backlog.add(self._last, data, now)
                nbytes += size
            elif command is not None:
                writer.backlog.drop(command)
        try:
            writer.work(self._last)
        finally:
            self._found.extend((number, writer.find(number)) for number in wanted)
            self._taken_nbytes += nbytes
            self._done += len(commands)
            self._rested.set()
        return None not in commands

    def _group(self, timeout: float | None) -> list[_Command]:
        """Return what has been asked for, once some of it has and the others had time to follow."""
        try:
            commands = [self._queue.get(timeout=timeout)]
        except queue.Empty:
            return []
        if commands[0] is not None:
            time.sleep(GATHER)
            commands += [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        return commands

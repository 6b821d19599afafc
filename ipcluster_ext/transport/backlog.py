"""What the journal still has to do: rows to write, rows to delete, rows that never got there.

A large row is held back for a moment. What it is about has mostly ended by then, and been
received, and the row is dropped without ever having been written.
"""

from collections.abc import Iterable, Sequence

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.transport.rows import size_of

LARGE = 64 * 1024
HOLD = 0.1
"""Seconds that a row of so many bytes or more is held back."""
MOST_HELD = 32 * 1024 * 1024
"""Bytes that are held back at most."""


class Backlog:
    """Rows that are not on disk, and those that are but need not be.

    Parameters
    ----------
    last
        The highest number of those on disk.
    largest
        A row of more bytes is never written.

    Attributes
    ----------
    rows
        To be written, in order.
    held
        Those among the rows that are held back, and until when.
    gone
        To be deleted.
    unkept
        Numbers of rows that were given up; nothing but the hub's memory has them.
    """

    def __init__(self, last: int, *, largest: int) -> None:
        self.rows: dict[int, Sequence[Frame]] = {}
        self.held: dict[int, float] = {}
        self.gone: list[int] = []
        self.unkept: set[int] = set()
        self._largest = largest
        self._last_on_disk = last
        self._nbytes = self._held_nbytes = 0

    def __bool__(self) -> bool:
        return bool(self.rows or self.gone)

    def add(self, number: int, data: Sequence[Frame] | None, now: float) -> None:
        """Take a row to be written; without data, or with too much, it is given up."""
        nbytes = 0 if data is None else _nbytes_of(data)
        if data is None or nbytes > self._largest:
            self.unkept.add(number)
        else:
            self.rows[number] = data
            self._nbytes += nbytes
            if nbytes >= LARGE:
                self.held[number] = now + HOLD
                self._held_nbytes += nbytes

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget rows; those on disk are to be deleted."""
        for number in numbers:
            data = self.rows.pop(number, None)
            if data is not None:
                self._nbytes -= _nbytes_of(data)
                self._let_go(number, data)
            elif number in self.unkept:
                self.unkept.remove(number)
            elif number <= self._last_on_disk:
                self.gone.append(number)

    def _let_go(self, number: int, data: Sequence[Frame]) -> None:
        if self.held.pop(number, None) is not None:
            self._held_nbytes -= _nbytes_of(data)

    def ripen(self, now: float) -> None:
        """Hold back no longer what was held long enough, and the oldest of what is too much."""
        while self.held:
            number, until = next(iter(self.held.items()))
            if until > now and self._held_nbytes <= MOST_HELD:
                return
            self._let_go(number, self.rows[number])

    @property
    def complete_to(self) -> int | None:
        """The number up to which no row is held back; None if none is at all."""
        return next(iter(self.held)) - 1 if self.held else None

    def share(self, nbytes: int) -> dict[int, Sequence[Frame]]:
        """Return the first rows that are not held back, up to so many bytes, one at least."""
        if self._nbytes <= nbytes and not self.held:
            return self.rows.copy()
        share: dict[int, Sequence[Frame]] = {}
        for number, data in self.rows.items():
            if number in self.held:
                continue
            nbytes -= _nbytes_of(data)
            if share and nbytes < 0:
                break
            share[number] = data
        return share

    def wrote(self, numbers: Iterable[int]) -> None:
        """Note that rows are on disk."""
        for number in numbers:
            self._nbytes -= _nbytes_of(self.rows.pop(number))
            self._last_on_disk = max(self._last_on_disk, number)

    def trim(self, nbytes: int) -> None:
        """Give up the newest rows until no more than so many bytes wait."""
        while self._nbytes > nbytes:
            number, data = self.rows.popitem()
            self._nbytes -= _nbytes_of(data)
            self._let_go(number, data)
            self.unkept.add(number)


def _nbytes_of(data: Sequence[Frame]) -> int:
    return sum(map(size_of, data))

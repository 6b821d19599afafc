"""What the journal still has to do: rows to write, rows to delete, rows that never got there."""

from collections.abc import Iterable, Sequence

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.transport.rows import size_of


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
    gone
        To be deleted.
    unkept
        Numbers of rows that were given up; nothing but the hub's memory has them.
    """

    def __init__(self, last: int, *, largest: int) -> None:
        self.rows: dict[int, Sequence[Frame]] = {}
        self.gone: list[int] = []
        self.unkept: set[int] = set()
        self._largest = largest
        self._last_on_disk = last
        self._nbytes = 0

    def __bool__(self) -> bool:
        return bool(self.rows or self.gone)

    def add(self, number: int, data: Sequence[Frame] | None) -> None:
        """Take a row to be written; without data, or with too much, it is given up."""
        nbytes = 0 if data is None else _nbytes_of(data)
        if data is None or nbytes > self._largest:
            self.unkept.add(number)
        else:
            self.rows[number] = data
            self._nbytes += nbytes

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget rows; those on disk are to be deleted."""
        for number in numbers:
            data = self.rows.pop(number, None)
            if data is not None:
                self._nbytes -= _nbytes_of(data)
            elif number in self.unkept:
                self.unkept.remove(number)
            elif number <= self._last_on_disk:
                self.gone.append(number)

    def share(self, nbytes: int) -> dict[int, Sequence[Frame]]:
        """Return the first rows, up to so many bytes; one at least, if there is any."""
        if self._nbytes <= nbytes:
            return self.rows.copy()
        share: dict[int, Sequence[Frame]] = {}
        for number, data in self.rows.items():
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
            self.unkept.add(number)


def _nbytes_of(data: Sequence[Frame]) -> int:
    return sum(map(size_of, data))

"""The answer of a map: values of chunks, put together again."""

from collections.abc import Iterator, Sequence
from typing import Any

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.failure import raised
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.result import AsyncResult, Value
from ipcluster_ext.errors import TaskAborted
from ipcluster_ext.protocol.messages import Failure


class AsyncMapResult(AsyncResult):
    """The answer of a map: a list with a value for each item, in the order of the items.

    Iterating yields values while others are still computed, in order or, if the map was made
    with ``ordered=False``, as they come.

    Parameters
    ----------
    connection
        The client's wire.
    lengths
        How many items each task has.
    ordered
        Whether iteration follows the order of the items.
    label
        What the work is called.
    """

    def __init__(
        self, connection: Connection, lengths: list[int], *, ordered: bool = True, label: str = ""
    ) -> None:
        self._lengths = lengths
        self._items = sum(lengths)
        self._even = lengths[0] if lengths and len(set(lengths[:-1] or lengths)) == 1 else 0
        self.ordered = ordered
        self._arrival: list[int] = []
        super().__init__(connection, len(lengths), label=label)

    def deliver(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes of its tasks, on the I/O thread."""
        if not self.ordered:
            self._arrival.extend(outcome.item.id - self.first for outcome in outcomes)
        super().deliver(outcomes)

    def __len__(self) -> int:
        return self._items

    @property
    def progress(self) -> int:
        """How many items have been computed."""
        done = len(self._outcomes) - self._left
        if self._even:
            return min(done * self._even, self._items)
        return sum(
            length
            for length, outcome in zip(self._lengths, self._outcomes, strict=True)
            if outcome is not None
        )

    def _decode(self, index: int) -> Value:
        values, error = super()._decode(index)
        if error is None and any(type(value) is Failure for value in values):
            values = [raised(value) if type(value) is Failure else value for value in values]
            self._values[index] = values, None
        return values, error

    def _join(self, values: list[Any]) -> list[Any]:
        joined: list[Any] = []
        for length, value in zip(self._lengths, values, strict=True):
            if isinstance(value, BaseException):
                joined.extend([value] * length)
            else:
                joined.extend(value)
        return joined

    def __iter__(self) -> Iterator[Any]:
        """Yield the values, each as soon as it is there."""
        for index in self._in_order() if self.ordered else self._as_they_come():
            values, error = self._decode(index)
            if error is not None:
                raise error
            yield from values

    def _in_order(self) -> Iterator[int]:
        for index in range(len(self._outcomes)):
            self._wait_for_one(lambda index=index: self._outcomes[index] is not None)  # type: ignore[misc]
            yield index

    def _as_they_come(self) -> Iterator[int]:
        for place in range(len(self._outcomes)):
            self._wait_for_one(lambda place=place: len(self._arrival) > place)  # type: ignore[misc]
            if place >= len(self._arrival):
                raise self._failure or TaskAborted()
            yield self._arrival[place]

    def __getitem__(self, key: int | slice | str) -> Any:
        if isinstance(key, str):
            return super().__getitem__(key)
        return self.get()[key]

"""Answers of ``pull`` and ``gather``, and others that are put together of parts."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.opening import Value, decode
from ipcluster_ext.client.partition import Map, is_sequence
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.protocol.ids import TaskId


class AsyncPullResult(AsyncResult):
    """The answer of a pull: for each engine a value, or a list of values.

    Parameters
    ----------
    connection, count, single, label, tasks
        As for `AsyncResult`.
    scalar
        Whether one name was asked for and not a list.
    """

    def __init__(
        self,
        connection: Connection,
        count: int,
        *,
        single: bool = False,
        label: str = "",
        tasks: Sequence[TaskId] | None = None,
        scalar: bool = False,
    ) -> None:
        self._scalar = scalar
        super().__init__(connection, count, single=single, label=label, tasks=tasks)

    def _decode(self, outcome: Outcome) -> Value:
        values, error = decode(outcome)
        return (values[0] if self._scalar and error is None else values), error

    def another(self, place: int, task: TaskId) -> "AsyncPullResult":
        """Return an answer for another try of one of its tasks."""
        del place
        one = AsyncPullResult(self.connection, 1, single=True, label=self.label, tasks=[task])
        one._scalar = self._scalar
        return one

    def _maker(self) -> Callable[[list[Any]], Any]:
        return partial(read, single=self._single, scalar=self._scalar)


class AsyncGatherResult(AsyncPullResult):
    """The answer of a gather: the parts of all engines, put together.

    Parameters
    ----------
    connection, count, label
        As for `AsyncResult`.
    ways
        How the parts were dealt out.
    """

    def __init__(
        self, connection: Connection, count: int, *, label: str = "", ways: Map | None = None
    ) -> None:
        self._ways = Map() if ways is None else ways
        super().__init__(connection, count, label=label, scalar=True)

    def _join(self, values: list[Any]) -> Any:
        return self._ways.joinPartitions(values)

    def __getitem__(self, key: int | slice | str) -> Any:
        return self.fact(key) if isinstance(key, str) else self.get()[key]

    def _maker(self) -> Callable[[list[Any]], Any]:
        return partial(gathered, ways=self._ways)


def read(values: list[Any], *, single: bool, scalar: bool) -> Any:
    """Make the answer of a pull of the values of its tasks, on an engine."""
    values = [value[0] for value in values] if scalar else values
    return values[0] if single else values


def gathered(values: list[Any], *, ways: Map) -> Any:
    """Make the answer of a gather of the values of its tasks, on an engine."""
    return ways.joinPartitions([value[0] for value in values])


class AsyncPartsResult(AsyncResult):
    """The answer of a `ParallelFunction`: what it returned for each part, put together.

    Parameters
    ----------
    connection, count, label
        As for `AsyncResult`.
    ways
        How the parts were dealt out.
    """

    def __init__(self, connection: Connection, count: int, *, label: str = "", ways: Map) -> None:
        self._ways = ways
        super().__init__(connection, count, label=label)

    def _join(self, values: list[Any]) -> Any:
        return self._ways.joinPartitions(values)

    def items(self, place: int) -> Iterable[Value]:
        """Return what a part adds to the values that are iterated over, part after part."""
        value, error = self.value_at(place)
        if error is None and is_sequence(value):
            return [(item, None) for item in value]
        return [(value, error)]

    def __getitem__(self, key: int | slice | str) -> Any:
        return self.fact(key) if isinstance(key, str) else self.get()[key]

    def _maker(self) -> Callable[[list[Any]], Any]:
        return self._ways.joinPartitions

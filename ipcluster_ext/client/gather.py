"""Answers of ``pull`` and ``gather``: values read from the engines' namespaces."""

from typing import Any

from ipcluster_ext.client.chunks import join
from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.result import AsyncResult, Value


class AsyncPullResult(AsyncResult):
    """The answer of a pull: for each engine a value, or a list of values.

    Parameters
    ----------
    connection, count, single, label
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
        scalar: bool = False,
    ) -> None:
        self._scalar = scalar
        super().__init__(connection, count, single=single, label=label)

    def _decode(self, index: int) -> Value:
        values, error = super()._decode(index)
        return (values[0] if self._scalar and error is None else values), error


class AsyncGatherResult(AsyncPullResult):
    """The answer of a gather: the parts of all engines, put together."""

    def __init__(self, connection: Connection, count: int, *, label: str = "") -> None:
        super().__init__(connection, count, label=label, scalar=True)

    def _join(self, values: list[Any]) -> Any:
        return join(values)

"""``multiprocessing.Pool`` of the standard library."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, TypeVar, cast

from tests.bench.systems.contract import FanOutMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.pool import AsyncResult, Pool

Argument = TypeVar("Argument")
Item = TypeVar("Item")
Result = TypeVar("Result")


class MultiprocessingPool(FanOutMissing):
    """The pool with the platform's default way to start processes."""

    def __init__(self) -> None:
        self._started: Pool | None = None

    def start(self, count: int) -> None:
        self._started = multiprocessing.Pool(count)

    def stop(self) -> None:
        if self._started is not None:
            self._started.terminate()
            self._started.join()
            self._started = None

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        return self._pool.map(function, items, chunksize=1)

    def submit(self, function: Callable[[int], int], item: int) -> object:
        return self._pool.apply_async(function, (item,))

    def gather(self, submitted: Sequence[object]) -> list[int]:
        return [result.get() for result in cast("Sequence[AsyncResult[int]]", submitted)]

    def call(self, function: Callable[[Argument], Result], argument: Argument) -> Result:
        return self._pool.apply(function, (argument,))

    @property
    def _pool(self) -> Pool:
        if self._started is None:
            message = "the pool has not been started"
            raise RuntimeError(message)
        return self._started

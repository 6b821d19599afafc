"""Pools behind ``concurrent.futures``: the stdlib's and loky's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import TYPE_CHECKING, TypeVar, cast

from tests.bench.systems.contract import FanOutMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Argument = TypeVar("Argument")
Item = TypeVar("Item")
Result = TypeVar("Result")


class ExecutorSystem(FanOutMissing, ABC):
    """Any executor of processes; a subclass says which."""

    def __init__(self) -> None:
        self._started: Executor | None = None

    @abstractmethod
    def _executor(self, count: int) -> Executor:
        """Build the executor for this many processes."""

    def start(self, count: int) -> None:
        self._started = self._executor(count)

    def stop(self) -> None:
        if self._started is not None:
            self._started.shutdown()
            self._started = None

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        return list(self._pool.map(function, items, chunksize=1))

    def submit(self, function: Callable[[int], int], item: int) -> object:
        return self._pool.submit(function, item)

    def gather(self, submitted: Sequence[object]) -> list[int]:
        return [future.result() for future in cast("Sequence[Future[int]]", submitted)]

    def call(self, function: Callable[[Argument], Result], argument: Argument) -> Result:
        return self._pool.submit(function, argument).result()

    @property
    def _pool(self) -> Executor:
        if self._started is None:
            message = "the pool has not been started"
            raise RuntimeError(message)
        return self._started


class ProcessPool(ExecutorSystem):
    """The stdlib's executor, with the platform's default way to start processes."""

    def _executor(self, count: int) -> Executor:
        return ProcessPoolExecutor(count)

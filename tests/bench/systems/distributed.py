"""Dask's distributed: ``LocalCluster`` with one thread per worker process.

Its scheduler lives in the client's process, so it has no process in the middle to weigh.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar, cast

import distributed

from tests.bench.systems.contract import NotebookMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Argument = TypeVar("Argument")
Item = TypeVar("Item")
Result = TypeVar("Result")
Value = TypeVar("Value")

_LARGE = 1_000_000


class Distributed(NotebookMissing):
    """A local cluster without dashboard or memory limits."""

    def __init__(self) -> None:
        self._cluster: Any = None
        self._client: Any = None
        self._pushed: dict[str, Any] = {}

    def start(self, count: int) -> None:
        self._cluster = distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.ERROR,
        )
        self._client = distributed.Client(self._cluster)
        self._client.wait_for_workers(count)

    def stop(self) -> None:
        self._pushed.clear()
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        futures = self._client.map(function, items, pure=False)
        return cast("list[Result]", self._client.gather(futures))

    def submit(self, function: Callable[[int], int], item: int) -> object:
        return cast("object", self._client.submit(function, item, pure=False))

    def submit_with(self, function: Callable[..., Any], arguments: Sequence[object]) -> object:
        return cast("object", self._client.submit(function, *arguments, pure=False))

    def wait_for(self, submitted: object) -> Any:
        return cast("Any", submitted).result()

    def gather(self, submitted: Sequence[object]) -> list[int]:
        return cast("list[int]", self._client.gather(list(submitted)))

    def call(self, function: Callable[[Argument], Result], argument: Argument) -> Result:
        # Dask asks its users to scatter what is large; inside the call it is slower.
        if getattr(argument, "nbytes", 0) > _LARGE:
            scattered = self._client.scatter(argument, hash=False)
            return cast("Result", self._client.submit(function, scattered, pure=False).result())
        return cast("Result", self._client.submit(function, argument, pure=False).result())

    def broadcast(self, function: Callable[[], Result], *, tree: bool) -> list[Result]:
        return list(self._client.run(function).values())

    def push(self, name: str, value: object) -> None:
        self._pushed[name] = self._client.scatter(value, broadcast=True, hash=False)

    def read_pushed(self, function: Callable[[Value], float], name: str) -> list[float]:
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        futures = [
            self._client.submit(function, self._pushed[name], workers=[worker], pure=False)
            for worker in workers
        ]
        return cast("list[float]", self._client.gather(futures))

    def joblib_backend(self) -> tuple[str, dict[str, Any]]:
        return "dask", {"client": self._client}

    def hub_pids(self) -> list[int]:
        return []

"""ipyparallel: its local cluster, a load-balanced view for tasks, the others for broadcasts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar, cast

import ipyparallel
import psutil

from tests.bench.functions import call_with_name
from tests.bench.systems.contract import GraphsMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Argument = TypeVar("Argument")
Item = TypeVar("Item")
Result = TypeVar("Result")
Value = TypeVar("Value")

_JOIN_TIMEOUT = 120.0


class Ipyparallel(GraphsMissing):
    """A cluster as ``ipyparallel.Cluster(n=count)`` makes it: nine controller processes."""

    def __init__(self) -> None:
        self._cluster: Any = None
        self._client: Any = None
        self._balanced: Any = None

    def start(self, count: int) -> None:
        self._cluster = ipyparallel.Cluster(n=count, log_level=logging.ERROR)
        self._cluster.start_cluster_sync()
        self._client = self._cluster.connect_client_sync()
        self._client.wait_for_engines(count, timeout=_JOIN_TIMEOUT, interactive=False)
        self._balanced = self._client.load_balanced_view()

    def stop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._cluster is not None:
            self._cluster.stop_cluster_sync()
            self._cluster = None

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        return list(self._balanced.map_async(function, items, chunksize=1).get())

    def submit(self, function: Callable[[int], int], item: int) -> object:
        return cast("object", self._balanced.apply_async(function, item))

    def gather(self, submitted: Sequence[object]) -> list[int]:
        return [result.get() for result in cast("Sequence[Any]", submitted)]

    def call(self, function: Callable[[Argument], Result], argument: Argument) -> Result:
        return cast("Result", self._balanced.apply_sync(function, argument))

    def broadcast(self, function: Callable[[], Result], *, tree: bool) -> list[Result]:
        view = self._client.broadcast_view() if tree else self._client[:]
        return list(view.apply_sync(function))

    def push(self, name: str, value: object) -> None:
        self._client[:].push({name: value}, block=True)

    def read_pushed(self, function: Callable[[Value], float], name: str) -> list[float]:
        return list(self._client[:].apply_sync(call_with_name, function, name))

    def joblib_backend(self) -> tuple[str, dict[str, Any]]:
        self._balanced.register_joblib_backend("ipyparallel's")
        return "ipyparallel's", {}

    def hub_pids(self) -> list[int]:
        controller = psutil.Process(self._cluster.controller.pid)
        return [controller.pid, *(child.pid for child in controller.children(recursive=True))]

    def notebook(self, count: int) -> Sequence[str]:
        start = f"ipyparallel.Cluster(n={count}).start_and_connect_sync(activate=True)"
        return [f"import ipyparallel\nengines = {start}", "%%px\npass"]

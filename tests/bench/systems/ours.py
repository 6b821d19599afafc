"""ipcluster_ext itself: a local cluster, its load-balanced view for tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import ipcluster_ext
from tests.bench.functions import call_with_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Argument = TypeVar("Argument")
Item = TypeVar("Item")
Result = TypeVar("Result")
Value = TypeVar("Value")

_JOIN_TIMEOUT = 60.0


class Ours:
    """A cluster as ``ipcluster_ext.Cluster(n=count)`` makes it, nothing tuned."""

    def __init__(self) -> None:
        self._cluster: Any = None
        self._client: Any = None
        self._balanced: Any = None

    def start(self, count: int) -> None:
        self._cluster = ipcluster_ext.Cluster(n=count)
        self._client = self._cluster.start_and_connect_sync()
        self._client.wait_for_engines(count, timeout=_JOIN_TIMEOUT)
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
        return cast("object", self._balanced.submit(function, item))

    def submit_with(self, function: Callable[..., Any], arguments: Sequence[object]) -> object:
        return cast("object", self._balanced.submit(function, *arguments))

    def wait_for(self, submitted: object) -> Any:
        return cast("Any", submitted).result()

    def gather(self, submitted: Sequence[object]) -> list[int]:
        return [result.result() for result in cast("Sequence[Any]", submitted)]

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
        ipcluster_ext.register_joblib_backend()
        return "ipcluster_ext", {"view": self._balanced}

    def hub_pids(self) -> list[int]:
        return [int(self._client.hub_pid)]

    def notebook(self, count: int) -> Sequence[str]:
        return ["%load_ext ipcluster_ext", f"%%px --engines {count}\npass"]

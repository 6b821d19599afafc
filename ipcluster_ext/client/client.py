"""The client: a connection to a hub, and the views over its engines."""

import atexit
import operator
import signal
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ipcluster_ext.client.balanced import LoadBalancedView
from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.direct import BroadcastView, DirectView
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.targets import Targets, resolve
from ipcluster_ext.errors import ClientError, ClusterError, EngineError, NoSuchEngine
from ipcluster_ext.protocol.ids import EngineId, task_text
from ipcluster_ext.protocol.messages import EngineInfo, QueueQuery, Steer
from ipcluster_ext.transport.files import (
    ConnectionFile,
    connection_file,
    read_private,
    runtime_folder,
)
from ipcluster_ext.transport.processes import start_of

if TYPE_CHECKING:
    from ipcluster_ext import Executor


class Client:
    """A connection to a cluster. May be used from any thread.

    Parameters
    ----------
    connection_info
        The cluster's connection file; the youngest running cluster of this user if not given.
    cluster
        The `Cluster` that started it, if this process did.
    timeout
        How long to wait for the hub's answer, in seconds.

    Raises
    ------
    HubGone
        The hub did not answer.
    ClusterError
        There is no cluster, or its connection file cannot be used.
    """

    def __init__(
        self,
        connection_info: str | Path | None = None,
        *,
        cluster: Any = None,
        timeout: float = 10.0,
    ) -> None:
        path = Path(connection_info) if connection_info is not None else youngest_cluster()
        info = _read(path)
        self.connection = Connection(info.client_socket, name=f"{path}", alive=partial(_runs, info))
        self.connection.wait_for_welcome(timeout)
        self.cluster = cluster
        self.cluster_id = info.cluster
        self.block = False
        self._finalizer = weakref.finalize(self, Connection.close, self.connection)
        atexit.register(_close_at_exit, weakref.ref(self))

    def __repr__(self) -> str:
        state = "closed" if not self._finalizer.alive else f"{len(self)} engines"
        return f"<Client of cluster {self.cluster_id}: {state}>"

    # ------------------------------------------------------------ engines

    @property
    def ids(self) -> list[EngineId]:
        """The ids of the engines, in order; an engine that is being restarted keeps its id."""
        self.connection.catch_up()
        return self.connection.roster.ids

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[DirectView]:
        return (self[engine] for engine in self.ids)

    def __getitem__(self, key: int | slice | list[int] | tuple[int, ...] | range) -> DirectView:
        engines, single = resolve(key, self.ids)
        return self.direct_view(engines[0] if single else engines)

    @property
    def hub_pid(self) -> int:
        """The hub's process."""
        return self.connection.hub_pid

    def engine_info(self, engine: int) -> EngineInfo:
        """Return what is known of an engine: its state, host and process.

        Raises
        ------
        NoSuchEngine
            There is no such engine.
        """
        found, _ = resolve(engine, self.ids)
        info = self.connection.roster.get(found[0])
        if info is None:
            raise NoSuchEngine(engine, self.ids)
        return info

    def wait_for_engines(self, n: int | None = None, *, timeout: float | None = -1) -> None:
        """Wait until engines are ready.

        Parameters
        ----------
        n
            How many; as many as the cluster was started with if not given.
        timeout
            In seconds; None or a negative number for ever.

        Raises
        ------
        TimeoutError
            There are fewer when the time is up; those that are ready can be used.
        EngineError
            One failed to start for good.
        """
        self.connection.check_waiting()
        count = n if n is not None else getattr(self.cluster, "n", None) or 1
        limit = None if timeout is None or timeout < 0 else timeout
        if not self.connection.roster.wait_for(count, limit):
            msg = f"{len(self)} of {count} engines are ready after {timeout} s"
            raise TimeoutError(msg)

    def start_engines(
        self, n: int, *, resources: Mapping[str, float] | None = None
    ) -> list[EngineId]:
        """Start more engines.

        Parameters
        ----------
        n
            How many.
        resources
            What each of them has, as ``{"gpu": 1}``; what the cluster's others have if not given.

        Returns
        -------
        Their ids; `wait_for_engines` waits for them.

        Raises
        ------
        EngineError
            The hub refused.
        """
        return self._steer("start", count=operator.index(n), resources=dict(resources or {}))

    def stop_engines(self, targets: Targets = "all") -> None:
        """Stop engines; what they had not begun is done by others."""
        self._steer("stop", self._resolve(targets))

    def restart_engines(self, targets: Targets = "all") -> None:
        """Replace engines' processes; they come back under their ids with empty namespaces."""
        self._steer("restart", self._resolve(targets))

    def send_signal(self, sig: int | str, targets: Targets = "all") -> None:
        """Send a signal to engines; SIGINT interrupts the task that runs.

        Parameters
        ----------
        sig
            Its number, or its name, as ``'SIGINT'``.
        targets
            The engines.

        Raises
        ------
        ValueError
            There is no such signal.
        """
        self._steer("signal", self._resolve(targets), signum=_signal_number(sig))

    def _resolve(self, targets: Targets) -> list[EngineId]:
        return resolve(targets, self.ids)[0]

    def _steer(
        self,
        action: str,
        engines: list[EngineId] | None = None,
        *,
        count: int = 0,
        signum: int = 0,
        resources: dict[str, float] | None = None,
    ) -> list[EngineId]:
        reply = self.connection.request(
            lambda number: Steer(number, action, engines or [], count, signum, resources or {})
        )
        if reply.refused:
            raise EngineError(reply.refused)
        ids: list[EngineId] = reply.engines
        return ids

    # ------------------------------------------------------------ views

    def direct_view(self, targets: Targets = "all", **flags: Any) -> DirectView:
        """Return a view that addresses engines by id."""
        view = DirectView(self, targets)
        view.block = self.block
        return view.set_flags(**flags)

    def load_balanced_view(self, targets: Targets | None = None, **flags: Any) -> LoadBalancedView:
        """Return a view for which the hub chooses the engine."""
        view = LoadBalancedView(self, targets)
        view.block = self.block
        return view.set_flags(**flags)

    def broadcast_view(
        self, targets: Targets = "all", *, is_coalescing: bool = False, **flags: Any
    ) -> BroadcastView:
        """Return a view that addresses engines by id, under ipyparallel's other name."""
        view = BroadcastView(self, targets, is_coalescing=is_coalescing)
        view.block = self.block
        return view.set_flags(**flags)

    def executor(self, targets: Targets | None = None) -> "Executor":
        """Return a `concurrent.futures.Executor` over engines, all of them if not given."""
        return self.load_balanced_view(targets).executor

    # ------------------------------------------------------------ tasks

    @property
    def outstanding(self) -> set[str]:
        """The ids of the tasks that have not ended."""
        return {task_text(task) for task in self.connection.pending.outstanding}

    def wait(
        self, jobs: AsyncResult | Iterable[AsyncResult] | None = None, timeout: float = -1
    ) -> bool:
        """Wait for results.

        Parameters
        ----------
        jobs
            One or several; all that this client waits for if not given.
        timeout
            In seconds; a negative number for ever.

        Returns
        -------
        Whether all of them have ended.
        """
        if jobs is None:
            owners = self.connection.pending.owners
            waited = [owner for owner in owners if isinstance(owner, AsyncResult)]
        else:
            waited = [jobs] if isinstance(jobs, AsyncResult) else list(jobs)
        deadline = time.monotonic() + timeout
        for result in waited:
            left = -1.0 if timeout < 0 else max(0.0, deadline - time.monotonic())
            if not result.wait(left):
                return False
        return True

    def queue_status(self) -> dict[int | str, Any]:
        """Return how many tasks each engine has, and how many no engine has yet.

        Returns
        -------
        ``{engine_id: {'tasks': n}, 'unassigned': n}``
        """
        reply = self.connection.request(QueueQuery)
        status: dict[int | str, Any] = {
            int(engine): {"tasks": load} for engine, load in reply.engines.items()
        }
        status["unassigned"] = reply.queued
        return status

    # ------------------------------------------------------------ end

    def close(self) -> None:
        """Leave the cluster; tasks go on, their results do not arrive here any more."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del kind, error, traceback
        self.close()


def _signal_number(sig: int | str) -> int:
    known = {known.name: int(known) for known in signal.Signals}
    number = known.get(sig) if isinstance(sig, str) else operator.index(sig)
    if number not in signal.valid_signals():
        msg = f"there is no signal {sig!r}"
        raise ValueError(msg)
    return int(number)


def _close_at_exit(reference: "weakref.ref[Client]") -> None:
    client = reference()
    if client is not None:
        client.close()


def _read(path: Path) -> ConnectionFile:
    try:
        return read_private(path, ConnectionFile)
    except FileNotFoundError:
        msg = f"there is no connection file {path}; is the cluster running?"
        raise ClusterError(msg) from None


def _runs(info: ConnectionFile) -> bool:
    """Tell whether a cluster's agent is the process it was."""
    return start_of(info.agent_pid) == info.agent_started


def youngest_cluster() -> Path:
    """Return the connection file of this user's youngest running cluster.

    Raises
    ------
    ClientError
        No cluster is running.
    """
    running: list[tuple[int, Path]] = []
    for folder in runtime_folder().iterdir():
        path = connection_file(folder)
        if path.exists():
            info = _read(path)
            if _runs(info):
                running.append((path.stat().st_mtime_ns, path))
    if not running:
        msg = "no cluster is running; start one with ipcluster_ext.Cluster(n=4)"
        raise ClientError(msg)
    return max(running)[1]

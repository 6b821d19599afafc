"""Dask on a cluster's engines: a worker in each of them, and a scheduler beside the client.

The scheduler is a process of the client's host. It ends with `stop_dask`, with the client's
process and with the cluster; a worker that has lost it ends by itself, and its engine goes on.
"""

import contextlib
import logging
import os
import pickle
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
import distributed

from ipcluster_ext.client.becoming import Becoming, when_closed
from ipcluster_ext.client.direct import DirectView
from ipcluster_ext.client.targets import Targets, resolve
from ipcluster_ext.errors import ClientError, ClusterError, EngineError
from ipcluster_ext.integrations import worker
from ipcluster_ext.integrations.scheduler import Order
from ipcluster_ext.protocol.ids import EngineId

LOOPBACK = "127.0.0.1"
ENDS_WITHIN = 10.0
_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from ipcluster_ext.integrations import scheduler; scheduler.main()"
)
_QUIET = {"DASK_LOGGING__DISTRIBUTED": "warning"}


@dataclass(slots=True, weakref_slot=True, kw_only=True)
class _Dask:
    """What was started for a client.

    Attributes
    ----------
    process
        The scheduler's.
    address
        The scheduler's.
    security
        How to connect to it; None for Dask's way.
    engines
        Those that were given a worker.
    clients
        Dask's own that were handed out, as long as anybody has them.
    """

    process: "subprocess.Popen[bytes]"
    address: str
    security: Any = None
    engines: set[EngineId] = field(default_factory=set)
    clients: "weakref.WeakSet[Any]" = field(default_factory=weakref.WeakSet)

    def connect(self) -> Any:  # noqa: ANN401 - Dask is not typed
        """Return a new client of Dask's."""
        client = distributed.Client(self.address, security=self.security)
        self.clients.add(client)
        return client

    def close_clients(self) -> None:
        """Close Dask's clients, before they miss their scheduler."""
        for client in list(self.clients):
            client.close()

    def end(self) -> None:
        """Close Dask's clients, and end the scheduler."""
        self.close_clients()
        _end(self.process)


_started: "weakref.WeakKeyDictionary[Becoming, _Dask]" = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def become_dask(
    client: Becoming,
    targets: Targets = "all",
    *,
    port: int = 0,
    nanny: bool = False,
    scheduler_args: dict[str, Any] | None = None,
    worker_args: dict[str, Any],
) -> Any:  # noqa: ANN401 - Dask is not typed
    """Do what `Client.become_dask` does."""
    engines, _ = resolve(targets, client.ids)
    with _lock:
        dask = _started.get(client)
        fresh = dask is None or dask.process.poll() is not None
        if dask is None or fresh:
            dask = _started[client] = _start(client, {"port": port, **(scheduler_args or {})})
        try:
            _give_workers(client, dask, engines, worker_args, nanny=nanny)
            return dask.connect()
        except BaseException:
            if fresh:
                _stop_everything(client)
            raise


def stop_dask(client: Becoming, targets: Targets = "all") -> None:
    """Do what `Client.stop_dask` does."""
    with _lock:
        dask = _started.get(client)
        if dask is None:
            return
        if isinstance(targets, str) and targets == "all":
            _stop_everything(client)
            return
        engines, _ = resolve(targets, client.ids)
        _take_workers(client, dask, set(engines) & dask.engines)
        if not dask.engines:
            _stop_everything(client)


def _stop_everything(client: Becoming) -> None:
    dask = _started.pop(client)
    dask.close_clients()
    try:
        with contextlib.suppress(ClientError, EngineError, TimeoutError):
            _take_workers(client, dask, dask.engines & set(client.ids))
    finally:
        dask.end()  # a worker whose engine is busy or gone does not outlive its scheduler


# ---------------------------------------------------------------- workers


def _give_workers(
    client: Becoming,
    dask: _Dask,
    engines: list[EngineId],
    worker_args: dict[str, Any],
    *,
    nanny: bool,
) -> None:
    options: dict[str, Any] = {"nthreads": 1, "silence_logs": logging.WARNING, **worker_args}
    if dask.security is not None:
        options.setdefault("security", dask.security)
    dask.engines.update(engines)
    DirectView(client, engines).apply_async(worker.start, dask.address, options, nanny=nanny).get()


def _take_workers(client: Becoming, dask: _Dask, engines: set[EngineId]) -> None:
    if engines:
        DirectView(client, sorted(engines)).apply_async(worker.stop).get(ENDS_WITHIN)
    dask.engines -= engines


# ---------------------------------------------------------------- the scheduler


def _start(client: Becoming, arguments: dict[str, Any]) -> _Dask:
    """Start a scheduler, which listens to this host alone if all engines are here.

    Raises
    ------
    ClusterError
        It did not start.
    """
    connection = client.connection
    if connection.roster.hosts <= {connection.host} and not arguments.get("interface"):
        arguments.setdefault("host", LOOPBACK)
    here = connection.blobs.available
    order = Order(
        arguments=cloudpickle.dumps(arguments),
        path=list(sys.path),
        hub=connection.hub_pid if here else 0,
    )
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM, root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_QUIET | os.environ,
        start_new_session=True,
    )
    try:
        address = _ask(process, order)
    except BaseException:
        _end(process)
        raise
    dask = _Dask(process=process, address=address, security=arguments.get("security"))
    weakref.finalize(client, _Dask.end, dask)
    when_closed(client, dask.end)
    return dask


def _ask(process: "subprocess.Popen[bytes]", order: Order) -> str:
    """Give a scheduler its order, and return its address."""
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        msg = "the scheduler's process has no streams"
        raise RuntimeError(msg)
    with contextlib.suppress(BrokenPipeError):
        pickle.dump(order, stdin)
        stdin.flush()
    address = stdout.readline().decode().strip()
    if not address:
        msg = f"Dask's scheduler did not start: exit code {process.wait(ENDS_WITHIN)}"
        raise ClusterError(msg)
    return address


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a scheduler, which sees that its input has ended."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    try:
        process.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(ENDS_WITHIN)

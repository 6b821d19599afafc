"""Dask's worker inside an engine, on a thread of its own beside the engine's tasks."""

import asyncio
import threading
from concurrent.futures import Future
from typing import Any, NamedTuple

NAMES = ("dask_worker", "distributed_worker")
"""What the worker is called in the engine's namespace."""
CLOSE_WITHIN = 10.0


class _Running(NamedTuple):
    worker: Any
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread


_running: list[_Running] = []
"""The engine's worker, if it has one."""


def start(address: str, options: dict[str, Any], *, nanny: bool) -> str:
    """Start a worker on this engine, unless there is one.

    Parameters
    ----------
    address
        The scheduler's.
    options
        For Dask's class.
    nanny
        Whether the worker is a process that a nanny watches.

    Returns
    -------
    The worker's address.

    Raises
    ------
    Exception
        Whatever Dask raises.
    """
    _forget_the_dead()
    if not _running:
        options = {"name": _namespace().get("engine_id"), **options}
        started: Future[tuple[Any, asyncio.AbstractEventLoop]] = Future()
        thread = threading.Thread(
            target=lambda: asyncio.run(_serve(address, options, started, nanny=nanny)),
            name="ipcluster_ext-dask",
            daemon=True,
        )
        thread.start()
        _running.append(_Running(*started.result(), thread))
    running = _running[0].worker
    _namespace().update(dict.fromkeys(NAMES, running))
    return str(getattr(running, "worker_address", running.address))


async def _serve(
    address: str,
    options: dict[str, Any],
    started: "Future[tuple[Any, asyncio.AbstractEventLoop]]",
    *,
    nanny: bool,
) -> None:
    try:
        from distributed import Nanny, Worker

        worker: Any = await (Nanny if nanny else Worker)(address, **options)
    except BaseException as error:  # noqa: BLE001 - raised by whoever waits for the worker
        started.set_exception(error)
        return
    started.set_result((worker, asyncio.get_running_loop()))
    await worker.finished()


def stop() -> None:
    """Stop this engine's worker, if it has one."""
    for name in NAMES:
        _namespace().pop(name, None)
    _forget_the_dead()
    while _running:
        worker, loop, thread = _running.pop()
        asyncio.run_coroutine_threadsafe(worker.close(), loop).result(CLOSE_WITHIN)
        thread.join(CLOSE_WITHIN)


def _forget_the_dead() -> None:
    """Forget a worker that ended by itself, as when its scheduler has."""
    _running[:] = [running for running in _running if running.thread.is_alive()]


def _namespace() -> dict[str, Any]:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        msg = "this is no engine"
        raise RuntimeError(msg)
    namespace: dict[str, Any] = shell.user_ns
    return namespace

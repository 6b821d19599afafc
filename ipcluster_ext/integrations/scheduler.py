"""Dask's scheduler in a process of its own, which ends with whoever started it.

It reads a pickled `Order` from its standard input and answers with its address, a line on its
standard output. It ends when its standard input does, which is when the client's process ends,
however that may be; when the cluster's hub has ended; or when one of Dask's own clients says so.
"""

import asyncio
import contextlib
import os
import pickle
import sys
from dataclasses import dataclass, field
from typing import Any, BinaryIO

CLOSE_WITHIN = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the scheduler should be like.

    Attributes
    ----------
    arguments
        For Dask's class, pickled: its modules may be found in `path` only.
    path
        Where to look for modules: the scheduler unpickles what clients send.
    hub
        The process with which it ends, 0 if that is on another host.
    """

    arguments: bytes
    path: list[str] = field(default_factory=list)
    hub: int = 0


def main() -> None:
    """Serve until there is nobody to serve."""
    order = _read(sys.stdin.buffer)
    sys.path.extend(folder for folder in order.path if folder not in sys.path)
    answer = os.dup(1)
    os.dup2(2, 1)  # whatever else is written is no answer
    asyncio.run(_serve(order, answer))


def _read(file: BinaryIO) -> Order:
    order = pickle.load(file)  # from the process that started this one
    if not isinstance(order, Order):
        msg = f"expected an order, not {type(order).__name__}"
        raise TypeError(msg)
    return order


async def _serve(order: Order, answer: int) -> None:
    from distributed import Scheduler

    scheduler: Any = await Scheduler(**pickle.loads(order.arguments))
    os.write(answer, f"{scheduler.address}\n".encode())
    os.close(answer)
    await _until_alone(scheduler, order.hub)
    with contextlib.suppress(TimeoutError):  # who does not answer is gone
        await asyncio.wait_for(scheduler.close(), CLOSE_WITHIN)


async def _until_alone(scheduler: Any, hub: int) -> None:  # noqa: ANN401 - Dask is not typed
    """Wait until the client or the hub has ended, or the scheduler was closed."""
    loop, alone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(0, alone.set)
    if hub:
        try:
            loop.add_reader(os.pidfd_open(hub), alone.set)
        except ProcessLookupError:
            return
    waits = {asyncio.ensure_future(alone.wait()), asyncio.ensure_future(scheduler.finished())}
    _, left = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in left:
        wait.cancel()

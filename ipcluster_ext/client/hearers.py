"""Who is told of an answer's news at once, on the thread that receives them."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.protocol.ids import TaskId


class Hearer:
    """Somebody who is told of an answer's news at once, on the thread that receives them.

    Each method does nothing unless it is overridden; what it raises is logged.
    """

    def ended(self, outcomes: Sequence[Outcome], failure: Exception | None) -> None:
        """Learn that tasks have ended, or that nothing more will come, and why."""

    def wrote(self, task: TaskId, stream: str, text: str) -> None:
        """Learn what a task wrote."""

    def told(self, task: TaskId, topic: str, value: Any) -> None:
        """Learn what else a task had to say."""

    def asked(self, task: TaskId) -> bool:
        """Show what a task has written: its user is about to be asked; tell whether it is shown."""
        del task
        return False


class Waker(Hearer):
    """Wakes a coroutine at any news; made on the event loop that it runs on.

    Attributes
    ----------
    woken
        To be awaited.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.woken: asyncio.Future[None] = self._loop.create_future()

    def ended(self, outcomes: Sequence[Outcome], failure: Exception | None) -> None:
        """Wake."""
        del outcomes, failure
        wake(self._loop, self.woken)

    def told(self, task: TaskId, topic: str, value: Any) -> None:
        """Wake."""
        del task, topic, value
        wake(self._loop, self.woken)


def wake(loop: asyncio.AbstractEventLoop, woken: "asyncio.Future[None]") -> None:
    """Settle a loop's future from any thread; a loop that is closed waits for nothing."""

    def settle() -> None:
        if not woken.done():
            woken.set_result(None)

    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(settle)

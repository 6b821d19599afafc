"""A coroutine into which an exception can be thrown, wherever it waits."""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any


class Stoppable:
    """Runs a coroutine inside an asyncio task, and throws exceptions into it.

    asyncio can only cancel a task, which is felt as `CancelledError`. So whoever wants something
    else raised cancels, and what is thrown is exchanged on its way in.
    """

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._task: asyncio.Task[Any] | None = None

    def stop(self, error: BaseException) -> None:
        """Throw an exception into the coroutine, on its loop; if it has not begun, at once then."""
        self._error = error
        if self._task is not None:
            self._task.cancel()

    @coroutine
    def run(self, inner: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Await a coroutine.

        Raises
        ------
        BaseException
            What it raises; what it was stopped with, unless it caught that.
        """
        self._task = asyncio.current_task()
        throw, self._error = self._error, None
        sent: Any = None
        try:
            while True:
                try:
                    step = inner.send(sent) if throw is None else inner.throw(throw)
                except StopIteration as end:
                    return end.value
                throw = sent = None
                try:
                    sent = yield step
                except asyncio.CancelledError as cancelled:
                    throw = self._instead_of(cancelled)
                except BaseException as error:  # noqa: BLE001 - it is for the coroutine
                    throw = error
        finally:
            self._task = None

    def _instead_of(self, cancelled: asyncio.CancelledError) -> BaseException:
        error, self._error = self._error, None
        if error is None or self._task is None:
            return cancelled
        self._task.uncancel()
        return error

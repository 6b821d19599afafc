"""Faults at points in time: a thread that waits for deadlines and does what is due."""

import heapq
import threading
import time
from collections.abc import Callable
from typing import Self


class Script:
    """Does things to a cluster while something else goes on.

    Used in a ``with`` block: time starts with it, and nothing more happens after it.
    """

    def __init__(self) -> None:
        self._due: list[tuple[float, int, float, Callable[[], object]]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)
        self._error: BaseException | None = None

    def at(self, seconds: float, action: Callable[[], object]) -> Self:
        """Do something once, so many seconds after the beginning."""
        heapq.heappush(self._due, (seconds, len(self._due), 0.0, action))
        return self

    def every(self, seconds: float, action: Callable[[], object]) -> Self:
        """Do something again and again."""
        heapq.heappush(self._due, (seconds, len(self._due), seconds, action))
        return self

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._over.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        began = time.monotonic()
        try:
            while self._due:
                when, number, period, action = heapq.heappop(self._due)
                if self._over.wait(max(0.0, began + when - time.monotonic())):
                    return
                action()
                if period:
                    heapq.heappush(self._due, (when + period, number, period, action))
        except BaseException as error:  # noqa: BLE001 - it is raised again where the block ends
            self._error = error

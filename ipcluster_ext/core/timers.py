"""What the hub has to look at later although nothing may happen until then."""

import heapq
from collections.abc import Iterator
from enum import IntEnum
from itertools import count

from ipcluster_ext.core.task import Task


class Alarm(IntEnum):
    """Why a task is looked at again."""

    PAUSE_OVER = 0
    """It failed, and may be tried again now."""
    EXPIRED = 1
    """It should have begun."""
    IMPATIENT = 2
    """What it depends on should have ended."""
    OVERDUE = 3
    """It should have ended."""


class Timers:
    """Tasks by the time at which to look at them, in order."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Alarm, Task, int]] = []
        self._turn = count()

    @property
    def deadline(self) -> float | None:
        """When the first is due; None if there is none."""
        return self._heap[0][0] if self._heap else None

    @property
    def tasks(self) -> list[Task]:
        """Those that will be looked at, as often as they will."""
        return [task for _, _, _, task, _ in self._heap]

    def set(self, at: float, alarm: Alarm, task: Task, mark: int = 0) -> None:
        """Have a task looked at; ``mark`` tells which of its tries is meant."""
        heapq.heappush(self._heap, (at, next(self._turn), alarm, task, mark))

    def due(self, now: float) -> Iterator[tuple[Alarm, Task, int]]:
        """Take those that are due."""
        while self._heap and self._heap[0][0] <= now:
            _, _, alarm, task, mark = heapq.heappop(self._heap)
            yield alarm, task, mark

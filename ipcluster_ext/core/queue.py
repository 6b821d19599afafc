"""The balanced tasks that wait for an engine, in the order in which they will be given out.

Tasks that may run anywhere stand in one lane, tasks restricted to certain engines in a lane for
each restriction. A task that is cancelled stays where it is until its turn comes, and is passed
over then: taking it out would cost a scan.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.status import TaskStatus

Restriction = tuple[EngineId, ...] | None

_QUEUED = TaskStatus.QUEUED


class Queue:
    """Lanes of queued tasks."""

    def __init__(self) -> None:
        self._lanes: dict[Restriction, deque[Task]] = {None: deque()}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Task]:
        for lane in self._lanes.values():
            yield from (task for task in lane if task.status is _QUEUED)

    @property
    def lanes(self) -> list[Restriction]:
        """The restrictions under which tasks stand, the tightest first."""
        if len(self._lanes) == 1:
            return [None]
        return sorted(self._lanes, key=lambda engines: (engines is None, engines or ()))

    def push(self, task: Task) -> None:
        """Put a task at the end of its lane."""
        task.move(_QUEUED)
        self._lane(task.spec.engines).append(task)
        self._count += 1

    def push_back(self, tasks: Iterable[Task]) -> None:
        """Put tasks at the head of their lanes, keeping their order."""
        for task in reversed(list(tasks)):
            task.move(_QUEUED)
            self._lane(task.spec.engines).appendleft(task)
            self._count += 1

    def _lane(self, restriction: Restriction) -> deque[Task]:
        lane = self._lanes.get(restriction)
        if lane is None:
            lane = self._lanes[restriction] = deque()
        return lane

    def head(self, restriction: Restriction) -> Task | None:
        """Return the next task of a lane, None if it is empty."""
        lane = self._lanes.get(restriction)
        while lane:
            if lane[0].status is _QUEUED:
                return lane[0]
            lane.popleft()
        if restriction is not None:
            self._lanes.pop(restriction, None)
        return None

    def pop(self, restriction: Restriction) -> Task:
        """Take the task that `head` returned; the caller moves it on."""
        self._count -= 1
        return self._lanes[restriction].popleft()

    def length(self, restriction: Restriction) -> int:
        """Return how many stand in a lane, cancelled ones included."""
        return len(self._lanes.get(restriction, ()))

    def forget(self, task: Task, status: TaskStatus) -> None:
        """End a queued task where it stands; with the last one, nothing is left standing."""
        task.move(status)
        self._count -= 1
        if not self._count:
            self._lanes = {None: deque()}

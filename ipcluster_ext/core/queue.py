"""The balanced tasks that wait for an engine, in the order in which they will be given out.

Tasks that ask for nothing stand in one lane, those with a priority, a restriction to certain
engines or a wish for resources in a lane for each such combination. A task that is cancelled
stays where it is until its turn comes, and is passed over then: taking it out would cost a scan.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator

from ipcluster_ext.core.task import ANYWHERE, Lane, Task
from ipcluster_ext.protocol.status import TaskStatus

_QUEUED = TaskStatus.QUEUED


class Queue:
    """Lanes of queued tasks."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[Task]] = {ANYWHERE: deque()}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Task]:
        for lane in self._lanes.values():
            yield from (task for task in lane if task.status is _QUEUED)

    @property
    def lanes(self) -> list[Lane]:
        """Where tasks stand: the highest priority first, then the tightest restriction."""
        if len(self._lanes) == 1:
            return [ANYWHERE]
        return sorted(self._lanes, key=_rank)

    def push(self, task: Task) -> None:
        """Put a task at the end of its lane."""
        task.move(_QUEUED)
        self._lane(task.lane).append(task)
        self._count += 1

    def push_back(self, tasks: Iterable[Task]) -> None:
        """Put tasks at the head of their lanes, keeping their order."""
        for task in reversed(list(tasks)):
            task.move(_QUEUED)
            self._lane(task.lane).appendleft(task)
            self._count += 1

    def _lane(self, lane: Lane) -> deque[Task]:
        tasks = self._lanes.get(lane)
        if tasks is None:
            tasks = self._lanes[lane] = deque()
        return tasks

    def head(self, lane: Lane) -> Task | None:
        """Return the next task of a lane, None if it is empty."""
        tasks = self._lanes.get(lane)
        while tasks:
            task = tasks[0]
            if task.status is _QUEUED:
                return task
            tasks.popleft()
        if lane != ANYWHERE:
            self._lanes.pop(lane, None)
        return None

    def pop(self, lane: Lane) -> Task:
        """Take the task that `head` returned; the caller moves it on."""
        self._count -= 1
        return self._lanes[lane].popleft()

    def take(self, tasks: Collection[Task]) -> None:
        """Take queued tasks from wherever they stand; the caller moves them on."""
        for lane in {task.lane for task in tasks}:
            self._lanes[lane] = deque(task for task in self._lanes[lane] if task not in tasks)
        self._count -= len(tasks)

    def relocate(self, task: Task, lane: Lane) -> None:
        """Have a queued task stand in another lane from now on, at its head."""
        self._lanes[task.lane].remove(task)
        task.extras.lane = lane
        self._lane(lane).appendleft(task)

    def length(self, lane: Lane) -> int:
        """Return how many stand in a lane, cancelled ones included."""
        return len(self._lanes.get(lane, ()))

    def forget(self, task: Task, status: TaskStatus) -> None:
        """End a queued task where it stands; with the last one, nothing is left standing."""
        task.move(status)
        self._count -= 1
        if not self._count:
            self._lanes = {ANYWHERE: deque()}


def _rank(lane: Lane) -> tuple[object, ...]:
    tight = lane.engines is None, not lane.resources, not lane.avoid
    return -lane.priority, *tight, lane.engines or (), lane.resources, lane.avoid, lane.awaits

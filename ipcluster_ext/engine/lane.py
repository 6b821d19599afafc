"""The task lane: what an engine is to do, in order, and what it has done and not yet said.

Whoever receives (see `engine.wire`) puts tasks in and takes unbegun ones back; the main thread
takes the next one and hands outcomes over. Results leave in batches: at once when nothing is
left to do, else every `FLUSH_AFTER` seconds or `FLUSH_COUNT` results, by the main thread itself
before it begins the next task, or by the I/O thread if that one takes long. The result of a task
that took longer than that leaves before the next begins, so that it does not die with it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence
from typing import NamedTuple

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec

FLUSH_AFTER = 0.0005
FLUSH_COUNT = 256


class Assignment(NamedTuple):
    """A task to be done, with the frames that came for it."""

    spec: TaskSpec
    item: TaskItem
    frames: Sequence[Frame]


class Finished(NamedTuple):
    """Results not yet said, with their frames.

    Attributes
    ----------
    places
        Where the black box notes tasks among them that began out of turn.
    """

    items: list[ResultItem]
    frames: list[Frame]
    places: list[int]


_NONE: deque[Assignment] = deque()


class Lane:
    """Tasks in, results out.

    Parameters
    ----------
    on_unsaid
        Called from the main thread when results begin to wait although it goes on working.

    Attributes
    ----------
    current
        The task that the main thread does, None between tasks.
    doing
        That task with all that is known of it.
    begun
        How many it has begun.
    changes
        How many times unbegun tasks have come or gone other than by being begun.
    watched
        Whether somebody looks after results that wait.
    """

    def __init__(self, on_unsaid: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._tasks: deque[Assignment] = deque()
        self._resumed: deque[Assignment] = deque()
        self._finished = Finished([], [], [])
        self._unsaid_since = 0.0
        self._on_unsaid = on_unsaid
        self.current: TaskId | None = None
        self.doing: Assignment | None = None
        self.begun = 0
        self.changes = 0
        self.watched = False

    @property
    def busy(self) -> bool:
        """Whether a task is being done."""
        return self.current is not None

    @property
    def unsaid(self) -> bool:
        """Whether results wait to be said."""
        return bool(self._finished.items)

    @property
    def empty(self) -> bool:
        """Whether no task waits to be begun."""
        return not (self._tasks or self._resumed)

    def put(self, tasks: Iterable[Assignment]) -> None:
        """Add tasks at the end."""
        with self._lock:
            self._tasks.extend(tasks)
            self.changes += 1

    def go_on(self, assignment: Assignment) -> None:
        """Have a task go on that was put aside; it has begun and is not taken back."""
        with self._lock:
            self._resumed.append(assignment)
            self.changes += 1

    def next(self, catch_up: Callable[[], None], wait: Callable[[], None]) -> Assignment:
        """Take the next task, waiting for one if need be.

        Parameters
        ----------
        catch_up
            Says the finished results; called before waiting, and when they are due.
        wait
            Returns when there may be a task.
        """
        while True:
            if self._due():
                catch_up()
            with self._lock:
                tasks = self._tasks
                if self._resumed:
                    tasks = self._resumed if not self._finished.items else _NONE
                if tasks:
                    assignment = tasks.popleft()
                    self.doing = assignment
                    self.current = assignment.item.id
                    self.begun += 1
                    return assignment
            if self._finished.items:
                catch_up()
            else:
                wait()

    def take(self, wanted: Callable[[Assignment], bool]) -> Assignment | None:
        """Take the first task that is wanted, perhaps before its turn; None if there is none."""
        with self._lock:
            if self._resumed:
                return self._begin(self._resumed.popleft())
            for place, assignment in enumerate(self._tasks):
                if wanted(assignment):
                    del self._tasks[place]
                    return self._begin(assignment)
        return None

    def _begin(self, assignment: Assignment) -> Assignment:
        self.doing = assignment
        self.current = assignment.item.id
        self.begun += 1
        return assignment

    def count(self, counted: Callable[[Assignment], bool]) -> int:
        """Count unbegun tasks."""
        with self._lock:
            return sum(map(counted, self._tasks))

    def put_back(self, assignment: Assignment) -> None:
        """Put a task back that was taken and not begun after all; it comes next."""
        with self._lock:
            self.current = self.doing = None
            self._tasks.appendleft(assignment)
            self.changes += 1

    def leave(self) -> None:
        """Put the current task aside."""
        self.current = self.doing = None

    def resume(self, assignment: Assignment) -> None:
        """Go on with a task that has waited for others."""
        self.doing = assignment
        self.current = assignment.item.id

    def _due(self) -> bool:
        items = self._finished.items
        if not items:
            return False
        return len(items) >= FLUSH_COUNT or time.monotonic() - self._unsaid_since >= FLUSH_AFTER

    def finish(self, item: ResultItem, frames: Sequence[Frame]) -> None:
        """Hand over the current task's outcome."""
        with self._lock:
            self.current = self.doing = None
            finished = self._finished
            first = not finished.items
            finished.items.append(item)
            if frames:
                finished.frames.extend(frames)
            more = bool(self._tasks)
        if first:
            took = item.completed - item.started
            self._unsaid_since = time.monotonic() - took
            if more and took < FLUSH_AFTER and not self.watched:
                self.watched = True
                self._on_unsaid()

    def add(self, item: ResultItem, frames: Sequence[Frame], place: int) -> None:
        """Hand over the outcome of a task that is not the current one, from any thread.

        ``place`` is where the black box notes it.
        """
        with self._lock:
            if not self._finished.items:
                self._unsaid_since = time.monotonic()
            self._finished.items.append(item)
            self._finished.frames.extend(frames)
            self._finished.places.append(place)

    def settle(self, place: int) -> None:
        """Have the black box forget the current task, which is ending, once that is said."""
        with self._lock:
            self._finished.places.append(place)

    def take_finished(self) -> Finished:
        """Take the results that wait to be said."""
        with self._lock:
            finished, self._finished = self._finished, Finished([], [], [])
        return finished

    def take_back(self, count: int, spared: Container[TaskId] = ()) -> list[TaskId]:
        """Take back up to so many unbegun balanced tasks from the end of the lane.

        ``spared`` are such that the hub may not know of.

        Returns
        -------
        Their ids, in the order in which they had been put in.
        """
        taken: list[TaskId] = []
        with self._lock:
            kept: list[Assignment] = []
            while self._tasks and len(taken) < count:
                assignment = self._tasks.pop()
                if assignment.spec.balanced and assignment.item.id not in spared:
                    taken.append(assignment.item.id)
                else:
                    kept.append(assignment)
            self._tasks.extend(reversed(kept))
            self.changes += 1
        taken.reverse()
        return taken

    def drop(self, ids: Iterable[TaskId]) -> list[TaskId]:
        """Take back those of these tasks that have not begun.

        Returns
        -------
        Their ids.
        """
        wanted = frozenset(ids)
        with self._lock:
            dropped = [task.item.id for task in self._tasks if task.item.id in wanted]
            if dropped:
                self.changes += 1
                self._tasks = deque(t for t in self._tasks if t.item.id not in wanted)
        return dropped

"""Tasks that clients have handed over and whose function has not come from the hub."""

from collections.abc import Collection

from ipcluster_ext.engine.functions import Functions
from ipcluster_ext.engine.lane import Assignment, Lane
from ipcluster_ext.protocol.ids import TaskId


class Lacking:
    """Keeps such tasks until it comes; they have not begun.

    Parameters
    ----------
    functions
        Those that are here.
    lane
        Where tasks go on.
    """

    def __init__(self, functions: Functions, lane: Lane) -> None:
        self._functions = functions
        self._lane = lane
        self._tasks: dict[bytes, list[Assignment]] = {}

    def keep(self, assignment: Assignment) -> bool:
        """Have a task wait for its function, if that is not here; tell whether it does."""
        digest = assignment.spec.function
        if self._functions.has(digest):
            return False
        self._tasks.setdefault(digest, []).append(assignment)
        if self._functions.has(digest):  # it has just come, on the thread that receives
            self.came(digest)
        return True

    def came(self, digest: bytes) -> None:
        """Go on with the tasks that waited for a function."""
        if tasks := self._tasks.pop(digest, []):
            self._lane.put(tasks)

    def clear(self) -> list[TaskId]:
        """Keep none any more; return their ids."""
        tasks, self._tasks = self._tasks, {}
        return [task.item.id for waiting in tasks.values() for task in waiting]

    def drop(self, ids: Collection[TaskId]) -> list[TaskId]:
        """Take back those of these tasks that wait here; return their ids."""
        dropped: list[TaskId] = []
        for digest, tasks in list(self._tasks.items()):
            dropped += [task.item.id for task in tasks if task.item.id in ids]
            self._tasks[digest] = [task for task in tasks if task.item.id not in ids]
        return dropped

"""Which task the calling code belongs to."""

from contextvars import ContextVar

from ipcluster_ext.engine.lane import Assignment, Lane
from ipcluster_ext.protocol.ids import TaskId

_awaited: ContextVar[Assignment | None] = ContextVar("_awaited", default=None)


def belong_to(assignment: Assignment) -> None:
    """Have the calling coroutine, and whatever it starts, belong to a task."""
    _awaited.set(assignment)


class Current:
    """Tells the task that a call comes from.

    A coroutine's is its own; any other code, on whichever thread, belongs to the task that the
    main thread does.

    Parameters
    ----------
    lane
        What the main thread does.
    """

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def assignment(self) -> Assignment | None:
        """Return the task with all that is known of it; None if no task runs."""
        awaited = _awaited.get()
        return self._lane.doing if awaited is None else awaited

    def task(self) -> TaskId | None:
        """Return the task's id; None if no task runs."""
        awaited = _awaited.get()
        return self._lane.current if awaited is None else awaited.item.id

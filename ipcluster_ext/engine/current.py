"""Which task the calling code belongs to."""

from contextvars import ContextVar

from ipcluster_ext.engine.lane import Assignment, Lane
from ipcluster_ext.protocol.ids import TaskId


class _Nobody:
    """Code that is no part of any task."""


_NOBODY = _Nobody()
_awaited: ContextVar[Assignment | _Nobody | None] = ContextVar("_awaited", default=None)


def belong_to(assignment: Assignment) -> None:
    """Have the calling coroutine, and whatever it starts, belong to a task."""
    _awaited.set(assignment)


def belong_to_nobody() -> None:
    """Have the calling code, and whatever it starts, be no part of any task."""
    _awaited.set(_NOBODY)


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
        if awaited is None:
            return self._lane.doing
        return None if isinstance(awaited, _Nobody) else awaited

    def task(self) -> TaskId | None:
        """Return the task's id; None if no task runs."""
        awaited = _awaited.get()
        if awaited is None:
            return self._lane.current
        return None if isinstance(awaited, _Nobody) else awaited.item.id

    def main_task(self) -> TaskId | None:
        """Return the id of the task that the main thread does, whoever asks; None for none."""
        return self._lane.current

"""States: what may be said of a task, of an engine and of a role.

A task's life is ``waiting → queued → assigned → done | failed | cancelled | lost``; the
transitions are a table in `core.task`.
"""

from enum import IntEnum


class Role(IntEnum):
    """What a peer of the hub is, and so what it may say."""

    CLIENT = 1
    ENGINE = 2
    AGENT = 3


class TaskStatus(IntEnum):
    """Where a task stands. Small integers, because every result carries one."""

    WAITING = 0
    QUEUED = 1
    ASSIGNED = 2
    DONE = 3
    FAILED = 4
    CANCELLED = 5
    LOST = 6
    AGAIN = 7
    """An engine's word: it failed in a way that its owner wants tried again."""
    REFUSED = 8
    """An engine's word: it cannot run on this engine."""

    @property
    def ended(self) -> bool:
        """Whether nothing can happen to the task any more."""
        return TaskStatus.DONE <= self <= TaskStatus.LOST


class EngineStatus(IntEnum):
    """How an engine is. Clients count those that are `READY`."""

    STARTING = 0
    READY = 1
    STOPPED = 2
    UNRESPONSIVE = 3
    """It has not answered for a while: it may be stopped, cut off, or too busy to."""
    RETIRING = 4
    """It takes no more work, and stops when it has finished what it has."""


class Kind(IntEnum):
    """What an engine does with a task's payload."""

    APPLY = 0
    """Call the function with ``(args, kwargs)``."""
    MAP = 1
    """Call the function with each item of a list; return the list of results."""
    STARMAP = 2
    """As MAP, each item being a tuple of arguments."""
    EXECUTE = 3
    """Run the text as a notebook cell."""
    PUSH = 4
    """Assign the items of a dict in the namespace."""
    PULL = 5
    """Evaluate expressions in the namespace."""
    CLEAR = 6
    """Empty the namespace."""
    STREAM = 7
    """Call the function with ``(args, kwargs)`` and send what it yields, as it comes."""
    DEBUG = 8
    """Open a debugger on what a task of this engine has raised."""

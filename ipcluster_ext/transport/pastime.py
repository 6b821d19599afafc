"""What a thread does while it waits for the answers of tasks: nothing, or other tasks.

A task that waits for tasks of its own on an engine's main thread would keep the engine from doing
them. So an engine puts itself in here as the place to wait; a client asks whether there is one.
"""

from collections.abc import Callable
from typing import Protocol


class Pastime(Protocol):
    """Somebody who has something to do while a thread of his waits."""

    def applies(self) -> bool:
        """Tell whether the calling thread is one that is to wait here."""

    def wait(self, done: Callable[[], bool], deadline: float | None, *, soon: bool) -> None:
        """Wait on the calling thread until something is done.

        Parameters
        ----------
        done
            Tells whether it is; asked again after each `wake`.
        deadline
            When to give up, by `time.monotonic`; None for never.
        soon
            Whether it is going to be done at once, so that nothing else is worth beginning.
        """

    def wake(self) -> None:
        """Have who waits look again, from any thread."""

    def priority(self) -> int:
        """Return by how much tasks submitted by the calling code go before others."""


_pastime: Pastime | None = None


def install(pastime: Pastime | None) -> None:
    """Have this process's threads wait there; None for nowhere in particular."""
    global _pastime
    _pastime = pastime


def of_this_thread() -> Pastime | None:
    """Return where the calling thread is to wait; None if it has nothing else to do."""
    return _pastime if _pastime is not None and _pastime.applies() else None


def wake() -> None:
    """Have who waits look again."""
    if _pastime is not None:
        _pastime.wake()


def priority() -> int:
    """Return by how much tasks submitted by the calling code go before others."""
    return 0 if _pastime is None else _pastime.priority()

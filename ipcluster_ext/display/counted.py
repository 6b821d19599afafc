"""Work of which nothing is known but two numbers, and a bar that shows it."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Self

from ipcluster_ext.display.looks import Share, WorkLook


class Counted:
    """Work of which nothing is known but how much is done, and how much there is.

    Parameters
    ----------
    total
        How much there is to do, None if nobody knows.
    label, verb
        What it is called, and what becomes of what is counted.
    clock
        Tells the time, in seconds.
    """

    def __init__(
        self,
        total: float | None,
        label: str,
        *,
        verb: str = "done",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label = label
        self._verb = verb
        self._clock = clock
        self._began = clock()
        self._now: tuple[float, float | None, str] = (0, total, "")
        self._over = False

    def take(self, done: float, total: float | None, text: str) -> None:
        """Learn how far it is."""
        self._now = (done, total, text)

    def end(self) -> None:
        """Learn that nothing more will come."""
        self._over = True

    def look(self) -> WorkLook:
        """Return how far it is."""
        done, total, text = self._now
        return WorkLook(
            kind="progress",
            label=self._label,
            verb=self._verb,
            done=done,
            total=total,
            doing=text,
            over=self._over,
            elapsed=self._clock() - self._began,
        )

    def shares(self) -> Sequence[Share]:
        """Return nothing: nobody knows of engines."""
        return ()

    def cancel(self) -> str:
        """Do nothing."""
        return ""

    def interrupt(self) -> str:
        """Do nothing."""
        return ""


class CountedBar:
    """A bar over something that shows work by itself.

    Parameters
    ----------
    counted
        What is shown.
    shown
        Shows it from its beginning as a context to its end.
    """

    def __init__(self, counted: Counted, shown: AbstractContextManager[object]) -> None:
        self._counted = counted
        self._shown = shown

    def show(self, done: float, total: float | None, text: str) -> None:
        """Have it show how much is done, of how much, and what is going on, ere long."""
        self._counted.take(done, total, text)

    def __enter__(self) -> Self:
        self._shown.__enter__()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._counted.end()
        self._shown.__exit__(None, None, None)

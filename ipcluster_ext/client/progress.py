"""Showing how far an answer is, to whoever waits for it and to whoever does not."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TextIO

from ipcluster_ext.client.awaited import Awaited
from ipcluster_ext.client.watching import WatchedAnswer
from ipcluster_ext.display import bars, frontend
from ipcluster_ext.display.cell import Cell
from ipcluster_ext.display.looks import Work
from ipcluster_ext.display.meter import Meter
from ipcluster_ext.display.pulse import PULSE


def watch(
    work: Work,
    wait: Callable[[float | None], bool],
    *,
    interval: float,
    timeout: float | None,
    widget: bool | None = None,
    file: TextIO | None = None,
) -> bool:
    """Wait for work, showing how far it is.

    Parameters
    ----------
    work
        What to wait for.
    wait
        Waits for so many seconds at most; returns whether the waiting is over.
    interval, timeout
        Seconds between two looks, and altogether; None for ever.
    widget, file
        As for `display.bars.bar`.

    Returns
    -------
    What `wait` returned last.
    """
    if frontend.silenced():
        return wait(timeout)
    shown = bars.shows_itself(work, Cell.current(), widget=widget, file=file)
    if shown is not None:
        with shown:
            return wait(timeout)
    deadline = None if timeout is None else time.monotonic() + timeout
    look = work.look()
    with bars.written(look.total, look.label, file=file) as bar:
        while True:
            left = interval if deadline is None else min(interval, deadline - time.monotonic())
            over = wait(max(0.0, left))
            look = work.look()
            bar.show(look.done, look.total, look.doing)
            if over or left <= 0:
                return over


@contextmanager
def showing(
    answer: Awaited,
    *,
    after: float = 0.0,
    widget: bool | None = None,
    file: TextIO | None = None,
) -> Iterator[None]:
    """Show how far an answer is while a ``with`` block goes on, if that takes a while.

    Nothing is shown where nobody would see it move, unless `widget` or `file` is given.

    Parameters
    ----------
    answer
        The answer.
    after
        For how many seconds nothing is shown; negative for never.
    widget, file
        As for `display.bars.bar`.
    """
    wanted = widget is not None or file is not None or bars.seen()
    if after < 0 or frontend.silenced() or not wanted:
        yield
        return
    shown = _Later(answer, after, widget=widget, file=file)
    PULSE.add(shown.beat)
    try:
        yield
    finally:
        PULSE.remove(shown.beat)
        shown.end()


class _Later:
    """Shows an answer once that has taken a while, on the thread of the pulse."""

    def __init__(
        self, answer: Awaited, after: float, *, widget: bool | None, file: TextIO | None
    ) -> None:
        self._work = WatchedAnswer(answer)
        self._due = time.monotonic() + after
        self._cell = Cell.current()
        self._widget = frontend.shows_widgets() if widget is None else widget
        self._file = file
        self._lock = threading.Lock()
        self._shown: AbstractContextManager[object] | None = None
        self._bar: bars.Bar | None = None
        self._ended = False

    def beat(self) -> bool:
        """Begin to show it when that is due, and go on."""
        with self._lock:
            if self._shown is None and not self._ended and time.monotonic() >= self._due:
                self._begin()
            self._look()
        return not self._ended

    def _begin(self) -> None:
        work, cell = self._work, self._cell
        self._shown = bars.shows_itself(work, cell, widget=self._widget, file=self._file)
        if self._shown is None:
            look = work.look()
            self._shown = self._bar = bars.written(look.total, look.label, file=self._file)
        self._shown.__enter__()

    def _look(self) -> None:
        if self._bar is not None and not self._ended:
            look = self._work.look()
            self._bar.show(look.done, look.total, look.doing)

    def end(self) -> None:
        """Show the last state, if anything is shown."""
        with self._lock:
            self._look()
            self._ended = True
            if self._shown is not None:
                self._shown.__exit__(None, None, None)


def show_live(answer: Awaited) -> None:
    """Show an answer as a widget, which goes on while other cells run."""
    from ipcluster_ext.display.progress import Progress

    cell = Cell.current()
    Progress(WatchedAnswer(answer), cell).show(cell)


def forms_of(answer: Awaited) -> dict[str, str]:
    """Return how far an answer is, as text and as HTML: for whoever sees no widgets."""
    return Meter(WatchedAnswer(answer)).forms()

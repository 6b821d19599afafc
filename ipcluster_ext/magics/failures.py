"""Errors of a cell, shown as they come: each that is different once, with its traceback."""

import threading
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ipcluster_ext.client.hearers import Hearer
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.display.cell import Cell
from ipcluster_ext.display.pulse import PULSE
from ipcluster_ext.protocol.composite import CompositeError
from ipcluster_ext.protocol.showing import block, groups, heading
from ipcluster_ext.protocol.tracebacks import PLAIN, colours_of_shell

if TYPE_CHECKING:
    from ipcluster_ext import AsyncResult

_GATHERED_FOR = 0.25
"""Seconds for which errors are waited for that may be the same as the first."""


class Failures(Hearer):
    """Shows the errors of a cell's tasks soon after they come; the same ones as one.

    What it shows belongs to the cell in which it was made.

    Parameters
    ----------
    result
        The cell's answer.
    """

    def __init__(self, result: "AsyncResult") -> None:
        self._result = result
        self._cell = Cell.current()
        self._lock = threading.Lock()
        self._left = set(range(result.count_tasks()))
        self._new: list[BaseException] = []
        self._since = 0.0
        self._shown: list[BaseException] = []
        self._silent = False

    def ended(self, outcomes: Sequence[Outcome], failure: Exception | None) -> None:
        """Take notice of what has failed."""
        del failure
        with self._lock:
            self._take(outcome.item.id - self._result.first for outcome in outcomes)
            waits = bool(self._new) and not self._result.done()
        if waits:
            PULSE.add(self._beat)

    def _take(self, places: Iterable[int]) -> None:
        for place in self._left.intersection(places):
            self._left.remove(place)
            error = self._result.value_at(place)[1]
            if error is not None:
                self._since = self._since if self._new else time.monotonic()
                self._new.append(error)

    def be_silent(self) -> None:
        """Show nothing more: the cell was interrupted, and what comes of that is known."""
        self._silent = True

    def conclude(self) -> None:
        """Show what has not been shown, be it that it had come before anybody listened."""
        PULSE.remove(self._beat)
        with self._lock:
            self._take(range(self._result.count_tasks()))
            self._show()

    def _beat(self) -> bool:
        """Show what has been waited for long enough."""
        with self._lock:
            if time.monotonic() >= self._since + _GATHERED_FOR:
                self._show()
            return bool(self._new)

    def _show(self) -> None:
        new, self._new = self._new, []
        if self._silent:
            return
        for group in groups(new):
            known = groups(self._shown)
            first = len(groups([*self._shown, group[0]])) > len(known)
            show(group, self._cell, whole=first and len(known) < CompositeError.tb_limit)
            self._shown += group


def show(group: Sequence[BaseException], cell: Cell, *, whole: bool = True) -> None:
    """Show who raised an error, and its traceback.

    Parameters
    ----------
    group
        Errors that are the same.
    cell
        Where.
    whole
        Whether to show the traceback.
    """
    colours = colours_of_shell() or PLAIN
    lines = block(group, colours) if whole else [heading(group, colours)]
    cell.write("stderr", "\n".join(lines) + "\n")

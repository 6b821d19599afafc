"""Errors of a cell, shown as they come: each that is different once, with its traceback."""

import sys
import threading
import time
from collections.abc import Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING

from ipcluster_ext.client.hearers import Hearer
from ipcluster_ext.client.pending import Outcome
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

    What it shows belongs to the cell in which it was made: IPython knows that by its context.

    Parameters
    ----------
    result
        The cell's answer.
    """

    def __init__(self, result: "AsyncResult") -> None:
        self._result = result
        self._context = copy_context()
        self._lock = threading.Lock()
        self._new: list[BaseException] = []
        self._since = 0.0
        self._shown: list[BaseException] = []
        self._silent = False

    def ended(self, outcomes: Sequence[Outcome], failure: Exception | None) -> None:
        """Take notice of what has failed."""
        del failure
        values = (self._result.value_at(o.item.id - self._result.first) for o in outcomes)
        errors = [error for _, error in values if error is not None]
        if not errors:
            return
        with self._lock:
            if not self._new:
                self._since = time.monotonic()
            self._new += errors
        if not self._result.done():
            PULSE.add(self._beat)

    def be_silent(self) -> None:
        """Show nothing more: the cell was interrupted, and what comes of that is known."""
        self._silent = True

    def conclude(self) -> None:
        """Show what has not been shown."""
        PULSE.remove(self._beat)
        with self._lock:
            self._show()

    def _beat(self) -> bool:
        """Show what has been waited for long enough."""
        with self._lock:
            if time.monotonic() >= self._since + _GATHERED_FOR:
                self._context.copy().run(self._show)
            return bool(self._new)

    def _show(self) -> None:
        new, self._new = self._new, []
        if self._silent:
            return
        for group in groups(new):
            known = groups(self._shown)
            first = len(groups([*self._shown, group[0]])) > len(known)
            show(group, whole=first and len(known) < CompositeError.tb_limit)
            self._shown += group


def show(group: Sequence[BaseException], *, whole: bool = True) -> None:
    """Write to ``sys.stderr`` who raised an error, and its traceback.

    Parameters
    ----------
    group
        Errors that are the same.
    whole
        Whether to show the traceback.
    """
    colours = colours_of_shell() or PLAIN
    lines = block(group, colours) if whole else [heading(group, colours)]
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()

"""Progress for notebooks that draw no widgets: text and HTML, displayed anew now and then.

So it is in JupyterLab without ipywidgets, and where a notebook is executed and saved: there the
last state stays.
"""

import threading
import time
from collections.abc import Callable
from typing import Self
from uuid import uuid4

from ipcluster_ext.display.cell import Cell
from ipcluster_ext.display.looks import Work
from ipcluster_ext.display.meter import Meter
from ipcluster_ext.display.pulse import PULSE, Pulse

_EVERY = 0.5
"""Seconds between two changes."""


class Renewed:
    """Shows the progress of some work while it is entered as a context.

    Parameters
    ----------
    work
        The work.
    cell
        Where.
    clock, pulse
        What tells the time, and calls for a new look.
    """

    def __init__(
        self,
        work: Work,
        cell: Cell,
        *,
        clock: Callable[[], float] = time.monotonic,
        pulse: Pulse = PULSE,
    ) -> None:
        self._meter = Meter(work, clock)
        self._cell = cell
        self._clock = clock
        self._pulse = pulse
        self._id = uuid4().hex
        self._lock = threading.Lock()
        self._due = 0.0

    def __enter__(self) -> Self:
        self._cell.display(dict(self._meter.forms()), display_id=self._id)
        self._due = self._clock() + _EVERY
        self._pulse.add(self.beat)
        return self

    def __exit__(self, *_raised: object) -> None:
        self._pulse.remove(self.beat)
        self._renew()

    def beat(self) -> bool:
        """Display it anew if it is time."""
        if self._clock() >= self._due:
            self._due = self._clock() + _EVERY
            self._renew()
        return not self._meter.look.over

    def _renew(self) -> None:
        with self._lock:
            self._meter.read()
            self._cell.update(dict(self._meter.forms()), display_id=self._id)

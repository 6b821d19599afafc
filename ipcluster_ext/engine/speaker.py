"""When what tasks print is said: soon after the first of it, then a few times a second.

What a task printed is said before its end is. Where so much is printed that it would pile up, the
thread that prints says it, and goes on when it has. Of what is held back until the task has ended
the hub gets a glimpse now and then, for those who watch the engine.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence

from ipcluster_ext.engine.interrupts import Interrupts
from ipcluster_ext.engine.streams import Printed, Written
from ipcluster_ext.engine.timer import Timer
from ipcluster_ext.protocol.ids import TaskId

FIRST = 0.003
"""For so long, in seconds, what follows the first text closely is gathered."""
WINDOW = 0.04
"""So much time is between two times that something is said while a task prints on."""
GLIMPSE_EVERY = 1.0
"""So much time is between two glimpses of what is held back."""


class Speaker:
    """Says what tasks print, in order.

    Parameters
    ----------
    printed
        What they print.
    say
        Says it to the hub.
    timer
        Tells when it is time.
    interrupts
        What must not tear that apart.
    show
        Gives the hub a glimpse of what is held back.
    """

    def __init__(
        self,
        printed: Printed,
        say: Callable[[Sequence[Written]], None],
        timer: Timer,
        interrupts: Interrupts,
        show: Callable[[Written], None],
    ) -> None:
        self._printed = printed
        self._say = say
        self._timer = timer
        self._interrupts = interrupts
        self._show = show
        self._show_at = 0.0
        self._saying = threading.RLock()
        self._said_at = 0.0
        self._pid = os.getpid()
        printed.on_text, printed.on_much = self._soon, self._at_once

    @property
    def used(self) -> bool:
        """Whether anything was printed that `end_task` has not settled."""
        return self._printed.used

    def flush(self) -> None:
        """Say what was printed so far, from any thread."""
        if self._printed.pending:
            with self._interrupts.held(), self._saying:
                self._say_waiting()

    def end_task(self, task: TaskId) -> None:
        """Say what was printed, with the rest of what a task did that has ended."""
        with self._saying:
            self._say(self._printed.end_task(task))
            self._said_at = 0.0  # pauses are made within a task: the next one's first text goes out

    def _say_waiting(self) -> None:
        self._say(self._printed.take())
        self._said_at = time.monotonic()
        if self._printed.holds_back:
            self._let_see()

    def _let_see(self) -> None:
        """Give a glimpse of what is held back, now or when it is time."""
        if self._said_at < self._show_at:
            self._timer.set(self, self._show_at, self._on_time)
        elif (glimpse := self._printed.glimpse()) is not None:
            self._show_at = self._said_at + GLIMPSE_EVERY
            self._show(glimpse)

    def _soon(self) -> None:
        if os.getpid() == self._pid:
            with self._interrupts.held():
                when = max(time.monotonic() + FIRST, self._said_at + WINDOW)
                self._timer.set(self, when, self._on_time)

    def _on_time(self) -> None:
        """Say what waits, on the timer's thread, which must not wait for those who set it."""
        if self._saying.acquire(blocking=False):
            try:
                self._say_waiting()
            finally:
                self._saying.release()
        else:
            self._timer.set(self, time.monotonic() + FIRST, self._on_time)

    def _at_once(self) -> None:
        if os.getpid() == self._pid:
            self.flush()
        else:
            self._printed.forget()  # a fork never speaks for the engine

"""How long tasks may take here: what is raised in them, and when."""

import time
from collections.abc import Callable

from ipcluster_ext.engine.timer import Timer
from ipcluster_ext.errors import SoftTimeLimit, TaskTimeout
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.parts import Options

Want = Callable[[TaskId, BaseException], None]
"""Has an exception raised in a task."""


class Limits:
    """Has exceptions raised in tasks that take too long.

    Parameters
    ----------
    timer
        Tells when.
    want
        Called on another thread when a task's time is up.
    """

    def __init__(self, timer: Timer, want: Want) -> None:
        self._timer = timer
        self._want = want

    def begin(self, task: TaskId, options: Options) -> None:
        """Begin to count a task's time, if it is limited."""
        soft, hard = options.soft_time_limit, options.time_limit
        if soft <= 0 and hard <= 0:
            return
        now, want = time.monotonic(), self._want
        if soft > 0:
            text = f"the task has taken {soft:g} s, its soft time limit"
            self._timer.set(("soft", task), now + soft, lambda: want(task, SoftTimeLimit(text)))
        if hard > 0:
            limit = f"the task has taken {hard:g} s, its time limit"
            self._timer.set(("hard", task), now + hard, lambda: want(task, TaskTimeout(limit)))

    def end(self, task: TaskId, options: Options) -> None:
        """Count a task's time no longer: it has ended."""
        if options.soft_time_limit > 0:
            self._timer.clear(("soft", task))
        if options.time_limit > 0:
            self._timer.clear(("hard", task))

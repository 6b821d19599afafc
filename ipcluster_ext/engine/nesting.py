"""Other tasks while one waits, on the same stack.

A task that waits for tasks of its own leaves its engine idle, and would wait for ever where all
engines are busy with such tasks. So while it waits, the main thread does other tasks, one inside
the other: those that were submitted from deeper inside at once, which are the waiting one's own or
keep its own from ending; any other only after a while, and not where the stack is deep already.
The hub is told how many tasks wait, and has as many more done here.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from traceback import walk_stack

from ipcluster_ext.engine.current import Current
from ipcluster_ext.engine.interrupts import Interrupts, Mood
from ipcluster_ext.engine.lane import Assignment
from ipcluster_ext.engine.wire import Wire
from ipcluster_ext.transport.blackbox import BlackBox

PROMPT = 0.001
"""What is there within so many seconds is waited for without further ado."""
PATIENCE = 0.1
"""After so many seconds a waiting task lets any other be done, wherever that was submitted."""
DEEP = 16
"""Where so many tasks wait one inside the other, only deeper ones are done."""
DEEPEST = 250
"""So many tasks wait one inside the other at most."""
LONGEST = 10.0
_TOO_DEEP = (
    f"{DEEPEST} tasks wait for tasks of their own on this engine, one inside the other; submit "
    "fewer levels of tasks, or start more engines"
)


class Nesting:
    """Waits, on the main thread in the midst of a task, and does other tasks meanwhile.

    Parameters
    ----------
    wire
        To the hub.
    interrupts
        What may end a wait.
    current
        The task that waits.
    box
        Where to note which tasks have begun.
    do
        Does a task.
    """

    def __init__(
        self,
        wire: Wire,
        interrupts: Interrupts,
        current: Current,
        box: BlackBox,
        do: Callable[[Assignment], None],
    ) -> None:
        self._wire = wire
        self._lane = wire.lane
        self._interrupts = interrupts
        self._current = current
        self._box = box
        self._do = do
        self._main = threading.main_thread()
        self._waiting = 0
        self._allowed = 0
        self._least: list[int | None] = []
        self._told: tuple[int, int | None, int] = (0, None, 0)

    # ------------------------------------------------------------ for clients in here

    def applies(self) -> bool:
        """Tell whether the calling thread is the main one, in the midst of a task."""
        return self._lane.current is not None and threading.current_thread() is self._main

    def priority(self) -> int:
        """Return the priority of tasks that the calling code submits, above its own."""
        assignment = self._current.assignment()
        return 0 if assignment is None else priority_of(assignment) + 1

    def wake(self) -> None:
        """Have a task that waits look again, from any thread."""
        if self._waiting:
            self._wire.wake()

    def wait(
        self, done: Callable[[], bool], deadline: float | None = None, *, soon: bool = False
    ) -> None:
        """Wait until something is done, or the deadline is over.

        Parameters
        ----------
        done, deadline, soon
            As for `transport.pastime.Pastime`.

        Raises
        ------
        BaseException
            What is wanted to be raised in the task that waits.
        RecursionError
            Too many tasks wait one inside the other.
        """
        if done():
            return
        until = inf if deadline is None else deadline
        with self._interrupts.held():
            self._waiting += 1
            try:
                self._rest(done, min(until, time.monotonic() + (LONGEST if soon else PROMPT)))
                while soon and not self._over(done, until):
                    self._rest(done, until)
                if not self._over(done, until):
                    self._pass_time(done, until)
            finally:
                self._waiting -= 1

    # ------------------------------------------------------------ meanwhile

    def _over(self, done: Callable[[], bool], until: float) -> bool:
        return done() or self._interrupts.pending or time.monotonic() >= until

    def _rest(self, done: Callable[[], bool], until: float) -> None:
        """Receive until something is done, or tasks have come or gone."""
        lane, interrupts = self._lane, self._interrupts
        changes = lane.changes
        self._wire.wait_until(
            lambda: done() or interrupts.pending or lane.changes != changes,
            min(LONGEST, until - time.monotonic()),
        )

    def _pass_time(self, done: Callable[[], bool], until: float) -> None:
        """Do other tasks until something is done."""
        waiting, outer = self._lane.doing, self._interrupts.outer
        if waiting is None:
            return
        if len(outer) >= DEEPEST:
            raise RecursionError(_TOO_DEEP)
        outer.append(waiting.item.id)
        self._least.append(priority_of(waiting) + 1)
        try:
            self._do_others(waiting, done, until)
        finally:
            outer.pop()
            self._least.pop()
            self._tell()

    def _do_others(self, waiting: Assignment, done: Callable[[], bool], until: float) -> None:
        lane = self._lane
        shallow = len(self._interrupts.outer) <= DEEP
        patient_until = time.monotonic() + PATIENCE if shallow else inf
        while not self._over(done, until):
            if time.monotonic() >= patient_until:
                self._least[-1], patient_until = None, inf
            self._tell()
            assignment = lane.take(self._suits)
            if assignment is not None:
                self._do_inside(assignment, waiting)
            else:
                self._rest(done, min(until, patient_until))

    def _suits(self, assignment: Assignment) -> bool:
        """Tell whether the innermost of the waiting tasks lets another be done."""
        least = self._least[-1] if self._least else None
        options = assignment.spec.options
        if least is None or (options is not None and options.awaits):
            return True
        return priority_of(assignment) >= least

    def _tell(self) -> None:
        """Tell the hub how many tasks wait and what is done meanwhile, if that has changed."""
        least = self._least[-1] if self._least else None
        unsuited = 0
        if least is not None:
            unsuited = self._lane.count(lambda assignment: not self._suits(assignment))
        told = (len(self._least), None if least is None else least - 1, unsuited)
        if told != self._told:
            self._told = told
            self._wire.waits.inside(*told)

    def _do_inside(self, assignment: Assignment, waiting: Assignment) -> None:
        """Do a task inside the one that waits."""
        place = self._box.enter(assignment.item.id)
        with self._room_on_the_stack():
            try:
                self._do(assignment)
            finally:
                self._lane.settle(place)
                self._lane.resume(waiting)
                self._interrupts.mood = Mood.HELD
            self._wire.catch_up()

    @contextmanager
    def _room_on_the_stack(self) -> Iterator[None]:
        """Give a task as many frames as it would have without those that wait below it."""
        depth, before = sum(1 for _ in walk_stack(None)), self._allowed
        more, self._allowed = depth - before, depth
        sys.setrecursionlimit(sys.getrecursionlimit() + more)
        try:
            yield
        finally:
            self._allowed = before
            sys.setrecursionlimit(sys.getrecursionlimit() - more)


def priority_of(assignment: Assignment) -> int:
    """Return a task's priority."""
    options = assignment.spec.options
    return 0 if options is None else options.priority

"""Exceptions that others want raised in the task that the main thread does.

Whoever wants one raised notes it and sends the main thread SIGINT, which ends whatever wait it is
in. The signal's handler raises it, if that task is the one that runs. Where the engine's own code
must not be torn apart in the midst of a task, it holds such exceptions back; where tasks run
nested, those for an outer one wait until it goes on.

A signal that comes when Python has just looked for signals and the thread is about to wait in the
system does not end that wait, and its handler runs after it: so it is sent until that has run.
"""

import signal
import threading
import time
from collections.abc import Callable, Container
from enum import IntEnum
from types import FrameType, TracebackType
from typing import NoReturn

from ipcluster_ext.protocol.ids import TaskId

AGAIN_AFTER, AGAIN_AT_LEAST = 0.02, 1.0
"""How long it is waited for the handler before the signal is sent again: at first, and later."""


class Terminated(SystemExit):
    """The engine was asked to end."""


class Mood(IntEnum):
    """What an exception that is wanted meets on the main thread."""

    CLOSED = 0
    """Nobody whom it concerns: between tasks, and while an outcome is written. What is wanted in a
    task that is about to begin is raised when it does."""
    HELD = 1
    """The engine's own code in the midst of a task; it waits."""
    OPEN = 2
    """User code; it is raised right there."""


_OPEN, _HELD = Mood.OPEN, Mood.HELD


class Interrupts:
    """Raises exceptions in the task that the main thread does.

    Parameters
    ----------
    current
        Returns that task, None between tasks.
    wake
        Ends the wait of code that holds exceptions back.

    Attributes
    ----------
    mood
        Whether an exception may be raised right now.
    wanted
        What is to be raised, by task.
    outer
        The tasks that wait for the current one to end, on the same stack.
    terminating
        Whether the engine was asked to end.
    spared
        The tasks in whose midst it does not: whoever has it end does not know of them.
    """

    def __init__(self, current: Callable[[], TaskId | None], wake: Callable[[], None]) -> None:
        self._current = current
        self._wake = wake
        self._sent = self._handled = 0
        self._main = threading.main_thread()
        self.mood = Mood.CLOSED
        self.wanted: dict[TaskId, BaseException] = {}
        self.outer: list[TaskId] = []
        self.terminating = self._due = False
        self.spared: Container[TaskId | None] = ()

    def on_terminate(self, _signum: int, _frame: FrameType | None) -> None:
        """End the engine, as soon as a task has ended that is spared."""
        if self._current() in self.spared:
            self._due = True
            return
        self._terminate()

    def end_if_due(self) -> None:
        """End the engine, if it was to end while a task ran that has ended."""
        if self._due:
            self._terminate()

    def _terminate(self) -> NoReturn:
        self.terminating = True
        raise Terminated

    def want(self, task: TaskId, error: BaseException) -> None:
        """Have an exception raised in a task, from any thread, if the main thread does it."""
        if task == self._current() or task in self.outer:
            self.wanted[task] = error
            self._sent += 1
            self._signal()
            insist = threading.Thread(target=self._insist, args=(task, self._sent), daemon=True)
            insist.start()

    def _signal(self) -> None:
        signal.pthread_kill(self._main.ident or 0, signal.SIGINT)

    def _insist(self, task: TaskId, number: int) -> None:
        """Send the signal again until its handler has run, as long as it concerns a task."""
        pause = AGAIN_AFTER
        while True:
            time.sleep(pause)
            if self._handled >= number or not (task == self._current() or task in self.outer):
                return
            self._signal()
            pause = min(2 * pause, AGAIN_AT_LEAST)

    def on_signal(self, _signum: int, _frame: FrameType | None) -> None:
        """Raise what is wanted; `KeyboardInterrupt` if the signal came from elsewhere."""
        task = self._current()
        if self._handled != self._sent:
            self._handled = self._sent
            for other in self.wanted.keys() - {task, *self.outer}:
                del self.wanted[other]
        elif task is not None and self.mood:
            self.wanted.setdefault(task, KeyboardInterrupt())
        if task is not None and task in self.wanted:
            if self.mood is _OPEN:
                raise self.wanted.pop(task)
            self._wake()

    def begin(self, task: TaskId) -> None:
        """Raise what was wanted in a task before its code ran; to be called when it is about to."""
        if task in self.wanted:
            raise self.wanted.pop(task)

    @property
    def pending(self) -> bool:
        """Whether something waits to be raised in the current task."""
        return bool(self.wanted) and self._current() in self.wanted

    def forget(self, task: TaskId) -> None:
        """Raise nothing in a task any more: it has ended."""
        self.wanted.pop(task, None)

    def held(self) -> "Held":
        """Return a context in which nothing is raised; what came is raised at its end.

        It does nothing on other threads than the main one.
        """
        return Held(self, on_main=threading.current_thread() is self._main)

    def hold(self) -> Mood:
        """Hold exceptions back from now on; return the mood before."""
        before = self.mood
        if before is _OPEN:
            self.mood = _HELD
        return before

    def release(self, before: Mood) -> None:
        """Be as before `hold`; raise what came meanwhile."""
        self.mood = before
        task = self._current()
        if before is _OPEN and task is not None and task in self.wanted:
            raise self.wanted.pop(task)


class Held:
    """A block that is not torn apart by exceptions that others want raised."""

    def __init__(self, interrupts: Interrupts, *, on_main: bool) -> None:
        self._interrupts = interrupts
        self._on_main = on_main
        self._before = Mood.CLOSED

    def __enter__(self) -> None:
        if self._on_main:
            self._before = self._interrupts.hold()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._on_main:
            self._interrupts.release(self._before)

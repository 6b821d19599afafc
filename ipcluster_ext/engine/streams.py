"""What a task prints: passed on to its client up to a limit, and beyond that only the last of it.

So a task that prints without end fills no memory but its own, and what it said last, which is what
one wants to know of it, arrives with its end.
"""

import io
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.text import legible

KEPT_PER_TASK = 10 * 1024 * 1024
"""So many characters of one task and stream are passed on as they come."""
KEPT_OF_THE_REST = 64 * 1024
"""Of what comes beyond these, so many are passed on when the task ends."""


class Written(NamedTuple):
    """Text that a task wrote to one of its streams."""

    task: TaskId
    stream: str
    text: str


class Rest:
    """What a task wrote beyond the limit: its end is kept, and the lines before that counted."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque()
        self._length = 0
        self._lines = 0
        self._characters = 0

    def add(self, text: str) -> None:
        """Take more."""
        self._texts.append(text)
        self._length += len(text)
        while self._length > KEPT_OF_THE_REST:
            first = self._texts.popleft()
            cut = min(len(first), self._length - KEPT_OF_THE_REST)
            self._lines += first.count("\n", 0, cut)
            self._characters += cut
            self._length -= cut
            if cut < len(first):
                self._texts.appendleft(first[cut:])

    def told(self) -> str:
        """Write what has been dropped, and what is left."""
        rest = "".join(self._texts)
        if not self._characters:
            return rest
        return f"\n[{self._lines} lines dropped, {self._characters} characters]\n{rest}"


Key = tuple[TaskId, str]
"""A task, and one of its streams."""


class Printed:
    """Collects what tasks write, from whichever thread.

    Parameters
    ----------
    current
        Returns the task that the caller belongs to, None if no task runs.

    Attributes
    ----------
    used
        Whether anything was written that `end_task` has not settled.
    """

    def __init__(self, current: Callable[[], TaskId | None]) -> None:
        self._current = current
        self._lock = threading.Lock()
        self._parts: dict[Key, list[str]] = {}
        self._lengths: dict[Key, int] = {}
        self._rests: dict[Key, Rest] = {}
        self._late: set[Key] = set()
        self._last: TaskId | None = None
        self.used = False

    @property
    def pending(self) -> bool:
        """Whether there is text that was not taken."""
        return bool(self._parts)

    def write(self, stream: str, text: str) -> None:
        """Add text to a stream of the current task, or of the one that wrote last."""
        with self._lock:
            task = self._current()
            late = task is None
            task = self._last if task is None else task
            if task is None:
                return
            self._last = task
            self._add((task, stream), text, late=late)

    def _add(self, key: Key, text: str, *, late: bool) -> None:
        self.used = True
        if late:
            self._late.add(key)
        length = self._lengths.get(key, 0)
        room = KEPT_PER_TASK - length
        if len(text) > room:
            self._rests.setdefault(key, Rest()).add(text[room:])
            text = text[:room]
        if text:
            self._lengths[key] = length + len(text)
            self._parts.setdefault(key, []).append(text)

    def take(self) -> list[Written]:
        """Take the text written since the last time."""
        with self._lock:
            parts, self._parts = self._parts, {}
        return [
            Written(task, stream, legible("".join(texts)))
            for (task, stream), texts in parts.items()
        ]

    def end_task(self, ended: TaskId) -> list[Written]:
        """Take what was written, with the end of what a task wrote beyond the limit."""
        written = self.take()
        with self._lock:
            over = {key for key in self._lengths if key[0] == ended} | self._late
            for key in over:
                self._lengths.pop(key, None)
                if (rest := self._rests.pop(key, None)) is not None:
                    written.append(Written(*key, legible(rest.told())))
            self._late.clear()
            self.used = bool(self._parts or self._lengths)
        return written


class TaskStream(io.TextIOBase):
    """A replacement for ``sys.stdout`` or ``sys.stderr``.

    Parameters
    ----------
    printed
        Where the text goes.
    name
        ``'stdout'`` or ``'stderr'``.
    fd
        The descriptor behind it, for code that asks; what is written there goes to the log.
    """

    def __init__(self, printed: Printed, name: str, fd: int) -> None:
        self._printed = printed
        self._name = name
        self._fd = fd

    @property
    def name(self) -> str:
        """The stream's name."""
        return f"<{self._name}>"

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Always UTF-8."""
        return "utf-8"

    def fileno(self) -> int:
        """Return the descriptor of the engine's log."""
        return self._fd

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return False."""
        return False

    def write(self, text: object) -> int:
        """Write text.

        Raises
        ------
        TypeError
            It is not text.
        """
        if not isinstance(text, str):
            msg = f"write() argument must be str, not {type(text).__name__}"
            raise TypeError(msg)
        self._printed.write(self._name, text)
        return len(text)

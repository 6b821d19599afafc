"""What a task prints: kept for its client, up to a limit, and counted beyond it."""

import io
import threading
from collections.abc import Callable
from typing import NamedTuple

from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.text import legible

KEPT_PER_TASK = 4 * 1024 * 1024
"""Characters of one task and stream that are passed on; what it prints beyond is only counted."""


class Written(NamedTuple):
    """Text that a task wrote to one of its streams."""

    task: TaskId
    stream: str
    text: str


class Printed:
    """Collects what the current task writes, from whichever thread.

    Parameters
    ----------
    current
        Returns the task that is being done, None between tasks.
    """

    def __init__(self, current: Callable[[], TaskId | None]) -> None:
        self._current = current
        self._lock = threading.Lock()
        self._parts: dict[str, list[str]] = {}
        self._lengths: dict[str, int] = {}
        self._dropped: dict[str, int] = {}
        self._task: TaskId | None = None

    @property
    def pending(self) -> bool:
        """Whether there is text that was not taken."""
        return bool(self._parts)

    def write(self, stream: str, text: str) -> None:
        """Add text to a stream of the current task, or of the last one."""
        with self._lock:
            if (task := self._current()) is not None:
                self._task = task
            room = KEPT_PER_TASK - self._lengths.get(stream, 0)
            if len(text) > room:
                self._dropped[stream] = self._dropped.get(stream, 0) + len(text) - room
                text = text[:room]
            if text:
                self._lengths[stream] = self._lengths.get(stream, 0) + len(text)
                self._parts.setdefault(stream, []).append(text)

    def take(self) -> list[Written]:
        """Take the text written since the last time."""
        with self._lock:
            parts, self._parts = self._parts, {}
            task = self._task
        if task is None:
            return []
        return [Written(task, stream, legible("".join(texts))) for stream, texts in parts.items()]

    def end_task(self) -> list[Written]:
        """Take what the current task has written, with a note of what was not kept."""
        written = self.take() if self._parts else []
        if self._lengths:
            with self._lock:
                task = self._task
                if task is not None:
                    written += [
                        Written(task, stream, f"\n[{count} more characters were not kept]\n")
                        for stream, count in self._dropped.items()
                    ]
                self._lengths.clear()
                self._dropped.clear()
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

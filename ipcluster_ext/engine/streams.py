"""What a task prints: passed on to its client up to a limit, and beyond that only the last of it.

So a task that prints without end fills no memory, not its own either, and what it said last, which
is what one wants to know of it, arrives with its end. All of it is kept in a file, where there is
room (`engine.fulltext`).

A print is as cheap as can be: it adds to a queue, without a lock, and somebody else takes what
waits. Only who prints faster than that is made to wait until it was passed on.
"""

import io
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from ipcluster_ext.engine.fulltext import FullTexts, Key
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.text import legible

KEPT_PER_TASK = 1024 * 1024
"""So many characters of one task and stream are passed on as they come: what a notebook can
still scroll through, 100,000 short lines among it."""
KEPT_OF_THE_REST = 64 * 1024
"""Of what comes beyond these, so many are passed on when the task ends."""
GLIMPSE = 512
"""Of what is not passed on yet, the last so many characters can be looked at."""
MUCH = 64 * 1024
"""Who writes while so many characters wait has to see to it that they are passed on."""
_KEY = itemgetter(0, 1)


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

    def told(self, stream: str) -> str:
        """Write how much is left out and how to get it, and what is left."""
        rest = "".join(self._texts)
        if not self._characters:
            return rest
        return (
            f"\n[{self._lines:,} lines left out here, {self._characters:,} characters; "
            f"all of it: ar.full_output({stream!r})]\n{rest}"
        )


class _Text:
    """How much of one stream of a task was passed on, and what was not."""

    def __init__(self) -> None:
        self.length = 0
        self.rest: Rest | None = None

    def pass_on(self, text: str) -> str:
        """Take text; return as much of it as is passed on."""
        room = KEPT_PER_TASK - self.length
        if len(text) > room:
            self.rest = self.rest or Rest()
            self.rest.add(text[room:])
            text = text[:room]
        self.length += len(text)
        return text


def _nothing() -> None:
    """Do nothing."""


class Printed:
    """Collects what tasks write, from whichever thread.

    Parameters
    ----------
    current
        Returns the task that the caller belongs to, None if no task runs.
    full
        Keeps all of it.

    Attributes
    ----------
    pending
        Whether there is text that was not taken.
    used
        Whether anything was written that `end_task` has not settled.
    on_text
        Called when text begins to wait.
    on_much
        Called when so much waits that it has to be taken at once.
    """

    def __init__(self, current: Callable[[], TaskId | None], full: FullTexts | None = None) -> None:
        self._current = current
        self._full = full
        self._waiting: deque[tuple[TaskId, str, str]] = deque()
        self._size = 0
        self._taking = threading.RLock()
        self._texts: dict[Key, _Text] = {}
        self._late: set[Key] = set()
        self._last: TaskId | None = None
        self._held_back: Written | None = None
        self.pending = self.used = False
        self.on_text = self.on_much = _nothing

    def write(self, stream: str, text: str) -> None:
        """Add text to a stream of the current task, or of the one that wrote last."""
        task = self._current()
        if task is None:
            task = self._last
            if task is None:
                return
            self._late.add((task, stream))
        else:
            self._last = task
        self._waiting.append((task, stream, text))
        self._size += len(text)  # of several threads one may be forgotten: it is no exact limit
        if not self.pending:
            self.pending = self.used = True
            self.on_text()
        elif self._size > MUCH:
            self.on_much()

    def forget(self) -> None:
        """Take no notice of what was written since the last time."""
        self._waiting.clear()
        self._size = 0

    def take(self) -> list[Written]:
        """Take the text written since the last time, as much of it as is passed on."""
        with self._taking:
            self.pending, self._size = False, 0
            taken = []
            with suppress(IndexError):  # what a finalizer printed in the midst of it is taken
                for _ in range(len(self._waiting)):
                    taken.append(self._waiting.popleft())  # noqa: PERF401 - else all were lost
            parts: dict[Key, list[str]] = {}
            for key, run in groupby(taken, _KEY):
                parts.setdefault(key, []).extend(text for _, _, text in run)
            return [
                Written(*key, passed)
                for key, texts in parts.items()
                if (passed := self._pass_on(key, legible("".join(texts))))
            ]

    def _pass_on(self, key: Key, text: str) -> str:
        if self._full is not None:
            self._full.add(key, text)
        passed = self._texts.setdefault(key, _Text()).pass_on(text)
        if len(passed) < len(text):
            self._held_back = Written(*key, text[-GLIMPSE:])
        return passed

    @property
    def holds_back(self) -> bool:
        """Whether there is something for `glimpse` to tell."""
        return self._held_back is not None

    def glimpse(self) -> Written | None:
        """Return the end of what was held back last, once; None if nothing was since."""
        with self._taking:
            held_back, self._held_back = self._held_back, None
            return held_back

    def end_task(self, ended: TaskId) -> list[Written]:
        """Take what was written, with the end of what a task wrote beyond the limit."""
        with self._taking:
            written = self.take()
            late, self._late = self._late, set()
            self._held_back = None
            for key in [key for key in self._texts if key[0] == ended or key in late]:
                rest = self._texts.pop(key).rest
                if rest is not None:
                    written.append(Written(*key, rest.told(key[1])))
                if self._full is not None:
                    self._full.end(key, keep=rest is not None)
            self.used = bool(self._texts)
            if self.pending:  # looked at last: another thread's task may have begun to write
                self.used = True
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
        self._put = printed.write
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
        self._put(self._name, text)
        return len(text)

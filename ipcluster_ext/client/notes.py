"""What running tasks say before they end: text, displays, data, progress."""

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from ipcluster_ext.protocol.displays import Displays, Event


class Progress(NamedTuple):
    """How far a task says that it is.

    Attributes
    ----------
    done
        How much is done.
    total
        How much there is to do; None if the task does not know.
    text
        What it does at the moment.
    """

    done: float
    total: float | None = None
    text: str = ""


_lock = threading.Lock()


class Notes:
    """What one task has said so far.

    It is added to on the thread that receives, and read on any.

    Attributes
    ----------
    data
        What it published, the latest value of each name.
    progress
        How far it is.
    lengths
        How much it wrote, in characters, by stream.
    events
        How many times it displayed something, or changed or dropped what it had.
    """

    __slots__ = ("_displays", "_texts", "data", "events", "lengths", "progress")

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._displays: Displays | None = None
        self.data: dict[str, Any] = {}
        self.progress: Progress | None = None
        self.lengths: dict[str, int] = {}
        self.events = 0

    def write(self, stream: str, text: str) -> None:
        """Take text."""
        self._texts.setdefault(stream, []).append(text)
        self.lengths[stream] = self.lengths.get(stream, 0) + len(text)

    def text(self, stream: str) -> str:
        """Return all that was written to a stream."""
        texts = self._texts.get(stream)
        if not texts:
            return ""
        if len(texts) > 1:
            with _lock:  # once for all that came; what comes meanwhile stays behind it
                count = len(texts)
                texts[:count] = ["".join(texts[:count])]
        return texts[0]

    def tail(self, stream: str, count: int) -> str:
        """Return the last so many characters that were written to a stream; costs no more."""
        found: list[str] = []
        left = count
        for text in reversed(self._texts.get(stream, [])):
            found.append(text[-left:])
            left -= len(found[-1])
            if left <= 0:
                break
        return "".join(reversed(found))

    @property
    def outputs(self) -> list[Event]:
        """What it displayed, each a dict with ``data`` and ``metadata``."""
        return [] if self._displays is None else self._displays.outputs

    def displayed(self) -> tuple[int, list[Event]]:
        """Return `events`, and what they have left."""
        with _lock:
            return self.events, list(self.outputs)

    def take(self, topic: str, value: Any) -> None:
        """Take anything else; what has no name here is left to others."""
        if topic == "display":
            with _lock:
                if self._displays is None:
                    self._displays = Displays()
                self._displays.take(value)
                self.events += 1
        elif topic == "data" and isinstance(value, Mapping):
            self.data.update(value)
        elif topic == "progress":
            self.progress = Progress(*value)

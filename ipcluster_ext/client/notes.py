"""What running tasks say before they end: text, displays, data, progress."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


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


@dataclass(slots=True, eq=False)
class Notes:
    """What one task has said so far.

    Attributes
    ----------
    written
        Text, by the stream's name.
    outputs
        What it displayed, each a dict with ``data`` and ``metadata``.
    data
        What it published, the latest value of each name.
    progress
        How far it is.
    """

    written: dict[str, str] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    progress: Progress | None = None

    def write(self, stream: str, text: str) -> None:
        """Take text."""
        self.written[stream] = self.written.get(stream, "") + text

    def take(self, topic: str, value: Any) -> None:
        """Take anything else; what has no name here is left to others."""
        if topic == "display":
            self.outputs.append(value)
        elif topic == "data" and isinstance(value, Mapping):
            self.data.update(value)
        elif topic == "progress":
            self.progress = Progress(*value)

"""What the hub wants done, gathered per destination.

A `Line` collects what one peer is to be told within one batch of events. Tasks of one
submission that go to one engine become one `Run`, results of one engine for one client one
`Results`, so the number of messages follows the number of destinations and not of tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ipcluster_ext.core.events import PeerId
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import Message, Results, Run
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec


class Mark:
    """Tells whether something has been received, or never will be."""

    __slots__ = ("arrived",)

    def __init__(self) -> None:
        self.arrived = False


Token = tuple[int, list[str]] | tuple[int, list[str], list[Mark]]
MARKED: Final = 3
"""The length of a token with marks."""


@dataclass(slots=True)
class Send:
    """Tell a peer something, in one packet.

    Attributes
    ----------
    frames
        The payload buffers of the messages, in order.
    token
        To come back in a `Delivered` event: the page of the journal where the outcomes stand that
        it tells of, 0 for none, the blobs that it names, and marks to be set, if there are any;
        None if nobody waits for it.
    patient
        Whether it waits until what was recorded in this batch is written: whoever asked for it
        asks the next hub again if this one dies before that.
    """

    peer: PeerId
    messages: list[Message]
    frames: list[Frame]
    token: Token | None = None
    patient: bool = False


@dataclass(slots=True)
class Dismiss:
    """Forget a peer after telling it what was sent before."""

    peer: PeerId


Effect = Send | Dismiss


class Line:
    """What one peer is to be told in this batch.

    Parameters
    ----------
    peer
        Whom.
    open_lines
        Where the line enters itself when there is something to tell.
    """

    __slots__ = (
        "_gathering", "_is_open", "_items", "_key", "_open_lines", "frames", "marks", "messages",
        "patient", "peer", "token",
    )  # fmt: skip

    def __init__(self, peer: PeerId, open_lines: "list[Line]") -> None:
        self.peer = peer
        self._open_lines = open_lines
        self._is_open = False
        self.messages: list[Message] = []
        self.frames: list[Frame] = []
        self.token: list[str] = []
        self.marks: list[Mark] = []
        self.patient = False
        self._gathering: type[Run] | type[Results] | None = None
        self._key: TaskSpec | EngineId | None = None
        self._items: list[Any] = []

    def _open(self) -> None:
        self._is_open = True
        self._open_lines.append(self)

    def say(self, message: Message) -> None:
        """Add a message."""
        if not self._is_open:
            self._open()
        self._close()
        self.messages.append(message)

    def order(self, message: Message) -> None:
        """Add what must not be done twice, although its asker may ask the next hub again."""
        self.say(message)
        self.patient = True

    def run(self, spec: TaskSpec, item: TaskItem, frames: Sequence[Frame]) -> None:
        """Add a task for an engine."""
        if self._key is not spec:
            if not self._is_open:
                self._open()
            self._close()
            self._gathering, self._key = Run, spec
        self._items.append(item)
        if frames:
            self.frames.extend(frames)

    def result(self, engine: EngineId, item: ResultItem, frames: Sequence[Frame]) -> None:
        """Add a result for a client."""
        if self._key != engine or self._gathering is not Results:
            if not self._is_open:
                self._open()
            self._close()
            self._gathering, self._key = Results, engine
        self._items.append(item)
        if frames:
            self.frames.extend(frames)

    def _close(self) -> None:
        if self._gathering is not None:
            self.messages.append(self._gathering(self._key, self._items))  # type: ignore[arg-type]
            self._gathering, self._key, self._items = None, None, []

    def take(self, page: int = 0) -> Send:
        """Return everything added since the last time as one effect.

        ``page`` is where the outcomes among it stand in the journal.
        """
        self._close()
        self._is_open = False
        tells = False
        if page:
            for message in self.messages:  # a generator would cost more than all of this
                tells = tells or type(message) is Results
        token: Token | None = None
        if self.marks:
            token = page if tells else 0, self.token, self.marks
            self.marks = []
        elif tells or self.token:
            token = page if tells else 0, self.token
        send = Send(self.peer, self.messages, self.frames, token, self.patient)
        self.messages, self.frames, self.token = [], [], []
        self.patient = False
        return send

"""Single submissions on their way out, gathered as messages of many tasks.

A message costs more than a task. So a submission that follows another within `GATHER_FOR`
waits for its successors, until there are `GATHER_MOST` of them, until the time is up, or until
anybody waits for an answer.
"""

from collections.abc import Sequence

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.messages import Message, Submit
from ipcluster_ext.protocol.parts import TaskItem, TaskSpec

GATHER_FOR = 0.001
GATHER_MOST = 128


class Outgoing:
    """Messages that have not been sent."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._frames: list[Frame] = []
        self._spec: TaskSpec | None = None
        self._items: list[TaskItem] = []
        self._count = 0
        self._sent_at = 0.0

    def __bool__(self) -> bool:
        return self._count > 0

    def add(self, spec: TaskSpec, item: TaskItem, frames: Sequence[Frame]) -> None:
        """Add a task; tasks with the very same spec become one message."""
        if spec is not self._spec:
            self._items = []
            self._spec = spec
            self._messages.append(Submit(spec, self._items))
        self._items.append(item)
        self._frames.extend(frames)
        self._count += 1

    def define(self, message: Message) -> None:
        """Add something that later tasks need."""
        self.tell([message])

    def tell(self, messages: Sequence[Message]) -> None:
        """Add what is to be said before the tasks that follow."""
        if messages:
            self._messages.extend(messages)
            self._spec = None
            self._count += 1

    def due(self, now: float, *, attended: bool = False) -> bool:
        """Tell whether to send at once rather than to gather.

        Whoever attends to an answer says nothing more before it comes: nothing would follow.
        """
        return attended or self._count >= GATHER_MOST or now - self._sent_at >= GATHER_FOR

    def take(self, now: float) -> tuple[list[Message], list[Frame]]:
        """Take all there is, to be sent now."""
        messages, frames = self._messages, self._frames
        self._messages, self._frames, self._items = [], [], []
        self._spec, self._count, self._sent_at = None, 0, now
        return messages, frames

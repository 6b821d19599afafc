"""A task that has ended, as the history remembers it."""

from collections.abc import Sequence

import msgspec

from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.journal import NOWHERE, Past
from ipcluster_ext.core.work import Key
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame, decode_failure
from ipcluster_ext.protocol.ids import EngineId, TaskId, client_of
from ipcluster_ext.protocol.parts import Blob, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import TaskStatus

_BAD_ENDS = frozenset({TaskStatus.FAILED, TaskStatus.LOST})


class Entry(msgspec.Struct, gc=False):
    """A task that has ended.

    Attributes
    ----------
    request, request_frames
        What it was called with; None once that is not kept any more.
    item, frames
        How it ended; without its payload once `kept` is False.
    engine
        Who ran it; -1 if the hub ended it.
    target
        The engine it had to run on; None for a balanced task.
    submitted, ended
        By the hub's monotonic clock.
    tries
        How often it was run, or was about to.
    kept
        Whether `item` and `frames` are whole, so that the result can be sent once more.
    why
        Name and text of its failure; kept when the payload leaves.
    resubmitted
        The task that did the same once more; 0 for none.
    retried
        Whether its client has submitted it again, perhaps as other tasks.
    orphan
        Whether its client was gone when it ended.
    row, end_row
        The pages of the journal where it stands that it came, and how it ended.
    """

    id: TaskId
    spec: TaskSpec
    request: TaskItem | None
    request_frames: Sequence[Frame]
    item: ResultItem
    frames: Sequence[Frame]
    engine: EngineId
    target: EngineId | None
    submitted: float
    ended: float
    tries: int
    kept: bool = True
    why: tuple[str, str] | None = None
    resubmitted: TaskId = TaskId(0)
    orphan: bool = False
    row: int = NOWHERE
    end_row: int = NOWHERE
    retried: bool = False

    @property
    def key(self) -> Key:
        """What it has in common with the other tasks of its work."""
        return client_of(self.id), self.spec.label, self.spec.function, self.spec.kind

    @property
    def is_retried(self) -> bool:
        """Whether it has been run again, or is to be."""
        return self.retried or bool(self.resubmitted)

    @property
    def has_failed(self) -> bool:
        """Whether it failed, or was lost."""
        return self.item.status in _BAD_ENDS

    @property
    def nbytes(self) -> int:
        """How many bytes of payload it keeps, frames and blobs included."""
        count = payload_nbytes(self.item) if self.kept else 0
        return count if self.request is None else count + payload_nbytes(self.request)

    @property
    def blobs(self) -> list[str]:
        """The blobs that its payload is in."""
        names = names_of(self.item.buffers) if self.kept else []
        return names if self.request is None else names + names_of(self.request.buffers)

    @property
    def failure(self) -> tuple[str, str]:
        """Name and text of its failure; empty if it has none."""
        if self.why is not None:
            return self.why
        if self.item.status is TaskStatus.DONE or not self.item.inline:
            return "", ""
        try:
            failure = decode_failure(self.item.inline)
        except ProtocolError:
            return "", ""
        return failure.ename, failure.evalue

    def drop_request(self) -> None:
        """Keep no longer what it was called with."""
        self.request, self.request_frames = None, ()

    def drop_result(self) -> None:
        """Keep no longer what it returned, but how it ended."""
        self.why = self.failure
        item = self.item
        self.item = ResultItem(item.id, item.status, item.started, item.completed, b"")
        self.frames, self.kept = (), False


def past_of(entry: Entry) -> Past:
    """Return the facts of a task that has ended."""
    item = entry.item
    return Past(
        entry.id, entry.spec, item.status, item.started, item.completed, entry.engine,
        entry.target, entry.submitted, entry.ended, entry.tries, entry.failure,
        entry.resubmitted, entry.orphan,
    )  # fmt: skip


def payload_nbytes(item: TaskItem | ResultItem) -> int:
    """Count the bytes of a payload, frames and blobs included."""
    count = len(item.inline)
    for buffer in item.buffers:
        count += buffer.nbytes if isinstance(buffer, Blob) else buffer
    return count

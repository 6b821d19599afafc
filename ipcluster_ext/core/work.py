"""A work: tasks that belong together, and how many of them there are."""

from dataclasses import dataclass

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import decode_failure
from ipcluster_ext.protocol.ids import ClientId
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.protocol.text import legible

MOST_ERROR = 300
"""So many characters of an error are kept."""

Key = tuple[ClientId, str, bytes, Kind]
"""What the tasks of a work have in common: client, label, digest and kind."""


@dataclass(slots=True, eq=False)
class Work:
    """Tasks that belong together.

    Attributes
    ----------
    number
        Its own, from 1.
    began, ended
        When its first task came, and when the last of those ended that there were, by the hub's
        monotonic clock.
    lull
        So long after that, it may go on.
    total
        How many tasks came, as far as this hub knows.
    live
        How many of them have not ended.
    failed, cancelled
        How many failed or were lost, and will never run as nobody wants them.
    retried
        How many of those that failed run again, or have.
    error
        What the first of those that failed says.
    aside
        Whether it is no work of anybody's, and is not to be seen.
    """

    number: int
    client: ClientId
    label: str
    name: str
    digest: bytes
    kind: Kind
    began: float
    lull: float
    ended: float = 0.0
    total: int = 0
    live: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    error: str = ""
    aside: bool = False

    @property
    def key(self) -> Key:
        """What its tasks have in common."""
        return self.client, self.label, self.digest, self.kind

    @property
    def is_shown(self) -> bool:
        """Whether it is somebody's."""
        return bool(self.client) and not self.aside

    def had(self, key: Key, submitted: float, ended: float) -> bool:
        """Tell whether a task that has ended was part of it.

        The history does not know works. Those that have all else in common follow each other, so
        time tells.
        """
        is_before = self.live > 0 or ended <= self.ended
        return key == self.key and self.began <= submitted and is_before

    def note(self, outcome: ResultItem) -> None:
        """Count a task that ended otherwise than well."""
        if outcome.status is TaskStatus.CANCELLED:
            self.cancelled += 1
            return
        self.failed += 1
        if not self.error:
            self.error = _words_of(outcome)


NOTHING = Work(0, ClientId(0), "", "", b"", Kind.APPLY, 0.0, -1.0)
"""The work of tasks that nobody counts."""


def _words_of(outcome: ResultItem) -> str:
    """Return what a failure says, in one line."""
    try:
        failure = decode_failure(outcome.inline)
    except ProtocolError:
        return outcome.status.name.lower()
    text = f"{failure.ename}: {failure.evalue}" if failure.evalue else failure.ename
    return legible(" ".join(text[: 2 * MOST_ERROR].split()))[:MOST_ERROR]

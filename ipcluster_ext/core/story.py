"""What happened to a task, told from a bounded log of what happened to batches of tasks."""

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ipcluster_ext.protocol.ids import TaskId

RECORDS = 512
FEW = 8


class _Record(NamedTuple):
    at: float
    what: str
    ids: Sequence[int]


class Chapter(NamedTuple):
    """One step of a task's life: when, by the hub's monotonic clock, and what."""

    at: float
    what: str


class Log:
    """The last batches of events.

    Parameters
    ----------
    records
        How many batches are remembered.
    """

    def __init__(self, records: int = RECORDS) -> None:
        self._records: deque[_Record] = deque(maxlen=records)

    def note(self, at: float, what: str, ids: Iterable[TaskId]) -> None:
        """Remember that something happened to these tasks."""
        self._records.append(_Record(at, what, _compact(list(ids))))

    def story(self, task: TaskId) -> list[Chapter]:
        """Tell what is remembered of a task, the oldest first."""
        return [Chapter(record.at, record.what) for record in self._records if task in record.ids]


def _compact(ids: list[TaskId]) -> Sequence[int]:
    """Keep ids in little space; those of one call are mostly consecutive."""
    if len(ids) <= FEW:
        return tuple(ids)
    lowest, highest = min(ids), max(ids)
    if highest - lowest == len(ids) - 1:
        return range(lowest, highest + 1)
    return array("Q", ids)

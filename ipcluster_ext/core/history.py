"""The tasks that have ended, as long as they are remembered: how they ended, and their payloads.

Three limits hold at any time: how many tasks, how many bytes of payload, how old. Beyond them
the oldest leave first, and payloads leave before the facts: a task whose payload is gone still
has a record, but neither its result can be fetched nor can it be run again.

Blobs are another matter, as they hold shared memory that others could use. They are kept for
results whose client is gone, so that another one can fetch them, up to a limit of their own; of
tasks whose client has its result only if `most_blob_nbytes` allows it, which is 0 at first.

`History.add` is on the way of every task and costs little more than making one object: tasks
whose payload is in their messages are gathered in segments, which are closed, stripped of their
payloads and dropped as a whole, a sixteenth of all at once. Only tasks that have frames, blobs
or no client any more are kept one by one. Whatever is dear (records, texts, comparisons) is done
when somebody asks (`core.records`).
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.entry import Entry, past_of, payload_nbytes
from ipcluster_ext.core.journal import NOWHERE, Journal, Past
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.parts import (
    ResultItem,
    TaskItem,
)

MOST = 10_000
MOST_NAMES = 1_000
MOST_NBYTES = 32 * 1024 * 1024
MOST_ORPHAN_NBYTES = 256 * 1024 * 1024
MAX_AGE = 7 * 24 * 3600.0
LARGE = 64 * 1024
"""A payload of so many bytes is remembered by this hub, but not by the next one."""
_SEGMENTS = 16

Names = Callable[[Iterable[str]], None]


class _Segment:
    """Tasks that ended one after the other, and whose payloads are in their messages."""

    __slots__ = ("entries", "latest", "nbytes")

    def __init__(self) -> None:
        self.entries: dict[TaskId, Entry] = {}
        self.nbytes = 0
        self.latest = 0.0

    def strip(self) -> None:
        """Drop all payloads."""
        for entry in self.entries.values():
            entry.drop_request()
            entry.drop_result()
        self.nbytes = 0


class _Shelf:
    """Tasks with large payloads, the oldest first, and the limit that these share."""

    __slots__ = ("entries", "most_nbytes", "nbytes")

    def __init__(self, most_nbytes: int) -> None:
        self.entries: OrderedDict[TaskId, Entry] = OrderedDict()
        self.most_nbytes = most_nbytes
        self.nbytes = 0

    def put(self, entry: Entry) -> None:
        """Add a task."""
        self.entries[entry.id] = entry
        self.nbytes += entry.nbytes

    def take(self, task: TaskId) -> Entry | None:
        """Remove a task; None if it is not here."""
        entry = self.entries.pop(task, None)
        if entry is not None:
            self.nbytes -= entry.nbytes
        return entry

    @property
    def oldest(self) -> Entry | None:
        """The task that has been here longest."""
        return next(iter(self.entries.values()), None)


class History:
    """Ended tasks, bounded by count, bytes and age.

    Parameters
    ----------
    most
        How many tasks are remembered.
    most_nbytes
        How many bytes of payload are kept: half of it for small ones, half for those that are
        frames. Blobs are not counted.
    max_age
        For how many seconds tasks are remembered.
    most_blob_nbytes
        How many bytes are kept of tasks that have something in blobs.
    most_orphan_nbytes
        How many bytes are kept, blobs included, of results whose client was gone.
    hold, release
        Called with the names of blobs that are kept from now on, or not any more.
    journal
        Keeps it beyond the hub's life.

    Attributes
    ----------
    names
        What the latest clients are called.
    """

    def __init__(
        self,
        *,
        most: int = MOST,
        most_nbytes: int = MOST_NBYTES,
        max_age: float = MAX_AGE,
        most_blob_nbytes: int = 0,
        most_orphan_nbytes: int = MOST_ORPHAN_NBYTES,
        hold: Names | None = None,
        release: Names | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._journal = journal if journal is not None else Journal()
        self._most = most
        self._max_age = max_age
        self._hold = hold
        self._release = release
        self._most_small = most_nbytes // 2
        self._segment_most = max(1, most // _SEGMENTS)
        self._segment_most_nbytes = self._most_small // _SEGMENTS
        self.names: dict[ClientId, str] = {}
        self._closed: deque[_Segment] = deque()
        self._open = _Segment()
        self._recent = self._open.entries
        self._bare = _Shelf(0)
        self._large = _Shelf(most_nbytes // 2)
        self._blobs = _Shelf(most_blob_nbytes)
        self._orphans = _Shelf(most_orphan_nbytes)
        self._shelves = (self._bare, self._large, self._blobs, self._orphans)

    # ------------------------------------------------------------ what the rules for tasks call

    def add(
        self,
        task: Task,
        item: ResultItem,
        engine: EngineId,
        frames: Sequence[Frame],
        now: float,
        orphan: bool = False,  # noqa: FBT001, FBT002 - this is called for every task
        end_row: int = NOWHERE,
    ) -> None:
        """Remember a task that has ended. Whatever is beyond the limits is forgotten.

        Blobs of the payload that are kept are held before this returns, so that the caller may
        release what it held itself, before or after, within the same batch of events.

        Parameters
        ----------
        task
            The task; it is not kept, so that neither its function nor its dependents are.
        item, frames
            Its outcome, as its client gets it.
        engine
            Who ran it; -1 if the hub ended it.
        now
            The hub's monotonic clock, in seconds.
        orphan
            Whether nobody gets the outcome, as the client is gone.
        end_row
            The page of the journal where the outcome stands, if not the one of now.
        """
        request = task.item
        entry = Entry(
            task.id, task.spec, request, task.frames, item, frames, engine, task.target,
            task.submitted, now, task.spec.retries - task.retries + 1, row=task.row,
        )  # fmt: skip
        if task.row:
            entry.end_row = end_row or self._journal.page
        if orphan or request.buffers or item.buffers:
            self._shelve(entry, orphan=orphan)
            return
        recent, segment = self._recent, self._open
        recent[task.id] = entry
        segment.nbytes += len(request.inline) + len(item.inline)
        if len(recent) >= self._segment_most or segment.nbytes > self._segment_most_nbytes:
            self._close(now)

    def introduce(self, client: ClientId, name: str) -> None:
        """Note what a client is called; of the latest clients only."""
        self.names.pop(client, None)
        self.names[client] = name
        self._journal.named(client, name)
        if len(self.names) > MOST_NAMES:
            oldest = next(iter(self.names))
            del self.names[oldest]
            self._journal.unnamed(oldest)

    def get(self, task: TaskId) -> Entry | None:
        """Return a task that has ended, None if it is not remembered (any more)."""
        for entries in self._all:
            entry = entries.get(task)
            if entry is not None:
                return entry
        return None

    def forget(self, tasks: Iterable[TaskId]) -> int:
        """Remember these tasks no longer.

        Returns
        -------
        How many of them were remembered.
        """
        return sum([self._forget(task) for task in tasks])

    def _forget(self, task: TaskId) -> bool:
        for segment in (self._open, *self._closed):
            if (entry := segment.entries.pop(task, None)) is not None:
                segment.nbytes -= entry.nbytes
                self._unrecord(entry)
                return True
        for shelf in self._shelves:
            if (entry := shelf.take(task)) is not None:
                self._let_go(entry.blobs)
                self._unrecord(entry)
                return True
        return False

    def strip(self, task: TaskId) -> None:
        """Keep of a task whose outcome lies in blobs only the facts: its client has had it."""
        entry = self._orphans.entries.get(task)
        if entry is not None and entry.blobs:
            self._strip(entry, self._orphans)

    def _unrecord(self, entry: Entry) -> None:
        self._journal.release(entry.row)
        self._journal.outlast(entry.row, entry.end_row)

    def _record_anew(self, entry: Entry) -> None:
        """Have the journal keep of a task what is kept of it here: nothing but the facts."""
        if entry.row:
            came, ended = entry.row, entry.end_row
            entry.row, entry.end_row = self._journal.past(past_of(entry)), NOWHERE
            self._journal.release(came)
            self._journal.need(entry.row)
            self._journal.outlast(came, entry.row)
            self._journal.release(ended)

    def restore(self, past: Past, row: int) -> None:
        """Remember what the hub before this one remembered of a task."""
        self._forget(past.id)
        item = ResultItem(past.id, past.status, past.started, past.completed, b"")
        entry = Entry(
            past.id, past.spec, None, (), item, (), past.engine, past.target, past.submitted,
            past.ended, past.tries, kept=False, why=past.why, resubmitted=past.resubmitted,
            orphan=past.orphan, row=row,
        )  # fmt: skip
        self._journal.need(row)
        self._bare.put(entry)

    # ------------------------------------------------------------ what can be asked

    def __len__(self) -> int:
        return sum(map(len, self._all))

    def __iter__(self) -> Iterator[Entry]:
        """Yield all that is remembered, in no order."""
        return chain.from_iterable(entries.values() for entries in self._all)

    def since(self, then: float) -> Iterator[Entry]:
        """Yield what ended after a moment, the latest of those with alike payloads first."""
        segments = (segment.entries for segment in reversed(self._closed))
        shelves = (shelf.entries for shelf in self._shelves)
        for entries in chain((self._recent,), segments, shelves):
            for entry in reversed(entries.values()):
                if entry.ended <= then:
                    break
                yield entry

    @property
    def _all(self) -> Iterator[dict[TaskId, Entry]]:
        yield self._recent
        for segment in self._closed:
            yield segment.entries
        for shelf in self._shelves:
            yield shelf.entries

    @property
    def nbytes(self) -> int:
        """How many bytes of payload are kept, blobs included."""
        small = sum(segment.nbytes for segment in (self._open, *self._closed))
        return small + sum(shelf.nbytes for shelf in self._shelves)

    @property
    def blobs(self) -> list[str]:
        """The blobs that are held, once for each task."""
        return [name for entry in self for name in entry.blobs]

    # ------------------------------------------------------------ small payloads

    def _close(self, now: float) -> None:
        """Close a segment, and forget what is beyond the limits."""
        self._open.latest = now
        self._closed.append(self._open)
        self._open = _Segment()
        self._recent = self._open.entries
        nbytes = sum(segment.nbytes for segment in self._closed)
        for segment in self._closed:
            if nbytes <= self._most_small:
                break
            nbytes -= segment.nbytes
            if segment.nbytes:
                segment.strip()
                for entry in segment.entries.values():
                    self._record_anew(entry)
        self.shrink(now)

    def shrink(self, now: float) -> None:
        """Forget what is too old, and the oldest of what is too much."""
        horizon = now - self._max_age
        while self._closed and self._closed[0].latest < horizon:
            self._drop_segment()
        for shelf in self._shelves:
            while (oldest := shelf.oldest) is not None and oldest.ended < horizon:
                self._forget(oldest.id)
        count = self._count
        while count > self._most:
            count -= self._forget_oldest()

    @property
    def _count(self) -> int:
        """How many there will be when the open segment is full."""
        return len(self) + self._segment_most - len(self._recent)

    def _forget_oldest(self) -> int:
        """Forget the oldest segment, or the oldest on a shelf; return how many that were."""
        shelved = [entry for shelf in self._shelves if (entry := shelf.oldest) is not None]
        oldest = min(shelved, key=lambda entry: entry.ended, default=None)
        if oldest is None and not self._closed:
            return self._most
        if oldest is None or (self._closed and self._closed[0].latest < oldest.ended):
            return self._drop_segment()
        self._forget(oldest.id)
        return 1

    def _drop_segment(self) -> int:
        """Forget the oldest segment; return how many tasks were in it."""
        entries = self._closed.popleft().entries
        for entry in entries.values():
            if entry.row:
                self._unrecord(entry)
        return len(entries)

    # ------------------------------------------------------------ large payloads

    def _shelve(self, entry: Entry, *, orphan: bool) -> None:
        """Keep what may be kept of a task that has frames, or blobs, or no client."""
        self._forget(entry.id)  # its client may have used the id once more
        entry.orphan = orphan
        shelf = self._shelf_for(entry)
        if not entry.kept or (entry.nbytes >= LARGE and not orphan):
            self._record_anew(entry)
        names = entry.blobs
        if names and self._hold is not None:
            self._hold(names)
        shelf.put(entry)
        while shelf.nbytes > shelf.most_nbytes and (oldest := shelf.oldest) is not None:
            self._strip(oldest, shelf)
        if self._count > self._most:
            self.shrink(entry.ended)

    def _shelf_for(self, entry: Entry) -> _Shelf:
        """Choose the shelf, and drop what would not fit on it even alone."""
        request, item = entry.request, entry.item
        if request is not None and not self._fits(request):
            entry.drop_request()
        if entry.orphan:
            return self._orphans
        if not self._fits(item):
            entry.drop_result()
        return self._blobs if entry.blobs else self._large

    def _fits(self, item: TaskItem | ResultItem) -> bool:
        shelf = self._blobs if names_of(item.buffers) else self._large
        return payload_nbytes(item) <= shelf.most_nbytes

    def _strip(self, entry: Entry, shelf: _Shelf) -> None:
        """Drop the payload of a task, and keep its record."""
        shelf.take(entry.id)
        self._let_go(entry.blobs)
        entry.drop_request()
        entry.drop_result()
        self._record_anew(entry)
        self._bare.put(entry)

    def _let_go(self, names: list[str]) -> None:
        if names and self._release is not None:
            self._release(names)

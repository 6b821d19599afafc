"""What must outlive the hub: its decisions, recorded page by page.

Each batch of events fills two pages: one of facts that live long (functions, engines, names, what
engines run first), one of tasks: what was submitted, how it ended, what became of it in between.
A page is kept as long as somebody needs one of its records: a task that has not ended, the
history, a client that has not received an outcome. Whoever writes pages down knows nothing of
their meaning; `core.recovery` reads them.

Whatever stands on a page that was not written when the hub died is said again by whoever said it:
nothing is acknowledged before the pages that follow from it are written.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ipcluster_ext.core.task import Task
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.messages import EngineExited, Prepare, Steer, Submit, SubmitEach
from ipcluster_ext.protocol.parts import ResultItem, TaskSpec
from ipcluster_ext.protocol.status import TaskStatus

MOST_STEERED = 16
"""So many requests of a client to do something with engines are kept: it may repeat each."""
NOWHERE = 0
"""The page of what is not recorded."""


class _Record(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="r"):
    """Something on a page; its tag is its number in the file."""


class Submitted(_Record, frozen=True, tag=1):
    """Tasks that came, with their frames; those that were known already are among them."""

    message: Submit | SubmitEach


class Ended(_Record, frozen=True, tag=2):
    """Outcomes, with their frames, of tasks that one engine ended, or the hub (-1)."""

    engine: EngineId
    items: list[ResultItem]


class Changed(_Record, frozen=True, tag=3):
    """What has become of a task that was tried in vain, or that nobody wants any more."""

    task: TaskId
    retries: int
    tries: int
    killed: list[tuple[EngineId, str]]
    avoid: tuple[EngineId, ...]
    unwanted: bool
    graces: tuple[float, ...] = ()


class Defined(_Record, frozen=True, tag=4):
    """A function."""

    digest: bytes
    pickled: bytes


class Prepared(_Record, frozen=True, tag=5):
    """What every engine runs first, with its frames; ``boots`` are the lives that have already."""

    client: ClientId
    message: Prepare
    boots: list[int] = []


class Posted(_Record, frozen=True, tag=6):
    """All engines that an agent is to have, with their resources; and the next engine's id.

    Those that are ``retiring`` end when they have finished what they have. ``far``, ``set`` and
    ``host`` are as in the agent's greeting.
    """

    agent: int
    engines: dict[EngineId, dict[str, float]]
    next: EngineId
    retiring: list[EngineId] = []
    far: bool = False
    set: str = ""
    host: str = ""


class Named(_Record, frozen=True, tag=7):
    """What a client is called."""

    client: ClientId
    name: str


class Steered(_Record, frozen=True, tag=8):
    """What a client asked to be done with engines, which lives it meant, and the answer."""

    client: ClientId
    message: Steer
    engines: list[EngineId]
    boots: list[int]
    refused: str


class Past(_Record, frozen=True, tag=9):
    """The facts of a task that has ended, in place of what was called and what came of it."""

    id: TaskId
    spec: TaskSpec
    status: TaskStatus
    started: float
    completed: float
    engine: EngineId
    target: EngineId | None
    submitted: float
    ended: float
    tries: int
    why: tuple[str, str]
    resubmitted: TaskId
    orphan: bool


class Tried(_Record, frozen=True, tag=10):
    """What an engine said of a task that nobody had named, and that may be tried again."""

    engine: EngineId
    item: ResultItem


class Died(_Record, frozen=True, tag=11):
    """An engine of an agent's died with a task that no client has named yet, so many times."""

    agent: int
    exited: EngineExited
    task: TaskId
    times: int


class Ordered(_Record, frozen=True, tag=12):
    """For how many more engines of each set agents were ordered to be started, ever."""

    sets: dict[str, int]


Record = (
    Submitted | Ended | Changed | Defined | Prepared | Posted | Named | Steered | Past | Tried
    | Died | Ordered
)  # fmt: skip


class Page(msgspec.Struct, frozen=True, array_like=True):
    """Records of one batch; ``at`` is the hub's monotonic clock."""

    at: float
    records: list[Record]


Written = tuple[int, list[Frame]]
"""A page as it is written: its number, and its bytes with the frames of its records."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Page).decode


def read_page(data: Frame) -> Page:
    """Read a page.

    Raises
    ------
    ProtocolError
        It is none.
    """
    try:
        return _decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ProtocolError(f"a page of the journal cannot be read: {error}") from None


class Journal:
    """The pages that are being filled, and who needs which of those before.

    Attributes
    ----------
    on
        Whether anything is recorded at all.
    page, facts
        The numbers of the pages for tasks, and for facts, in this batch; `NOWHERE` while nothing
        is recorded.
    """

    def __init__(self) -> None:
        self.on = False
        self.page = self.facts = NOWHERE
        self._next = 1
        self._records: list[Record] = []
        self._frames: list[Frame] = []
        self._facts: list[Record] = []
        self._fact_frames: list[Frame] = []
        self._ended: list[ResultItem] = []
        self._ended_on: EngineId | None = None
        self._needed: dict[int, int] = {}
        self._behind: dict[int, dict[int, int]] = {}
        self._unneeded: list[int] = []
        self._posted: dict[int, int] = {}
        self._named: dict[ClientId, int] = {}
        self._steered: dict[ClientId, deque[int]] = {}
        self._ordered = NOWHERE

    @property
    def needed(self) -> dict[int, int]:
        """How often each page is needed."""
        return dict(self._needed)

    def open(self, after: int = 0) -> None:
        """Begin to record, on pages behind those that are there."""
        self.on = True
        self._next = max(self._next, after + 1)
        self._turn()

    def _turn(self) -> None:
        self.facts, self.page = self._next, self._next + 1

    # ------------------------------------------------------------ what is recorded

    def submitted(self, message: Submit | SubmitEach, frames: Iterable[Frame], count: int) -> None:
        """Record tasks that came, so many of them new."""
        if self.on and count:
            self._close()
            self._records.append(Submitted(message))
            self._frames.extend(frames)
            self.need(self.page, count)

    def ended(self, item: ResultItem, frames: Sequence[Frame], engine: EngineId) -> None:
        """Record an outcome, for the history."""
        if engine != self._ended_on:
            self._close()
            self._ended_on = engine
        self._ended.append(item)
        if frames:
            self._frames.extend(frames)

    def _close(self) -> None:
        if self._ended_on is not None:
            self._records.append(Ended(self._ended_on, self._ended))
            self.need(self.page, len(self._ended))
            self._ended_on, self._ended = None, []

    def changed(self, task: Task) -> None:
        """Record what has become of a task that goes on."""
        if not self.on or not task.row:
            return
        extra = task.extras
        self._close()
        avoid = task.lane.avoid
        changed = Changed(
            task.id, task.retries, extra.tries, extra.killed, avoid, extra.unwanted, extra.graces
        )  # fmt: skip
        self._records.append(changed)
        self.need(self.page)
        extra.row = self.instead_of(extra.row, self.page)

    def tried(self, item: ResultItem, engine: EngineId) -> int:
        """Record what an engine said of a task that nobody has named; return the page."""
        return self._fact(Tried(engine, item))

    def past(self, past: Past) -> int:
        """Record the facts of a task that has ended; return the page, not that of its payload."""
        return self._fact(past)

    def died(self, agent: int, exited: EngineExited, task: TaskId, times: int) -> int:
        """Record that an engine died with a task that nobody has named; return the page."""
        return self._fact(Died(agent, exited, task, times))

    def defined(self, digest: bytes, pickled: bytes) -> int:
        """Record a function; return the page, which is needed as long as the function is."""
        return self._fact(Defined(digest, pickled))

    def prepared(
        self, client: ClientId, message: Prepare, frames: Iterable[Frame], boots: Iterable[int]
    ) -> int:
        """Record what every engine runs first, and which lives have; return the page."""
        return self._fact(Prepared(client, message, list(boots)), frames)

    def posted(self, posted: Posted) -> None:
        """Record all engines that an agent is to have, in place of those it had."""
        page = self._fact(posted)
        self._posted[posted.agent] = self.instead_of(self._posted.get(posted.agent, NOWHERE), page)

    def ordered(self, sets: Mapping[str, int]) -> None:
        """Record how many more engines of each set were ordered, ever."""
        self._ordered = self.instead_of(self._ordered, self._fact(Ordered(dict(sets))))

    def agent_left(self, agent: int) -> None:
        """Forget an agent."""
        self.release(self._posted.pop(agent, NOWHERE))

    def named(self, client: ClientId, name: str) -> None:
        """Record what a client is called."""
        if self.on and client not in self._named:
            self._named[client] = self._fact(Named(client, name))

    def unnamed(self, client: ClientId) -> None:
        """Forget what a client is called."""
        self.release(self._named.pop(client, NOWHERE))

    def steered(
        self,
        client: ClientId,
        message: Steer,
        engines: list[EngineId],
        boots: list[int],
        refused: str,
    ) -> None:
        """Record what was done with engines at a client's request; of its last ones only."""
        self._keep_steered(client, self._fact(Steered(client, message, engines, boots, refused)))

    def _keep_steered(self, client: ClientId, page: int) -> None:
        pages = self._steered.setdefault(client, deque())
        pages.append(page)
        if len(pages) > MOST_STEERED:
            self.release(pages.popleft())

    def client_left(self, client: ClientId) -> None:
        """Forget what a client asked for last."""
        for page in self._steered.pop(client, ()):
            self.release(page)

    def _fact(self, record: Record, frames: Iterable[Frame] = ()) -> int:
        if not self.on:
            return NOWHERE
        self._facts.append(record)
        self._fact_frames.extend(frames)
        self.need(self.facts)
        return self.facts

    # ------------------------------------------------------------ what was read

    def found(self, number: int) -> None:
        """Learn of a page that is there already."""
        self._needed.setdefault(number, 0)
        self._next = max(self._next, number + 1)

    def found_posted(self, agent: int, page: int) -> None:
        """Learn where it stands which engines an agent is to have."""
        self.need(page)
        self._posted[agent] = self.instead_of(self._posted.get(agent, NOWHERE), page)

    def found_ordered(self, page: int) -> None:
        """Learn where it stands how many more engines were ordered."""
        self.need(page)
        self._ordered = self.instead_of(self._ordered, page)

    def found_name(self, client: ClientId, page: int) -> None:
        """Learn where it stands what a client is called."""
        self.need(page)
        self._named[client] = self.instead_of(self._named.get(client, NOWHERE), page)

    def found_steered(self, client: ClientId, page: int) -> None:
        """Learn where it stands what a client asked for last."""
        self.need(page)
        self._keep_steered(client, page)

    def unneeded_so_far(self) -> None:
        """Let go of the pages that were found and that nobody needs."""
        for number in [number for number, count in self._needed.items() if count <= 0]:
            self._let_go(number)

    # ------------------------------------------------------------ who needs what

    def need(self, page: int, times: int = 1) -> None:
        """Note that somebody needs a page."""
        if page and times:
            self._needed[page] = self._needed.get(page, 0) + times

    def release(self, page: int) -> None:
        """Note that one who needed a page needs it no more."""
        if not page:
            return
        left = self._needed.get(page, 0) - 1
        self._needed[page] = left
        if left <= 0 and page < self.facts:
            self._let_go(page)

    def _let_go(self, page: int) -> None:
        """Let go of a page, and then of those that had to be there as long as it was."""
        del self._needed[page]
        self._unneeded.append(page)
        self._release_behind(page)

    def _release_behind(self, page: int) -> None:
        for other, times in self._behind.pop(page, {}).items():
            for _ in range(times):
                self.release(other)

    def outlast(self, page: int, other: int) -> None:
        """Have somebody's need of another page last as long as a page is there.

        So it stands somewhere that a task has ended as long as it stands somewhere that it came:
        else it would run again.
        """
        if self._needed.get(page, 0) <= 0 or page == other:
            self.release(other)
        elif other:
            behind = self._behind.setdefault(page, {})
            behind[other] = behind.get(other, 0) + 1

    def instead_of(self, old: int, new: int) -> int:
        """Let go of one page for another, and return that."""
        self.release(old)
        return new

    def take(self, now: float) -> list[Written]:
        """Return the pages of this batch that have to be written, and begin new ones."""
        if not self.on:
            return []
        self._close()
        if not (self._records or self._facts):
            return []
        pages: list[Written] = []
        unwritten: list[int] = []
        for number, records, frames in (
            (self.facts, self._facts, self._fact_frames),
            (self.page, self._records, self._frames),
        ):
            if not records:
                continue
            if self._needed.get(number, 0) > 0:
                pages.append((number, [_encode(Page(now, records)), *frames]))
            else:
                self._needed.pop(number, None)
                unwritten.append(number)
        self._next = self.page + 1
        self._turn()
        self._facts, self._fact_frames = [], []
        self._records, self._frames = [], []
        for number in unwritten:
            self._release_behind(number)
        return pages

    def take_unneeded(self) -> list[int]:
        """Return the pages that nobody needs any more, since the last time."""
        unneeded, self._unneeded = self._unneeded, []
        return unneeded

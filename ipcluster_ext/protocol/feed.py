"""The messages of the status feed: what a cluster is doing, told as it changes.

They are part of the wire as `protocol.messages` describes it. A client asks for the feed once
(`Watch`) and is told (`Status`): at first everything, then what has changed. Agents measure what
their engines use only while somebody watches (`Measure`, `Vitals`).
"""

from typing import Literal

import msgspec

from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.parts import Bounds, Part

EngineState = Literal["starting", "idle", "busy", "unresponsive", "retiring", "dead"]
"""How an engine is. One that retires has, or may have, something to finish; one that is dead was
given up by its agent."""
ClusterState = Literal["recovering", "empty", "starting", "ready"]
"""How a cluster is: its hub takes over from another; nobody is to run; not everybody who is to
runs; all run."""
FeedPart = Literal["engines", "work", "totals", "spans", "lines"]
"""What can be watched; `Spans` and lines are told to those only who ask for them."""

LEAST_INTERVAL = 0.1
"""Nobody is told more often than once in so many seconds."""


class _Message(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="t"):
    """A message; its tag is its number on the wire."""


class EngineRow(Part, frozen=True):
    """An engine, as it is now.

    ``task`` is what it runs, 0 for nothing, ``label`` what that is called. ``since`` is when it
    began that, or had nothing to do any more; in seconds since the epoch by the hub's clock, as
    all times here. ``queued`` are the tasks that it has beside, or that wait for it. ``ended``
    counts the tasks that it has ended in all its lives, ``failed`` those of them that failed.
    ``cpu`` is a fraction of one processor, ``nbytes`` its memory; both None where nobody measured.
    ``limit`` is how much memory it may use, or there is for all engines of its host; 0 if that is
    not known.
    """

    id: EngineId
    state: EngineState
    host: str = ""
    pid: int = 0
    task: TaskId = TaskId(0)
    label: str = ""
    since: float = 0.0
    queued: int = 0
    ended: int = 0
    failed: int = 0
    cpu: float | None = None
    nbytes: int | None = None
    limit: int = 0
    reason: str = ""


class WorkRow(Part, frozen=True):
    """Tasks that belong together: a map, or calls of one function under one label.

    ``number`` is its own as long as the hub lives. ``client`` is its owner, ``session`` what that
    is called; ``name`` is the function's, ``kind`` what engines do with it. ``done``, ``failed``,
    ``cancelled``, ``running`` and ``queued`` are numbers of tasks, which are chunks of a map.
    ``ended`` is 0 as long as one of them has not. ``error`` is what the first that failed said, and
    ``retried`` is how many of those that failed run again, or have.
    """

    number: int
    client: ClientId
    session: str
    label: str
    name: str
    kind: str
    done: int
    failed: int
    cancelled: int
    running: int
    queued: int
    began: float
    ended: float = 0.0
    error: str = ""
    retried: int = 0

    @property
    def title(self) -> str:
        """What it is called: its label, or else its function, or what engines do."""
        return self.label or self.name or self.kind

    @property
    def total(self) -> int:
        """How many tasks there are, as far as they were submitted."""
        return self.done + self.failed + self.cancelled + self.running + self.queued

    @property
    def over(self) -> int:
        """How many of them will not run any more."""
        return self.done + self.failed + self.cancelled


class Totals(Part, frozen=True):
    """The whole cluster.

    ``wanted`` is how many engines there are to be, ``ready`` how many of them can be given work,
    ``busy`` how many have some. ``queued``, ``running``, ``ended`` and ``failed`` (a part of
    these) are numbers of tasks, counted since the hub was started. ``bounds`` are those of the
    number of engines, if that follows the work.
    """

    state: ClusterState
    wanted: int
    ready: int
    busy: int
    queued: int
    running: int
    ended: int
    failed: int
    clients: int
    bounds: Bounds | None = None


class Span(Part, frozen=True):
    """Tasks that an engine ran one after the other, mostly one.

    ``title`` is the place in `Spans.titles` of what they are called. ``began`` and ``ended`` are
    by the engine's clock. Short tasks without a pause between them may be told as one span, of
    ``count`` tasks; they have failed all, or none.
    """

    engine: EngineId
    title: int
    began: float
    ended: float
    failed: bool = False
    count: int = 1


class Spans(Part, frozen=True):
    """Which tasks have ended since the last time, when and where they ran.

    ``left_out`` is how many more ended than are told of: there were too many.
    """

    titles: list[str]
    spans: list[Span]
    left_out: int = 0


class Watch(_Message, frozen=True, tag=77):
    """Ask for the status feed: every ``interval`` seconds at most; 0 ends it.

    A client may have several, each with a ``request`` of its own. Answered by `Status`, as often
    as something changes, and not before the last one was received.
    """

    request: int
    interval: float
    parts: tuple[FeedPart, ...] = ("engines", "work", "totals")


class Status(_Message, frozen=True, tag=36):
    """What has changed since the `Status` before; everything in that of ``number`` 1.

    ``gone`` are the engines, and ``past`` the work, that are not shown any more. ``spans`` are of
    tasks that have ended meanwhile; at first, of those that ended in the last minutes. ``lines``
    are what engines wrote last, as `protocol.text.last_line` has it; empty if nothing.
    """

    request: int
    number: int
    engines: list[EngineRow] = []
    gone: list[EngineId] = []
    work: list[WorkRow] = []
    past: list[int] = []
    totals: Totals | None = None
    spans: Spans | None = None
    lines: dict[EngineId, str] = {}


class Withdraw(_Message, frozen=True, tag=79):
    """Take back all tasks of a work, whoever has submitted them; as `Cancel` does.

    With ``begun`` those that run are stopped, too, as by `Interrupt`. The work is that of this
    ``number`` if it has this ``client`` and ``began`` then, as `WorkRow` says: another hub may have
    given the number to another. Answered by `Cancelled` with those that will never run; the owner
    gets their outcomes.
    """

    request: int
    number: int
    client: ClientId
    began: float
    begun: bool = False
    graces: list[float] = []


class Redo(_Message, frozen=True, tag=80):
    """Run the tasks of a work once more that failed, and were not run again; answered by `Redone`.

    They run as tasks of a client that is not there, of the owner's session: their results are
    kept for whoever fetches them.
    """

    request: int
    number: int
    client: ClientId
    began: float


class Redone(_Message, frozen=True, tag=37):
    """Answer to `Redo`: so many tasks of ``client`` run again; ``missing`` says why others do not.

    A reason comes with the number of tasks.
    """

    request: int
    client: ClientId
    count: int
    missing: dict[str, int] = {}


class Retried(_Message, frozen=True, tag=87):
    """From a client: what these tasks were to do it has submitted again, as they had failed.

    It may have put it together otherwise, as other chunks of a map. Nobody else is to run them.
    """

    ids: list[TaskId]


class Glimpse(_Message, frozen=True, tag=82):
    """What a task wrote last of what its client is told when it ends, as there is so much.

    From engine to hub, for those who watch; once a second at most.
    """

    id: TaskId
    stream: str
    text: str


class Measure(_Message, frozen=True, tag=47):
    """Have an agent tell what its engines use, every so many seconds; 0 ends that."""

    every: float


class Vital(Part, frozen=True):
    """What an engine uses: a fraction of one processor, if that is known, and bytes of memory."""

    engine: EngineId
    cpu: float | None
    nbytes: int


class Vitals(_Message, frozen=True, tag=69):
    """What engines of an agent use, as far as that has changed.

    ``limit`` is for each of them, if there is such a limit, else for all together.
    """

    engines: list[Vital]
    limit: int

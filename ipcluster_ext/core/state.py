"""Everything the hub knows, each fact in one place; the rules are with those who change it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from ipcluster_ext.core.blobs import Blobs, names_of
from ipcluster_ext.core.chance import Chance
from ipcluster_ext.core.effects import MARKED, Dismiss, Effect, Line, Token
from ipcluster_ext.core.engines import Agent, Engine
from ipcluster_ext.core.events import PeerId
from ipcluster_ext.core.function import Function
from ipcluster_ext.core.history import MAX_AGE, MOST, History
from ipcluster_ext.core.journal import NOWHERE, Journal
from ipcluster_ext.core.library import Library
from ipcluster_ext.core.policy import LeastLoad
from ipcluster_ext.core.queue import Queue
from ipcluster_ext.core.recovered import Claim, Outcome, Recovered
from ipcluster_ext.core.sent import Sent
from ipcluster_ext.core.story import Log
from ipcluster_ext.core.task import Condition, Task
from ipcluster_ext.core.timers import Timers
from ipcluster_ext.core.values import Store
from ipcluster_ext.core.works import Works
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, owner_of_blob
from ipcluster_ext.protocol.messages import Engines, FreeBlobs, Notice, SweepBlobs
from ipcluster_ext.protocol.parts import (
    Bounds,
    Buffers,
    EngineInfo,
    ResultItem,
    TaskItem,
    TaskSpec,
)
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus
from ipcluster_ext.protocol.text import legible

MOST_DEPARTED = 16
MOST_UNSEEN = 1_000
"""So many lives of engines are remembered that ended where nobody could look; clients may yet name
tasks that they handed to them."""
MOST_UNTOLD = 20
TOLD_FOR = 60.0
"""So long after the first client was told something, others that come are told as well."""


@dataclass(slots=True, eq=False)
class Client:
    """A client, as long as it is connected.

    Attributes
    ----------
    lags
        Whether too much that it was told is under way to it.
    owed
        The outcomes that it has not been told, and the pages of the journal where they stand.
    dropped
        How many pieces of output it was not told.
    """

    id: ClientId
    line: Line
    lags: bool = False
    owed: deque[tuple[TaskId, int]] = field(default_factory=deque)
    dropped: int = 0


@dataclass(slots=True, eq=False)
class Preparation:
    """What every engine runs before any other task.

    Attributes
    ----------
    owner
        The client that wants it.
    row
        The page of the journal that it stands on.
    told
        The lives of engines that were told by tasks of the owner's.
    """

    owner: ClientId
    spec: TaskSpec
    item: TaskItem
    frames: Sequence[Frame]
    function: Function
    row: int = NOWHERE
    told: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the hub runs: what it tells everybody that greets it."""

    pid: int = 0
    host: str = ""
    blobs: str = ""
    epoch: float = 0.0
    """The time, in seconds since the epoch, when the monotonic clock stood at 0."""
    versions: dict[str, str] = field(default_factory=dict)

    def monotonic(self, moment: float, *, latest: float) -> float:
        """Return a time since the epoch by the hub's clock, at the latest what is given."""
        return min(latest, moment - self.epoch) if moment else latest


@dataclass(slots=True, eq=False)
class State:
    """The hub's tables.

    Attributes
    ----------
    peers
        Who is behind each peer.
    lines
        What each peer is to be told; those with something to tell are in `open_lines` too.
    makers
        Who made blobs whose names begin so.
    changed
        Engines whose load or availability changed in this batch.
    restaffed
        Agents whose engines came or went for good in this batch.
    choosy
        Engines that take work of some priorities only, or did so lately.
    waiting
        The tasks that wait for others, or for their time to be tried again.
    dependents, awaiting
        Who waits for a task's value, and who for its end.
    watchers
        Clients that want the outcome of another's task.
    keys, sharers
        The last task of each key, and the later ones that get its outcome.
    store
        Values that tasks need.
    journal
        What must outlive the hub.
    recovered
        What is known of the hub before this one.
    works
        What is being worked on.
    retiring
        The engines that take no more work, and end when they have finished what they have.
    departed
        The last engines that are gone for good although nobody asked for it.
    untold
        What users should know, for clients that come later, until when each.
    laggards, owed, wanted_pages
        The clients that lag behind (`core.lagging`), the blobs of outcomes that they are owed, and
        the pages of the journal to be read for them.
    unswept, unfreed
        Who made blobs and is gone, and blobs of such that nobody needs any more: agents that are
        not here as yet are told when they come.
    bounds
        How many engines there are to be, as there is work; None if only users say that.
    planned
        How many engines are to come of each set with agents that are started on other hosts.
    ordered
        For how many more of each the agent of the hub's host was ever ordered to have some started.
    missed
        The agents on other hosts that were not back in time after a takeover, or have not greeted
        while their engines have.
    sent
        What was sent to engines on other hosts in this batch, or taken back from there.
    unseen
        The last lives of engines into whose black boxes nobody could look when they had ended.
    wanting
        The engines that wait for a function which is not here.
    express
        Whether clients may hand tasks to engines by themselves.
    now
        The hub's monotonic clock, at this batch.
    """

    place: Place = field(default_factory=Place)
    peers: dict[PeerId, Client | Engine | Agent] = field(default_factory=dict)
    lines: dict[PeerId, Line] = field(default_factory=dict)
    open_lines: list[Line] = field(default_factory=list)
    clients: dict[ClientId, Client] = field(default_factory=dict)
    engines: dict[EngineId, Engine] = field(default_factory=dict)
    agents: dict[int, Agent] = field(default_factory=dict)
    tasks: dict[TaskId, Task] = field(default_factory=dict)
    queue: Queue = field(default_factory=Queue)
    library: Library = field(default_factory=Library)
    makers: dict[str, Line] = field(default_factory=dict)
    blobs: Blobs = field(default_factory=Blobs)
    index: LeastLoad = field(default_factory=LeastLoad)
    log: Log = field(default_factory=Log)
    changed: set[Engine] = field(default_factory=set)
    choosy: set[Engine] = field(default_factory=set)
    restaffed: set[Agent] = field(default_factory=set)
    dismissed: list[PeerId] = field(default_factory=list)
    waiting: dict[TaskId, Task] = field(default_factory=dict)
    dependents: dict[TaskId, list[Task]] = field(default_factory=dict)
    awaiting: dict[TaskId, list[tuple[Task, Condition]]] = field(default_factory=dict)
    watchers: dict[TaskId, list[Client]] = field(default_factory=dict)
    keys: dict[str, TaskId] = field(default_factory=dict)
    sharers: dict[TaskId, list[Task]] = field(default_factory=dict)
    chance: Chance = field(default_factory=Chance)
    preparations: dict[str, Preparation] = field(default_factory=dict)
    timers: Timers = field(default_factory=Timers)
    journal: Journal = field(default_factory=Journal)
    recovered: Recovered = field(default_factory=Recovered)
    works: Works = field(default_factory=Works)
    retiring: dict[EngineId, Engine] = field(default_factory=dict)
    departed: deque[EngineInfo] = field(default_factory=lambda: deque(maxlen=MOST_DEPARTED))
    untold: deque[tuple[str, float]] = field(default_factory=lambda: deque(maxlen=MOST_UNTOLD))
    laggards: set[Client] = field(default_factory=set)
    owed: dict[TaskId, list[str]] = field(default_factory=dict)
    wanted_pages: list[int] = field(default_factory=list)
    unswept: list[str] = field(default_factory=list)
    unfreed: list[str] = field(default_factory=list)
    bounds: Bounds | None = None
    planned: dict[str, int] = field(default_factory=dict)
    ordered: dict[str, int] = field(default_factory=dict)
    missed: list[Agent] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    unseen: deque[int] = field(default_factory=lambda: deque(maxlen=MOST_UNSEEN))
    wanting: dict[bytes, list[Engine]] = field(default_factory=dict)
    express: bool = True
    history: History = field(init=False)
    store: Store = field(init=False)
    next_engine: int = 0
    most_remembered: int = MOST
    remembered_for: float = MAX_AGE
    next_task: int = 1
    now: float = 0.0
    stale: int = 0

    def __post_init__(self) -> None:
        self.store = Store(self.blobs, self.journal)
        self.history = History(
            most=self.most_remembered,
            max_age=self.remembered_for,
            hold=self.blobs.hold,
            release=self.blobs.release,
            journal=self.journal,
        )

    def line(self, peer: PeerId) -> Line:
        """Return the line to a peer."""
        line = self.lines.get(peer)
        if line is None:
            line = self.lines[peer] = Line(peer, self.open_lines)
        return line

    def dismiss(self, peer: PeerId) -> None:
        """Forget a peer once it was told what is still to be told."""
        self.peers.pop(peer, None)
        self.dismissed.append(peer)

    def keep_until_heard(self, client: Client, buffers: Buffers) -> bool:
        """Keep the blobs of what a client is told now, until that has arrived.

        Returns
        -------
        Whether there are any.
        """
        names = names_of(buffers)
        self.blobs.hold(names)
        client.line.token.extend(names)
        return bool(names)

    def notify(self, text: str) -> None:
        """Have every client show something to its user; if there is none, those that come."""
        if not self.clients:
            self.untold.append((legible(text), inf))
        for client in self.clients.values():
            client.line.say(Notice(legible(text)))

    def tell_untold(self, line: Line) -> None:
        """Tell a client that has come what nobody was told, or others that came with it."""
        untold = [(text, until) for text, until in self.untold if self.now < until]
        self.untold.clear()
        for text, until in untold:
            line.say(Notice(text))
            self.untold.append((text, min(until, self.now + TOLD_FOR)))

    def received(self, token: Token) -> None:
        """Let go of what was kept until a packet had been received."""
        self.journal.release(token[0])
        if token[1]:
            self.blobs.release(token[1])
        if len(token) == MARKED:
            for mark in token[2]:
                mark.arrived = True

    def tell_clients(self, engines: list[EngineInfo]) -> None:
        """Tell every client of engines that changed."""
        for client in self.clients.values():
            client.line.say(Engines(engines))

    @property
    def claims(self) -> dict[TaskId, Claim]:
        """What engines have that this hub does not know."""
        return self.recovered.claims

    def is_unknown(self, task: TaskId) -> bool:
        """Tell whether this hub has never heard of a task."""
        recovered = self.recovered
        return not (
            task in self.tasks
            or task in recovered.ended
            or task in recovered.claims
            or self.history.get(task) is not None
        )

    @property
    def over(self) -> dict[TaskId, Outcome]:
        """How tasks ended that the hub before this one knew."""
        return self.recovered.ended

    def outcome(self, task: TaskId) -> Outcome | None:
        """Return how a task ended, with what it returned; None if that is not kept."""
        entry = self.history.get(task)
        if entry is not None and entry.kept:
            return Outcome(entry.item, entry.frames, entry.engine, entry.end_row)
        outcome = self.over.get(task)
        if outcome is not None and outcome.row:
            return outcome
        claim = self.claims.get(task)
        if claim is None or claim.outcome is None:
            return None
        return claim.outcome if claim.outcome.item.status is TaskStatus.DONE else None

    @property
    def on_their_way(self) -> int:
        """How many engines are to come with agents that have not greeted as yet."""
        coming = dict(self.planned)
        if not coming:
            return 0
        for agent in self.agents.values():
            if agent.set_name in coming:
                coming[agent.set_name] -= agent.brought
        return sum(count for count in coming.values() if count > 0)

    @property
    def hopeless(self) -> bool:
        """Whether no engine is here and none is on its way."""
        return (
            self.recovered.settled
            and self.bounds is None
            and not self.on_their_way
            and not any(
                engine.status in {EngineStatus.READY, EngineStatus.STARTING} and not engine.leaving
                for engine in self.engines.values()
            )
        )

    def take_effects(self) -> list[Effect]:
        """Return what is to be done since the last time, one `Send` per destination at most."""
        unneeded = self.blobs.take_unneeded()
        if unneeded:
            self._free(unneeded)
        journal = self.journal
        effects: list[Effect] = []
        for line in self.open_lines:
            send = line.take(journal.page)
            effects.append(send)
            if send.token is not None and journal.on:
                journal.need(send.token[0])
        self.open_lines.clear()
        if not self.dismissed:
            return effects
        for peer in self.dismissed:
            self.lines.pop(peer, None)
            effects.append(Dismiss(peer))
        self.dismissed.clear()
        return effects

    def _free(self, names: list[str]) -> None:
        """Give blobs back to their makers; have the agents delete those whose makers are gone."""
        groups: dict[Line | None, list[str]] = {}
        for name in names:
            groups.setdefault(self.makers.get(owner_of_blob(name)), []).append(name)
        for maker, own in groups.items():
            lines = self._agents_here if maker is None else [maker]
            for line in lines:
                line.say(FreeBlobs(own))
            if maker is None and self._more_agents_come:
                self.unfreed += own

    def owe(self, client: Client, item: ResultItem) -> None:
        """Note that a client that lags behind is owed an outcome, which this batch records."""
        page = self.journal.page
        self.journal.need(page)
        client.owed.append((item.id, page))
        if item.buffers:
            names = names_of(item.buffers)
            self.blobs.hold(names)
            self.owed[item.id] = names

    def no_longer_owe(self, task: TaskId, page: int) -> None:
        """Let go of what was kept of an outcome that a client was owed."""
        self.journal.release(page)
        self.blobs.release(self.owed.pop(task, ()))

    def forgive(self, client: Client) -> None:
        """Owe a client that is gone nothing any more."""
        while client.owed:
            self.no_longer_owe(*client.owed.popleft())
        self.laggards.discard(client)

    def forget_maker(self, owner: str) -> None:
        """Have the agents sweep up after a process that made blobs and is gone."""
        if self.makers.pop(owner, None) is not None:
            self.sweep_after(owner)

    def sweep_after(self, owner: str) -> None:
        """Have the agents delete what a process that is gone made, but for what is needed."""
        for line in self._agents_here:
            self._sweep(line, owner)
        if self._more_agents_come:
            self.unswept.append(owner)
        if self.recovered.forget_at is not None:
            self.recovered.gone.add(owner)

    def sweep_late(self, agent: Agent) -> None:
        """Have an agent that has come delete what it was not here to delete."""
        for owner in self.unswept:
            self._sweep(agent.line, owner)
        if unneeded := [name for name in self.unfreed if name not in self.blobs.counts]:
            agent.line.say(FreeBlobs(unneeded))
        if not self.recovered.agents - {agent.id}:
            self.unswept.clear()
            self.unfreed.clear()

    @property
    def _agents_here(self) -> list[Line]:
        """The lines to the agents of this host, where blobs are; those to come back have none."""
        agents = [agent for agent in self.agents.values() if not agent.far]
        return [agent.line for agent in agents if agent.line.peer in self.peers]

    @property
    def _more_agents_come(self) -> bool:
        """Whether agents are to come that cannot be told anything now."""
        return bool(self.recovered.agents) or not self._agents_here

    def _sweep(self, line: Line, owner: str) -> None:
        keep = [name for name in self.blobs.counts if owner_of_blob(name) == owner]
        line.say(SweepBlobs(owner, keep))

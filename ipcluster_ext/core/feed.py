"""The status feed: what watchers are told, and when.

Nothing is prepared for anybody: while somebody watches, and something has happened, the rows are
made anew from the hub's tables, at most once in an interval, and compared with those before. A
watcher is told what differs. While its last `Status` is under way, or it lags behind, it is told
nothing: what changes meanwhile is told at once later. So the load of the hub does not matter, nor
the speed of those who watch; work is shown up to a number of rows, so its amount does not, either.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from ipcluster_ext.core.effects import Mark
from ipcluster_ext.core.engines import Agent, Engine
from ipcluster_ext.core.events import Delivered, Event, PeerId
from ipcluster_ext.core.spans import SpanLog
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.task import Task
from ipcluster_ext.core.work import Work
from ipcluster_ext.protocol.feed import (
    LEAST_INTERVAL,
    ClusterState,
    EngineRow,
    EngineState,
    FeedPart,
    Measure,
    Status,
    Totals,
    Vitals,
    Watch,
    WorkRow,
)
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.labour import Full
from ipcluster_ext.protocol.parts import TaskSpec
from ipcluster_ext.protocol.status import EngineStatus
from ipcluster_ext.protocol.text import host_name, last_line, nbytes_text

MOST_WATCHES = 64
"""So many feeds a client may have at once."""
MOST_WORK = 128
"""So much work that goes on is shown, beside some that is over."""
ROWS_A_SECOND = 10_000
"""Rows of engines are made at most so often; with more than a thousand engines the feed slows."""
MEASURE_EVERY = 1.0
_LONGEST = 3600.0
_NO_PEER = PeerId(0)

K = TypeVar("K")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class Watcher:
    """One feed of a client.

    Attributes
    ----------
    number
        That of its last `Status`; before the first, everything is to be told.
    due
        When it may be told again.
    mark
        Tells whether the last one was received.
    engines, work, totals, lines
        What it is to be told of; lines of which engines.
    spans
        Which tasks it is to be told of; None if it does not want to know.
    """

    client: Client
    request: int
    interval: float
    parts: frozenset[FeedPart]
    number: int = 0
    due: float = 0.0
    mark: Mark | None = None
    engines: dict[EngineId, None] = field(default_factory=dict)
    work: dict[int, None] = field(default_factory=dict)
    totals: bool = False
    lines: dict[EngineId, None] = field(default_factory=dict)
    spans: SpanLog | None = None

    @property
    def can_hear(self) -> bool:
        """Whether nothing that it was told is under way."""
        return not self.client.lags and (self.mark is None or self.mark.arrived)

    @property
    def behind(self) -> bool:
        """Whether there is something to tell."""
        return not self.number or bool(
            self.engines or self.work or self.totals or self.lines or self.spans
        )

    @property
    def wants_lines(self) -> bool:
        """Whether it is told what engines write."""
        return "lines" in self.parts


class Feed:
    """Tells watchers what has changed.

    Parameters
    ----------
    state
        The hub's tables.

    Attributes
    ----------
    on
        Whether anybody watches, or did a moment ago. If not, nothing here is to be called.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._watchers: dict[tuple[ClientId, int], Watcher] = {}
        self._engines: dict[EngineId, EngineRow] = {}
        self._work: dict[int, WorkRow] = {}
        self._totals: Totals | None = None
        self._lines: dict[EngineId, str] = {}
        self._changed = self._unread = False
        self.on = False

    # ------------------------------------------------------------ what is said

    def watch(self, client: Client, message: Watch) -> None:
        """Begin, change or end a feed; one that is begun again starts with everything."""
        key = client.id, message.request
        self._watchers.pop(key, None)
        if message.interval > 0:
            if sum(owner == client.id for owner, _ in self._watchers) >= MOST_WATCHES:
                self._state.stale += 1
                return
            interval = min(max(message.interval, LEAST_INTERVAL), _LONGEST)
            parts = frozenset(message.parts)
            watcher = Watcher(client, message.request, interval, parts)
            watcher.spans = SpanLog() if "spans" in parts else None
            self._watchers[key] = watcher
        self._changed = self.on = True

    def measured(self, agent: Agent, message: Vitals) -> None:
        """Take what engines of an agent use."""
        agent.memory = message.limit
        for vital in message.engines:
            engine = self._state.engines.get(vital.engine)
            if engine is not None and engine.agent is agent:
                engine.uses = vital.cpu, vital.nbytes

    def nearly_full(self, agent: Agent, message: Full) -> None:
        """Tell users that an engine is near the limit of its memory, and with what task."""
        engine = self._state.engines.get(message.engine)
        if engine is None or engine.agent is not agent or engine.boot != message.boot:
            return
        task = next(_begun(engine), None)
        what = "" if task is None else f" while it runs {_title(task.spec)!r}"
        self._state.notify(
            f"engine {engine.id} uses {nbytes_text(message.nbytes)} of memory{what}; "
            f"with more than {nbytes_text(message.limit)} it is killed"
        )

    # ------------------------------------------------------------ when

    @property
    def deadline(self) -> float | None:
        """When `look` has something to do although nothing happens; None if never."""
        due = [
            watcher.due
            for watcher in self._watchers.values()
            if self._awaits(watcher) and watcher.can_hear
        ]
        return min(due, default=None)

    def _awaits(self, watcher: Watcher) -> bool:
        return self._changed or watcher.behind or (self._unread and watcher.wants_lines)

    def look(self, events: Sequence[Event], now: float) -> None:
        """Tell watchers what there is to tell, if it is time; after a batch of events."""
        self._changed = self._changed or any(type(event) is not Delivered for event in events)
        clients = self._state.clients
        for key, watcher in list(self._watchers.items()):
            if clients.get(watcher.client.id) is not watcher.client:
                del self._watchers[key]
            elif watcher.spans is not None:
                watcher.spans.read(self._state.history, now)
        self._have_measured()
        due = [w for w in self._watchers.values() if w.can_hear and now >= w.due]
        if due and self._changed:
            self._changed, self._unread = False, True
            self._renew()
        if self._unread and any(watcher.wants_lines for watcher in due):
            self._unread = False
            self._renew_lines()
        for watcher in due:
            if watcher.behind:
                self._tell(watcher, now)
        if not self._watchers:
            self._engines, self._work, self._totals, self._lines = {}, {}, None, {}
            self.on = False

    def _have_measured(self) -> None:
        """Have agents measure as long as somebody watches."""
        wanted = any("engines" in watcher.parts for watcher in self._watchers.values())
        for agent in self._state.agents.values():
            if agent.measures is not wanted and agent.line.peer != _NO_PEER:
                agent.measures = wanted
                agent.line.say(Measure(MEASURE_EVERY if wanted else 0.0))

    def _tell(self, watcher: Watcher, now: float) -> None:
        first = not watcher.number
        engines = self._engines if first else watcher.engines
        work = self._work if first else watcher.work
        if "engines" not in watcher.parts:
            engines = {}
        if "work" not in watcher.parts:
            work = {}
        watcher.number += 1
        status = Status(
            watcher.request,
            watcher.number,
            [self._engines[each] for each in engines if each in self._engines],
            [each for each in engines if each not in self._engines],
            [self._work[each] for each in work if each in self._work],
            [each for each in work if each not in self._work],
            self._totals if (first or watcher.totals) and "totals" in watcher.parts else None,
            watcher.spans.tell() if watcher.spans else None,
            self._lines_for(watcher, first=first),
        )
        watcher.engines, watcher.work, watcher.totals, watcher.lines = {}, {}, False, {}
        watcher.due = now + max(watcher.interval, len(self._engines) / ROWS_A_SECOND)
        watcher.mark = Mark()
        watcher.client.line.say(status)
        watcher.client.line.marks.append(watcher.mark)

    def _lines_for(self, watcher: Watcher, *, first: bool) -> dict[EngineId, str]:
        lines = self._lines
        if not watcher.wants_lines:
            return {}
        return dict(lines) if first else {each: lines.get(each, "") for each in watcher.lines}

    # ------------------------------------------------------------ what

    def _renew_lines(self) -> None:
        """Read what engines wrote last, and note for each watcher of that whose has changed."""
        engines = self._state.engines.values()
        lines = {engine.id: last_line(engine.wrote) for engine in engines if engine.wrote}
        changed = _differences(self._lines, lines)
        self._lines = lines
        for watcher in self._watchers.values():
            if watcher.number and watcher.wants_lines:
                watcher.lines.update(changed)

    def _renew(self) -> None:
        """Make all rows anew, and note for each watcher which have changed."""
        state = self._state
        running: dict[Work, int] = {}
        engines: dict[EngineId, EngineRow] = {}
        for engine in state.engines.values():
            begun = list(_begun(engine))
            for task in begun:
                running[task.work] = running.get(task.work, 0) + 1
            engines[engine.id] = self._engine_row(engine, begun)
        for info in state.departed:
            host = host_name(info.host)
            engines.setdefault(info.id, EngineRow(info.id, "dead", host, reason=info.reason))
        latest = state.works.latest(MOST_WORK)
        work = {each.number: self._work_row(each, running.get(each, 0)) for each in latest}
        totals = self._sum(engines.values(), sum(running.values()))
        changed = _differences(self._engines, engines), _differences(self._work, work)
        other = totals != self._totals
        self._engines, self._work, self._totals = engines, work, totals
        for watcher in self._watchers.values():
            if watcher.number:
                if "engines" in watcher.parts:
                    watcher.engines.update(changed[0])
                if "work" in watcher.parts:
                    watcher.work.update(changed[1])
                watcher.totals = watcher.totals or (other and "totals" in watcher.parts)

    def _engine_row(self, engine: Engine, begun: list[Task]) -> EngineRow:
        state = self._state
        cpu, nbytes = (None, None) if engine.uses is None else engine.uses
        here = engine.status is not EngineStatus.STARTING
        return EngineRow(
            engine.id,
            _state_of(engine),
            host_name(engine.host),
            engine.pid,
            begun[0].id if begun else TaskId(0),
            _title(begun[0].spec) if begun else "",
            engine.progress + state.place.epoch if here else 0.0,
            engine.work_count - len(begun),
            engine.ended,
            engine.failed,
            cpu,
            nbytes,
            engine.agent.memory,
            engine.reason,
        )

    def _work_row(self, work: Work, running: int) -> WorkRow:
        state, epoch = self._state, self._state.place.epoch
        return WorkRow(
            work.number,
            work.client,
            state.history.names.get(work.client, ""),
            work.label,
            work.name,
            work.kind.name.lower(),
            work.total - work.live - work.failed - work.cancelled,
            work.failed,
            work.cancelled,
            running,
            max(0, work.live - running),
            work.began + epoch,
            0.0 if work.live else work.ended + epoch,
            work.error,
            work.retried,
        )

    def _sum(self, rows: Iterable[EngineRow], running: int) -> Totals:
        state, works = self._state, self._state.works
        states = [row.state for row in rows]
        wanted = sum(not engine.leaving for engine in state.engines.values())
        busy = states.count("busy")
        ready = states.count("idle") + busy
        live = len(state.tasks) - sum(engine.aside for engine in state.engines.values())
        cluster: ClusterState = "ready" if ready >= wanted else "starting"
        if not state.recovered.settled:
            cluster = "recovering"
        elif not wanted:
            cluster = "empty"
        return Totals(
            cluster,
            wanted,
            ready,
            busy,
            max(0, live - running),
            running,
            max(0, works.total - live),
            works.failed,
            len(state.clients),
            state.bounds,
        )


def _begun(engine: Engine) -> Iterator[Task]:
    """Yield the tasks that an engine has begun, or is about to: one, and those that wait."""
    if not engine.is_busy:
        return iter(())
    tasks: Iterable[Task] = engine.in_order if engine.standing else engine.unfinished.values()
    if engine.aside:
        tasks = [task for task in tasks if not task.spec.aside]
    if engine.awaiting:
        tasks = sorted(tasks, key=_does_not_await)
    count = engine.awaiting - engine.aside + engine.waiting + (engine.load > 0)
    return islice(tasks, max(1, count))


def _does_not_await(task: Task) -> bool:
    return task.spec.options is None or not task.spec.options.awaits


def _title(spec: TaskSpec) -> str:
    """Return what a task is called."""
    return spec.label or spec.name or spec.kind.name.lower()


def _state_of(engine: Engine) -> EngineState:
    if engine.silent_since is not None:
        return "unresponsive"
    if engine.leaving:
        return "retiring"
    if engine.status is EngineStatus.STARTING:
        return "starting"
    return "busy" if engine.is_busy else "idle"


def _differences(before: dict[K, R], now: dict[K, R]) -> dict[K, None]:
    """Return the keys of rows that are new, differ or are gone."""
    changed = {key: None for key, row in now.items() if before.get(key) != row}
    changed.update((key, None) for key in before if key not in now)
    return changed

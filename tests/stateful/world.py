"""The truth about what scripted agents, engines and clients did, and what none of them may see."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from ipcluster_ext.core.engines import Agent as KnownAgent
from ipcluster_ext.core.engines import Engine as KnownEngine
from ipcluster_ext.core.events import Event, Left, PeerId, Said
from ipcluster_ext.core.hub import Hub
from ipcluster_ext.core.library import Library
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, client_of
from ipcluster_ext.protocol.ledger import Ledger, Wire
from ipcluster_ext.protocol.messages import (
    Bye,
    Done,
    EngineExited,
    Interrupt,
    Message,
    Welcome,
)
from ipcluster_ext.protocol.parts import (
    Blob,
    Dependency,
    Options,
    ResultItem,
    TaskItem,
    TaskSpec,
)
from ipcluster_ext.protocol.status import TaskStatus
from tests.stateful.net import Shell, opened

if TYPE_CHECKING:
    from tests.stateful.agents import Agent
    from tests.stateful.clients import Client
    from tests.stateful.engines import Engine

LIBRARY_LIMIT = 50
PICKLES = {b"f": b"f" * 30, b"g": b"g" * 30, b"h": b"h" * 30}
NONE = TaskId(0)
LARGE = 5_000_000
PLAIN = Options()
THE_HUB = ClientId(0)


@dataclass(frozen=True)
class Made:
    """An outcome as an engine told it."""

    item: ResultItem
    frames: list[Frame]
    engine: EngineId


@dataclass(frozen=True)
class Call:
    """A task as its client submitted it, with what it knew to be done under its key."""

    spec: TaskSpec
    needs: tuple[TaskId, ...]
    done_before: frozenset[TaskId] = frozenset()

    @property
    def options(self) -> Options:
        """What it asks for."""
        return self.spec.options or PLAIN

    @property
    def inherits(self) -> bool:
        """Whether it may end as another task did."""
        return bool(self.needs or self.options.key)


class World:
    """Everybody, and what really happened.

    Attributes
    ----------
    runs
        How often each task was begun.
    retries
        How often each may run again.
    results
        How each task ended, as its client was told.
    blobs
        The files in shared memory.
    targets
        The engine that each direct task is for.
    excused
        Tasks that may be lost without having been begun, as nobody could know that.
    bereft
        An agent has gone, perhaps with blobs that it was asked to delete.
    calls
        What clients asked for.
    made
        What engines said of tasks, by the payload, which is never the same twice.
    ran_on, refused
        The engines on which each task was begun, and those known to have refused it.
    unwanted
        The tasks that were interrupted, and the only life of an engine that may begin each.
    """

    def __init__(self) -> None:
        self.hub = Hub()
        self.hub.state.library = Library(LIBRARY_LIMIT)
        self.shell = Shell(self.hub, self._before)
        self.now = 0.0
        self.runs: Counter[TaskId] = Counter()
        self.retries: dict[TaskId, int] = {}
        self.targets: dict[TaskId, EngineId] = {}
        self.results: dict[TaskId, ResultItem] = {}
        self.blobs: set[str] = set()
        self.excused: set[TaskId] = set()
        self.bereft = False
        self.calls: dict[TaskId, Call] = {}
        self.made: dict[bytes, Made] = {}
        self.ran_on: dict[TaskId, set[EngineId]] = {}
        self.refused: dict[TaskId, set[EngineId]] = {}
        self.unwanted: dict[TaskId, int] = {}
        self._interrupted: list[TaskId] = []
        self.agents: list[Agent] = []
        self.engines: list[Engine] = []
        self.clients: list[Client] = []
        self.numbers = 0
        self._ended_in: dict[int, set[TaskId]] = {}
        self._given_back_by: dict[int, set[TaskId]] = {}

    def number(self) -> int:
        """Return a number that nobody has."""
        self.numbers += 1
        return self.numbers

    @property
    def processes(self) -> "list[Process]":
        """Everybody who lives."""
        return [*self.agents, *self.engines, *self.clients]

    def blob(self, owner: str) -> Blob:
        """Write a file into shared memory."""
        blob = Blob(f"{owner}-{self.number()}", LARGE)
        self.blobs.add(blob.name)
        return blob

    def turn(self, seconds: float = 0.0) -> None:
        """Turn the clock, and have the hub do what there is to do."""
        self.now += seconds
        self.shell.turn(self.now)
        interrupted, self._interrupted = self._interrupted, []
        for number in interrupted:
            task = self.hub.state.tasks.get(number)
            where = None if task is None or task.engine is None else task.engine
            boot = 0 if where is None else self.hub.state.engines[where].boot
            self.unwanted.setdefault(number, boot)

    def hub_hears(self, process: "Process", count: int) -> None:
        """Have the hub take packets of a process."""
        up = process.link.up
        for _ in range(min(count, len(up))):
            self.shell.hear(process.link, up.popleft())

    def flush(self) -> None:
        """Have everything arrive that is under way."""
        for _ in range(40):
            for process in self.processes:
                self.hub_hears(process, len(process.link.up))
            self.turn()
            for process in self.processes:
                process.hear(len(process.link.down))
            if not any(process.link.up or process.link.down for process in self.processes):
                return

    def ended(self, life: int, task: TaskId) -> None:
        """Note that a life of an engine ended a task."""
        self._ended_in.setdefault(life, set()).add(task)

    def given_back(self, life: int, tasks: Sequence[TaskId]) -> None:
        """Note that a life of an engine gave tasks back."""
        self._given_back_by.setdefault(life, set()).update(tasks)

    def _before(self, event: Event) -> None:
        """Note which tasks are excused by what the hub is about to hear."""
        match event:
            case Left():
                who = self.hub.state.peers.get(event.peer)
                if isinstance(who, KnownAgent):
                    for engine in who.engines:
                        self.excused |= set(self.hub.state.engines[engine].unfinished)
            case Said() if event.peer in self.hub.state.peers:
                for message in event.messages:
                    self._before_message(event.peer, message)
            case _:
                pass

    def _before_message(self, peer: PeerId, message: Message) -> None:
        state = self.hub.state
        match message:
            case Bye():
                self._before(Left(peer))
            case EngineExited():
                self._excuse(message, state.engines.get(message.engine))
            case Done():
                who = state.peers[peer]
                for item in message.items:
                    if isinstance(who, KnownEngine) and item.status is TaskStatus.REFUSED:
                        self.refused.setdefault(item.id, set()).add(who.id)
            case Interrupt():
                self._interrupted += message.ids
            case _:
                pass

    def _excuse(self, message: EngineExited, engine: KnownEngine | None) -> None:
        """Excuse tasks of which nobody can know whether they had begun.

        That is so where the black box names a task that this life has run before, where the engine
        gave tasks back and died before the hub heard of it, and where it refused one likewise.
        """
        if engine is not None and message.began in self._ended_in.get(message.boot, ()):
            self.excused |= set(engine.unfinished)
        elif engine is not None:
            given_back = self._given_back_by.get(message.boot, set())
            unsaid = given_back | self._ended_in.get(message.boot, set())
            self.excused |= unsaid & set(engine.unfinished)

    # ------------------------------------------------------------ what may never happen

    def check_payload(self, item: ResultItem, frames: Sequence[Frame]) -> None:
        """Check that what is told as a task's outcome is what an engine said of it."""
        made = self.made[item.inline]
        assert made.item.status is item.status or made.item.status is TaskStatus.AGAIN
        if made.item.id != item.id:
            key = self.calls[item.id].options.key
            call = self.calls.get(made.item.id)
            shares = key and call is not None and key == call.options.key
            assert shares or item.status is not TaskStatus.DONE, "that is another task's value"
        if item.buffers:
            assert list(frames) == made.frames
            assert item.buffers == made.item.buffers

    def begins(self, engine: "Engine", spec: TaskSpec, item: TaskItem) -> None:
        """Note that an engine begins a task, if it may."""
        task, place = item.id, engine.id
        if client_of(task) == THE_HUB:
            return
        call = self.calls[task]
        assert spec.engines is None or place in spec.engines, "it is on a wrong engine"
        assert self.targets.get(task, place) == place, "it is on a wrong engine"
        assert place not in self.refused.get(task, ()), "it is on an engine that refused it"
        assert self.unwanted.get(task, engine.boot) == engine.boot, "it was interrupted"
        self.runs[task] += 1
        assert self.runs[task] <= 1 + self.retries[task], "it ran too often"
        assert blobs_of(item) <= self.blobs, "its blob was freed before it ran"
        options = call.options
        if task not in self.targets:
            there = dict(engine.resources)
            fit = all(there.get(name, 0.0) >= amount for name, amount in options.resources)
            assert fit, "its engine does not have what it asks for"
        if options.after is not None:
            self._may_begin(options.after)
        if options.follow is not None:
            self._may_begin(options.follow)
            if task not in self.targets:
                self._follows(options.follow, place)
        if options.key:
            self._is_first_of_its_key(task, call)
        self.ran_on.setdefault(task, set()).add(place)

    def _may_begin(self, dependency: Dependency) -> None:
        left = [task for task in dependency.tasks if task in self.hub.state.tasks]
        if dependency.all:
            assert not left, "it depends on a task that has not ended"
            assert not dependency.unmet
            bad = [task for task in dependency.tasks if not self._may_be_met(dependency, task)]
            assert bad == [], "it depends on a task that did not end as it has to"
        else:
            met = [task for task in dependency.tasks if self._may_be_met(dependency, task)]
            assert met or dependency.met, "none that it depends on has ended as it has to"

    def _may_be_met(self, dependency: Dependency, task: TaskId) -> bool:
        """Tell whether a task may have ended as is wished."""
        if dependency.failure or (task in self.calls and self.calls[task].options.key):
            return True
        return any(
            made.item.id == task and made.item.status is TaskStatus.DONE
            for made in self.made.values()
        )

    def _follows(self, dependency: Dependency, place: EngineId) -> None:
        if any(self.calls[t].inherits for t in dependency.tasks if t in self.calls):
            return
        where = {engine for t in dependency.tasks for engine in self.ran_on.get(t, ())}
        where |= set(dependency.engines)
        assert not where or place in where, "it does not run where the one before it ran"

    def _is_first_of_its_key(self, task: TaskId, call: Call) -> None:
        for other in self.engines:
            for spec, item in other.begun:
                same = spec.options is not None and spec.options.key == call.options.key
                assert not same or item.id == task, "another of its key runs"
        sources = {self.made[self.results[before].inline].item.id for before in call.done_before}
        entries = [self.hub.state.history.get(source) for source in sources]
        kept = [entry for entry in entries if entry is not None and entry.kept]
        assert len(kept) < len(entries) or not entries, "one of its key was done before"


class Process:
    """Somebody who talks with the hub."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.boot = world.number()
        self.link = world.shell.connect()
        self.ledger = Ledger(self.boot)
        self.welcome = False
        self.hello()

    @property
    def greeting(self) -> Message:
        """What it says first."""
        raise NotImplementedError

    def hello(self) -> None:
        """Greet the hub, unless that has answered."""
        if not self.welcome:
            self.link.up.append(self.ledger.mention(self.greeting))

    def ping(self) -> None:
        """Find out whether anything was lost."""
        self.link.up.append(self.ledger.ping())

    def say(self, *messages: Message, frames: Sequence[Frame] = ()) -> None:
        """Say something that will arrive."""
        self.link.up.append(self.ledger.say(list(messages), frames))

    def hear(self, count: int) -> None:
        """Take packets."""
        for _ in range(min(count, len(self.link.down))):
            self._take(self.link.down.popleft())

    def _take(self, wire: Wire) -> None:
        taken = self.ledger.take(opened(wire))
        self.link.up.extend(taken.resend)
        frames = iter(wire[1:])
        for message in taken.messages:
            if isinstance(message, Welcome):
                self.welcome = True
            self.took(message, frames)
        assert not taken.messages or next(frames, None) is None

    def took(self, message: Message, frames: Iterator[Frame]) -> None:
        """Do what is said."""
        raise NotImplementedError

    def end(self, chance: Random) -> None:
        """End, in the middle of whatever it was saying."""
        self.link.end(chance)


def frames_for(item: TaskItem) -> list[Frame]:
    """Return the frames that belong to a task."""
    return [item.inline]


def blobs_of(item: TaskItem | ResultItem) -> set[str]:
    """Return the names of an item's blobs."""
    return {buffer.name for buffer in item.buffers if isinstance(buffer, Blob)}

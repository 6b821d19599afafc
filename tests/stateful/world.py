"""Scripted agents, engines and clients that live and die, and the truth about what they did."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from random import Random

from ipcluster_ext.core.engines import Agent as KnownAgent
from ipcluster_ext.core.engines import Engine as KnownEngine
from ipcluster_ext.core.events import Event, Left, Said
from ipcluster_ext.core.hub import Hub
from ipcluster_ext.core.library import Library
from ipcluster_ext.protocol.frames import Frame, decode_failure, frames_of
from ipcluster_ext.protocol.ids import (
    ClientId,
    EngineId,
    TaskId,
    client_owner,
    engine_owner,
    first_task,
    owner_of_blob,
)
from ipcluster_ext.protocol.ledger import Ledger, Wire
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Bye,
    Cancel,
    Cancelled,
    ClientHello,
    Define,
    Done,
    Drop,
    EngineExited,
    EngineHello,
    Engines,
    FreeBlobs,
    Message,
    Need,
    Output,
    Recall,
    Refused,
    Release,
    Results,
    Returned,
    Run,
    SignalEngines,
    Started,
    StartEngines,
    Steer,
    Steered,
    StopEngines,
    Submit,
    SubmitEach,
    SweepBlobs,
    Undefine,
    Welcome,
)
from ipcluster_ext.protocol.parts import (
    Blob,
    Buffers,
    EngineInfo,
    ResultItem,
    TaskItem,
    TaskSpec,
)
from ipcluster_ext.protocol.status import EngineStatus, Kind, TaskStatus
from tests.stateful.net import Shell, opened

LIBRARY_LIMIT = 50
PICKLES = {b"f": b"f" * 30, b"g": b"g" * 30, b"h": b"h" * 30}
NONE = TaskId(0)
LARGE = 5_000_000


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

    def add_agent(self, count: int) -> None:
        """Start an agent."""
        self.agents.append(Agent(self, count))

    def add_client(self) -> None:
        """Start a client."""
        self.clients.append(Client(self))

    def blob(self, owner: str) -> Blob:
        """Write a file into shared memory."""
        blob = Blob(f"{owner}-{self.number()}", LARGE)
        self.blobs.add(blob.name)
        return blob

    def turn(self, seconds: float = 0.0) -> None:
        """Turn the clock, and have the hub do what there is to do."""
        self.now += seconds
        self.shell.turn(self.now)

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
                    if isinstance(message, Bye):
                        self._before(Left(event.peer))
                    elif isinstance(message, EngineExited):
                        self._excuse(message, self.hub.state.engines.get(message.engine))
            case _:
                pass

    def _excuse(self, message: EngineExited, engine: KnownEngine | None) -> None:
        """Excuse tasks of which nobody can know whether they had begun.

        That is so where the black box names a task that this life has run before, and where the
        engine gave tasks back and died before the hub heard of it.
        """
        if engine is not None and message.began in self._ended_in.get(message.boot, ()):
            self.excused |= set(engine.unfinished)
        elif engine is not None:
            self.excused |= self._given_back_by.get(message.boot, set()) & set(engine.unfinished)


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


class Agent(Process):
    """A host agent: starts engines and tells of their death."""

    def __init__(self, world: World, count: int) -> None:
        self.count = count
        self.due: list[EngineId] = []
        super().__init__(world)

    @property
    def greeting(self) -> Message:
        return AgentHello(self.boot, "here", 1, self.count)

    @property
    def engines(self) -> "list[Engine]":
        """Its engines that live."""
        return [engine for engine in self.world.engines if engine.agent is self]

    def took(self, message: Message, frames: Iterator[Frame]) -> None:
        match message:
            case StartEngines():
                self.due += message.engines
            case StopEngines():
                for engine in message.engines:
                    self._stop(engine, again=message.again)
            case FreeBlobs():
                self.world.blobs -= set(message.names)
            case SweepBlobs():
                swept = {name for name in self.world.blobs if owner_of_blob(name) == message.owner}
                self.world.blobs -= swept - set(message.keep)
            case Welcome() | SignalEngines() | Refused():
                pass
            case _:
                raise AssertionError(message)

    def _stop(self, engine: EngineId, *, again: bool) -> None:
        for life in self.engines:
            if life.id == engine:
                self.bury(life, Random(self.world.number()), again=again)
        if engine in self.due and not again:
            self.due.remove(engine)
            self.say(EngineExited(engine, 0, "stopped", NONE, again=False))

    def start(self) -> None:
        """Start an engine that is due."""
        if self.due:
            self.world.engines.append(Engine(self, self.due.pop(0)))

    def bury(self, engine: "Engine", chance: Random, *, again: bool) -> None:
        """Tell of an engine's death."""
        engine.end(chance)
        self.world.engines.remove(engine)
        self.say(EngineExited(engine.id, engine.boot, "killed", engine.box, again))
        if again:
            self.due.append(engine.id)

    def leave(self, chance: Random) -> None:
        """End, and take its engines along."""
        for engine in self.engines:
            engine.end(chance)
            self.world.engines.remove(engine)
        self.end(chance)
        self.world.agents.remove(self)
        self.world.bereft = True


class Engine(Process):
    """One life of an engine: runs one task at a time, and gives back what has not begun."""

    def __init__(self, agent: Agent, number: EngineId) -> None:
        self.agent = agent
        self.id = number
        self.box = NONE
        self.running: tuple[TaskSpec, TaskItem] | None = None
        self.lane: deque[tuple[TaskSpec, TaskItem]] = deque()
        self.functions: set[bytes] = set()
        super().__init__(agent.world)

    @property
    def greeting(self) -> Message:
        return EngineHello(self.id, self.boot, self.agent.boot, "here", 1)

    def took(self, message: Message, frames: Iterator[Frame]) -> None:
        match message:
            case Run():
                for item in message.items:
                    assert not message.spec.function or message.spec.function in self.functions
                    taken = [next(frames) for _ in range(frames_of(item.buffers))]
                    assert taken == frames_for(item)
                    self.lane.append((message.spec, item))
            case Define():
                assert PICKLES[message.function] == message.inline
                self.functions.add(message.function)
            case Undefine():
                self.functions -= set(message.functions)
            case FreeBlobs():
                self.world.blobs -= set(message.names)
            case Recall():
                balanced = [item.id for spec, item in self.lane if spec.balanced]
                self._give_back(balanced[max(0, len(balanced) - message.count) :])
            case Drop():
                self._give_back([item.id for _, item in self.lane if item.id in message.ids])
            case Welcome() | Refused():
                pass
            case _:
                raise AssertionError(message)

    def _give_back(self, ids: list[TaskId]) -> None:
        self.lane = deque(entry for entry in self.lane if entry[1].id not in ids)
        self.world.given_back(self.boot, ids)
        self.say(Returned(ids))

    def begin(self) -> None:
        """Begin the next task, if it is idle."""
        if self.running is None and self.lane:
            self.running = self.lane.popleft()
            spec, item = self.running
            self.box = item.id
            assert spec.engines is None or self.id in spec.engines, "it is on a wrong engine"
            assert self.world.targets.get(item.id, self.id) == self.id, "it is on a wrong engine"
            self.world.runs[item.id] += 1
            assert self.world.runs[item.id] <= 1 + self.world.retries[item.id], "it ran too often"
            assert blobs_of(item) <= self.world.blobs, "its blob was freed before it ran"

    def finish(self, *, well: bool, seconds: float, with_blob: bool) -> None:
        """End the running task, if there is one."""
        if self.running is None:
            return
        _, item = self.running
        self.running = None
        self.world.ended(self.boot, item.id)
        owner = engine_owner(self.id, self.boot)
        buffers: Buffers = (3, self.world.blob(owner)) if with_blob else (3,)
        status = TaskStatus.DONE if well else TaskStatus.FAILED
        done = ResultItem(item.id, status, 9.0, 9.0 + seconds, b"out", buffers)
        self.say(Output(item.id, "stdout", "text"), Started([item.id]))
        self.say(Done([done]), frames=[b"%03d" % (item.id % 1000)])

    def work(self, steps: int) -> None:
        """Begin and end tasks in turn."""
        for _ in range(steps):
            if self.running is None:
                self.begin()
            else:
                self.finish(well=True, seconds=0.0, with_blob=False)


class Client(Process):
    """A client: submits tasks and keeps what it is told of them."""

    def __init__(self, world: World) -> None:
        self.id = ClientId(world.number())
        self.count = 0
        self.needs: list[bytes] = []
        self.asked: dict[int, type[Message]] = {}
        self.known: dict[EngineId, EngineInfo] = {}
        self.cancelled: set[TaskId] = set()
        super().__init__(world)

    @property
    def greeting(self) -> Message:
        return ClientHello(self.id, "here", 1)

    def took(self, message: Message, frames: Iterator[Frame]) -> None:  # noqa: C901 - one case each
        match message:
            case Results():
                for item in message.items:
                    taken = [next(frames) for _ in range(frames_of(item.buffers))]
                    self._ended(item, taken)
            case Welcome() | Engines():
                for info in message.engines:
                    self.known[info.id] = info
                    if info.status is EngineStatus.STOPPED:
                        del self.known[info.id]
            case FreeBlobs():
                self.world.blobs -= set(message.names)
            case Need():
                self.needs.append(message.function)
            case Cancelled() | Steered():
                assert isinstance(message, self.asked.pop(message.request))
                if isinstance(message, Cancelled):
                    self.cancelled |= set(message.ids)
            case Output() | Started() | Refused():
                pass
            case _:
                raise AssertionError(message)

    def _ended(self, item: ResultItem, frames: list[Frame]) -> None:
        world = self.world
        assert item.id not in world.results, "it has two results"
        assert item.status.ended
        world.results[item.id] = item
        runs = world.runs[item.id]
        match item.status:
            case TaskStatus.DONE | TaskStatus.FAILED:
                assert runs >= 1
                assert frames == [b"%03d" % (item.id % 1000)]
                assert blobs_of(item) <= world.blobs, "its result's blob was freed too early"
                if blobs_of(item):
                    self.say(Release([item.id]))
            case TaskStatus.CANCELLED:
                assert runs == 0 or world.retries[item.id], "it was cancelled after it had begun"
            case _:
                ename = decode_failure(item.inline).ename
                unbegun = runs == 0 and item.id not in world.excused | world.targets.keys()
                assert not (ename == "EngineLost" and unbegun), "it was lost unbegun"

    def _new(self, count: int, retries: int) -> list[TaskId]:
        first = first_task(self.id, self.count)
        self.count += count
        ids = [TaskId(first + place) for place in range(count)]
        self.world.retries.update(dict.fromkeys(ids, retries))
        return ids

    def submit(
        self,
        count: int,
        spec: TaskSpec,
        *,
        with_blob: bool,
        each_of: Sequence[EngineId] | None = None,
        define: bool = False,
    ) -> None:
        """Submit tasks, balanced or one for each of some engines."""
        if define and spec.function:
            self.say(Define(spec.function, PICKLES[spec.function]))
        blobs: Buffers = (self.world.blob(client_owner(self.id)),) if with_blob else ()
        ids = self._new(len(each_of or range(count)), spec.retries)
        items = [TaskItem(task, b"in", (4, *blobs)) for task in ids]
        message: Message = Submit(spec, items)
        if each_of is not None:
            items = [TaskItem(ids[0], b"same", (4, *blobs))]
            message = SubmitEach(spec, items[0], list(each_of))
            self.world.targets.update(zip(ids, each_of, strict=True))
        self.say(message, frames=[frame for item in items for frame in frames_for(item)])

    def answer(self) -> None:
        """Send the functions that the hub asked for."""
        needs, self.needs = self.needs, []
        for digest in needs:
            self.say(Define(digest, PICKLES[digest]))

    def cancel(self, ids: Sequence[TaskId]) -> None:
        """Take tasks back."""
        request = self.world.number()
        self.asked[request] = Cancelled
        self.say(Cancel(list(ids), request))

    def steer(self, action: str, engines: Sequence[EngineId], count: int = 0) -> None:
        """Steer engines."""
        request = self.world.number()
        self.asked[request] = Steered
        self.say(Steer(request, action, list(engines), count))

    def leave(self, chance: Random, *, politely: bool) -> None:
        """End, with or without a word."""
        if politely:
            self.say(Bye())
        self.end(chance)
        self.world.clients.remove(self)


def frames_for(item: TaskItem) -> list[Frame]:
    """Return the frames that belong to a task."""
    return [b"same" if item.inline == b"same" else b"%04d" % (item.id % 1000)]


def blobs_of(item: TaskItem | ResultItem) -> set[str]:
    """Return the names of an item's blobs."""
    return {buffer.name for buffer in item.buffers if isinstance(buffer, Blob)}


def spec_of(
    function: bytes, retries: int, engines: Sequence[EngineId] | None, *, balanced: bool
) -> TaskSpec:
    """Make what the tasks of a submission have in common."""
    restriction = None if engines is None else tuple(engines)
    return TaskSpec(Kind.APPLY, function, retries=retries, engines=restriction, balanced=balanced)

"""Peers that follow a script, around a hub without any wire: what they say, it hears at once.

A `Stage` holds the hub and a clock that is turned by hand. After every batch of events the
hub's invariants are checked, so every test that uses a stage tests them as well.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from ipcluster_ext.core.effects import Dismiss, Send
from ipcluster_ext.core.events import Delivered, Event, Heard, Left, PeerId, Said, Silent
from ipcluster_ext.core.hub import Hub
from ipcluster_ext.core.invariants import check
from ipcluster_ext.core.state import Place
from ipcluster_ext.protocol.frames import Frame, decode_failure, frames_of
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, first_task
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Bye,
    Cancel,
    ClientHello,
    Define,
    Done,
    Drop,
    EngineExited,
    EngineHello,
    Forget,
    FreeBlobs,
    Message,
    Need,
    Recall,
    Results,
    Returned,
    Run,
    StartEngines,
    Steer,
    Submit,
    SubmitEach,
    Undefine,
    Values,
)
from ipcluster_ext.protocol.parts import (
    Bounds,
    Buffers,
    Options,
    ResultItem,
    TaskItem,
    TaskSpec,
)
from ipcluster_ext.protocol.process import PATIENT, Patience
from ipcluster_ext.protocol.status import Kind, TaskStatus

M = TypeVar("M", bound=Message)

PLACE = Place(pid=1, host="here", blobs="/dev/shm/here")
PICKLED = b"a pickled function"
NONE = TaskId(0)
"""What a black box says where no task was begun."""


class Stage:
    """A hub among scripted peers.

    Attributes
    ----------
    now
        The hub's clock; starts at 100 s.
    pages
        What the hub has written into its journal, and not erased.
    patience
        How long the hub bears that somebody is not heard.
    sent
        What it has noted at once.
    """

    def __init__(self, patience: Patience = PATIENT) -> None:
        self.patience = patience
        self.hub = Hub(PLACE, patience=patience)
        self.now = 100.0
        self.pages: dict[int, list[Frame]] = {}
        self.sent = b""
        self.hub.keep_journal(None, now=self.now)
        self.peers: dict[PeerId, Peer] = {}
        self.dismissed: list[PeerId] = []
        self.gone: set[PeerId] = set()
        self._clients = 0

    def happen(self, *events: Event) -> None:
        """Have the hub take a batch of events; its answers are heard at once.

        Whoever was dismissed hears nothing more, and what was for him counts as delivered.
        """
        undelivered: list[Event] = []
        effects = self.hub.handle(events, now=self.now)
        self._write()
        for effect in effects:
            peer = self.peers.get(effect.peer)
            if peer is None:  # somebody who has not come back yet
                assert isinstance(effect, Send)
                continue
            match effect:
                case Send() if effect.peer not in self.dismissed:
                    peer.hear(effect)
                case Send():
                    undelivered.append(Delivered(effect.token))
                case Dismiss():
                    self.dismissed.append(effect.peer)
                    undelivered += map(Delivered, peer.tokens)
                    peer.tokens = []
        check(self.hub)
        if undelivered:
            self.happen(*(event for event in undelivered if event != Delivered(None)))

    def _write(self) -> None:
        self.sent += self.hub.take_sent()
        for number, data in self.hub.take_pages():
            assert number > max(self.pages, default=0)
            self.pages[number] = data
        for number in self.hub.take_unneeded_pages():
            self.pages.pop(number, None)

    def crash(self, *, unwritten: int = 0) -> int:
        """Have the hub die and another take over; nobody has come back to it yet.

        Parameters
        ----------
        unwritten
            How many of the last pages were not written in time.

        Returns
        -------
        How many pages the new hub could not read.
        """
        for number in sorted(self.pages)[len(self.pages) - unwritten :]:
            del self.pages[number]
        self.hub = Hub(PLACE, patience=self.patience)
        damaged = self.hub.keep_journal(list(self.pages.items()), now=self.now, sent=self.sent)
        self.gone.update(self.peers)
        self.peers = {}
        self.happen()
        return damaged

    def turn(self, seconds: float) -> None:
        """Turn the clock, and have the hub do what is due."""
        self.now += seconds
        self.happen()

    def peer(self) -> "Peer":
        """Have a peer appear that has not said anything."""
        return Peer(self)

    def agent(self, engines: int = 0, *, number: int | None = None) -> "Agent":
        """Have an agent join; its engines stay where they are until they are started."""
        anew = len(self.peers) + len(self.gone) + 1000
        agent = Agent(self, anew if number is None else number)
        agent.say(AgentHello(agent.number, "here", 10, engines))
        return agent

    def engines(self, count: int) -> list["Engine"]:
        """Have an agent and so many engines join."""
        agent = self.agent(count)
        return [agent.start(engine) for engine in agent.to_start[-count:]] if count else []

    def client(self) -> "Client":
        """Have a client join."""
        self._clients += 1
        client = Client(self, ClientId(self._clients))
        client.say(ClientHello(client.number, "here", 20))
        return client


class Peer:
    """Somebody connected to the hub; remembers what it heard."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.heard: list[Message] = []
        self.come()

    def come(self) -> None:
        """Come to the hub as somebody it does not know."""
        self.id = PeerId(len(self.stage.peers) + len(self.stage.gone) + 1)
        self.tokens: list[object] = []
        self.stage.peers[self.id] = self

    def said(self, *messages: Message, frames: Sequence[Frame] = ()) -> Said:
        """Make the event of having said something."""
        return Said(self.id, messages, frames)

    def say(self, *messages: Message, frames: Sequence[Frame] = ()) -> None:
        """Say something."""
        self.stage.happen(self.said(*messages, frames=frames))

    def hear(self, send: Send) -> None:
        """Take what the hub says."""
        frames = iter(send.frames)
        for message in send.messages:
            self.heard.append(message)
            self.took(message, frames)
        if send.token is not None:
            self.tokens.append(send.token)

    def took(self, message: Message, frames: Iterable[Frame]) -> None:
        """Learn from a message; what is said in answer is up to the test."""

    def acknowledge(self) -> None:
        """Have the hub learn that everything so far was received."""
        tokens, self.tokens = self.tokens, []
        self.stage.happen(*map(Delivered, tokens))

    def of(self, kind: type[M]) -> list[M]:
        """Return the messages of one type that were heard."""
        return [message for message in self.heard if isinstance(message, kind)]

    def forget(self) -> None:
        """Forget what was heard."""
        self.heard.clear()

    def fall_silent(self, seconds: float = 4.0) -> None:
        """Have the hub notice that nothing was heard for so long."""
        self.stage.happen(Silent(self.id, self.stage.now - seconds))

    def is_heard(self) -> None:
        """Have the hub notice that it is heard again."""
        self.stage.happen(Heard(self.id))

    def leave(self, reason: str = "its connection broke") -> None:
        """Vanish."""
        self.stage.happen(Left(self.id, reason))

    def bye(self) -> None:
        """Leave in good manners."""
        self.say(Bye())


class Agent(Peer):
    """A host agent."""

    def __init__(self, stage: Stage, number: int) -> None:
        super().__init__(stage)
        self.number = number
        self.to_start: list[EngineId] = []
        self.freed: list[str] = []
        self._boots = number * 1000

    def took(self, message: Message, frames: Iterable[Frame]) -> None:
        if isinstance(message, StartEngines):
            self.to_start.extend(message.engines)
        if isinstance(message, FreeBlobs):
            self.freed.extend(message.names)

    def fork(self, engine: EngineId) -> "Engine":
        """Start an engine's process, which has not said anything yet."""
        self._boots += 1
        return Engine(self, engine, self._boots)

    def start(self, engine: EngineId, **resources: float) -> "Engine":
        """Start an engine, which greets the hub."""
        started = self.fork(engine)
        started.resources = resources
        started.hello()
        return started


class Engine(Peer):
    """One life of an engine.

    Attributes
    ----------
    todo
        The tasks it has, in order; the first may have begun.
    frames
        The frames that came with each task.
    """

    def __init__(self, agent: Agent, number: EngineId, boot: int) -> None:
        super().__init__(agent.stage)
        self.agent = agent
        self.number = number
        self.boot = boot
        self.resources: dict[str, float] = {}
        self.todo: list[TaskItem] = []
        self.specs: dict[TaskId, TaskSpec] = {}
        self.frames: dict[TaskId, list[Frame]] = {}
        self.functions: dict[bytes, bytes] = {}
        self.asked: list[Recall | Drop] = []
        self.values: dict[TaskId, ResultItem] = {}
        self.value_frames: dict[TaskId, list[Frame]] = {}

    @property
    def ids(self) -> list[TaskId]:
        """The tasks it has, in order."""
        return [item.id for item in self.todo]

    def took(self, message: Message, frames: Iterable[Frame]) -> None:
        match message:
            case Run():
                rest = iter(frames)
                for item in message.items:
                    assert not message.spec.function or message.spec.function in self.functions
                    assert set(item.needs) <= set(self.values), "a value did not come first"
                    self.todo.append(item)
                    self.specs[item.id] = message.spec
                    self.frames[item.id] = [next(rest) for _ in range(frames_of(item.buffers))]
            case Define():
                self.functions[message.function] = message.inline
            case Undefine():
                for digest in message.functions:
                    del self.functions[digest]
            case Recall() | Drop():
                self.asked.append(message)
            case _:
                self._keep(message, frames)

    def _keep(self, message: Message, frames: Iterable[Frame]) -> None:
        match message:
            case Values():
                rest = iter(frames)
                for value in message.items:
                    assert value.id not in self.values, "a value came twice"
                    self.values[value.id] = value
                    own = [next(rest) for _ in range(frames_of(value.buffers))]
                    self.value_frames[value.id] = own
            case Forget():
                for task in message.ids:
                    del self.values[task], self.value_frames[task]
            case _:
                pass

    def greeting(self) -> EngineHello:
        """Make its greeting."""
        return EngineHello(
            self.number, self.boot, self.agent.number, "here", 100 + self.number, "",
            self.resources,
        )  # fmt: skip

    def hello(self) -> None:
        """Greet the hub."""
        self.say(self.greeting())

    def outcome(
        self,
        status: TaskStatus = TaskStatus.DONE,
        *,
        seconds: float = 0.0,
        buffers: Buffers = (),
    ) -> ResultItem:
        """End the first task."""
        item = self.todo.pop(0)
        return ResultItem(item.id, status, 1000.0, 1000.0 + seconds, b"out", buffers)

    def finish(self, count: int = 1, *, seconds: float = 0.0, buffers: Buffers = ()) -> None:
        """End the first tasks well, and tell."""
        outcomes = [self.outcome(seconds=seconds, buffers=buffers) for _ in range(count)]
        self.say(Done(outcomes))

    def fail(self, *, buffers: Buffers = ()) -> None:
        """End the first task with an exception, and tell."""
        self.say(Done([self.outcome(TaskStatus.FAILED, buffers=buffers)]))

    def give_back(self, *, begun: int = 1) -> list[TaskId]:
        """Answer the oldest question with what has not begun; return that."""
        question = self.asked.pop(0)
        unbegun = self.ids[begun:]
        if isinstance(question, Drop):
            back = [task for task in unbegun if task in question.ids]
        else:
            balanced = [task for task in unbegun if self.specs[task].balanced]
            back = balanced[max(0, len(balanced) - question.count) :]
        self.todo = [item for item in self.todo if item.id not in back]
        self.say(Returned(back))
        return back

    def exited(
        self, *, began: TaskId = NONE, others: Sequence[TaskId] = (), again: bool = True
    ) -> EngineExited:
        """Make what its agent says of its death."""
        cause = "killed by SIGKILL"
        return EngineExited(self.number, self.boot, cause, began, again, list(others))

    def die(
        self, *, began: TaskId = NONE, others: Sequence[TaskId] = (), again: bool = True
    ) -> None:
        """Die, and have its agent tell."""
        self.agent.say(self.exited(began=began, others=others, again=again))


class Client(Peer):
    """A client that numbers its tasks, and keeps their results.

    Attributes
    ----------
    was_away
        Whether it came back to another hub, and may hear an outcome twice.
    """

    def __init__(self, stage: Stage, number: ClientId) -> None:
        super().__init__(stage)
        self.number = number
        self.was_away = False
        self.count = 0
        self.results: dict[TaskId, ResultItem] = {}
        self.from_engine: dict[TaskId, EngineId] = {}
        self.frames: dict[TaskId, list[Frame]] = {}
        self._requests = 0

    def took(self, message: Message, frames: Iterable[Frame]) -> None:
        if isinstance(message, Results):
            rest = iter(frames)
            for item in message.items:
                known = self.results.get(item.id)
                twice = known == item and self.was_away
                assert known is None or twice, f"task {item.id} has two results"
                self.results[item.id] = item
                self.from_engine[item.id] = message.engine
                self.frames[item.id] = [next(rest) for _ in range(frames_of(item.buffers))]

    def next_ids(self, count: int) -> list[TaskId]:
        """Use up ids."""
        first = first_task(self.number, self.count)
        self.count += count
        return [TaskId(first + place) for place in range(count)]

    def submit(
        self,
        count: int = 1,
        *,
        function: bytes = b"",
        retries: int = 0,
        engines: Sequence[int] | None = None,
        buffers: Buffers = (),
        frames: Sequence[Frame] = (),
        options: Options | None = None,
        needs: Sequence[TaskId] = (),
    ) -> list[TaskId]:
        """Submit balanced tasks."""
        ids = self.next_ids(count)
        restriction = None if engines is None else tuple(map(EngineId, engines))
        spec = TaskSpec(Kind.APPLY, function, retries=retries, engines=restriction, options=options)
        self.say(
            Submit(spec, [TaskItem(task, b"in", buffers, tuple(needs)) for task in ids]),
            frames=list(frames) * count,
        )
        return ids

    def submit_each(
        self,
        engines: Sequence[int],
        *,
        function: bytes = b"",
        retries: int = 0,
        buffers: Buffers = (),
        frames: Sequence[Frame] = (),
    ) -> list[TaskId]:
        """Submit one payload to each of several engines."""
        ids = self.next_ids(len(engines))
        spec = TaskSpec(Kind.APPLY, function, retries=retries, balanced=False)
        self.say(
            SubmitEach(spec, TaskItem(ids[0], b"in", buffers), [EngineId(e) for e in engines]),
            frames=frames,
        )
        return ids

    def define(self, digest: bytes, pickled: bytes = PICKLED) -> None:
        """Send a function."""
        self.say(Define(digest, pickled))

    @property
    def needed(self) -> list[bytes]:
        """The functions that the hub asked for, in order."""
        return [need.function for need in self.of(Need)]

    def cancel(self, *tasks: TaskId) -> int:
        """Ask for tasks to be taken back; return the request's number."""
        self._requests += 1
        self.say(Cancel(list(tasks), self._requests))
        return self._requests

    def steer(
        self,
        action: str,
        engines: Sequence[int] = (),
        *,
        count: int = 0,
        signum: int = 0,
        again: bool = False,
    ) -> int:
        """Steer engines, or say the last request again; return the request's number."""
        self._requests += not again
        ids = [EngineId(engine) for engine in engines]
        self.say(Steer(self._requests, action, ids, count, signum))
        return self._requests

    def scale(self, count: int, *, force: bool) -> None:
        """Have so many engines."""
        self._requests += 1
        self.say(Steer(self._requests, "scale", [], count, force=force))

    def adapt(self, bounds: Bounds | None) -> None:
        """Have as many engines as there is work for."""
        self._requests += 1
        self.say(Steer(self._requests, "adapt", bounds=bounds))

    @property
    def statuses(self) -> dict[TaskId, TaskStatus]:
        """How the tasks ended that have."""
        return {task: item.status for task, item in self.results.items()}

    def why(self, task: TaskId) -> tuple[str, str]:
        """Return name and text of the error with which a task ended."""
        failure = decode_failure(self.results[task].inline)
        return failure.ename, failure.evalue

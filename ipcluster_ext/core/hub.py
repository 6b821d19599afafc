"""The hub's mind: events in, effects out; nothing here knows a socket, a clock or chance.

`Hub.handle` takes a batch of events and returns what is to be done about them. It holds no rule
itself: rules for tasks are in `core.tasks`, for those who come and go in `core.roll`, for who
gets what in `core.dispatch`.
"""

from collections.abc import Iterator, Sequence
from typing import assert_never

from ipcluster_ext.core.dispatch import Dispatcher
from ipcluster_ext.core.effects import Effect
from ipcluster_ext.core.engines import Agent, Engine
from ipcluster_ext.core.events import Delivered, Event, Left, PeerId, Said
from ipcluster_ext.core.roll import Roll
from ipcluster_ext.core.state import Client, Place, State
from ipcluster_ext.core.story import Chapter
from ipcluster_ext.core.tasks import Tasks
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import TaskId, client_of
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Bye,
    Cancel,
    ClientHello,
    Define,
    Done,
    EngineExited,
    EngineHello,
    Message,
    Output,
    QueueQuery,
    QueueReply,
    Refused,
    Returned,
    Started,
    Steer,
    Submit,
    SubmitEach,
    Undefine,
)


class Hub:
    """Everything the hub decides.

    Parameters
    ----------
    place
        Where it runs; told to whoever greets it.
    """

    def __init__(self, place: Place | None = None) -> None:
        self.state = State(place or Place())
        self._tasks = Tasks(self.state)
        self._roll = Roll(self.state, self._tasks)
        self._dispatcher = Dispatcher(self.state, self._tasks)

    def handle(self, events: Sequence[Event], *, now: float) -> list[Effect]:
        """Take what happened, and decide.

        Parameters
        ----------
        events
            What happened since the last call, in order; may be empty, when a deadline passed.
        now
            The hub's monotonic clock, in seconds.

        Returns
        -------
        What is to be done, one `Send` per destination at most.
        """
        for event in events:
            match event:
                case Said():
                    frames = iter(event.frames)
                    for message in event.messages:
                        self._said(event.peer, message, frames, now)
                case Left():
                    self._roll.left(event.peer, event.reason, now)
                case Delivered():
                    self.state.blobs.release(event.token)
                case _:
                    assert_never(event)
        self._dispatcher.run(now)
        self._forget_functions()
        if not self.state.tasks:
            self.state.tasks.clear()  # a dict that was large keeps its table until then
        return self.state.take_effects()

    @property
    def deadline(self) -> float | None:
        """When `handle` wants to be called even if nothing happens, by the same clock."""
        return self._dispatcher.deadline

    def story(self, task: TaskId) -> list[Chapter]:
        """Tell what is remembered of a task, the oldest first."""
        return self.state.log.story(task)

    def _said(self, peer: PeerId, message: Message, frames: Iterator[Frame], now: float) -> None:
        who = self.state.peers.get(peer)
        if isinstance(message, Bye):
            self._roll.left(peer, "it said goodbye", now)
        elif isinstance(who, Engine):
            self._engine_said(who, peer, message, frames, now)
        elif isinstance(who, Client):
            self._client_said(who, message, frames, now)
        elif isinstance(who, Agent):
            if isinstance(message, EngineExited):
                self._roll.engine_exited(who, message, now)
        else:
            self._stranger_said(peer, message, now)

    def _stranger_said(self, peer: PeerId, message: Message, now: float) -> None:
        if peer in self.state.dismissed:
            return
        match message:
            case ClientHello():
                self._roll.client(peer, message)
            case EngineHello():
                self._roll.engine(peer, message, now)
            case AgentHello():
                self._roll.agent(peer, message)
            case _:
                self.state.line(peer).say(Refused("the first message has to be a greeting"))
                self.state.dismiss(peer)

    def _client_said(
        self, client: Client, message: Message, frames: Iterator[Frame], now: float
    ) -> None:
        match message:
            case Submit():
                self._tasks.submit(client, message, frames, now)
            case SubmitEach():
                self._tasks.submit_each(client, message, frames, now)
            case Define():
                self._tasks.define(message.function, message.inline, now)
            case Cancel():
                self._tasks.cancel(client, message)
            case Steer():
                self._roll.steer(client, message)
            case QueueQuery():
                loads = {engine.id: engine.load for engine in self.state.engines.values()}
                client.line.say(QueueReply(message.request, len(self.state.queue), loads))
            case _:
                self.state.stale += 1

    def _engine_said(
        self, engine: Engine, peer: PeerId, message: Message, frames: Iterator[Frame], now: float
    ) -> None:
        if engine.line is None or engine.line.peer != peer:
            self.state.stale += 1
            return
        match message:
            case Done():
                self._tasks.done(engine, message, frames, now)
            case Returned():
                self._tasks.returned(engine, message, now)
            case Output():
                self._pass_on(engine, [message.id], message)
            case Started():
                self._pass_on(engine, message.ids, message)
            case _:
                self.state.stale += 1

    def _pass_on(self, engine: Engine, ids: list[TaskId], message: Message) -> None:
        """Pass a word about tasks to their client, if the engine has them."""
        if ids and all(task in engine.unfinished for task in ids):
            client = self.state.clients.get(client_of(ids[0]))
            if client is not None:
                client.line.say(message)

    def _forget_functions(self) -> None:
        gone = self.state.library.evict()
        if not gone:
            return
        for engine in self.state.engines.values():
            if engine.line is not None and (known := [d for d in gone if d in engine.known]):
                engine.known.difference_update(known)
                engine.line.say(Undefine(known))

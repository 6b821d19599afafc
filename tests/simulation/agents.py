"""Scripted agents: they start engines, and tell of their death."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import EngineId, owner_of_blob
from ipcluster_ext.protocol.messages import (
    AgentHello,
    EngineExited,
    FreeBlobs,
    Message,
    Peek,
    Peeked,
    Refused,
    SignalEngines,
    Signalled,
    StartEngines,
    StopEngines,
    SweepBlobs,
    Welcome,
)
from ipcluster_ext.protocol.parts import Life
from ipcluster_ext.transport.router import Address
from tests.simulation.engines import ENGINES, Engine
from tests.simulation.network import Said
from tests.simulation.processes import Process
from tests.simulation.truth import NONE, hold

if TYPE_CHECKING:
    from tests.simulation.world import World

RING = 2047
NOTICE = 0.02
"""How long it takes, at most, until a death is known, and until an engine is up."""


class Agent(Process):
    """A host agent.

    Attributes
    ----------
    engines
        Its engines that live.
    due, started
        Those to be started, and all that ever were.
    """

    def __init__(self, world: "World", count: int) -> None:
        self.count = count
        self.engines: dict[EngineId, Engine] = {}
        self.started: set[EngineId] = set()
        self.due: dict[EngineId, None] = {}
        boot = world.number()
        super().__init__(world, Address(ENGINES, b"a%x" % boot), boot)

    @property
    def greeting(self) -> Message:
        return AgentHello(self.boot, "here", 1, self.count)

    def begin_again(self, unheard: list[Said]) -> list[Said]:
        lives = [Life(e.id, e.boot, up=True, resources=e.resources) for e in self.engines.values()]
        lives += [Life(engine, 0, up=False) for engine in self.due]
        hello = AgentHello(self.boot, "here", 1, self.count, again=True, engines=lives)
        missed = [message for messages, _ in unheard for message in messages]
        return [([hello, *missed], ())]

    def took(self, message: Message, frames: Iterator[Frame]) -> None:
        match message:
            case StartEngines():
                self._begin(message.engines)
            case StopEngines():
                for engine in message.engines:
                    self._stop(engine, again=message.again)
            case Peek():
                self._peek(message)
            case FreeBlobs():
                self.world.truth.blobs -= set(message.names)
            case SweepBlobs():
                blobs = self.world.truth.blobs
                swept = {name for name in blobs if owner_of_blob(name) == message.owner}
                self.world.truth.blobs = blobs - (swept - set(message.keep))
            case SignalEngines():
                self.line.say(Signalled(message.mark))
            case Welcome() | Refused():
                return
            case _:
                raise AssertionError(message)

    def _begin(self, engines: list[EngineId]) -> None:
        self.started.update(engines)
        most = self.count + self.world.truth.starts
        hold(len(self.started) <= most, "it is given engines twice:", self.started)
        for engine in engines:
            if engine not in self.engines:
                self._start(engine)

    def _start(self, engine: EngineId) -> None:
        self.due[engine] = None
        self.after(NOTICE * self.world.random.random(), self._launch, engine)

    def _launch(self, engine: EngineId) -> None:
        if engine in self.due:
            del self.due[engine]
            self.engines[engine] = Engine(self, engine, self.world.number())

    def _stop(self, engine: EngineId, *, again: bool) -> None:
        if engine in self.engines:
            self.kill(engine, again=again)
        elif engine in self.due and not again:
            del self.due[engine]
            self.line.say(EngineExited(engine, 0, "stopped", NONE, again=False))

    def _peek(self, message: Peek) -> None:
        """Tell what an engine has begun, from its black box."""
        life = self.engines.get(message.engine)
        if life is not None and life.boot == message.boot and not life.line.gone:
            others = list(life.out_of_turn)
            ran = life.ran[-RING:]
            self.line.say(Peeked(life.id, life.boot, message.mark, life.box, others, ran))

    def kill(self, engine: EngineId, *, again: bool) -> None:
        """End an engine, and tell of it soon."""
        life = self.engines[engine]
        if not life.line.gone:
            life.end()
            self.world.truth.orphaned.update([*life.ran, *life.out_of_turn])
            if life.box in life.ended:  # perhaps it had that once more, not yet begun
                self.world.truth.vague = True
            self.after(NOTICE * self.world.random.random(), self._bury, (life, again))

    def _bury(self, what: tuple[Engine, bool]) -> None:
        life, again = what
        del self.engines[life.id]
        others, ran = list(life.out_of_turn), life.ran[-RING:]
        self.line.say(EngineExited(life.id, life.boot, "killed", life.box, again, others, ran))
        if again:
            self._start(life.id)

    def end(self) -> None:
        """End, and take its engines along."""
        super().end()
        for life in self.engines.values():
            if not life.line.gone:
                life.end()
        self.engines.clear()

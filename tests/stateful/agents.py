"""Scripted agents, that start engines and tell of their death."""

from collections.abc import Iterator
from random import Random

from ipcluster_ext.protocol.feed import Vital
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import EngineId, owner_of_blob
from ipcluster_ext.protocol.messages import (
    AgentHello,
    EngineExited,
    FreeBlobs,
    Measure,
    Message,
    Refused,
    SignalEngines,
    Signalled,
    StartEngines,
    StopEngines,
    SweepBlobs,
    Vitals,
    Welcome,
)
from tests.stateful.engines import Engine
from tests.stateful.world import NONE, Process, World


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
            case Measure():
                vitals = [Vital(engine.id, 0.5, self.world.number()) for engine in self.engines]
                self.say(Vitals(vitals if message.every else [], 1 << 30))
            case SignalEngines():
                self.say(Signalled(message.mark))
            case Welcome() | Refused():
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
        others = engine.out_of_turn
        self.say(EngineExited(engine.id, engine.boot, "killed", engine.box, again, others))
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

"""Scripted agents: they start engines, and tell of their death."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import structs

from ipcluster_ext.agent import planning
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import EngineId, owner_of_blob
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Bye,
    EngineExited,
    FreeBlobs,
    Launched,
    LaunchMore,
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
from tests.simulation.engines import Engine
from tests.simulation.network import FAR, HERE, Said, address_of
from tests.simulation.processes import KEEPING_UP, Process
from tests.simulation.truth import KILLED, NONE, hold

if TYPE_CHECKING:
    from tests.simulation.hosts import Hosts
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
    due, started, stopping
        Those to be started, and all that ever were; and those that die and are not to come back.
    far, set_name, capacity, first, instead_of, sets, asked
        As in `AgentHello`.
    unsaid
        What it is to report.
    is_closed
        Whether it ends once all its engines have ended.
    is_away, is_spared
        Whether its host is cut off; and whether it was said since then that it has ended.
    """

    def __init__(
        self,
        world: "World",
        count: int,
        *,
        far: bool = False,
        set_name: str = "",
        capacity: int = 0,
        first: int | None = None,
        instead_of: int = 0,
        sets: dict[str, int] | None = None,
        is_closed: bool = False,
        hosts: "Hosts | None" = None,
    ) -> None:
        self.count = count
        self.far, self.set_name, self.capacity = far, set_name, capacity
        self.first, self.instead_of, self.sets = first, instead_of, sets or {}
        self.asked: dict[str, int] = {}
        self.unsaid: list[Launched] = []
        self.is_closed = is_closed
        self.is_away = self.is_spared = False
        self.hosts = hosts
        self.engines: dict[EngineId, Engine] = {}
        self.started: set[EngineId] = set()
        self.due: dict[EngineId, None] = {}
        self.stopping: set[EngineId] = set()
        boot = world.number()
        super().__init__(world, address_of(b"a%x" % boot, far=far), boot)
        if far:
            self.after(KEEPING_UP, self._ping)

    @property
    def greeting(self) -> AgentHello:
        return AgentHello(
            self.boot, self.host, 1, self.count, far=self.far,
            set=self.set_name, capacity=self.capacity, first=self.first, sets=dict(self.sets),
            instead_of=self.instead_of, asked=dict(self.asked),
        )  # fmt: skip

    def _ping(self, _: object) -> None:
        """Be heard: the hub does not see from another host's connection that nobody is there."""
        self.line.ping()
        self.after(KEEPING_UP, self._ping)

    @property
    def host(self) -> str:
        """What its host is called."""
        return FAR if self.far else HERE

    @property
    def all(self) -> list[Process]:
        """Whoever lives on its host."""
        return [self, *(life for life in self.engines.values() if not life.line.gone)]

    def begin_again(self, unheard: list[Said]) -> list[Said]:
        lives = [Life(e.id, e.boot, up=True, resources=e.resources) for e in self.engines.values()]
        lives += [Life(engine, 0, up=False) for engine in self.due]
        missed = [message for messages, _ in unheard for message in messages]
        sets = planning.before(self.sets, missed)
        hello = structs.replace(self.greeting, again=True, engines=lives, sets=sets)
        return [([hello, *missed], ())]

    def took(self, message: Message, frames: Iterator[Frame]) -> None:  # noqa: C901 - one case each
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
                self.world.truth.outlasting.update(swept & set(message.keep))
            case SignalEngines():
                self.line.say(Signalled(message.mark))
            case LaunchMore():
                self.world.hosts.more(message.count)
            case Bye():
                self.leave()
            case Welcome():
                self.report()
            case Refused():
                return
            case _:
                raise AssertionError(message)

    def report(self) -> None:
        """Tell the hub how things fare that are to bring engines, once it has answered."""
        if self.welcome and self.unsaid:
            unsaid, self.unsaid = self.unsaid, []
            for report in unsaid:
                self.sets = planning.after(self.sets, report)
            self.line.say(*unsaid)

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
            if not again:
                self.stopping.add(engine)  # one that has just died is not started anew
            self.kill(engine, again=again)
        elif engine in self.due and not again:
            del self.due[engine]
            self.line.say(EngineExited(engine, 0, "stopped", NONE, again=False))
            self._end_alone()

    def _peek(self, message: Peek) -> None:
        """Tell what an engine has begun, from its black box."""
        life = self.engines.get(message.engine)
        if life is not None and life.boot == message.boot and not life.line.gone:
            life.held += message.hold
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
        again = again and life.id not in self.stopping
        self.stopping.discard(life.id)
        del self.engines[life.id]
        others, ran = list(life.out_of_turn), life.ran[-RING:]
        self.line.say(EngineExited(life.id, life.boot, KILLED, life.box, again, others, ran))
        if again:
            self._start(life.id)

        self._end_alone()

    def _end_alone(self) -> None:
        """End, if it is to have no other engines than it had, and has none left."""
        if self.is_closed and not self.engines and not self.due:
            self.leave()

    def leave(self) -> None:
        """Say goodbye, and end with all its engines."""
        truth = self.world.truth
        truth.hosts_missed += 1
        for life in self.engines.values():
            truth.orphaned.update([*life.ran, *life.out_of_turn])
        self.line.say(Bye())
        self.end()
        self.world.agents.remove(self)
        if self.hosts is not None:
            self.hosts.ended(self)

    def end(self) -> None:
        """End, and take its engines along."""
        super().end()
        for life in self.engines.values():
            if not life.line.gone:
                life.end()
        self.engines.clear()

"""The short way between a client and an engine, as `transport.express` has it.

Nothing that was written is lost while the reader lives, and it is read in order; when, chance
decides. It has a chance of its own, so that histories without it stay what they are.
"""

from collections import deque
from random import Random
from typing import TYPE_CHECKING

from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Define, Message, Ran, Submit
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from tests.simulation.truth import Call

if TYPE_CHECKING:
    from tests.simulation.clients import Client
    from tests.simulation.engines import Engine

DELAYS = (0.00005, 0.00005, 0.0002, 0.002, 0.05)
SLOW_DELAYS = (0.002, 0.05, 0.05)
PATIENCE = (0.0, 0.0005, 0.0005, 0.05)
"""How soon a client names a task that is not answered."""
REPORTED = (0.0, 0.005, 0.05)


class Way:
    """What a client and an engine have written to each other.

    Attributes
    ----------
    asked, told
        What the other has not read: tasks, outcomes, and the ids of tasks that are named.
    answer
        What the client was answered last, until the engine may forget it.
    """

    def __init__(self, client: "Client", engine: "Engine") -> None:
        self.client = client
        self.engine = engine
        self.asked: deque[tuple[TaskSpec, TaskItem] | TaskId] = deque()
        self.told: deque[ResultItem | TaskId] = deque()
        self.answer: ResultItem | None = None


class ShortWay:
    """A client's end of all its short ways.

    Parameters
    ----------
    client
        The client.

    Attributes
    ----------
    handed, named
        The tasks that it has handed over; and those of them of which it told before it was
        answered.
    """

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._chance = Random(client.id)
        self._ways: dict[int, Way] = {}
        self._unnamed: tuple[TaskSpec, TaskItem, Way] | None = None
        self._awaited: TaskId | None = None
        self._handed: tuple[TaskSpec, TaskItem] | None = None
        self._answered: list[tuple[TaskSpec, TaskItem, ResultItem, EngineId]] = []
        self.handed: set[TaskId] = set()
        self.named: set[TaskId] = set()

    def hand(self, call: Call) -> bool:
        """Hand a task to some engine, if it may and can be."""
        client, spec, item = self._client, call.spec, call.item
        there = [e for e in client.world.engines if e.welcome and not e.agent.far]
        plain = spec.options is None and spec.engines is None and call.target is None
        if not (there and plain) or item.needs or item.buffers or self._awaited in client.open:
            return False
        if self._chance.random() < 0.3:
            return False
        engine = self._chance.choice(there)
        if engine.boot not in self._ways:
            way = self._ways[engine.boot] = Way(client, engine)
            engine.ways.append(way)
        way = self._ways[engine.boot]
        if spec.function and self._chance.random() < 0.5:
            client.line.say(Define(spec.function, spec.function * 30))
        self.handed.add(item.id)
        self._awaited = item.id
        self._unnamed, self._handed = (spec, item, way), (spec, item)
        self._write(way, (spec, item))
        client.after(self._chance.choice(PATIENCE), self._name, item.id)
        return True

    def _write(self, way: Way, what: tuple[TaskSpec, TaskItem] | TaskId) -> None:
        way.asked.append(what)
        way.engine.after(self.delay, way.engine.read, way)

    def _name(self, task: TaskId) -> None:
        if self._unnamed is not None and self._unnamed[1].id == task:
            self.tell_news()

    def tell_news(self, _: object = None) -> None:
        """Tell the hub whatever it was not told."""
        news: list[Message] = []
        answered, self._answered = self._answered, []
        for spec, item, outcome, engine in answered:
            news.append(Ran(spec, [item], [outcome], engine))
        if self._unnamed is not None:
            spec, item, way = self._unnamed
            self._unnamed = None
            self.named.add(item.id)
            self._write(way, item.id)
            news.append(Submit(spec, [item], way.engine.id, way.engine.boot))
        if news:
            self._client.line.say(*news)

    @property
    def delay(self) -> float:
        """How long something written takes to be read, drawn anew."""
        slow = "slow ways" in self._client.world.traits
        return self._chance.choice(SLOW_DELAYS if slow else DELAYS)

    def hear(self, way: Way) -> None:
        """Read what an engine has written."""
        while way.told:
            told = way.told.popleft()
            if not isinstance(told, ResultItem):
                self._name(told)
                continue
            handed, self._handed = self._handed, None
            if handed is not None and handed[1].id == told.id:
                self._answered.append((*handed, told, way.engine.id))
                if self._unnamed is None:
                    self._client.world.truth.crossed.add(told.id)
                    self.tell_news()
                self._unnamed = None
                self._client.after(self._chance.choice(REPORTED), self.tell_news)
            self._client.told(told, ())

    def end(self) -> None:
        """Have engines learn that the client has ended, when they have read what it wrote."""
        for way in self._ways.values():
            way.engine.after(self.delay, way.engine.lose, way)


def tell(way: Way, what: ResultItem | TaskId) -> None:
    """Have an engine write something to a client."""
    way.told.append(what)
    client = way.client
    client.after(client.short_way.delay, client.short_way.hear, way)

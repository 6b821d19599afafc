"""The other ways of choosing an engine, under the names that ipyparallel gave them.

Each knows the available engines as `core.policy.LeastLoad` does, and falls back on the least
loaded where the engine of its choice has no room: a queued task never waits while an engine
could take it.
"""

from collections import OrderedDict
from typing import assert_never

from ipcluster_ext.core.chance import Chance
from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.policy import LeastLoad
from ipcluster_ext.protocol.process import PolicyName


class LeastRecentlyUsed(LeastLoad):
    """The engine that was given work longest ago."""

    greedy = False

    def __init__(self) -> None:
        super().__init__()
        self._order: OrderedDict[Engine, None] = OrderedDict()

    def enter(self, engine: Engine) -> None:
        """Enter an engine under its present load, or take it out if it may not be given work."""
        super().enter(engine)
        if engine.available:
            self._order.setdefault(engine)
        else:
            self._order.pop(engine, None)

    def choose(self, credit: int) -> Engine | None:
        """Return the engine to be given work next, if each may hold so many tasks."""
        for engine in self._order:
            if self.greedy or engine.load < credit:
                self._order.move_to_end(engine)
                return engine
        return self.least()


class RoundRobin(LeastRecentlyUsed):
    """Each in turn, however much it has to do."""

    greedy = True


class PlainRandom(LeastLoad):
    """Any engine.

    Parameters
    ----------
    chance
        Where chance comes from.
    """

    def __init__(self, chance: Chance) -> None:
        super().__init__()
        self.chance = chance
        self._engines: list[Engine] = []
        self._places: dict[Engine, int] = {}

    def enter(self, engine: Engine) -> None:
        """Enter an engine under its present load, or take it out if it may not be given work."""
        super().enter(engine)
        place = self._places.get(engine)
        if engine.available and place is None:
            self._places[engine] = len(self._engines)
            self._engines.append(engine)
        elif not engine.available and place is not None:
            last = self._engines.pop()
            if last is not engine:
                self._engines[place] = last
                self._places[last] = place
            del self._places[engine]

    def choose(self, credit: int) -> Engine | None:
        """Return the engine to be given work next, if each may hold so many tasks."""
        engine = self.draw() if self._engines else None
        return engine if engine is not None and engine.load < credit else self.least()

    def draw(self) -> Engine:
        """Draw an engine."""
        return self.any()

    def any(self) -> Engine:
        """Return any engine; there is one."""
        return self._engines[self.chance.below(len(self._engines))]


class TwoBin(PlainRandom):
    """The less loaded of any two."""

    def draw(self) -> Engine:
        """Draw an engine."""
        return min(self.any(), self.any(), key=lambda engine: engine.load)


class Weighted(PlainRandom):
    """One of any two, the more probably the less it has to do."""

    def draw(self) -> Engine:
        """Draw an engine."""
        first, second = self.any(), self.any()
        weight = (second.load + 1) / (first.load + second.load + 2)
        return first if self.chance.share() < weight else second


def make_policy(name: PolicyName, chance: Chance) -> LeastLoad:
    """Make a policy."""
    match name:
        case "leastload":
            return LeastLoad()
        case "lru":
            return LeastRecentlyUsed()
        case "pure":
            return RoundRobin()
        case "plainrandom":
            return PlainRandom(chance)
        case "twobin":
            return TwoBin(chance)
        case "weighted":
            return Weighted(chance)
        case _:
            assert_never(name)

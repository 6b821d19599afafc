"""Hosts other than the hub's own: what is started there, how they are cut off, how they end.

They stand for all that brings engines from elsewhere: hosts on which an agent that was killed is
followed by another, and jobs of a batch system, whose agents are to have no other engines than
they had, and come once more under the ids of those before them.
"""

from typing import TYPE_CHECKING

from ipcluster_ext.agent import planning
from ipcluster_ext.protocol.messages import Launched
from tests.simulation.agents import NOTICE, Agent

if TYPE_CHECKING:
    from tests.simulation.world import World

SET = "far"
"""What the set of engines elsewhere is called."""


class Hosts:
    """Has agents started elsewhere, and tells the hub of them by way of its own host's agent.

    Parameters
    ----------
    world
        Where they are.

    Attributes
    ----------
    on_their_way
        How many agents are to come.
    """

    def __init__(self, world: "World") -> None:
        self.world = world
        self.on_their_way = 0
        self._is_batch = "batch" in world.traits
        self._home: Agent | None = None

    def begin(self) -> None:
        """Start the agent of the hub's host, and some elsewhere."""
        random = self.world.random
        counts = [random.choice((1, 1, 2)) for _ in range(random.choice((1, 1, 2, 3)))]
        own = random.choice((0, 1, 1))
        if "alone" in self.world.traits:
            counts, own = [1], 0
        self._home = Agent(self.world, own, sets={SET: sum(counts)})
        self.world.agents.append(self._home)
        first = 0
        for count in counts:
            self.on_their_way += 1
            self._come((count, first if self._is_batch else None, 0))
            first += count

    @property
    def planned(self) -> dict[str, int]:
        """How many engines are to come of each set, as the agent of the hub's host has it."""
        return {} if self._home is None else self._home.sets

    @property
    def asked(self) -> dict[str, int]:
        """For how many more engines of each set it was ever asked."""
        return {} if self._home is None else self._home.asked

    @property
    def all(self) -> list[Agent]:
        """The agents elsewhere that live."""
        return [agent for agent in self.world.agents if agent.far]

    def _start(self, count: int, *, first: int | None = None, instead_of: int = 0) -> None:
        self.on_their_way += 1
        seconds = self.world.random.choice((0.01, 0.5, 3.0)) * self.world.random.random()
        self.world.agenda.after(seconds, self._come, (count, first, instead_of))

    def _come(self, what: tuple[int, int | None, int]) -> None:
        count, first, instead_of = what
        self.on_their_way -= 1
        agent = Agent(
            self.world, count, far=True, set_name=SET, capacity=count if self._is_batch else 0,
            first=first, instead_of=instead_of, is_closed=self._is_batch, hosts=self,
        )  # fmt: skip
        self.world.agents.append(agent)

    def more(self, count: int) -> None:
        """Start more engines of the set, as the hub has ordered, or say why not."""
        if self._home is not None:
            self._home.sets = planning.with_more(self._home.sets, SET, count)
            self._home.asked = planning.with_more(self._home.asked, SET, count)
        if self.world.random.random() < 0.2:
            self._say(count, "failed")
        else:
            self._start(count)

    def _say(
        self, count: int, stage: str, *, again_in: float | None = None, last: bool = False
    ) -> None:
        launched = Launched(SET, "n", count, stage, "", again_in, last=last)
        if self._home is not None:
            self._home.unsaid.append(launched)
            self._home.report()

    def ended(self, agent: Agent) -> None:
        """Learn that an agent has ended by itself, in good order."""
        self._say(agent.count, "ended", last=not self.all and not self.on_their_way)

    # ------------------------------------------------------------ what strikes

    def part(self, agent: Agent, seconds: float) -> None:
        """Cut a host off for a while, with all that lives there."""
        world = self.world
        agent.is_away = True
        self._miss(agent)
        for process in agent.all:
            world.network.part(process.line)
        world.agenda.after(seconds, self.join, agent)

    def join(self, agent: Agent) -> None:
        """Have a host found again."""
        agent.is_away = False
        for process in agent.all:
            self.world.network.join(process.line)

    def suspend(self, agent: Agent, seconds: float) -> None:
        """Have all that lives on a host stand still for a while."""
        self._miss(agent)
        for process in agent.all:
            process.stop()
            self.world.agenda.after(seconds, process.go_on)

    def kill(self, agent: Agent) -> None:
        """Have all that lives on a host die without a word; something follows it."""
        if self._is_batch:
            self.end_all(spared=None)
            return
        if self.world.random.random() < 0.8:
            self._bury(agent)
            self._say(agent.count, "again", again_in=1.0)
            self._start(agent.count, instead_of=agent.boot)
        else:
            self.die(agent)

    def die(self, agent: Agent) -> None:
        """Have all that lives on a host die without a word; nothing follows it."""
        self._bury(agent)
        self._say(agent.count, "failed", last=not self.all and not self.on_their_way)

    def end_all(self, *, spared: Agent | None, for_good: bool = False) -> None:
        """Have all die that was started, but for one perhaps that nobody can reach to end it."""
        doomed = self.all
        count = sum(agent.count for agent in doomed)
        for agent in doomed:
            if agent is spared:
                agent.is_spared = True
            else:
                self._bury(agent)
        again = not for_good and self.world.random.random() < 0.7
        last = not self.on_their_way
        self._say(count, "failed", again_in=NOTICE if again else None, last=last)
        for agent in doomed if again else ():
            self._start(agent.count, first=agent.first)

    def _miss(self, agent: Agent) -> None:
        """Note that the hub may come to know nothing of what a host's engines have begun."""
        truth = self.world.truth
        truth.hosts_missed += 1
        for life in agent.engines.values():
            truth.orphaned.update([*life.ran, *life.out_of_turn])

    def _bury(self, agent: Agent) -> None:
        self._miss(agent)
        agent.end()
        self.world.agents.remove(agent)

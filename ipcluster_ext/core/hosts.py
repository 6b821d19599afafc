"""Rules for hosts: where engines are started, and what follows when a host is not heard for long.

A host that is not the hub's own is given up after a while: nobody can look into its engines' black
boxes, so whatever they had may have run. They are lost, and their tasks fail or run again as if
they had died. If the host comes back after all, its agent greets anew and is taken back, with the
engines that still live there, under their ids and with all that is in them; they are told to drop
and to stop what was given away, and what they say of that counts no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from math import inf

from ipcluster_ext.core.assignments import THE_HUB
from ipcluster_ext.core.elsewhere import own_lives
from ipcluster_ext.core.engines import Agent, Engine, Withdrawal
from ipcluster_ext.core.events import PeerId
from ipcluster_ext.core.state import State
from ipcluster_ext.protocol.ids import EngineId, TaskId, client_of
from ipcluster_ext.protocol.labour import (
    AgentHello,
    Drop,
    EngineHello,
    Halt,
    Launched,
    LaunchMore,
    StartEngines,
)
from ipcluster_ext.protocol.parts import Life
from ipcluster_ext.protocol.status import EngineStatus
from ipcluster_ext.protocol.text import host_name

NO_PEER = PeerId(0)
"""Whoever is not there yet."""
LOCAL = "local"
"""What the set of engines of the hub's own host is called."""
MOST_GIVEN_UP = 1_000
"""So many hosts that were given up are remembered."""


@dataclass(slots=True, eq=False)
class _Gone:
    """A host that was given up."""

    agent: Agent
    engines: frozenset[EngineId]


class Hosts:
    """Spreads engines over hosts, and remembers those that were given up.

    Parameters
    ----------
    state
        The hub's tables.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._gone: dict[int, _Gone] = {}
        self._struck_off: dict[int, None] = {}
        self._returning: dict[int, frozenset[EngineId]] = {}

    # ------------------------------------------------------------ a host that is not heard

    def given_up(self, agent: Agent) -> None:
        """Remember an agent that is not waited for any longer: it may be heard again."""
        engines = frozenset(agent.engines) | self._returning.pop(agent.id, frozenset())
        self._gone[agent.id] = _Gone(agent, engines)
        while len(self._gone) > MOST_GIVEN_UP:
            del self._gone[next(iter(self._gone))]

    def struck_off(self, agent: Agent) -> None:
        """Remember an agent that is certain to be gone: its first greeting may yet arrive again."""
        self._struck_off[agent.id] = None
        while len(self._struck_off) > MOST_GIVEN_UP:
            del self._struck_off[next(iter(self._struck_off))]

    def is_stale(self, hello: AgentHello) -> bool:
        """Tell whether a greeting is one that an agent said before it was struck off."""
        return hello.agent in self._struck_off and not hello.again

    def returns(self, number: int) -> Agent | None:
        """Return the agent of a host that was given up and is heard again; None for any other.

        It, or one of its engines, has greeted; the others follow.
        """
        state = self._state
        gone = self._gone.pop(number, None)
        if gone is not None:
            old = gone.agent
            agent = Agent(
                number, old.host, state.line(NO_PEER),
                far=True, set_name=old.set_name, capacity=old.capacity,
            )  # fmt: skip
            agent.silent_since = state.now
            state.missed.append(agent)  # it may have died since
            state.agents[number] = agent
            self._returning[number] = gone.engines
        return state.agents.get(number) if number in self._returning else None

    def engine_returns(self, hello: EngineHello) -> Engine | None:
        """Return an engine of such a host that greets; None for any other."""
        agent = self.returns(hello.agent)
        if agent is None or hello.engine not in self._returning[hello.agent]:
            return None
        known = self._state.engines.get(hello.engine)
        if known is not None and known.agent is not agent:
            return None  # another has its id by now
        return self._take_back(agent, hello.engine, hello.resources)

    def take_back(self, agent: Agent, lives: Sequence[Life]) -> None:
        """Take back the engines that such a host has, once its agent has greeted."""
        state = self._state
        del self._returning[agent.id]
        lives = own_lives(state, agent, lives)
        there = {life.engine for life in lives}
        for number in sorted(agent.engines - there):  # asked for before it could be told
            engine = state.engines[number]
            if engine.status is EngineStatus.STARTING and not engine.boot:
                agent.line.say(StartEngines([number], engine.wanted))
        engines = [self._take_back(agent, life.engine, life.resources) for life in lives]
        state.tell_clients([engine.info for engine in engines])
        numbers = ", ".join(str(engine.id) for engine in engines) or "none"
        state.notify(f"host {host_name(agent.host)} is heard again; its engines: {numbers}")

    def _take_back(self, agent: Agent, number: EngineId, wanted: dict[str, float]) -> Engine:
        state = self._state
        engine = state.engines.get(number)
        if engine is None:
            engine = Engine(number, agent, host=agent.host, wanted=wanted, regained=True)
            state.engines[number] = engine
            agent.engines.add(number)
            state.restaffed.add(agent)
        return engine

    def is_back(self, engine: Engine, held: Sequence[TaskId]) -> None:
        """Have an engine of such a host drop all that it has: others have it, or it is over.

        What it runs first it has as ever, or it would not be done at all.
        """
        engine.regained = False
        if held := [task for task in held if client_of(task) != THE_HUB]:
            line = engine.open_line
            line.say(Drop(held))  # at first, or it would begin the next one
            line.say(Halt(held))
            engine.settling = Withdrawal(line, 0, there=list(held))  # or it had them twice
            engine.asked.append(engine.settling)

    # ------------------------------------------------------------ where engines are started

    def greeted(self, agent: Agent, hello: AgentHello) -> None:
        """Learn from the greeting of the hub's own host's agent what is to come elsewhere."""
        if not agent.far:
            self._state.planned = dict(hello.sets)
            self._state.bounds = hello.bounds
            self._order_again(agent, hello.asked)

    def _order_again(self, home: Agent, asked: Mapping[str, int]) -> None:
        """Repeat what the hub before had recorded, and may have died before it could say it."""
        ordered = self._state.ordered
        for named in home.sets:
            heard = asked.get(named, 0)
            unheard = ordered.get(named, 0) - heard
            if unheard > 0:
                self._plan(named, unheard)
                home.line.say(LaunchMore(named, unheard))
            elif unheard:  # the record of it is lost
                ordered[named] = heard

    def reported(self, message: Launched) -> None:
        """Learn how something fares that is to bring engines."""
        over = message.stage == "failed" and message.again_in is None
        if over or message.stage == "ended":
            self._plan(message.set, -message.count)
        if over:
            self._state.notify(f"{message.name}: {message.reason}")
        if message.last:
            for agent in self._state.agents.values():
                agent.doomed = agent.doomed or agent.set_name == message.set

    def holders(self, agent: Agent, wished: Sequence[EngineId]) -> list[Agent]:
        """Return those of the agent's set that are doomed and have ids which it wishes for."""
        engines = self._state.engines
        found = {engines[each].agent.id: engines[each].agent for each in wished if each in engines}
        return [each for each in found.values() if each.doomed and each.set_name == agent.set_name]

    def _plan(self, named: str, more: int) -> None:
        planned = self._state.planned
        planned[named] = max(0, planned.get(named, 0) + more)

    def spread(self, count: int, named: str) -> tuple[list[tuple[Agent, int]], str]:
        """Choose where to start engines: evenly, as far as there is room.

        Parameters
        ----------
        count
            How many.
        named
            In which set of engines; empty for wherever there are some.

        Returns
        -------
        How many on which host, and the set for which agents have to be started for the rest; empty
        if there is none.
        """
        known = list(self._state.agents.values())
        agents = [agent for agent in known if self._can_start(agent)] or known
        home = next((agent for agent in agents if not agent.far), None)
        sets = [] if home is None else [each for each in home.sets if named in {"", each}]
        alone = not sets and not any(agent.far for agent in agents)
        grows = [each for each in sets if not self._fixed(each)]
        chosen = [agent for agent in agents if _serves(agent, named, alone=alone)]
        shares = _shares(chosen, count)
        rest = count - sum(shares.values())
        placed = [(agent, shares[agent.id]) for agent in chosen if shares[agent.id]]
        return placed, grows[0] if rest and grows else ""

    def _fixed(self, named: str) -> str:
        """Return why a set can have no more engines, empty if it can: as none of it is left."""
        agents = self._state.agents.values()
        why = next((agent.fixed[named] for agent in agents if named in agent.fixed), "")
        there = self._state.planned.get(named) or any(each.set_name == named for each in agents)
        return why if there else ""

    def why_no_more(self, named: str) -> str:
        """Return why a set, or any, can have no more engines; empty if that is not known."""
        sets = [each for agent in self._state.agents.values() for each in agent.fixed]
        return next((self._fixed(each) for each in sets if named in {"", each}), "")

    def _can_start(self, agent: Agent) -> bool:
        """Tell whether an agent can be told to start engines, now or in a moment."""
        return agent.line.peer != NO_PEER or agent.id in self._returning

    def grow(self, named: str, count: int) -> None:
        """Have agents started for more engines of a set."""
        state = self._state
        home = next(agent for agent in state.agents.values() if named in agent.sets)
        self._plan(named, count)
        state.ordered[named] = state.ordered.get(named, 0) + count
        state.journal.ordered(state.ordered)
        home.line.order(LaunchMore(named, count))


def _serves(agent: Agent, named: str, *, alone: bool) -> bool:
    """Tell whether engines of a set, or just any, may be started at an agent.

    The hub's own host has some only where it had some before, or where there is no other.
    """
    if agent.silent_since is not None and agent.line.peer != NO_PEER:
        return False  # one that is to greet in a moment, its engines have
    if agent.far:
        return named in {"", agent.set_name}
    return named in {"", LOCAL} and (alone or bool(agent.engines) or named == LOCAL)


def _shares(agents: Sequence[Agent], count: int) -> dict[int, int]:
    """Give as many engines as there is room for to agents, each to the one that has the fewest."""
    shares = dict.fromkeys((agent.id for agent in agents), 0)
    fewest = [(len(agent.engines), place) for place, agent in enumerate(agents) if _room(agent)]
    heapify(fewest)
    for _ in range(count):
        if not fewest:
            break
        engines, place = fewest[0]
        agent = agents[place]
        shares[agent.id] += 1
        if _room(agent) > shares[agent.id]:
            heapreplace(fewest, (engines + 1, place))
        else:
            heappop(fewest)
    return shares


def _room(agent: Agent) -> float:
    """Return how many more engines an agent may have."""
    return agent.capacity - len(agent.engines) if agent.capacity else inf

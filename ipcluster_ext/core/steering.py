"""What users ask to be done with engines: started, stopped, signalled, as many as they want."""

from collections.abc import Callable
from math import inf

from ipcluster_ext.core.adapting import Adapting
from ipcluster_ext.core.engines import Agent
from ipcluster_ext.core.hosts import Hosts
from ipcluster_ext.core.retirement import Retirement
from ipcluster_ext.core.signals import Signals
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import Keep, StartEngines, Steer, Steered, StopEngines
from ipcluster_ext.protocol.parts import Bounds
from ipcluster_ext.protocol.status import EngineStatus

MOST_ENGINES = 10_000
HOW_MANY = f"at most {MOST_ENGINES} can be asked for"

Post = Callable[[Agent, int, dict[str, float]], list[EngineId]]
"""Makes ids for engines that an agent is to start, with such resources."""


class Steering:
    """Does it, or says why not.

    Parameters
    ----------
    state
        The hub's tables.
    hosts
        The rules for hosts.
    post
        Makes ids for new engines.

    Attributes
    ----------
    retirement
        The rules for engines that are too many.
    signals
        Those for signals.
    adapting
        Those for as many engines as there is work for.
    """

    def __init__(self, state: State, hosts: Hosts, post: Post) -> None:
        self._state = state
        self._hosts = hosts
        self._post = post
        self.retirement = Retirement(state)
        self.signals = Signals(state)
        self.adapting = Adapting(
            state, self.retirement, lambda count: self._start_more(count, {}, "")[1]
        )

    def steer(self, client: Client, message: Steer) -> None:
        """Do what a client asks with engines, or say why not."""
        state, engines = self._state, message.engines
        before = state.recovered.answered.get((client.id, message.request))
        if before is not None:
            client.line.say(Steered(message.request, before.engines, before.refused))
            return
        if message.action == "adapt":
            self._adapt(client, message)
            return
        missing = [engine for engine in engines if engine not in state.engines]
        refused = ""
        if missing:
            refused = f"there is no engine {missing[0]}"
        elif message.action == "start":
            engines, refused = self._start_more(message.count, message.resources, message.set)
        elif message.action == "scale":
            self._adapt_no_more()
            engines, refused = self._scale(message)
        elif message.action == "retire":
            self.retirement.begin(state.engines[engine] for engine in engines)
        elif message.action in {"stop", "restart"}:
            self._stop(engines, again=message.action == "restart")
        elif message.action == "signal":
            self.signals.send(client.id, message, self._by_agent(engines))
        else:
            refused = f"unknown action {message.action!r}"
        boots = [state.engines[e].boot for e in engines if e in state.engines]
        state.journal.steered(client.id, message, engines, boots, refused)
        if refused or message.action != "signal":
            client.line.say(Steered(message.request, engines, refused))

    def _start_more(
        self, count: int, resources: dict[str, float], named: str
    ) -> tuple[list[EngineId], str]:
        """Start engines, or have agents started for them; return those whose ids are known."""
        if not self._state.agents:
            return [], "the cluster has no host agent"
        if not 0 < count <= MOST_ENGINES:
            return [], f"cannot start {count} engines; {HOW_MANY}"
        placed, growing = self._hosts.spread(count, named)
        rest = count - sum(share for _, share in placed)
        if rest and not growing:
            where = f"in set {named!r}" if named else "on any host"
            why = self._hosts.why_no_more(named)
            return [], f"there is no room for {rest} more engines {where}{why and f': {why}'}"
        ids: list[EngineId] = []
        for agent, share in placed:
            own = self._post(agent, share, resources)
            agent.line.order(StartEngines(own, resources))
            ids += own
        if rest:
            self._hosts.grow(growing, rest)
        return ids, ""

    def _scale(self, message: Steer) -> tuple[list[EngineId], str]:
        """Have so many engines; return those that stay and those that come."""
        state, count = self._state, message.count
        if not 0 <= count <= MOST_ENGINES:
            return [], f"cannot have {count} engines; {HOW_MANY}"
        staying = sum(not engine.leaving for engine in state.engines.values())
        more = count - staying - state.on_their_way
        refused = ""
        if more < 0:
            self.retirement.begin(self.retirement.dispensable(-more))
        elif more > 0:
            more -= len(self.retirement.take_back(more))
        if message.force and state.retiring:
            self._stop(list(state.retiring), again=False)
        if more > 0:
            _, refused = self._start_more(more, message.resources, message.set)
        return sorted(e.id for e in state.engines.values() if not e.leaving), refused

    def _adapt(self, client: Client, message: Steer) -> None:
        """Have as many engines as there is work for, and answer when that outlives this hub."""
        state, bounds = self._state, message.bounds
        home = next((agent for agent in state.agents.values() if not agent.far), None)
        refused = "the cluster has no host agent" if home is None else ""
        if bounds is not None and not _possible(bounds):
            refused = f"there cannot be {bounds.minimum} to {bounds.maximum} engines; {HOW_MANY}"
        if home is None or refused:
            client.line.say(Steered(message.request, [], refused))
            return
        self.adapting.begin(bounds)
        engines = sorted(e.id for e in state.engines.values() if not e.leaving)
        self.signals.keep(client.id, message.request, engines, home)

    def _adapt_no_more(self) -> None:
        """Leave it to users how many engines there are."""
        if self._state.bounds is None:
            return
        self.adapting.begin(None)
        for agent in self._state.agents.values():
            if not agent.far:
                agent.line.say(Keep(None))

    def _stop(self, engines: list[EngineId], *, again: bool) -> None:
        for engine_id in engines:
            engine = self._state.engines[engine_id]
            if not again:
                engine.leaving = True
                self._state.retiring.pop(engine_id, None)
            elif engine.status is EngineStatus.READY:
                engine.restarting = True
            self._state.changed.add(engine)
        for agent, ids in self._by_agent(engines):
            agent.line.order(StopEngines(ids, again))

    def _by_agent(self, engines: list[EngineId]) -> list[tuple[Agent, list[EngineId]]]:
        groups: dict[int, tuple[Agent, list[EngineId]]] = {}
        for engine_id in engines:
            agent = self._state.engines[engine_id].agent
            groups.setdefault(agent.id, (agent, []))[1].append(engine_id)
        return list(groups.values())


def _possible(bounds: Bounds) -> bool:
    """Tell whether there can be so many engines."""
    few = 0 <= bounds.minimum <= bounds.maximum <= MOST_ENGINES
    return few and bounds.maximum > 0 and 0 <= bounds.idle_timeout < inf

"""Rules for what agents have to confirm before whoever asked for it is answered.

Signals to engines: what is submitted after the answer is not hit by one any more. And bounds of
the number of engines: the next hub knows them then.
"""

from dataclasses import dataclass

from ipcluster_ext.core.engines import Agent
from ipcluster_ext.core.state import State
from ipcluster_ext.protocol.ids import ClientId, EngineId
from ipcluster_ext.protocol.labour import Keep, SignalEngines
from ipcluster_ext.protocol.messages import Steer, Steered


@dataclass(slots=True, eq=False)
class Signal:
    """A signal, or something else to be confirmed, that is on its way.

    Attributes
    ----------
    client, request
        Who asked for it, and how that is to be answered.
    agents
        Those that have not sent it yet.
    """

    client: ClientId
    request: int
    engines: list[EngineId]
    agents: set[int]


class Signals:
    """Has agents send signals.

    Parameters
    ----------
    state
        The hub's tables.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._last = 0
        self._under_way: dict[int, Signal] = {}

    def send(
        self, client: ClientId, message: Steer, groups: list[tuple[Agent, list[EngineId]]]
    ) -> None:
        """Have agents send a signal to some of their engines."""
        self._last += 1
        signal = Signal(client, message.request, message.engines, {agent.id for agent, _ in groups})
        self._under_way[self._last] = signal
        for agent, ids in groups:
            agent.line.say(SignalEngines(ids, message.signum, self._last))
        self._settle(self._last, signal)

    def keep(self, client: ClientId, request: int, engines: list[EngineId], agent: Agent) -> None:
        """Have an agent keep the bounds that there are now."""
        self._last += 1
        self._under_way[self._last] = Signal(client, request, engines, {agent.id})
        agent.line.say(Keep(self._state.bounds, self._last))

    def sent(self, agent: Agent, mark: int) -> None:
        """Learn that an agent has done what it was told."""
        signal = self._under_way.get(mark)
        if signal is not None:
            signal.agents.discard(agent.id)
            self._settle(mark, signal)

    def agent_left(self, agent: Agent) -> None:
        """Wait no more for an agent: its engines are gone."""
        for mark in list(self._under_way):
            self.sent(agent, mark)

    def _settle(self, mark: int, signal: Signal) -> None:
        if signal.agents:
            return
        del self._under_way[mark]
        client = self._state.clients.get(signal.client)
        if client is not None:
            client.line.say(Steered(signal.request, signal.engines))

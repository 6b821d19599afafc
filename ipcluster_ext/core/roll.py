"""Rules for those who come and go: clients, engines and agents."""

from math import inf

from ipcluster_ext.core.effects import Line
from ipcluster_ext.core.engines import Agent, Engine
from ipcluster_ext.core.events import PeerId
from ipcluster_ext.core.hosts import NO_PEER, Hosts
from ipcluster_ext.core.recovery import Recovery
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.steering import HOW_MANY, MOST_ENGINES, Steering
from ipcluster_ext.core.tasks import Tasks
from ipcluster_ext.protocol.ids import EngineId, client_owner, engine_owner
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Bye,
    ClientHello,
    EngineExited,
    EngineHello,
    Refused,
    StartEngines,
    Welcome,
)
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus
from ipcluster_ext.protocol.text import host_name

WELCOME_WITHIN = 2.0
"""A client that did not know the hub before is not kept waiting for longer, in seconds, although
not all engines may be back."""


class Roll:
    """Greets, dismisses and steers.

    Parameters
    ----------
    state
        The hub's tables.
    tasks
        The rules for tasks.
    recovery
        The rules for those who knew the hub before.

    Attributes
    ----------
    hosts
        The rules for hosts.
    steering
        Those for what users ask to be done with engines.
    """

    def __init__(self, state: State, tasks: Tasks, recovery: Recovery) -> None:
        self._state = state
        self._tasks = tasks
        self._recovery = recovery
        self.hosts = Hosts(state)
        self.steering = Steering(state, self.hosts, self._post)

    def client(self, peer: PeerId, hello: ClientHello, now: float) -> None:
        """Admit a client, or refuse one whose number is taken."""
        state, line = self._state, self._state.line(peer)
        known = state.clients.get(hello.client)
        if known is not None and known.line.peer != peer:
            line.say(Refused(f"the client number {hello.client} is taken"))
            state.dismiss(peer)
            return
        if hello.again:
            self._recovery.begin(now)
        state.peers[peer] = state.clients[hello.client] = Client(hello.client, line)
        state.makers[client_owner(hello.client)] = line
        state.history.introduce(hello.client, hello.name)
        if state.recovered.settled:
            self._welcome(line)
        else:
            due = inf if hello.again else now + WELCOME_WITHIN
            state.recovered.unwelcomed.append((hello.client, line, due))

    def _welcome(self, line: Line) -> None:
        infos = [engine.info for engine in self._state.engines.values()]
        place = self._state.place
        may = self._state.express
        line.say(Welcome(place.pid, place.host, place.blobs, infos, place.versions, may))
        self._state.tell_untold(line)

    def welcome(self, now: float = inf) -> None:
        """Welcome the clients that came while not everybody was back, as far as it is time."""
        state = self._state
        unwelcomed, state.recovered.unwelcomed = state.recovered.unwelcomed, []
        for client_id, line, due in unwelcomed:
            client = state.clients.get(client_id)
            if client is None or client.line is not line:
                continue
            if now < due:
                state.recovered.unwelcomed.append((client_id, line, due))
            else:
                self._welcome(line)

    def agent(self, peer: PeerId, hello: AgentHello, now: float) -> None:
        """Admit an agent, and have it start its engines if it has not been told to before."""
        state, place = self._state, self._state.place
        line = state.line(peer)
        if not 0 <= hello.count <= MOST_ENGINES:
            line.say(Refused(f"an agent cannot start {hello.count} engines; {HOW_MANY}"))
            state.dismiss(peer)
            return
        if self.hosts.is_stale(hello):
            state.dismiss(peer)
            return
        self._replace(hello, now)
        regained = self.hosts.returns(hello.agent)
        agent = state.agents.get(hello.agent)
        if agent is not None and agent.line.peer != NO_PEER:
            return
        if agent is None:
            agent = state.agents[hello.agent] = Agent(hello.agent, hello.host, line)
        agent.line, agent.silent_since = line, None
        agent.far, agent.set_name, agent.capacity = hello.far, hello.set, hello.capacity
        agent.brought, agent.sets, agent.fixed = hello.count, list(hello.sets), hello.fixed
        state.peers[peer] = agent
        agent.line.say(Welcome(place.pid, place.host, place.blobs))
        if regained is None:
            self.hosts.greeted(agent, hello)
        if not agent.far:
            state.sweep_late(agent)
        if regained is not None:
            self.hosts.take_back(agent, hello.engines)
            self._recovery.stop_again(agent)
        else:
            self._is_new_here(agent, hello, now)

    def _is_new_here(self, agent: Agent, hello: AgentHello, now: float) -> None:
        """Take an agent that this hub did not know; the one before may have."""
        recovered = self._state.recovered
        was_posted = hello.agent in recovered.posted
        if hello.again or was_posted:
            self._recovery.begin(now)
            self._recovery.agent_is_back(agent, hello.engines)
        if not (hello.engines or was_posted):  # it was told nothing, or it is not known what
            self._state.recovered.newcomers.append((agent, hello))
            if not hello.again:  # else it may go on with deaths of engines that it had
                self.admit_newcomers(now)

    def _replace(self, hello: AgentHello, now: float) -> None:
        """Strike off the agent that was killed where another is now."""
        if hello.instead_of:
            self._state.recovered.replaced.append(hello.instead_of)
            self.admit_newcomers(now)

    def admit_newcomers(self, now: float) -> None:
        """Have new agents start their engines, and strike off those that they replace.

        While a hub takes over it is not known what those had, nor which ids are free.
        """
        state = self._state
        if not state.recovered.settled:
            return
        replaced, state.recovered.replaced = state.recovered.replaced, []
        for number in replaced:
            old = state.agents.get(number)
            if old is not None and old.far:
                name = host_name(old.host)
                self._strike_off_agent(old, f"the agent of host {name} was killed", now)
        newcomers, state.recovered.newcomers = state.recovered.newcomers, []
        for agent, hello in newcomers:
            if state.agents.get(agent.id) is agent:
                ids = self._post(agent, hello.count, {}, first=self._wish(agent, hello, now))
                if ids:
                    agent.line.say(StartEngines(ids))

    def _wish(self, agent: Agent, hello: AgentHello, now: float) -> int | None:
        """Return which id an agent's first engine is to have; see that it is free, if it can be."""
        if hello.first is not None and self._state.recovered.settled:
            wished = [EngineId(hello.first + place) for place in range(hello.count)]
            for old in self.hosts.holders(agent, wished):
                old.line.say(Bye())  # to one that lives on alone
                reason = f"all that was started for set {old.set_name!r} has ended"
                self._strike_off_agent(old, reason, now)
        return hello.first

    def _strike_off_agent(self, agent: Agent, reason: str, now: float) -> None:
        """Strike off an agent that is certain to be gone, with its engines."""
        state = self._state
        numbers = ", ".join(map(str, sorted(agent.engines))) or "none"
        state.notify(f"{reason}; its engines: {numbers}")
        self._dismiss(agent)
        self.hosts.struck_off(agent)
        self._agent_left(agent, reason, now, for_good=True)

    def _post(
        self, agent: Agent, count: int, resources: dict[str, float], *, first: int | None = None
    ) -> list[EngineId]:
        """Make ids for engines that an agent is to start, from a wish if those are free."""
        state = self._state
        ids = self._free_ids(count, first)
        state.next_engine = max(state.next_engine, *(engine_id + 1 for engine_id in ids), 0)
        for engine_id in ids:
            engine = Engine(engine_id, agent, host=agent.host, wanted=resources)
            state.engines[engine_id] = engine
            agent.engines.add(engine_id)
        state.restaffed.add(agent)
        if ids:
            state.tell_clients([state.engines[engine_id].info for engine_id in ids])
        return ids

    def _free_ids(self, count: int, first: int | None) -> list[EngineId]:
        """Return ids for new engines: those that are wished for, if all of them are free."""
        if first is not None and first >= 0:
            wished = [EngineId(first + place) for place in range(count)]
            taken = self._state.engines.keys() | self._state.recovered.expected_engines
            if taken.isdisjoint(wished):
                return wished
        following = self._state.next_engine
        return [EngineId(following + place) for place in range(count)]

    def engine(self, peer: PeerId, hello: EngineHello, now: float) -> None:
        """Admit an engine that an agent was asked to start, in this or its next life."""
        state, line = self._state, self._state.line(peer)
        if self._recovery.absent.has_buried(hello):
            state.dismiss(peer)  # if it lives, it comes again, and its host is back then
            return
        engine = self.hosts.engine_returns(hello) or state.engines.get(hello.engine)
        if hello.again and not (engine is not None and engine.regained):
            self._recovery.begin(now)
        is_alive = hello.boot not in state.recovered.dead
        if engine is None and is_alive and not state.recovered.settled:
            engine = self._recovery.engine(hello.engine, self._agent_to_come(hello))
        if engine is None and hello.again and hello.agent not in state.agents:
            state.dismiss(peer)  # it comes again, and its agent has come by then
        elif engine is None or engine.agent.id != hello.agent:
            line.say(Refused(f"no agent was asked to start engine {hello.engine}"))
            state.dismiss(peer)
        elif hello.boot in engine.buried:
            line.say(Refused(f"engine {hello.engine} has died in this life"))
            state.dismiss(peer)
        elif engine.status is EngineStatus.READY:
            if engine.boot != hello.boot:
                self._dismiss_successor(engine)
                state.peers[peer] = engine
                engine.successor = (hello, line)
        else:
            self._admit(engine, hello, line, now)

    def _agent_to_come(self, hello: EngineHello) -> Agent:
        """Return the agent of an engine that comes back, perhaps before its agent does."""
        state = self._state
        agent = state.agents.get(hello.agent)
        if agent is None:
            is_far = hello.host != state.place.host
            agent = Agent(hello.agent, hello.host, state.line(NO_PEER), far=is_far)
            state.agents[hello.agent] = agent
            state.recovered.agents.add(hello.agent)
        return agent

    def _admit(self, engine: Engine, hello: EngineHello, line: Line, now: float) -> None:
        state, place = self._state, self._state.place
        state.peers[line.peer] = engine
        engine.line, engine.boot = line, hello.boot
        engine.host, engine.pid = hello.host, hello.pid
        engine.python, engine.resources = hello.python, hello.resources
        engine.status, engine.reason, engine.silent_since = EngineStatus.READY, "", None
        engine.progress = now
        state.makers[engine_owner(engine.id, engine.boot)] = line
        line.say(Welcome(place.pid, place.host, place.blobs))
        if engine.regained:
            self.hosts.is_back(engine, hello.held)
        elif hello.again or self._recovery.awaits(engine):
            self._recovery.engine_is_back(engine, hello.held, now)
        engine.prepared = set(hello.prepared)
        self._tasks.prepare(engine, now)
        self._tasks.give_held(engine, now)
        state.changed.add(engine)
        state.tell_clients([engine.info])

    def engine_exited(self, agent: Agent, message: EngineExited, now: float) -> None:
        """Settle what an engine leaves behind; it comes back, or is struck off."""
        state, recovered = self._state, self._state.recovered
        if recovered.newcomers:  # it was told before which to start
            recovered.newcomers = [each for each in recovered.newcomers if each[0] is not agent]
        engine = state.engines.get(message.engine)
        if engine is None and not recovered.settled:
            engine = self._recovery.engine(message.engine, agent)
        if engine is None or engine.agent is not agent:
            return
        engine.buried.append(message.boot)
        if engine.successor is not None and engine.successor[0].boot == message.boot:
            self._dismiss_successor(engine)  # an earlier life, whose greeting came late
        self._recovery.engine_exited(engine, message)
        if engine.status is EngineStatus.READY and engine.boot != message.boot:
            state.sweep_after(engine_owner(engine.id, message.boot))  # it served the hub before
            return
        successor, engine.successor = engine.successor, None
        self._bury(engine, message)
        self._tasks.engine_lost(engine, message, now)
        state.changed.add(engine)
        if message.warning:
            state.notify(message.warning)
        if message.again:
            state.tell_clients([engine.info])
            if successor is not None:
                self._admit(engine, *successor, now)
        else:
            if successor is not None:
                successor[1].say(Refused(f"engine {engine.id} was struck off: {message.cause}"))
                state.dismiss(successor[1].peer)
            self._strike_off(engine)

    def _bury(self, engine: Engine, message: EngineExited) -> None:
        """Note that an engine's life is over."""
        state = self._state
        if engine.line is None:
            state.sweep_after(engine_owner(engine.id, message.boot))  # it served the hub before
        else:
            state.forget_maker(engine_owner(engine.id, engine.boot))
            state.dismiss(engine.line.peer)
            engine.line = None
        engine.stalled = engine.restarting = False
        engine.reason = message.cause
        engine.leaving = engine.retiring or (engine.leaving and not message.again)
        if engine.retiring and message.again:  # it died before it heard that it is to stop
            state.retiring[engine.id] = engine
        engine.status = EngineStatus.STARTING if message.again else EngineStatus.STOPPED

    def _strike_off(self, engine: Engine) -> None:
        state = self._state
        if not engine.leaving:
            state.departed.append(engine.info)
        del state.engines[engine.id]
        state.retiring.pop(engine.id, None)
        engine.agent.engines.discard(engine.id)
        state.restaffed.add(engine.agent)
        for task in engine.held:
            self._tasks.ends.fail(task, "EngineLost", engine.reason, TaskStatus.LOST)
        engine.held = []
        state.tell_clients([engine.info])

    def _dismiss_successor(self, engine: Engine) -> None:
        if engine.successor is not None:
            self._state.dismiss(engine.successor[1].peer)
            engine.successor = None

    def give_up(self, agent: Agent, now: float) -> None:
        """Wait no longer for a host that has not been heard for long."""
        state = self._state
        name, silent_for = host_name(agent.host), now - (agent.silent_since or now)
        what = f"host {name} has not been heard for {silent_for:.0f} s"
        numbers = ", ".join(map(str, sorted(agent.engines))) or "none"
        state.notify(f"{what} and is given up; its engines: {numbers}")
        self._dismiss(agent)
        self._agent_left(agent, what, now)

    def _dismiss(self, agent: Agent) -> None:
        if agent.line.peer != NO_PEER:
            self._state.dismiss(agent.line.peer)

    def left(self, peer: PeerId, reason: str, now: float) -> None:
        """Strike off a peer that is gone; tasks of a client go on without it."""
        state = self._state
        who = state.peers.pop(peer, None)
        state.dismiss(peer)
        if isinstance(who, Client):
            state.clients.pop(who.id, None)
            if state.recovered.forget_at is not None:
                state.recovered.left.add(who.id)
            state.journal.client_left(who.id)
            state.forgive(who)
            state.forget_maker(client_owner(who.id))
            self._tasks.client_left(who)
        elif isinstance(who, Engine):
            if who.successor is not None and who.successor[1].peer == peer:
                who.successor = None
        elif isinstance(who, Agent):
            self._agent_left(who, f"its host agent is gone: {reason}", now)

    def _agent_left(self, agent: Agent, what: str, now: float, *, for_good: bool = False) -> None:
        state = self._state
        if agent.far and not for_good:
            self.hosts.given_up(agent)
        state.agents.pop(agent.id, None)
        state.recovered.agents.discard(agent.id)
        self.steering.signals.agent_left(agent)
        state.journal.agent_left(agent.id)
        for engine_id in sorted(agent.engines):
            engine = state.engines[engine_id]
            claimed = [task for task, claim in state.claims.items() if claim.of(engine)]
            exited = engine.unseen_end(what, claimed)
            state.unseen.append(engine.boot)
            self._recovery.absent.host_left(engine, exited)
            self.engine_exited(agent, exited, now)

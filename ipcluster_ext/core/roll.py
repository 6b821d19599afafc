"""Rules for those who come and go: clients, engines and agents."""

from math import inf

from ipcluster_ext.core.effects import Line
from ipcluster_ext.core.engines import Agent, Engine
from ipcluster_ext.core.events import PeerId
from ipcluster_ext.core.recovery import Recovery
from ipcluster_ext.core.retirement import Retirement
from ipcluster_ext.core.signals import Signals
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.tasks import Tasks
from ipcluster_ext.protocol.ids import EngineId, TaskId, client_owner, engine_owner
from ipcluster_ext.protocol.messages import (
    AgentHello,
    ClientHello,
    EngineExited,
    EngineHello,
    Refused,
    StartEngines,
    Steer,
    Steered,
    StopEngines,
    Welcome,
)
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus

MOST_ENGINES = 10_000
WELCOME_WITHIN = 2.0
"""A client that did not know the hub before is not kept waiting for longer, in seconds, although
not all engines may be back."""
NO_PEER = PeerId(0)
"""Whoever is not there yet."""
_HOW_MANY = f"at most {MOST_ENGINES} can be asked for"


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
    retirement
        The rules for engines that are too many.
    """

    def __init__(self, state: State, tasks: Tasks, recovery: Recovery) -> None:
        self._state = state
        self._tasks = tasks
        self._recovery = recovery
        self.retirement = Retirement(state)
        self.signals = Signals(state)

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
        line.say(Welcome(place.pid, place.host, place.blobs, infos, place.versions))
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
            line.say(Refused(f"an agent cannot start {hello.count} engines; {_HOW_MANY}"))
            state.dismiss(peer)
            return
        agent = state.agents.get(hello.agent)
        if agent is not None and agent.line.peer != NO_PEER:
            return
        if agent is None:
            agent = state.agents[hello.agent] = Agent(hello.agent, hello.host, line)
        agent.line = line
        state.peers[peer] = agent
        agent.line.say(Welcome(place.pid, place.host, place.blobs))
        state.sweep_late(agent)
        if hello.again or hello.agent in state.recovered.posted:
            self._recovery.begin(now)
            self._recovery.agent_is_back(agent, hello.engines)
        else:
            ids = self._post(agent, hello.count, {})
            if ids:
                line.say(StartEngines(ids))

    def _post(self, agent: Agent, count: int, resources: dict[str, float]) -> list[EngineId]:
        """Make ids for engines that an agent is to start."""
        state = self._state
        ids = [EngineId(state.next_engine + place) for place in range(count)]
        state.next_engine += count
        for engine_id in ids:
            engine = Engine(engine_id, agent, host=agent.host, wanted=resources)
            state.engines[engine_id] = engine
            agent.engines.add(engine_id)
        state.restaffed.add(agent)
        if ids:
            state.tell_clients([state.engines[engine_id].info for engine_id in ids])
        return ids

    def engine(self, peer: PeerId, hello: EngineHello, now: float) -> None:
        """Admit an engine that an agent was asked to start, in this or its next life."""
        state, line = self._state, self._state.line(peer)
        if hello.again:
            self._recovery.begin(now)
        engine = state.engines.get(hello.engine)
        is_alive = hello.boot not in state.recovered.dead
        if engine is None and is_alive and not state.recovered.settled:
            engine = self._recovery.engine(hello.engine, self._agent_to_come(hello))
        if engine is None or engine.agent.id != hello.agent:
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
            agent = Agent(hello.agent, hello.host, state.line(NO_PEER))
            state.agents[hello.agent] = agent
            state.recovered.agents.add(hello.agent)
        return agent

    def _admit(self, engine: Engine, hello: EngineHello, line: Line, now: float) -> None:
        state, place = self._state, self._state.place
        state.peers[line.peer] = engine
        engine.line, engine.boot = line, hello.boot
        engine.host, engine.pid = hello.host, hello.pid
        engine.python, engine.resources = hello.python, hello.resources
        engine.status, engine.reason = EngineStatus.READY, ""
        engine.progress = now
        state.makers[engine_owner(engine.id, engine.boot)] = line
        line.say(Welcome(place.pid, place.host, place.blobs))
        if hello.again or not state.recovered.settled:
            self._recovery.engine_is_back(engine, hello.held, now)
        engine.prepared = set(hello.prepared)
        self._tasks.prepare(engine, now)
        self._tasks.give_held(engine, now)
        state.changed.add(engine)
        state.tell_clients([engine.info])

    def engine_exited(self, agent: Agent, message: EngineExited, now: float) -> None:
        """Settle what an engine leaves behind; it comes back, or is struck off."""
        state = self._state
        engine = state.engines.get(message.engine)
        if engine is None and not state.recovered.settled:
            engine = self._recovery.engine(message.engine, agent)
        if engine is None or engine.agent is not agent:
            return
        engine.buried.append(message.boot)
        if engine.successor is not None and engine.successor[0].boot == message.boot:
            self._dismiss_successor(engine)  # an earlier life, whose greeting came late
        self._recovery.engine_exited(engine, message)
        if engine.status is EngineStatus.READY and engine.boot != message.boot:
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
            state.agents.pop(who.id, None)
            self.signals.agent_left(who)
            state.journal.agent_left(who.id)
            for engine_id in sorted(who.engines):
                engine = state.engines[engine_id]
                exited = EngineExited(
                    engine_id, engine.boot, f"its host agent is gone: {reason}", _last(engine),
                    again=False,
                )  # fmt: skip
                self.engine_exited(who, exited, now)

    def steer(self, client: Client, message: Steer) -> None:
        """Do what a client asks with engines, or say why not."""
        state, engines = self._state, message.engines
        before = state.recovered.answered.get((client.id, message.request))
        if before is not None:
            client.line.say(Steered(message.request, before.engines, before.refused))
            return
        missing = [engine for engine in engines if engine not in state.engines]
        refused = ""
        if missing:
            refused = f"there is no engine {missing[0]}"
        elif message.action == "start":
            engines, refused = self._start_more(message.count, message.resources)
        elif message.action == "scale":
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

    def _start_more(self, count: int, resources: dict[str, float]) -> tuple[list[EngineId], str]:
        agent = next(iter(self._state.agents.values()), None)
        if agent is None:
            return [], "the cluster has no host agent"
        if not 0 < count <= MOST_ENGINES:
            return [], f"cannot start {count} engines; {_HOW_MANY}"
        ids = self._post(agent, count, resources)
        agent.line.order(StartEngines(ids, resources))
        return ids, ""

    def _scale(self, message: Steer) -> tuple[list[EngineId], str]:
        """Have so many engines; return those that stay and those that come."""
        state, count = self._state, message.count
        if not 0 <= count <= MOST_ENGINES:
            return [], f"cannot have {count} engines; {_HOW_MANY}"
        more = count - sum(not engine.leaving for engine in state.engines.values())
        refused = ""
        if more < 0:
            self.retirement.begin(self.retirement.dispensable(-more))
        elif more > 0:
            more -= len(self.retirement.take_back(more))
        if message.force and state.retiring:
            self._stop(list(state.retiring), again=False)
        if more > 0:
            _, refused = self._start_more(more, message.resources)
        return sorted(e.id for e in state.engines.values() if not e.leaving), refused

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


def _last(engine: Engine) -> TaskId:
    """Return the last task that an engine whose black box nobody can read may have begun."""
    return next(reversed(engine.unfinished), TaskId(0))

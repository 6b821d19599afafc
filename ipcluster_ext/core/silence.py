"""Rules for engines that do not answer: stopped, cut off, or busy with what holds the interpreter.

Nobody can tell which it is, and most of them come back, so nothing is taken from an engine in a
hurry. At first it gets no more work, and users see that it does not respond. After the handover
time it is certain not to begin anything (`engine.wire`: its lease is over), so its agent is asked
what it had begun, and the rest goes to others at no cost; what is for this very engine waits. What
it has begun stays with it until it comes back or dies, or until its time is over and it is killed.

A host other than the hub's own that is not heard at all is borne for longer, and then given up
(`core.hosts`); but not if all has ended that had been started for its set of engines.
"""

from math import inf

from ipcluster_ext.core.engines import Agent, Engine, Withdrawal
from ipcluster_ext.core.events import Heard, Silent
from ipcluster_ext.core.state import State
from ipcluster_ext.core.tasks import Tasks
from ipcluster_ext.protocol.labour import Peek, Peeked, StopEngines
from ipcluster_ext.protocol.process import PATIENT, Patience

LOOK_AGAIN = 0.5
KILL_AFTER = 0.5
"""How long an engine may take to end before it is killed."""


class Silence:
    """Keeps an eye on engines that do not answer.

    Parameters
    ----------
    state
        The hub's tables.
    tasks
        The rules for tasks.
    patience
        How long what is borne.
    """

    def __init__(self, state: State, tasks: Tasks, patience: Patience = PATIENT) -> None:
        self._state = state
        self._tasks = tasks
        self._patience = patience
        self._silent: dict[int, Engine] = {}
        self._absent: dict[int, Agent] = {}
        self._marks = 0
        self.deadline: float | None = None

    def heed(self, event: Silent | Heard, now: float) -> None:
        """Learn that a peer has not been heard for a while, or is heard again."""
        engine = self._state.peers.get(event.peer)
        if isinstance(engine, Agent):
            self._heed_agent(engine, event)
            return
        if not isinstance(engine, Engine) or engine.line is None or engine.line.peer != event.peer:
            return
        if isinstance(event, Silent):
            engine.silent_since = event.since
            engine.peeked = 0
            self._silent[engine.id] = engine
        else:
            engine.silent_since = None
            self._silent.pop(engine.id, None)
            self._tasks.give_held(engine, now)
        self._state.changed.add(engine)
        self._state.tell_clients([engine.info])

    def _heed_agent(self, agent: Agent, event: Silent | Heard) -> None:
        if isinstance(event, Silent):
            agent.silent_since = event.since
            self._miss(agent)
        else:
            agent.silent_since = None
            self._absent.pop(agent.id, None)

    def _miss(self, agent: Agent) -> None:
        if agent.far and (self._patience.host_silence > 0 or agent.doomed):
            self._absent[agent.id] = agent

    def hopeless(self, now: float) -> list[Agent]:
        """Return the agents on other hosts that have not been heard for too long, each once."""
        missed, self._state.missed = self._state.missed, []
        for agent in missed:
            self._miss(agent)
        due = [agent for agent in self._absent.values() if now >= self._given_up_at(agent)]
        for agent in due:
            self._absent.pop(agent.id, None)
        return [agent for agent in due if self._state.agents.get(agent.id) is agent]

    def _given_up_at(self, agent: Agent) -> float:
        since = agent.silent_since
        if since is None:
            return inf
        return since if agent.doomed else since + self._patience.host_silence

    def look(self, now: float) -> None:
        """Do what has become due."""
        self.deadline = min(map(self._given_up_at, self._absent.values()), default=None)
        if not self._silent:
            return
        if not self._state.recovered.settled:  # an agent may not be back
            self.deadline = now + LOOK_AGAIN
            return
        due = [] if self.deadline is None else [self.deadline]
        for engine in list(self._silent.values()):
            since = engine.silent_since
            if since is None or self._state.engines.get(engine.id) is not engine:
                del self._silent[engine.id]  # it has died
                continue
            due += [at for at in self._steps(engine, since, now) if at > now]
        self.deadline = min(due, default=None)

    def _steps(self, engine: Engine, since: float, now: float) -> list[float]:
        """Take the steps that are due for an engine; return when each is."""
        steps = [since + self._patience.handover]
        if now >= steps[0] and not engine.peeked:
            self._marks += 1
            engine.peeked = self._marks
            engine.agent.line.say(Peek(engine.id, engine.boot, self._marks))
        if self._patience.silence > 0:
            steps.append(since + self._patience.silence)
            if now >= steps[1] and not engine.restarting:
                self._kill(engine)
        return steps

    def _kill(self, engine: Engine) -> None:
        engine.restarting = True
        reason = f"it did not respond for {self._patience.silence:g} s and was ended"
        order = StopEngines([engine.id], again=True, grace=KILL_AFTER, reason=reason)
        engine.agent.line.say(order)

    def peeked(self, message: Peeked, now: float) -> None:
        """Give to others what a silent engine has not begun.

        An engine that was heard meanwhile may have begun more than was seen: it keeps everything.
        """
        engine = self._state.engines.get(message.engine)
        if engine is None or engine.silent_since is None or engine.line is None:
            return
        if (engine.boot, engine.peeked) != (message.boot, message.mark):
            return
        given = self._tasks.give_away(engine, message.began, message.others, now)
        if given:
            engine.settling = Withdrawal(engine.line, 0)
            engine.asked.append(engine.settling)

"""Rules for engines that live and are not heard by a hub that takes over.

They may have begun tasks, and say nothing of it. So their agents are asked to look into their black
boxes: what an engine has begun stays with it until it is back, or dies; the rest goes on elsewhere.
"""

from collections.abc import Sequence

from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.recovered import Claim
from ipcluster_ext.core.state import State
from ipcluster_ext.core.tasks import Tasks
from ipcluster_ext.protocol.ids import TaskId, client_of
from ipcluster_ext.protocol.labour import EngineExited, Peek, Peeked

PEEK_WITHIN = 2.0
"""So long agents have to say what silent engines have begun."""
RECOVERING = 0
"""The mark of a `Peek` while a hub takes over."""


class Absent:
    """Asks what engines have begun that cannot say so.

    Parameters
    ----------
    state
        The hub's tables.
    tasks
        The rules for tasks.
    """

    def __init__(self, state: State, tasks: Tasks) -> None:
        self._state = state
        self._tasks = tasks

    def look_into(self, now: float) -> None:
        """Ask the agents what engines have begun that live and are not back."""
        state, recovered = self._state, self._state.recovered
        recovered.looked = True
        recovered.patience = now + PEEK_WITHIN
        for engine_id, boot in recovered.lives.items():
            agent = state.engines[engine_id].agent
            if state.agents.get(agent.id) is agent and agent.line.peer in state.peers:
                recovered.peeks[engine_id] = boot
                agent.line.say(Peek(engine_id, boot, RECOVERING))

    def peeked(self, message: Peeked) -> None:
        """Learn what an engine has begun that lives and is not back."""
        recovered = self._state.recovered
        if recovered.peeks.get(message.engine) == message.boot:
            del recovered.peeks[message.engine]
            begun = frozenset([message.began, *message.others, *message.ran])
            recovered.begun[message.engine] = begun

    def pin(self) -> None:
        """Leave to engines that live and are not back what they have begun; the rest goes on."""
        state, recovered = self._state, self._state.recovered
        for engine_id, begun in list(recovered.begun.items()):
            if engine_id not in recovered.lives:
                del recovered.begun[engine_id]  # it came back meanwhile, or died
                continue
            for task_id in sorted(begun):
                if task_id in recovered.unclaimed:
                    recovered.pinned[task_id] = engine_id
                elif task_id and is_unknown(state, task_id):
                    recovered.claims[task_id] = Claim(state.engines[engine_id])

    def back(self, engine: Engine, held: Sequence[TaskId]) -> None:
        """Learn that a silent engine is back: what it has begun and does not hold goes on."""
        recovered = self._state.recovered
        for task_id in sorted(recovered.begun.pop(engine.id, frozenset()) - frozenset(held)):
            claim = recovered.claims.get(task_id)
            if claim is not None and claim.engine is engine and claim.outcome is None:
                del recovered.claims[task_id]
            if recovered.pinned.pop(task_id, None) is not None:
                task = recovered.unclaimed.pop(task_id)
                self._tasks.resume(self._state.clients.get(client_of(task_id)), task)
        for task_id in held:
            recovered.pinned.pop(task_id, None)

    def died(self, engine: Engine, exited: EngineExited) -> None:
        """Settle what a silent engine had begun that has died without having come back."""
        recovered = self._state.recovered
        for task_id in sorted(recovered.begun.pop(engine.id, ())):
            claim = recovered.claims.get(task_id)
            if claim is not None and claim.engine is engine and claim.outcome is None:
                claim.exited = exited
            if recovered.pinned.pop(task_id, None) is not None:
                task = recovered.unclaimed.pop(task_id)
                self._tasks.died_with(engine, task, exited, self._state.now)


def is_unknown(state: State, task: TaskId) -> bool:
    """Tell whether a hub has never heard of a task."""
    recovered = state.recovered
    return not (
        task in state.tasks
        or task in recovered.ended
        or task in recovered.claims
        or state.history.get(task) is not None
    )

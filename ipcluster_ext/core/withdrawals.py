"""Rules for tasks that their clients do not want any more: cancelled, or interrupted."""

from collections import deque
from collections.abc import Sequence

from ipcluster_ext.core.effects import Line
from ipcluster_ext.core.ends import Ends
from ipcluster_ext.core.engines import Engine, Withdrawal
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.task import Task
from ipcluster_ext.core.timers import Alarm
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, client_of
from ipcluster_ext.protocol.messages import (
    Cancel,
    Cancelled,
    Drop,
    Halt,
    Interrupt,
)
from ipcluster_ext.protocol.status import TaskStatus

_ASSIGNED = TaskStatus.ASSIGNED
MOST_GRACE = 3600.0
ANSWER_WITHIN = 0.05
"""So long a client waits for what engines say of its tasks; one that is stuck says nothing."""


class Withdrawals:
    """Takes tasks back.

    Parameters
    ----------
    state
        The hub's tables.
    ends
        Ends tasks.
    """

    def __init__(self, state: State, ends: Ends) -> None:
        self._state = state
        self._ends = ends
        self._open: deque[tuple[float, Withdrawal]] = deque()

    @property
    def deadline(self) -> float | None:
        """When `look` has something to do; None if never."""
        return self._open[0][0] if self._open else None

    def look(self, now: float) -> None:
        """Answer clients that have waited for engines long enough; the wishes stay."""
        while self._open and self._open[0][0] <= now:
            _, withdrawal = self._open.popleft()
            self._reply(withdrawal)

    def cancel(self, client: Client, message: Cancel) -> None:
        """Take back a client's tasks that have not begun; engines are asked for those they have.

        Whose engine does not answer in time counts as begun; if it had not, it is cancelled as
        soon as that is known.
        """
        self.take_back(message.ids, client.id, Withdrawal(client.line, message.request))

    def take_back(self, ids: Sequence[TaskId], owner: ClientId, withdrawal: Withdrawal) -> None:
        """Take back tasks of an owner, for whoever has asked for it; as `cancel` does."""
        self._ask(withdrawal, self._withdraw(ids, owner, withdrawal))
        withdrawal.asked += 1
        self._answer(withdrawal)
        if withdrawal.asked:
            self._open.append((self._state.now + ANSWER_WITHIN, withdrawal))

    def interrupt(self, client: Client, message: Interrupt) -> None:
        """Stop a client's tasks, begun or not.

        The answer does not wait for the engines: one of them may not be able to answer.
        """
        withdrawal = Withdrawal(client.line, message.request)
        self.stop(message.ids, client.id, withdrawal, message.graces)

    def stop(
        self,
        ids: Sequence[TaskId],
        owner: ClientId,
        withdrawal: Withdrawal,
        graces: Sequence[float],
    ) -> None:
        """Stop tasks of an owner, for whoever has asked for it; as `interrupt` does."""
        withdrawal.asked += 1
        held = self._withdraw(ids, owner, withdrawal)
        self._answer(withdrawal)
        bounded = tuple(min(max(0.0, grace), MOST_GRACE) for grace in graces[:2])
        for task_id in ids:
            if task_id in self._state.recovered.pinned and client_of(task_id) == owner:
                self._give_up_on(self._state.tasks[task_id], bounded)
        for engine_id, mine in held.items():
            tasks = [self._state.tasks[task_id] for task_id in mine]
            for task in tasks:
                self._give_up_on(task, bounded)
            self._halt(self._state.engines[engine_id], tasks, withdrawal.line)

    def _give_up_on(self, task: Task, graces: tuple[float, ...]) -> None:
        task.extras.unwanted = True
        task.extras.graces = graces
        self._state.journal.changed(task)

    def _halt(self, engine: Engine, tasks: Sequence[Task], line: Line) -> None:
        """Have an engine stop tasks, or give them back; it is ended if it does neither in time."""
        ids = [task.id for task in tasks]
        self._ask(Withdrawal(line, 0), {engine.id: ids})
        engine.open_line.say(Halt(ids))
        for task in tasks:
            extra = task.extras
            if extra.graces:
                extra.doom = "TaskInterrupted"
                due = self._state.now + extra.graces[0]
                self._state.timers.set(due, Alarm.OVERDUE, task, task.tries)

    def resume(self, engine: Engine, tasks: Sequence[Task]) -> None:
        """Interrupt once more what was interrupted: the hub before may have died over it."""
        unwanted = [task for task in tasks if task.extra is not None and task.extra.unwanted]
        if unwanted:
            self._halt(engine, unwanted, engine.open_line)

    def give_up(self, task: Task) -> bool:
        """Cancel a task that was interrupted and is with no engine; tell whether it was."""
        if task.extra is None or not task.extra.unwanted:
            return False
        self._ends.fail(task, "TaskAborted", "", TaskStatus.CANCELLED)
        return True

    def _withdraw(
        self, ids: Sequence[TaskId], owner: ClientId, withdrawal: Withdrawal
    ) -> dict[EngineId, list[TaskId]]:
        """Cancel what no engine has; return what engines have."""
        held: dict[EngineId, list[TaskId]] = {}
        for task_id in ids:
            task = self._state.tasks.get(task_id)
            if task is None or client_of(task_id) != owner:
                continue
            if task_id in self._state.recovered.pinned:
                continue  # an engine has begun it that cannot be asked
            if task.status is _ASSIGNED and task.engine is not None:
                held.setdefault(task.engine, []).append(task_id)
            else:
                self._cancel(task, withdrawal)
        return held

    def _ask(self, withdrawal: Withdrawal, held: dict[EngineId, list[TaskId]]) -> None:
        for engine_id, ids in held.items():
            withdrawal.wanted.update(ids)
            engine = self._state.engines[engine_id]
            engine.open_line.say(Drop(ids))
            engine.asked.append(withdrawal)
            withdrawal.asked += 1

    def _cancel(self, task: Task, withdrawal: Withdrawal) -> None:
        withdrawal.cancelled.append(task.id)
        self._ends.fail(task, "TaskAborted", "", TaskStatus.CANCELLED)

    def without_withdrawn(self, engine: Engine, tasks: Sequence[Task]) -> list[Task]:
        """Cancel those of an engine's unbegun tasks that clients wait to take back."""
        rest: list[Task] = []
        for task in tasks:
            wish = next((w for w in engine.asked if w is not None and task.id in w.wanted), None)
            if wish is None:
                rest.append(task)
            else:
                self._cancel(task, wish)
        return rest

    def answered(self, withdrawal: Withdrawal, tasks: Sequence[Task]) -> None:
        """Take an engine's answer: the tasks that it gives back."""
        for task in tasks:
            self._cancel(task, withdrawal)
        self._answer(withdrawal)

    def engine_lost(self, engine: Engine) -> None:
        """Wait no longer for the answers of an engine that died."""
        for withdrawal in engine.asked:
            if withdrawal is not None:
                self._answer(withdrawal)
        engine.asked.clear()

    def _answer(self, withdrawal: Withdrawal) -> None:
        """Answer a client once everybody who was asked has answered."""
        withdrawal.asked -= 1
        if withdrawal.asked == 0:
            self._reply(withdrawal)

    def _reply(self, withdrawal: Withdrawal) -> None:
        request, withdrawal.request = withdrawal.request, 0
        if request:
            withdrawal.line.say(Cancelled(request, list(withdrawal.cancelled)))

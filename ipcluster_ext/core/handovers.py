"""Rules for tasks that clients hand to engines by themselves.

A call that an engine answers at once is over when its client tells of it, and is noted as it was.
Of any other both the client and the engine tell, in any order, and one of them may be gone. What an
engine says of a task that nobody has named yet is kept as it is while a hub takes over. The black
box counts such tasks among those out of turn, as nobody here knows when they came.
"""

from collections.abc import Callable, Iterable

from ipcluster_ext.core.assignments import Assignments
from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.engines import OF_HANDED, Engine, Withdrawal
from ipcluster_ext.core.recovered import Claim, Outcome, dropped
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.task import Task
from ipcluster_ext.core.unnamed import record_death
from ipcluster_ext.protocol.ids import EngineId, TaskId, client_of
from ipcluster_ext.protocol.messages import Drop, EngineExited, Ran, Submit
from ipcluster_ext.protocol.parts import ResultItem, TaskItem
from ipcluster_ext.protocol.status import TaskStatus

MOST_UNNAMED = 1_000
"""So many tasks of which engines have spoken wait to be named; a client may have died before."""


class Handovers:
    """Takes such tasks from clients and engines.

    Parameters
    ----------
    state
        The hub's tables.
    assignments
        The rules for tasks that engines have.
    """

    def __init__(self, state: State, assignments: Assignments) -> None:
        self._state = state
        self._assignments = assignments

    # ------------------------------------------------------------ from clients

    def ran(self, client: Client, message: Ran, now: float) -> None:
        """Take calls that an engine has answered to their client without this hub."""
        state, spec, known = self._state, message.spec, self._state.tasks
        self._drop_claims(message.items)
        new: list[tuple[TaskItem, ResultItem]] = []
        for item, outcome in zip(message.items, message.outcomes, strict=False):
            if item.id != outcome.id or client_of(item.id) != client.id:
                continue
            if item.id in known:
                self._has_run(known[item.id], outcome, message.engine)
            elif not (item.id in state.over or state.history.get(item.id)):
                new.append((item, outcome))
        state.stale += len(message.items) - len(new)
        if not new:
            return
        function, row = state.library.get(spec.function), state.journal.page
        work = state.works.of(client.id, spec, function, now, len(new))
        function.live += len(new)
        items = [item for item, _ in new]
        state.journal.submitted(Submit(spec, items), (), len(new))
        for item, outcome in new:
            task = known[item.id] = Task(item.id, spec, item, (), function, None, now, row, work)
            task.move(TaskStatus.ASSIGNED)
            function.took(outcome.completed - outcome.started)
            self._assignments.ends.end(task, outcome, (), message.engine, told=True)
        engine = state.engines.get(message.engine)
        if engine is not None:
            engine.ended += len(new)
            engine.progress = now
        what = f"done on engine {message.engine} by the short way"
        state.log.note(now, what, [item.id for item in items])

    def client_left(self, client: Client) -> None:
        """Keep nothing in shared memory for a client, and no task that waits for a function.

        Perhaps nobody can send that.
        """
        for task, claim in self._state.claims.items():
            outcome = claim.outcome
            gone = client_of(task) == client.id and self._state.recovered.forget_at is None
            if gone and outcome is not None and (names := names_of(outcome.item.buffers)):
                self._state.blobs.release(names)
                claim.outcome = Outcome(dropped(outcome.item), (), outcome.engine, outcome.row)
        wanting = self._state.wanting
        for digest in list(wanting):
            for engine in wanting.pop(digest):
                self.recall(engine, lambda task: task.function.digest == digest)  # noqa: B023 - called at once

    def recall(self, engine: Engine, wanted: Callable[[Task], bool]) -> None:
        """Have an engine give back tasks that were handed to it, as far as they have not begun."""
        tasks = engine.unfinished.values()
        self._ask(engine, [task.id for task in tasks if task.handed and wanted(task)])

    def _ask(self, engine: Engine, ids: list[TaskId]) -> None:
        """Have an engine give back tasks that were handed to it, or are not there."""
        if ids and engine.line is not None:
            engine.asked.append(Withdrawal(engine.line, OF_HANDED, handed=frozenset(ids)))
            engine.line.say(Drop(ids, handed=True))

    def answered(self, engine: Engine, asked: Withdrawal, given_back: Iterable[TaskId]) -> None:
        """Learn which tasks an engine has that were handed to it: those that it has begun."""
        recovered, back = self._state.recovered, frozenset(given_back)
        for task_id in sorted(asked.handed & recovered.handed.keys()):
            if recovered.handed[task_id] != (engine.id, engine.boot):
                continue
            if task_id not in back:
                self._keep(engine, task_id)
                continue
            del recovered.handed[task_id]
            task = recovered.unclaimed.get(task_id)
            if recovered.settled and task is not None:
                recovered.pinned.pop(task_id, None)
                del recovered.unclaimed[task_id]
                self._go_on(task)

    def _go_on(self, task: Task) -> None:
        """Give out a task that has not begun, unless it is not wanted any more."""
        if not self._assignments.withdrawals.give_up(task):
            self._assignments.resume(self._state.clients.get(client_of(task.id)), task)

    def _keep(self, engine: Engine, task_id: TaskId) -> None:
        """Leave a task to an engine that has it."""
        recovered = self._state.recovered
        recovered.handed.pop(task_id, None)
        recovered.pinned.pop(task_id, None)
        task = recovered.unclaimed.pop(task_id, None)
        if task is not None:
            self._adopt(engine, task)
            self._assignments.withdrawals.resume(engine, [task])

    def _adopt(self, engine: Engine, task: Task) -> None:
        self._assignments.adopt(engine, task, self._state.now)
        task.handed = True

    def _there(self, engine_id: EngineId, boot: int) -> Engine | None:
        """Return an engine if it is in that life, and here."""
        engine = self._state.engines.get(engine_id)
        is_here = engine is not None and engine.boot == boot and engine.line is not None
        return engine if is_here else None

    def _has_run(self, task: Task, outcome: ResultItem, engine_id: EngineId) -> None:
        """End a task that was named just before its answer came, unless it runs elsewhere."""
        if task.status is TaskStatus.ASSIGNED:
            engine = self._state.engines.get(engine_id)
            if engine is None or engine.unfinished.pop(task.id, None) is None:
                return
            self._state.changed.add(engine)
        elif task.status is not TaskStatus.QUEUED:
            return
        self._assignments.ends.end(task, outcome, (), engine_id, told=True)

    def take(self, task: Task, message: Submit) -> bool:
        """Take a task that its client has handed to an engine which has said nothing of it yet.

        Returns
        -------
        False if it is not there: that life of the engine is over, and had not begun it, or it is
        going to greet and to say so.
        """
        state = self._state
        if task.spec.options is not None or task.item.needs:
            return False
        engine = self._there(message.engine, message.boot)
        if engine is not None and not state.recovered.settled:
            state.recovered.handed[task.id] = message.engine, message.boot
            self._ask(engine, [task.id])  # it may have given it back, and another have it
            return False
        if engine is not None:
            self._adopt(engine, task)
            client = state.clients.get(client_of(task.id))
            self._assignments.provide(engine, task.function, client)
            if state.recovered.forget_at is not None:  # it may have given it back to the hub before
                self._ask(engine, [task.id])
            return True
        if message.boot in state.unseen:
            why = "its host is gone; it may have run"
            self._assignments.ends.fail(task, "EngineLost", why, TaskStatus.LOST)
            return True
        recovered = state.recovered
        is_awaited = recovered.lives.get(message.engine) == message.boot
        if is_awaited or not (recovered.settled or message.boot in recovered.dead):
            recovered.handed[task.id] = message.engine, message.boot
        if is_awaited and recovered.settled:
            recovered.unclaimed[task.id] = task
            recovered.pinned[task.id] = message.engine
        return is_awaited and recovered.settled

    # ------------------------------------------------------------ from engines

    def took(self, engine: Engine, tasks: Iterable[TaskId]) -> None:
        """Learn that clients have handed tasks to an engine, if that is before they say so."""
        for task in tasks:
            if task in self._state.recovered.handed:
                self._keep(engine, task)
            elif task not in engine.unfinished and self._state.is_unknown(task):
                self._state.claims[task] = Claim(engine)
        self._forget()

    def died(self, engine: Engine, exited: EngineExited) -> None:
        """Note which tasks an engine had begun that clients may yet name."""
        for task in exited.others:
            if task not in engine.unfinished and self._state.is_unknown(task):
                claim = self._state.claims[task] = Claim(engine, exited=exited)
                record_death(self._state, task, claim)
        self._forget()
        for task_id, unclaimed in self._of(engine, exited.boot):
            self._state.recovered.pinned.pop(task_id, None)
            if task_id in exited.others:
                self._assignments.died_with(engine, unclaimed, exited, self._state.now)
            else:
                self._go_on(unclaimed)

    # ------------------------------------------------------------ while a hub takes over

    def back(self, engine: Engine) -> None:
        """Ask an engine that is back for what was handed to it and it has not said it has.

        It may have come since it began to greet; or it had given that back to the hub before.
        """
        recovered, life = self._state.recovered, (engine.id, engine.boot)
        marked = [task for task, where in recovered.handed.items() if where == life]
        for task_id in marked:
            if task_id not in recovered.unclaimed:
                del recovered.handed[task_id]
        self._ask(engine, [task_id for task_id in marked if task_id in recovered.handed])

    def settle(self) -> None:
        """Leave to engines that live what was handed to them, until it is known what they have."""
        recovered = self._state.recovered
        for task_id, (engine_id, boot) in list(recovered.handed.items()):
            if recovered.lives.get(engine_id) != boot and self._there(engine_id, boot) is None:
                del recovered.handed[task_id]
            elif task_id in recovered.unclaimed:
                recovered.pinned[task_id] = engine_id

    def _of(self, engine: Engine, boot: int) -> list[tuple[TaskId, Task]]:
        """Take the unclaimed tasks that were handed to a life of an engine."""
        recovered = self._state.recovered
        ids = [task for task, life in recovered.handed.items() if life == (engine.id, boot)]
        for task_id in ids:
            del recovered.handed[task_id]
        return [(i, recovered.unclaimed.pop(i)) for i in ids if i in recovered.unclaimed]

    # ------------------------------------------------------------ what nobody has named

    def _forget(self) -> None:
        """Drop the oldest of too many claims; those of a takeover end with that."""
        claims = self._state.claims
        while len(claims) > MOST_UNNAMED and self._state.recovered.forget_at is None:
            self._drop_claim(next(iter(claims)))

    def _drop_claims(self, items: Iterable[TaskItem]) -> None:
        """Take no notice of what engines say of tasks: their client knows it all."""
        claims = self._state.claims
        for item in items if claims else ():
            if item.id in claims:
                self._drop_claim(item.id)

    def _drop_claim(self, task: TaskId) -> None:
        first = self._state.claims.pop(task)
        for claim in (first, *first.also):
            self._state.journal.release(claim.row)
            if claim.outcome is not None:
                self._state.blobs.release(names_of(claim.outcome.item.buffers))
                self._state.journal.release(claim.outcome.row)

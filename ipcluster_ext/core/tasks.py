"""Rules for tasks: how they come in, how they end, and what happens when an engine dies."""

from collections.abc import Iterator, Sequence

from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.engines import Engine, Withdrawal
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.frames import Frame, encode_failure, frames_of
from ipcluster_ext.protocol.ids import EngineId, TaskId, client_of
from ipcluster_ext.protocol.messages import (
    Cancel,
    Cancelled,
    Define,
    Done,
    Drop,
    Failure,
    Need,
    ResultItem,
    Returned,
    Submit,
    SubmitEach,
    TaskItem,
)
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus

HUB = EngineId(-1)
_ASSIGNED = TaskStatus.ASSIGNED
_DONE = TaskStatus.DONE
_FAILED = TaskStatus.FAILED


class Tasks:
    """Takes tasks from clients and outcomes from engines.

    Parameters
    ----------
    state
        The hub's tables.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def submit(self, client: Client, message: Submit, frames: Iterator[Frame], now: float) -> None:
        """Take balanced tasks; ids that are known already are passed over."""
        state, spec = self._state, message.spec
        function = state.library.get(spec.function)
        known = state.tasks
        for item in message.items:
            own = _take(frames, item)
            if item.id in known:
                continue
            task = known[item.id] = Task(item.id, spec, item, own, function)
            function.live += 1
            if item.buffers:
                state.blobs.hold(names_of(item.buffers))
            if function.pickled is None:
                self._wait_for_function(client, task)
            else:
                state.queue.push(task)
        state.log.note(now, "submitted", [item.id for item in message.items])

    def submit_each(
        self, client: Client, message: SubmitEach, frames: Iterator[Frame], now: float
    ) -> None:
        """Take one payload for each of several engines."""
        state, spec, first = self._state, message.spec, message.item
        own = _take(frames, first)
        function = state.library.get(spec.function)
        names = names_of(first.buffers)
        state.blobs.hold(names, len(message.engines))
        for place, engine_id in enumerate(message.engines):
            task_id = TaskId(first.id + place)
            if task_id in state.tasks:
                state.blobs.release(names)
                continue
            item = first if place == 0 else TaskItem(task_id, first.inline, first.buffers)
            task = state.tasks[task_id] = Task(task_id, spec, item, own, function, engine_id)
            function.live += 1
            if function.pickled is None:
                self._wait_for_function(client, task)
            else:
                self.send_to_target(task, now)
        ids = range(first.id, first.id + len(message.engines))
        state.log.note(now, "submitted to each", map(TaskId, ids))

    def _wait_for_function(self, client: Client, task: Task) -> None:
        if self._state.library.wait(task):
            client.line.say(Need(task.function.digest))

    def define(self, digest: bytes, pickled: bytes, now: float) -> None:
        """Take a function; tasks that waited for it go on."""
        for task in self._state.library.define(digest, pickled):
            if task.target is None:
                self._state.queue.push(task)
            else:
                self.send_to_target(task, now)

    def send_to_target(self, task: Task, now: float) -> None:
        """Send a task to the one engine it is for, hold it until that comes up, or fail it."""
        engine = self._state.engines.get(task.target if task.target is not None else HUB)
        if engine is None or engine.leaving:
            ids = sorted(e.id for e in self._state.engines.values() if not e.leaving)
            there = ", ".join(map(str, ids[:20])) or "none"
            text = f"there is no engine {task.target}; engines: {there}"
            self.fail(task, "NoSuchEngine", text, TaskStatus.LOST)
        elif engine.status is EngineStatus.READY and not engine.restarting:
            self.assign(engine, task, now)
        else:
            engine.held.append(task)

    def assign(self, engine: Engine, task: Task, now: float) -> None:
        """Send a task to an engine that is ready."""
        line, function = engine.open_line, task.function
        if function.digest and function.digest not in engine.known:
            line.say(Define(function.digest, function.pickled or b""))
            engine.known.add(function.digest)
        if not engine.unfinished:
            engine.progress = now
        task.move(_ASSIGNED)
        task.engine = engine.id
        engine.unfinished[task.id] = task
        line.run(task.spec, task.item, task.frames)
        self._state.changed.add(engine)

    def done(self, engine: Engine, message: Done, frames: Iterator[Frame], now: float) -> None:
        """Take outcomes. One that is not this engine's to tell is dropped and counted."""
        state = self._state
        unfinished, clients = engine.unfinished, state.clients
        for item in message.items:
            own = _take(frames, item)
            task = unfinished.pop(item.id, None)
            if task is None:
                state.stale += 1
                state.blobs.offer(names_of(item.buffers))
                continue
            task.function.took(item.completed - item.started)
            if not item.status.ended or (item.status is _FAILED and task.retries > 0):
                state.blobs.offer(names_of(item.buffers))
                self._not_over(task, item, now)
                continue
            task.move(item.status)
            self._settle(task)
            client = clients.get(client_of(task.id))
            if client is not None:
                client.line.result(engine.id, item, own)
                if item.buffers:
                    self._hold_until_delivered(client, item)
            elif item.buffers:
                state.blobs.offer(names_of(item.buffers))
        engine.progress = now
        engine.stalled = False
        state.changed.add(engine)
        state.log.note(now, f"ended on engine {engine.id}", [item.id for item in message.items])

    def _not_over(self, task: Task, outcome: ResultItem, now: float) -> None:
        """Settle a task whose outcome is not the last word, or none at all."""
        if outcome.status.ended:
            self.run_again(task, now)
        else:
            text = f"the engine said that it is {outcome.status.name}"
            self.fail(task, "EngineLost", text, TaskStatus.LOST)

    def _hold_until_delivered(self, client: Client, item: ResultItem) -> None:
        names = names_of(item.buffers)
        self._state.blobs.hold(names)
        client.line.token.extend(names)

    def _settle(self, task: Task) -> None:
        """Drop what the hub keeps of a task that has ended."""
        del self._state.tasks[task.id]
        task.function.live -= 1
        task.engine = None
        if task.item.buffers:
            self._state.blobs.release(names_of(task.item.buffers))

    def run_again(self, task: Task, now: float) -> None:
        """Have a task run once more, by its owner's leave."""
        task.retries -= 1
        task.engine = None
        if task.target is None:
            self._state.queue.push(task)
        else:
            task.move(TaskStatus.WAITING)
            self.send_to_target(task, now)

    def fail(self, task: Task, ename: str, evalue: str, status: TaskStatus) -> None:
        """End a task by the hub's own decision, and tell its client why."""
        engine = task.engine if task.engine is not None else task.target
        if task.status is TaskStatus.QUEUED:
            self._state.queue.forget(task, status)
        else:
            self._state.library.forget(task)
            task.move(status)
        self._settle(task)
        client = self._state.clients.get(client_of(task.id))
        if client is not None:
            payload = encode_failure(Failure(ename, evalue, "", engine=engine))
            client.line.result(HUB, ResultItem(task.id, status, 0.0, 0.0, payload), ())

    def returned(self, engine: Engine, message: Returned, now: float) -> None:
        """Take back tasks that an engine has not begun."""
        withdrawal = engine.asked.popleft() if engine.asked else None
        tasks = [t for i in message.ids if (t := engine.unfinished.pop(i, None)) is not None]
        if not engine.unfinished:
            engine.stalled = False
        self._state.changed.add(engine)
        if withdrawal is None:
            self.take_back(self._without_withdrawn(engine, tasks), now)
        else:
            for task in tasks:
                self._cancel(task, withdrawal)
            self._answer(withdrawal)
        if tasks:
            ids = [task.id for task in tasks]
            self._state.log.note(now, f"given back by engine {engine.id}", ids)

    def take_back(self, tasks: Sequence[Task], now: float) -> None:
        """Return unbegun tasks to the head of the queue, in their old order and at no cost."""
        for task in tasks:
            task.engine = None
        self._state.queue.push_back(task for task in tasks if task.target is None)
        for task in tasks:
            if task.target is not None:
                task.move(TaskStatus.WAITING)
                self.send_to_target(task, now)

    def cancel(self, client: Client, message: Cancel) -> None:
        """Take back a client's tasks that have not begun; engines are asked for those they have."""
        withdrawal = Withdrawal(client.line, message.request)
        held: dict[EngineId, list[TaskId]] = {}
        for task_id in message.ids:
            task = self._state.tasks.get(task_id)
            if task is None or client_of(task_id) != client.id:
                continue
            if task.status is _ASSIGNED and task.engine is not None:
                held.setdefault(task.engine, []).append(task_id)
            else:
                self._cancel(task, withdrawal)
        for engine_id, ids in held.items():
            withdrawal.wanted.update(ids)
            engine = self._state.engines[engine_id]
            engine.open_line.say(Drop(ids))
            engine.asked.append(withdrawal)
            withdrawal.asked += 1
        withdrawal.asked += 1
        self._answer(withdrawal)

    def _cancel(self, task: Task, withdrawal: Withdrawal) -> None:
        if task.target is not None and (engine := self._state.engines.get(task.target)):
            engine.held = [other for other in engine.held if other is not task]
        withdrawal.cancelled.append(task.id)
        self.fail(task, "TaskAborted", "", TaskStatus.CANCELLED)

    def _without_withdrawn(self, engine: Engine, tasks: Sequence[Task]) -> list[Task]:
        """Cancel those of an engine's unbegun tasks that clients wait to take back."""
        rest: list[Task] = []
        for task in tasks:
            wish = next((w for w in engine.asked if w is not None and task.id in w.wanted), None)
            if wish is None:
                rest.append(task)
            else:
                self._cancel(task, wish)
        return rest

    def _answer(self, withdrawal: Withdrawal) -> None:
        """Answer a client once everybody who was asked has answered."""
        withdrawal.asked -= 1
        if withdrawal.asked == 0:
            withdrawal.line.say(Cancelled(withdrawal.request, withdrawal.cancelled))

    def engine_lost(self, engine: Engine, cause: str, began: TaskId, now: float) -> None:
        """Settle the tasks of an engine that died.

        Tasks run in the order in which they were sent, so those up to the last one it began may
        have run: they fail, or run again if they may. The others go back at no cost.
        """
        tasks = list(engine.unfinished.values())
        engine.unfinished.clear()
        begun = next((n for n, task in enumerate(tasks, 1) if task.id == began), 0)
        for task in tasks[:begun]:
            if task.retries > 0:
                self.run_again(task, now)
            else:
                self.fail(task, "EngineLost", cause, TaskStatus.LOST)
        unbegun = self._without_withdrawn(engine, tasks[begun:])
        for withdrawal in engine.asked:
            if withdrawal is not None:
                self._answer(withdrawal)
        engine.asked.clear()
        self.take_back(unbegun, now)

    def client_left(self, client: Client) -> None:
        """Fail what waits for a function that a client that is gone cannot send any more."""
        for task in self._state.library.waiting:
            if client_of(task.id) == client.id:
                self.fail(task, "ClientClosed", "", TaskStatus.LOST)

    def refuse_the_hopeless(self) -> None:
        """Fail what is queued and nobody can ever run, rather than let it wait for ever."""
        engines, queue = self._state.engines, self._state.queue
        for lane in queue.lanes:
            if lane is not None and not any(engine in engines for engine in lane):
                text = f"none of the engines {list(lane)} exists"
                while (task := queue.head(lane)) is not None:
                    self.fail(task, "NoSuchEngine", text, TaskStatus.LOST)
        if len(queue) and self._state.hopeless:
            for task in list(queue):
                self.fail(task, "NoEnginesRegistered", "", TaskStatus.LOST)


def _take(frames: Iterator[Frame], item: TaskItem | ResultItem) -> Sequence[Frame]:
    """Take an item's frames from those of its packet."""
    if not item.buffers:
        return ()
    return [next(frames) for _ in range(frames_of(item.buffers))]

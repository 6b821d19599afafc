"""Rules for tasks: how they come in, what engines say of them, and what an engine's death means."""

from collections.abc import Iterator, Sequence

from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.ends import HUB, Ends
from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.journal import NOWHERE
from ipcluster_ext.core.limits import Limits
from ipcluster_ext.core.recovered import Outcome
from ipcluster_ext.core.retries import Retries
from ipcluster_ext.core.state import Client, Preparation, State
from ipcluster_ext.core.task import Extra, Task
from ipcluster_ext.core.withdrawals import Withdrawals
from ipcluster_ext.protocol.frames import Frame, frames_of
from ipcluster_ext.protocol.ids import (
    COUNTER_BITS,
    ClientId,
    TaskId,
    client_of,
    first_task,
)
from ipcluster_ext.protocol.messages import (
    Define,
    Done,
    EngineExited,
    Need,
    News,
    Prepare,
    Returned,
    Submit,
    SubmitEach,
    Waiting,
)
from ipcluster_ext.protocol.parts import ResultItem, TaskItem
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus

THE_HUB = ClientId(0)
"""Whose tasks preparations are."""
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
        self.ends = Ends(state)
        self.withdrawals = Withdrawals(state, self.ends)
        self.limits = Limits(state, self.ends)
        self.retries = Retries(state, self.ends)

    # ------------------------------------------------------------ from clients

    def submit(self, client: Client, message: Submit, frames: Iterator[Frame], now: float) -> None:
        """Take balanced tasks; ids that were known before, or not the client's, are passed over."""
        state, spec = self._state, message.spec
        function = state.library.get(spec.function)
        known, mine = state.tasks, client.id
        special = spec.options is not None
        row, claims, over = state.journal.page, state.claims, state.over
        unsettled = not state.recovered.settled
        beside: list[Frame] = []
        count = 0
        for item in message.items:
            own: Sequence[Frame] = ()
            if item.buffers:
                own = take_frames(frames, item)
                beside.extend(own)
            if item.id in known or item.id >> COUNTER_BITS != mine or (over and item.id in over):
                state.stale += 1
                continue
            task = known[item.id] = Task(item.id, spec, item, own, function, None, now, row)
            function.live += 1
            count += 1
            if item.buffers:
                state.blobs.hold(names_of(item.buffers))
            if claims and item.id in claims:
                self.reclaim(task, now)
            elif unsettled:
                self._set_aside(task)
            elif special or item.needs:
                self._admit(client, task)
            elif function.pickled is None:
                self._wait_for_function(client, task)
            else:
                state.queue.push(task)
        state.journal.submitted(message, beside, count)
        state.log.note(now, "submitted", [item.id for item in message.items])

    def submit_each(
        self, client: Client, message: SubmitEach, frames: Iterator[Frame], now: float
    ) -> None:
        """Take one payload for each of several engines."""
        state, spec, first = self._state, message.spec, message.item
        own = take_frames(frames, first)
        function = state.library.get(spec.function)
        names = names_of(first.buffers)
        state.blobs.hold(names, len(message.engines))
        count = 0
        for place, engine_id in enumerate(message.engines):
            task_id = TaskId(first.id + place)
            if task_id in state.tasks or client_of(task_id) != client.id or task_id in state.over:
                state.stale += 1
                state.blobs.release(names)
                continue
            item = first
            if place:
                item = TaskItem(task_id, first.inline, first.buffers, first.needs)
            row = state.journal.page
            task = Task(task_id, spec, item, own, function, engine_id, now, row)
            state.tasks[task_id] = task
            function.live += 1
            count += 1
            if task_id in state.claims:
                self.reclaim(task, now)
            elif not state.recovered.settled:
                self._set_aside(task)
            elif spec.options is not None or item.needs:
                self._admit(client, task)
            else:
                self._start(client, task)
        state.journal.submitted(message, own, count)
        ids = range(first.id, first.id + len(message.engines))
        state.log.note(now, "submitted to each", map(TaskId, ids))

    def _set_aside(self, task: Task) -> None:
        """Have a task wait until it is known whether an engine has it already."""
        if not self.limits.admit(task):
            self._state.recovered.unclaimed[task.id] = task

    def _admit(self, client: Client | None, task: Task) -> None:
        """Take a task that wants more than to be run."""
        if not self.limits.admit(task):
            self.resume(client, task)

    def resume(self, client: Client | None, task: Task) -> None:
        """Have a task run as soon as what it depends on has ended."""
        verdict = self.ends.dependencies.admit(client, task)
        if verdict is None:
            self._state.waiting[task.id] = task
        elif verdict.status is _DONE:
            self._start(client, task)
        else:
            self.ends.fail_with(task, verdict.failure, verdict.status)

    def _start(self, client: Client | None, task: Task) -> None:
        """Have a task run as soon as its function is here."""
        if task.function.pickled is None:
            self._wait_for_function(client, task)
        elif task.target is None:
            self._state.queue.push(task)
        else:
            self.send_to_target(task, self._state.now)

    def _wait_for_function(self, client: Client | None, task: Task) -> None:
        """Have a task wait for its function; its client is asked for it, if that is here."""
        owner = client_of(task.id)
        if client is None and owner != THE_HUB:
            client = self._state.clients.get(owner)
            if client is None:
                self.ends.fail(task, "ClientClosed", "", TaskStatus.LOST)
                return
        if self._state.library.wait(task) and client is not None:
            client.line.say(Need(task.function.digest))

    def define(self, digest: bytes, pickled: bytes, now: float) -> None:
        """Take a function; tasks that waited for it go on."""
        if not self._state.library.has(digest):
            page = self._state.journal.defined(digest, pickled)
            self._state.library.get(digest).row = page
        for task in self._state.library.define(digest, pickled):
            if task.target is None:
                self._state.queue.push(task)
            else:
                self.send_to_target(task, now)

    def supply(self, items: Sequence[ResultItem], frames: Iterator[Frame]) -> None:
        """Take values that the hub did not have any more."""
        for item in items:
            own = take_frames(frames, item)
            if item.id not in self._state.tasks and item.status.ended:
                verdicts = self.ends.dependencies.ended(item.id, item, own, HUB)
                self.ends.verdicts.extend(verdicts)
            names = names_of(item.buffers)
            if names:
                self._state.blobs.offer(names)

    def follow_up(self, now: float) -> None:
        """Do what time and the end of other tasks ask for."""
        self.withdrawals.look(now)
        verdicts = self.ends.verdicts
        if not verdicts and self._state.timers.deadline is None:
            return
        for alarm, task, mark in self._state.timers.due(now):
            if self._state.tasks.get(task.id) is task and self.limits.look_at(alarm, task, mark):
                self._go_on(task)
        while verdicts:
            verdict = verdicts.popleft()
            task = verdict.task
            if task.id not in self._state.waiting:
                continue
            if verdict.status is _DONE:
                self._go_on(task)
            else:
                self.ends.fail_with(task, verdict.failure, verdict.status)

    def _go_on(self, task: Task) -> None:
        del self._state.waiting[task.id]
        if _lacks_values(task):
            self.resume(self._state.clients.get(client_of(task.id)), task)
        else:
            self._start(None, task)

    def client_left(self, client: Client) -> None:
        """Fail what waits for a function or a value that a client that is gone cannot send."""
        still_wanted = self._drop_preparations_of(client)
        for task in self._state.library.waiting:
            owner = client_of(task.id)
            alone = owner == THE_HUB and task.function.digest not in still_wanted
            if task.id in self._state.tasks and (owner == client.id or alone):
                self.ends.fail(task, "ClientClosed", "", TaskStatus.LOST)
        self.ends.verdicts.extend(self.ends.dependencies.client_left(client))
        self._state.store.client_left(client.id)

    # ------------------------------------------------------------ preparations

    def prepare_all(
        self, client: Client, message: Prepare, frames: Iterator[Frame], now: float
    ) -> None:
        """Keep what every engine has to run first; run it where that has not been done."""
        state = self._state
        own = take_frames(frames, message.item)
        old = state.preparations.get(message.name)
        if old is not None and (old.owner, old.spec, old.item) == (
            client.id, message.spec, message.item,
        ):  # fmt: skip
            return  # it was said to the hub before this one, too
        self.drop_preparation(message.name)
        if not message.spec.function:
            return
        function = state.library.get(message.spec.function)
        function.live += 1
        state.blobs.hold(names_of(message.item.buffers))
        told = frozenset(e.boot for i in message.engines if (e := state.engines.get(i)) is not None)
        row = state.journal.prepared(client.id, message, own, told)
        kept = Preparation(client.id, message.spec, message.item, own, function, row, told)
        state.preparations[message.name] = kept
        for engine in list(state.engines.values()):
            if engine.id not in message.engines and engine.status is EngineStatus.READY:
                self._prepare(engine, kept, now)

    def drop_preparation(self, name: str) -> None:
        """Have engines run something first no longer."""
        old = self._state.preparations.pop(name, None)
        if old is not None:
            old.function.live -= 1
            self._state.blobs.release(names_of(old.item.buffers))
            self._state.journal.release(old.row)

    def _drop_preparations_of(self, client: Client) -> set[bytes]:
        """Drop what a client that is gone prepared without having sent the function.

        Returns
        -------
        The functions that other preparations wait for; their owners are asked for them.
        """
        awaited: set[bytes] = set()
        for name, kept in list(self._state.preparations.items()):
            if kept.function.pickled is not None:
                continue
            if kept.owner == client.id:
                self.drop_preparation(name)
            elif (owner := self._state.clients.get(kept.owner)) is not None:
                awaited.add(kept.function.digest)
                owner.line.say(Need(kept.function.digest))
        return awaited

    def prepare(self, engine: Engine, now: float, *, done: int = 0) -> None:
        """Have an engine run first what every engine has to, but for so many that it was sent."""
        every = self._state.preparations.values()
        for preparation in [each for each in every if engine.boot not in each.told][done:]:
            self._prepare(engine, preparation, now)

    def _prepare(self, engine: Engine, preparation: Preparation, now: float) -> None:
        state, function = self._state, preparation.function
        task_id = first_task(THE_HUB, state.next_task)
        state.next_task += 1
        names = names_of(preparation.item.buffers)
        item = TaskItem(task_id, preparation.item.inline, preparation.item.buffers)
        task = Task(
            task_id, preparation.spec, item, preparation.frames, function, engine.id, now
        )  # fmt: skip
        state.tasks[task_id] = task
        function.live += 1
        state.blobs.hold(names)
        self._start(state.clients.get(preparation.owner), task)

    # ------------------------------------------------------------ to engines

    def send_to_target(self, task: Task, now: float) -> None:
        """Send a task to the one engine it is for, hold it until that comes up, or fail it."""
        engine = self._state.engines.get(task.target if task.target is not None else HUB)
        if engine is None or engine.leaving:
            ids = sorted(e.id for e in self._state.engines.values() if not e.leaving)
            there = ", ".join(map(str, ids[:20])) or "none"
            text = f"there is no engine {task.target}; engines: {there}"
            self.ends.fail(task, "NoSuchEngine", text, TaskStatus.LOST)
        elif engine.reachable:
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
        if task.item.needs:
            self._state.store.bring(engine, task)
        if task.spec.options is not None:
            self.limits.assigned(engine, task, now)
        line.run(task.spec, task.item, task.frames)
        self._state.changed.add(engine)

    def _takes_leave(self, engine: Engine, task: Task) -> None:
        """Settle what an engine has for a task that is not with it any more."""
        if task.item.needs:
            self._state.store.left(engine, task)
        if task.spec.options is not None:
            self.limits.left(engine, task)

    # ------------------------------------------------------------ from engines

    def done(self, engine: Engine, message: Done, frames: Iterator[Frame], now: float) -> None:
        """Take outcomes. One that is not this engine's to tell is dropped and counted."""
        state = self._state
        unfinished, end = engine.unfinished, self.ends.end
        for item in message.items:
            own = take_frames(frames, item) if item.buffers else ()
            task = unfinished.pop(item.id, None)
            if task is None:
                self._not_its_own(engine, item, own)
                continue
            if task.extra is not None or task.spec.options is not None:
                self._takes_leave(engine, task)
            task.function.took(item.completed - item.started)
            if item.status is _DONE or (item.status is _FAILED and task.retries <= 0):
                end(task, item, own, engine.id)
            else:
                state.blobs.offer(names_of(item.buffers))
                self._not_over(engine, task, item, now)
        engine.progress = now
        engine.ended += len(message.items)
        engine.stalled = False
        state.changed.add(engine)
        state.log.note(now, f"ended on engine {engine.id}", [item.id for item in message.items])

    def _not_its_own(self, engine: Engine, item: ResultItem, frames: Sequence[Frame]) -> None:
        """Drop an outcome, unless it is of a task that the hub before knew and this one will."""
        state, names = self._state, names_of(item.buffers)
        if (engine.id, item.id) in state.recovered.rivals:
            self._count_try(engine, item)
        claim = state.claims.get(item.id)
        if claim is None or claim.engine is not engine:
            state.stale += 1
            state.blobs.offer(names)
            return
        state.blobs.hold(names)
        row = NOWHERE
        if item.status is _DONE and state.journal.on:  # the engine will not say it again
            row = state.journal.page
            state.journal.ended(item, frames, engine.id)
        claim.outcome = Outcome(item, frames, engine.id, row)
        waits = state.clients.get(state.recovered.awaited.get(item.id, THE_HUB))
        if waits is not None:
            self.ends.tell(waits, item, frames, engine.id)

    def _count_try(self, engine: Engine, outcome: ResultItem) -> None:
        """Count that a task was tried in vain before it was given to the engine that has it now."""
        self._state.recovered.rivals.discard((engine.id, outcome.id))
        task = self._state.tasks.get(outcome.id)
        if task is not None:
            self.retries.count(engine, task, outcome)
            self._state.journal.changed(task)

    def reclaim(self, task: Task, now: float) -> None:
        """Take a task that an engine had before this hub knew it."""
        state = self._state
        claim = state.claims.pop(task.id)
        state.recovered.awaited.pop(task.id, None)
        if claim.exited is not None:
            self.died_with(claim.engine, task, claim.exited, now)
            return
        self.adopt(claim.engine, task, now)
        if claim.outcome is not None:
            item = claim.outcome.item
            self.done(claim.engine, Done([item]), iter(claim.outcome.frames), now)
            state.blobs.release(names_of(item.buffers))
            state.journal.release(claim.outcome.row)

    def adopt(self, engine: Engine, task: Task, now: float) -> None:
        """Note that an engine has a task which this hub did not send."""
        task.move(_ASSIGNED)
        task.engine = engine.id
        engine.unfinished[task.id] = task
        for need in task.item.needs:
            engine.values[need] = engine.values.get(need, 0) + 1
            engine.unsure.add(need)
            task.extra = task.extra or Extra()  # or nobody would look whether it needs anything
        if task.spec.options is not None:
            self.limits.assigned(engine, task, now)
        self._state.changed.add(engine)

    def died_with(self, engine: Engine, task: Task, exited: EngineExited, now: float) -> None:
        """Settle a task that was with an engine when that died."""
        task.move(_ASSIGNED)
        task.engine = engine.id
        self._begun_by_the_dead(engine, [task], exited, now)

    def _begun_by_the_dead(
        self, engine: Engine, tasks: Sequence[Task], exited: EngineExited, now: float
    ) -> None:
        """Settle tasks that an engine has begun, or may have, and that died with it."""
        for task in tasks:
            if self.retries.after_death(engine, task, exited, now):
                self.run_again(task, now)

    def _not_over(self, engine: Engine, task: Task, outcome: ResultItem, now: float) -> None:
        """Settle a task whose outcome is not the last word, or none at all."""
        options = task.spec.options
        judged = options is not None and options.retry is not None and bool(options.retry.judge)
        if outcome.status is TaskStatus.REFUSED:
            again = self.retries.elsewhere(engine, task, outcome)
        elif outcome.status is TaskStatus.AGAIN or (outcome.status is _FAILED and not judged):
            again = self.retries.after_failure(task, outcome, now)
        elif outcome.status is _FAILED:
            failed = ResultItem(
                task.id, _FAILED, outcome.started, outcome.completed, outcome.inline
            )
            self.ends.end(task, failed, (), engine.id)
            again = False
        else:
            text = f"the engine said that it is {outcome.status.name}"
            self.ends.fail(task, "EngineLost", text, TaskStatus.LOST)
            again = False
        if again:
            self.run_again(task, now)

    def run_again(self, task: Task, now: float) -> None:
        """Have a task run once more, now."""
        task.engine = None
        self._state.journal.changed(task)
        if not self._state.recovered.settled:  # perhaps it was given to another long ago
            task.move(TaskStatus.WAITING)
            self._state.recovered.unclaimed[task.id] = task
        elif _lacks_values(task):
            self._regain(task)
        elif task.target is None:
            self._state.queue.push(task)
        else:
            task.move(TaskStatus.WAITING)
            self.send_to_target(task, now)

    def returned(self, engine: Engine, message: Returned, now: float) -> None:
        """Take back tasks that an engine has not begun."""
        withdrawal = engine.asked.popleft() if engine.asked else None
        tasks = [t for i in message.ids if (t := engine.unfinished.pop(i, None)) is not None]
        for task in tasks:
            self._takes_leave(engine, task)
        if engine.load <= 0:
            engine.stalled = False
        self._state.changed.add(engine)
        if withdrawal is None:
            self.take_back(self.withdrawals.without_withdrawn(engine, tasks), now)
        elif withdrawal is engine.settling:
            engine.settling = None
            self.give_held(engine, now)
        else:
            self.withdrawals.answered(withdrawal, tasks)
        if tasks:
            ids = [task.id for task in tasks]
            self._state.log.note(now, f"given back by engine {engine.id}", ids)

    def waiting(self, engine: Engine, message: Waiting) -> None:
        """Learn how many of an engine's tasks wait, and what it takes meanwhile."""
        most = len(engine.unfinished) - engine.awaiting
        engine.waiting = min(max(0, message.count), most)
        engine.above = message.above
        engine.unsuited = min(max(0, message.unsuited), most - engine.waiting)
        if message.above is not None:
            self._state.choosy.add(engine)
        if engine.load <= 0:
            engine.stalled = False  # what it has waits for others, which it may have to run
        self._state.changed.add(engine)

    def take_back(self, tasks: Sequence[Task], now: float) -> None:
        """Return unbegun tasks to the head of the queue, in their old order and at no cost."""
        for task in tasks:
            task.engine = None
        lacking = [task for task in tasks if _lacks_values(task)]
        tasks = [task for task in tasks if task not in lacking] if lacking else tasks
        self._state.queue.push_back(task for task in tasks if task.target is None)
        for task in lacking:
            self._regain(task)
        for task in tasks:
            if task.target is not None:
                task.move(TaskStatus.WAITING)
                self.send_to_target(task, now)

    def _regain(self, task: Task) -> None:
        """Have a task run once there is again what it needs."""
        task.move(TaskStatus.WAITING)
        self.resume(self._state.clients.get(client_of(task.id)), task)

    def give_held(self, engine: Engine, now: float) -> None:
        """Send an engine what has waited for it."""
        if engine.reachable:
            held, engine.held = engine.held, []
            for task in held:
                self.assign(engine, task, now)

    def give_away(
        self, engine: Engine, began: TaskId, others: Sequence[TaskId], now: float
    ) -> list[TaskId]:
        """Take back the balanced tasks that an engine has not begun, although it cannot be asked.

        Parameters
        ----------
        engine
            The engine.
        began, others
            What its black box says: the last task that it has begun in its turn, and those out of
            turn.

        Returns
        -------
        Those that it has to drop when it is back, whether they run elsewhere or are cancelled.
        """
        _, rest = _parted(list(engine.unfinished.values()), began, others)
        given = [task for task in rest if task.target is None]
        for task in given:
            del engine.unfinished[task.id]
            self._takes_leave(engine, task)
        self.take_back(self.withdrawals.without_withdrawn(engine, given), now)
        ids = [task.id for task in given]
        self._state.log.note(now, f"taken from engine {engine.id}, which does not respond", ids)
        return ids

    def engine_lost(self, engine: Engine, exited: EngineExited, now: float) -> None:
        """Settle the tasks of an engine that died.

        Tasks run in the order in which they were sent, so those up to the last one it began in
        its turn may have run, as have those it says it began out of turn: they fail, or run again
        if they may. The others go back at no cost.
        """
        tasks, began = list(engine.unfinished.values()), exited.began
        if self._state.recovered.forget_at is not None and began not in engine.unfinished:
            # perhaps only the hub before knew that task
            began = next((t for t in reversed(exited.ran) if t in engine.unfinished), began)
        engine.unfinished.clear()
        engine.dropped()
        begun, rest = _parted(tasks, began, exited.others)
        if begun:
            what = f"lost with engine {engine.id}: {exited.cause}"
            self._state.log.note(now, what, [task.id for task in begun])
        self._begun_by_the_dead(engine, begun, exited, now)
        rest = self._without_preparations(engine, rest)
        unbegun = self.withdrawals.without_withdrawn(engine, rest)
        self.withdrawals.engine_lost(engine)
        self.take_back(unbegun, now)

    def _without_preparations(self, engine: Engine, unbegun: Sequence[Task]) -> list[Task]:
        """Drop the preparations of a life that has ended: the next has its own."""
        waiting = [task for task in self._state.library.waiting if task.target == engine.id]
        for task in [*unbegun, *waiting, *engine.held]:
            if client_of(task.id) == THE_HUB:
                self.ends.fail(task, "EngineLost", engine.reason, TaskStatus.CANCELLED)
        return [task for task in unbegun if not task.status.ended]

    def refuse_the_hopeless(self) -> None:
        """Fail what is queued and nobody can ever run, rather than let it wait for ever."""
        queue = self._state.queue
        for lane in queue.lanes:
            reason = self.retries.why_hopeless(lane)
            if reason is not None:
                ename, text = reason
                while (task := queue.head(lane)) is not None:
                    self.ends.fail(task, ename, text, TaskStatus.LOST)
        if len(queue) and self._state.hopeless:
            for task in list(queue):
                self.ends.fail(task, "NoEnginesRegistered", "", TaskStatus.LOST)


def _lacks_values(task: Task) -> bool:
    """Whether only an engine that had it from the hub before this one has what a task needs."""
    return bool(task.item.needs) and not task.extras.used


def _parted(
    tasks: list[Task], began: TaskId, others: Sequence[TaskId]
) -> tuple[list[Task], list[Task]]:
    """Part an engine's tasks into those it has begun, by its black box, and the others."""
    count = next((n for n, task in enumerate(tasks, 1) if task.id == began), 0)
    begun, rest = tasks[:count], tasks[count:]
    if others:
        aside = frozenset(others)
        begun += [task for task in rest if task.id in aside]
        rest = [task for task in rest if task.id not in aside]
    return begun, rest


def take_frames(frames: Iterator[Frame], item: TaskItem | ResultItem | News) -> Sequence[Frame]:
    """Take the frames of an item or of news from those of its packet."""
    if not item.buffers:
        return ()
    return [next(frames) for _ in range(frames_of(item.buffers))]

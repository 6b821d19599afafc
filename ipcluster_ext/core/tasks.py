"""Rules for tasks: how they come in, what they wait for, and what engines run before any."""

from collections.abc import Iterator, Sequence

from ipcluster_ext.core.assignments import THE_HUB, Assignments, is_unknown, take_frames
from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.elsewhere import count_tries
from ipcluster_ext.core.ends import HUB
from ipcluster_ext.core.engines import OF_HANDED, Engine
from ipcluster_ext.core.handovers import Handovers
from ipcluster_ext.core.state import Client, Preparation, State
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import (
    COUNTER_BITS,
    EngineId,
    TaskId,
    client_of,
    first_task,
)
from ipcluster_ext.protocol.labour import mark_of
from ipcluster_ext.protocol.messages import (
    Need,
    Prepare,
    Returned,
    Submit,
    SubmitEach,
)
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus

_ASSIGNED = TaskStatus.ASSIGNED
_DONE = TaskStatus.DONE
_FAILED = TaskStatus.FAILED


class Tasks(Assignments):
    """Takes tasks from clients and outcomes from engines.

    Parameters
    ----------
    state
        The hub's tables.

    Attributes
    ----------
    handovers
        The rules for tasks that clients hand to engines by themselves.
    """

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.handovers = Handovers(state, self)

    def returned(self, engine: Engine, message: Returned, now: float) -> None:
        """Take back tasks that an engine has not begun."""
        asked = engine.asked[0] if engine.asked else None
        if asked is not None and asked.request == OF_HANDED:
            self.handovers.answered(engine, asked, message.ids)
        super().returned(engine, message, now)

    # ------------------------------------------------------------ from clients

    def submit(self, client: Client, message: Submit, frames: Iterator[Frame], now: float) -> None:
        """Take balanced tasks; ids that were known before, or not the client's, are passed over."""
        state, spec = self._state, message.spec
        function = state.library.get(spec.function)
        known, mine = state.tasks, client.id
        special, handed = spec.options is not None, message.boot != 0
        row, claims, over = state.journal.page, state.claims, state.over
        tried = state.recovered.tried
        unsettled = not state.recovered.settled
        work = state.works.of(mine, spec, function, now, len(message.items))
        beside: list[Frame] = []
        count = 0
        for item in message.items:
            own: Sequence[Frame] = ()
            if item.buffers:
                own = take_frames(frames, item)
                beside.extend(own)
            if item.id in known or item.id >> COUNTER_BITS != mine or (over and item.id in over):
                state.stale += 1
                self._is_said_again(client, spec, item)
                continue
            task = known[item.id] = Task(item.id, spec, item, own, function, None, now, row, work)
            count += 1
            if item.buffers:
                state.blobs.hold(names_of(item.buffers))
            if (handed or claims or tried) and self._is_known(task, message, now):
                continue
            if unsettled:
                self._set_aside(task)
            elif special or item.needs:
                self._admit(client, task)
            elif function.pickled is None:
                self._wait_for_function(client, task)
            else:
                state.queue.push(task)
        function.live += count
        if count < len(message.items):
            state.works.less(work, len(message.items) - count, now)
        state.journal.submitted(message, beside, count)
        state.log.note(now, "submitted", [item.id for item in message.items])

    def _is_known(self, task: Task, message: Submit, now: float) -> bool:
        """Settle a task that an engine has, or had before it was named; False if that is not all.

        One that is known to have been tried is with the engine that it was handed to no longer.
        """
        was_tried = task.id in self._state.recovered.tried
        if self.is_settled(task, now):
            return True
        return not was_tried and bool(message.boot) and self.handovers.take(task, message)

    def submit_each(
        self, client: Client, message: SubmitEach, frames: Iterator[Frame], now: float
    ) -> None:
        """Take one payload for each of several engines."""
        state, spec, first = self._state, message.spec, message.item
        own = take_frames(frames, first)
        function = state.library.get(spec.function)
        names = names_of(first.buffers)
        state.blobs.hold(names, len(message.engines))
        work = state.works.of(client.id, spec, function, now, len(message.engines))
        count = 0
        for place, engine_id in enumerate(message.engines):
            task_id = TaskId(first.id + place)
            if task_id in state.tasks or client_of(task_id) != client.id or task_id in state.over:
                state.stale += 1
                state.blobs.release(names)
                again = TaskItem(task_id, first.inline, first.buffers, first.needs)
                self._is_said_again(client, spec, again, engine_id)
                continue
            item = first
            if place:
                item = TaskItem(task_id, first.inline, first.buffers, first.needs)
            row = state.journal.page
            task = Task(task_id, spec, item, own, function, engine_id, now, row, work)
            state.tasks[task_id] = task
            function.live += 1
            count += 1
            if self.is_settled(task, now):
                continue
            if not state.recovered.settled:
                self._set_aside(task)
            elif spec.options is not None or item.needs:
                self._admit(client, task)
            else:
                self._start(client, task)
        if count < len(message.engines):
            state.works.less(work, len(message.engines) - count, now)
        state.journal.submitted(message, own, count)
        ids = range(first.id, first.id + len(message.engines))
        state.log.note(now, "submitted to each", map(TaskId, ids))

    def _is_said_again(
        self, client: Client, spec: TaskSpec, item: TaskItem, target: EngineId | None = None
    ) -> None:
        """Note a task that has ended, if all that a hub before this one recorded is its end."""
        state = self._state
        is_over = item.id in state.over and client_of(item.id) == client.id
        if is_over and state.history.get(item.id) is None:
            bare = TaskItem(item.id, b"", (), item.needs) if item.buffers else item
            state.recovered.said_again.append((spec, bare, target))

    def _set_aside(self, task: Task) -> None:
        """Have a task wait until it is known whether an engine has it already."""
        count_tries(self._state, task)
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
        tasks = self._state.library.define(digest, pickled)
        for engine in self._state.wanting.pop(digest, ()):
            if engine.line is not None:
                self.provide(engine, self._state.library.get(digest), None)
        for task in tasks:
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
        if task.extra is not None:
            task.extra.pauses = False
        if is_unknown(task):
            self.resume(self._state.clients.get(client_of(task.id)), task)
        else:
            self._start(None, task)

    def client_left(self, client: Client) -> None:
        """Fail what waits for a function or a value that a client that is gone cannot send."""
        still_wanted = self._drop_preparations_of(client)
        self.handovers.client_left(client)
        for task in self._state.library.waiting:
            owner = client_of(task.id)
            alone = owner == THE_HUB and task.function.digest not in still_wanted
            if task.id in self._state.tasks and (owner == client.id or alone):
                self.ends.fail(task, "ClientClosed", "", TaskStatus.LOST)
        self.ends.verdicts.extend(self.ends.dependencies.client_left(client.id))
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
                self._prepare(engine, kept, now)  # unless the hub before did

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

    def prepare(self, engine: Engine, now: float) -> None:
        """Have an engine run first what every engine has to."""
        for preparation in self._state.preparations.values():
            if engine.boot not in preparation.told:
                self._prepare(engine, preparation, now)

    def _prepare(self, engine: Engine, preparation: Preparation, now: float) -> None:
        """Have an engine run a preparation, unless this life of it has been sent that."""
        mark = mark_of(preparation.spec, preparation.item)
        if mark in engine.prepared:
            return
        engine.prepared.add(mark)
        state, function = self._state, preparation.function
        task_id = first_task(THE_HUB, state.next_task)
        state.next_task += 1
        names = names_of(preparation.item.buffers)
        item = TaskItem(task_id, preparation.item.inline, preparation.item.buffers)
        work = state.works.of(THE_HUB, preparation.spec, function, now, 1)
        task = Task(
            task_id, preparation.spec, item, preparation.frames, function, engine.id, now, work=work
        )  # fmt: skip
        state.tasks[task_id] = task
        function.live += 1
        state.blobs.hold(names)
        self._start(state.clients.get(preparation.owner), task)

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

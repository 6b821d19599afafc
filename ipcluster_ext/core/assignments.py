"""Rules for tasks that engines have: who is sent what, what comes of it, and what deaths mean."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.elsewhere import count_tries, leave_to_unheard, note_back, note_sent
from ipcluster_ext.core.ends import HUB, Ends
from ipcluster_ext.core.engines import Engine, parted
from ipcluster_ext.core.function import Function
from ipcluster_ext.core.journal import NOWHERE
from ipcluster_ext.core.limits import Limits
from ipcluster_ext.core.recovered import Claim, Outcome, dropped
from ipcluster_ext.core.retries import Retries
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.task import Extra, Task
from ipcluster_ext.core.unnamed import Unnamed
from ipcluster_ext.core.withdrawals import Withdrawals
from ipcluster_ext.protocol.frames import Frame, frames_of
from ipcluster_ext.protocol.ids import ClientId, TaskId, client_of
from ipcluster_ext.protocol.messages import (
    Define,
    Done,
    Drop,
    EngineExited,
    Need,
    News,
    Returned,
    Waiting,
)
from ipcluster_ext.protocol.parts import ResultItem, TaskItem
from ipcluster_ext.protocol.status import TaskStatus

THE_HUB = ClientId(0)
"""Whose tasks preparations are."""

_ASSIGNED = TaskStatus.ASSIGNED
_DONE = TaskStatus.DONE
_FAILED = TaskStatus.FAILED


class Assignments(ABC):
    """Sends tasks to engines, and takes their outcomes.

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
        self.unnamed = Unnamed(state, self.ends)

    # ------------------------------------------------------------ to engines

    @abstractmethod
    def resume(self, client: Client | None, task: Task) -> None:
        """Have a task run as soon as what it depends on has ended."""

    def send_to_target(self, task: Task, now: float, *, again: bool = False) -> None:
        """Send a task to the one engine it is for, hold it until that comes up, or fail it.

        An engine that retires takes only what it had before, ``again``.
        """
        engine = self._state.engines.get(task.target if task.target is not None else HUB)
        if engine is None or (engine.leaving and not (again and engine.id in self._state.retiring)):
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
        if len(engine.unfinished) == engine.aside and not task.spec.aside:
            engine.progress = now
        task.move(_ASSIGNED)
        task.engine = engine.id
        engine.unfinished[task.id] = task
        if engine.standing:
            engine.standing.pop(task.id, None)  # it had it before, and has it now behind the others
        if task.item.needs:
            self._state.store.bring(engine, task)
        if task.spec.options is not None:
            self.limits.assigned(engine, task, now)
        if engine.agent.far:
            note_sent(self._state, engine, task)
        line.run(task.spec, task.item, task.frames)
        self._state.changed.add(engine)

    def _takes_leave(self, engine: Engine, task: Task) -> None:
        """Settle what an engine has for a task that is not with it any more."""
        if task.item.needs:
            recovered = self._state.recovered  # nobody knows what claims and rivals need
            is_known = not any(claim.of(engine) for claim in recovered.claims.values())
            is_known = is_known and not any(rival == engine.id for rival, _ in recovered.rivals)
            self._state.store.left(engine, task, may_forget=is_known)
        if task.spec.options is not None:
            self.limits.left(engine, task)

    # ------------------------------------------------------------ from engines

    def done(self, engine: Engine, message: Done, frames: Iterator[Frame], now: float) -> None:
        """Take outcomes. One that is not this engine's to tell is dropped and counted."""
        state = self._state
        unfinished, end, told = engine.unfinished, self.ends.end, message.told
        count = len(message.items)
        for item in message.items:
            own = take_frames(frames, item) if item.buffers else ()
            task = unfinished.pop(item.id, None)
            if task is None:
                self._not_its_own(engine, item, own)
                continue
            if task.extra is not None or task.spec.options is not None:
                self._takes_leave(engine, task)
                count -= task.spec.aside
            task.function.took(item.completed - item.started)
            if item.status is _DONE or (item.status is _FAILED and task.retries <= 0):
                end(task, item, own, engine.id, told=told)
            else:
                state.blobs.offer(names_of(item.buffers))
                self._not_over(engine, task, item, now)
        if count:
            engine.progress = now
            engine.ended += count
        engine.stalled = False
        state.changed.add(engine)
        state.log.note(now, f"ended on engine {engine.id}", [item.id for item in message.items])

    def _not_its_own(self, engine: Engine, item: ResultItem, frames: Sequence[Frame]) -> None:
        """Drop an outcome, unless it is of a task that the hub before knew and this one will."""
        state, names = self._state, names_of(item.buffers)
        if engine.settles([item.id]):
            self.give_held(engine, state.now)
        if (engine.id, item.id) in state.recovered.rivals:
            self._rival_ended(engine, item, frames)
            return
        first = state.claims.get(item.id)
        claim = None if first is None else first.of(engine)
        if claim is None:
            state.stale += 1
            if state.now < state.recovered.expected:
                state.recovered.lent += names  # its client may yet say that it has that
            else:
                state.blobs.offer(names)
            return
        if names and state.recovered.forget_at is None and client_of(item.id) not in state.clients:
            state.blobs.offer(names)
            item, frames, names = dropped(item), (), []
        state.blobs.hold(names)
        row = NOWHERE  # it is recorded: the engine will not say it again
        if item.status is not _DONE:
            row = self.unnamed.failed(item, engine)
        elif state.journal.on:
            row = state.journal.page
            state.journal.ended(item, frames, engine.id)
        claim.outcome = Outcome(item, frames, engine.id, row)
        waits = state.clients.get(state.recovered.awaited.get(item.id, THE_HUB))
        if waits is not None and item.status is _DONE:  # else it may be tried again
            self.ends.tell(waits, item, frames, engine.id)

    def _rival_ended(self, engine: Engine, outcome: ResultItem, frames: Sequence[Frame]) -> None:
        """Take the outcome of a task that two engines claim, and that counts as the other's.

        One of them has tried it in vain, and the hub before had given it to the other since. If
        this is the one that has done it, or it may not be tried again, that is its end.
        """
        state = self._state
        state.recovered.rivals.remove((engine.id, outcome.id))
        task = state.tasks.get(outcome.id)
        is_end = task is not None and (
            outcome.status is _DONE or (outcome.status is _FAILED and not task.spec.retries)
        )
        if task is not None and is_end and task.engine is not None:
            other = state.engines[task.engine]
            del other.unfinished[task.id]
            if other.line is not None:  # it may not have begun it
                other.line.say(Drop([task.id]))
                other.asked.append(None)
            self._takes_leave(other, task)
            state.changed.add(other)
            task.move(TaskStatus.WAITING)
            self.adopt(engine, task, state.now)
            self.done(engine, Done([outcome]), iter(frames), state.now)
            return
        state.blobs.offer(names_of(outcome.buffers))
        if task is not None:
            self.retries.count(engine, task, outcome)
            state.journal.changed(task)

    def _has_rival(self, task: Task, now: float) -> bool:
        """Leave a task that was tried in vain to another engine that has it, if there is one."""
        recovered = self._state.recovered
        for engine_id, task_id in recovered.rivals:
            engine = self._state.engines.get(engine_id)
            if task_id == task.id and engine is not None and engine.line is not None:
                recovered.rivals.remove((engine_id, task_id))
                task.move(TaskStatus.WAITING)
                self.adopt(engine, task, now)
                return True
        return False

    def is_settled(self, task: Task, now: float) -> bool:
        """Settle a task of which engines spoke before it was named; tell whether that was all."""
        recovered = self._state.recovered
        if task.id in recovered.tried and self.unnamed.has_failed(task):
            return True
        if task.id not in recovered.claims:
            return False
        self._reclaim(task, now)
        return True

    def _reclaim(self, task: Task, now: float) -> None:
        """Take a task that an engine had before this hub knew it."""
        state = self._state
        claim = state.claims.pop(task.id)
        state.recovered.awaited.pop(task.id, None)
        task.retries -= min(claim.before, task.retries + 1)
        count_tries(state, task)
        for other in claim.also:
            state.recovered.rivals.append((other.engine.id, task.id))
        self._believe(task, claim, now)
        for each in (claim, *claim.also):
            state.journal.release(each.row)
        for other in claim.also:
            if other.outcome is not None:
                self._heed(other.engine, other.outcome, now)

    def _heed(self, engine: Engine, outcome: Outcome, now: float) -> None:
        """Take the outcome of a task that came before the task was known."""
        self.done(engine, Done([outcome.item]), iter(outcome.frames), now)
        self._state.blobs.release(names_of(outcome.item.buffers))
        self._state.journal.release(outcome.row)

    def _believe(self, task: Task, claim: Claim, now: float) -> None:
        """Take it that a task is where an engine says that it is."""
        state = self._state
        if claim.exited is not None:
            self.died_with(claim.engine, task, claim.exited, now)
            return
        if claim.engine.line is None and claim.outcome is None:  # it lives, and is not back
            state.recovered.unclaimed[task.id] = task
            state.recovered.pinned[task.id] = claim.engine.id
            return
        self.adopt(claim.engine, task, now)
        if claim.outcome is not None:
            self._heed(claim.engine, claim.outcome, now)
        else:
            self.provide(claim.engine, task.function, state.clients.get(client_of(task.id)))

    def adopt(self, engine: Engine, task: Task, now: float) -> None:
        """Note that an engine has a task which this hub did not send."""
        task.move(_ASSIGNED)
        task.engine = engine.id
        engine.unfinished[task.id] = task
        for need in task.item.needs:
            engine.values[need] = engine.values.get(need, 0) + 1
            engine.unsure.add(need)
            engine.unneeded.discard(need)
            task.extra = task.extra or Extra()  # or nobody would look whether it needs anything
        if task.spec.options is not None:
            self.limits.assigned(engine, task, now)
        engine.count_waiting()
        self._state.changed.add(engine)

    def provide(self, engine: Engine, function: Function, client: Client | None) -> None:
        """See to it that an engine gets a function which it needs and may not have."""
        digest = function.digest
        if not digest or digest in engine.known:
            return
        if function.pickled is not None:
            engine.open_line.say(Define(digest, function.pickled))
            engine.known.add(digest)
        else:
            self._state.wanting.setdefault(digest, []).append(engine)
            if client is not None:
                client.line.say(Need(digest))

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
            if again:
                note_back(self._state, task)
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
        task.engine, task.handed = None, False
        self._state.journal.changed(task)
        if self._state.recovered.rivals and self._has_rival(task, now):
            return
        # perhaps it was given to another long ago
        if not self._state.recovered.settled or leave_to_unheard(self._state, task):
            task.move(TaskStatus.WAITING)
            self._state.recovered.unclaimed[task.id] = task
        elif is_unknown(task):
            self._regain(task)
        elif task.target is None:
            self._state.queue.push(task)
        else:
            task.move(TaskStatus.WAITING)
            self.send_to_target(task, now, again=True)

    def returned(self, engine: Engine, message: Returned, now: float) -> None:
        """Take back tasks that an engine has not begun."""
        withdrawal, message = engine.next_asked(message)
        recovered = self._state.recovered
        if recovered.rivals:
            back = {(engine.id, task_id) for task_id in message.ids}
            recovered.rivals = [rival for rival in recovered.rivals if rival not in back]
        tasks = [t for i in message.ids if (t := engine.unfinished.pop(i, None)) is not None]
        claims = self._state.claims
        for task_id in message.ids if claims else ():
            if task_id in claims:
                self.unnamed.disclaim(engine, task_id)
        for task in tasks:
            self._takes_leave(engine, task)
        if engine.load <= 0:
            engine.stalled = False
        self._state.changed.add(engine)
        if withdrawal is None or withdrawal is engine.settling:
            self.take_back(self.withdrawals.without_withdrawn(engine, tasks), now)
        else:
            self.withdrawals.answered(withdrawal, tasks)
        if withdrawal is not None and engine.settles(message.ids):
            self.give_held(engine, now)
        if tasks:
            ids = [task.id for task in tasks]
            self._state.log.note(now, f"given back by engine {engine.id}", ids)

    def waiting(self, engine: Engine, message: Waiting) -> None:
        """Learn how many of an engine's tasks wait, and what it takes meanwhile."""
        engine.said = message.count, message.unsuited
        engine.count_waiting()
        engine.above = message.above
        if message.above is not None:
            self._state.choosy.add(engine)
        if engine.load <= 0:
            engine.stalled = False  # what it has waits for others, which it may have to run
        self._state.changed.add(engine)

    def take_back(self, tasks: Sequence[Task], now: float) -> None:
        """Return unbegun tasks to the head of the queue, in their old order and at no cost."""
        if not self._state.recovered.settled:
            tasks = self._without_handed(tasks)
        for task in tasks:
            note_back(self._state, task)
            task.engine = None
            task.handed = False
        lacking = [task for task in tasks if task.function.pickled is None or is_unknown(task)]
        tasks = [task for task in tasks if task not in lacking] if lacking else tasks
        self._state.queue.push_back(task for task in tasks if task.target is None)
        for task in lacking:
            self._regain(task)
        for task in tasks:
            if task.target is not None:
                task.move(TaskStatus.WAITING)
                self.send_to_target(task, now, again=True)

    def _without_handed(self, tasks: Sequence[Task]) -> list[Task]:
        """Keep tasks that are not where they had been handed: others may yet say they have them."""
        for task in tasks:
            if task.handed:
                task.move(TaskStatus.WAITING)
                task.engine, task.handed = None, False
                self._state.recovered.unclaimed[task.id] = task
        return [task for task in tasks if task.engine is not None]

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

        It is told to drop them, whether they run elsewhere or are cancelled.

        Parameters
        ----------
        engine
            The engine.
        began, others
            What its black box says: the last task that it has begun in its turn, and those out of
            turn.

        Returns
        -------
        The ids of those.
        """
        _, rest = parted(engine.in_order, began, others)
        given = [task for task in rest if task.target is None]
        if given:  # it has to drop them before it forgets what they need
            engine.open_line.say(Drop([task.id for task in given]))
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
        tasks, began = engine.in_order, exited.began
        if self._state.recovered.forget_at is not None and began not in engine.unfinished:
            # perhaps only the hub before knew that task
            began = next((t for t in reversed(exited.ran) if t in engine.unfinished), began)
        engine.unfinished.clear()
        engine.dropped()
        begun, rest = parted(tasks, began, exited.others)
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


def is_unknown(task: Task) -> bool:
    """Whether a task that engines had from the hub before has values, or a place, unknown here."""
    if task.item.needs and not task.extras.used:
        return True
    options = task.spec.options
    return options is not None and options.follow is not None and not task.extras.conditions


def take_frames(frames: Iterator[Frame], item: TaskItem | ResultItem | News) -> Sequence[Frame]:
    """Take the frames of an item or of news from those of its packet."""
    if not item.buffers:
        return ()
    return [next(frames) for _ in range(frames_of(item.buffers))]

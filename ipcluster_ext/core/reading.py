"""What a hub reads of the one before it: the pages of its journal, made tables again."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import structs

from ipcluster_ext.core.assignments import take_frames
from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.effects import Line
from ipcluster_ext.core.engines import Agent, Engine
from ipcluster_ext.core.events import PeerId
from ipcluster_ext.core.journal import (
    Changed,
    Defined,
    Died,
    Ended,
    Named,
    Ordered,
    Past,
    Posted,
    Prepared,
    Record,
    Steered,
    Submitted,
    Tried,
)
from ipcluster_ext.core.recovered import Answered, Outcome
from ipcluster_ext.core.state import Preparation, State
from ipcluster_ext.core.task import End, Task, depends_on
from ipcluster_ext.core.tasks import Tasks
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import EngineId, TaskId, client_of
from ipcluster_ext.protocol.messages import Submit
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import TaskStatus

_NOBODY = PeerId(0)


class Reader:
    """Reads pages; tasks come to life when all of them were read."""

    def __init__(self, state: State, tasks: Tasks) -> None:
        self._state = state
        self._tasks = tasks
        self._came: dict[TaskId, tuple[Task, int]] = {}
        self._ended: dict[TaskId, tuple[Outcome, float]] = {}
        self._changed: dict[TaskId, tuple[Changed, int]] = {}
        self._past: dict[TaskId, tuple[Past, int]] = {}
        self._tried: list[Outcome] = []

    def read(
        self, number: int, at: float, records: Iterable[Record], frames: Iterator[Frame]
    ) -> None:
        """Read a page."""
        for record in records:
            match record:
                case Submitted():
                    self._submitted(number, at, record, frames)
                case Ended():
                    for item in record.items:
                        own = take_frames(frames, item)
                        engine = self._where(item.id, record.engine)
                        self._ended[item.id] = Outcome(item, own, engine, number), at
                case Changed():
                    self._changed[record.task] = record, number
                case Past():
                    self._past[record.id] = record, number
                case Tried():
                    self._tried.append(Outcome(record.item, (), record.engine, number))
                case _:
                    self._fact(number, record, frames)

    def _where(self, task: TaskId, engine: EngineId) -> EngineId:
        """Return where a task ended; a value that was recorded for others does not say so."""
        before = self._ended.get(task)
        return engine if engine >= 0 or before is None else before[0].engine

    def _submitted(
        self, number: int, at: float, record: Submitted, frames: Iterator[Frame]
    ) -> None:
        message = record.message
        if isinstance(message, Submit):
            for item in message.items:
                self._came_in(number, at, message.spec, item, take_frames(frames, item), None)
            return
        own, first = take_frames(frames, message.item), message.item
        for place, engine in enumerate(message.engines):
            item = TaskItem(TaskId(first.id + place), first.inline, first.buffers, first.needs)
            self._came_in(number, at, message.spec, item, own, engine)

    def _came_in(
        self,
        number: int,
        at: float,
        spec: TaskSpec,
        item: TaskItem,
        frames: Sequence[Frame],
        target: EngineId | None,
    ) -> None:
        if item.id not in self._came:
            function = self._state.library.get(spec.function)
            task = Task(item.id, spec, item, frames, function, target, at, number)
            self._came[item.id] = task, number

    def _fact(self, number: int, record: Record, frames: Iterator[Frame]) -> None:
        state, journal = self._state, self._state.journal
        match record:
            case Defined():
                if not state.library.has(record.digest):
                    state.library.define(record.digest, record.pickled)
                    state.library.get(record.digest).row = number
                    journal.need(number)
            case Prepared():
                self._prepared(number, record, frames)
            case Posted():
                state.recovered.posted[record.agent] = record.engines
                state.recovered.retiring[record.agent] = record.retiring
                state.recovered.agents.add(record.agent)
                if record.far:
                    state.recovered.far[record.agent] = record
                state.next_engine = max(state.next_engine, record.next)
                journal.found_posted(record.agent, number)
            case Ordered():
                state.ordered = dict(record.sets)
                journal.found_ordered(number)
            case Named():
                state.history.names[record.client] = record.name
                journal.found_name(record.client, number)
            case Died():
                self._died(number, record)
            case Steered():
                answer = Answered(record.message, record.engines, record.boots, record.refused)
                state.recovered.answered[record.client, record.message.request] = answer
                journal.found_steered(record.client, number)
            case _:
                raise TypeError(record)

    def _died(self, number: int, record: Died) -> None:
        """Take a death that the hub before could not settle as one that nobody has heard of."""
        state = self._state
        agent = Agent(record.agent, "", Line(_NOBODY, []))
        exited = structs.replace(record.exited, ran=[record.task] * record.times)
        state.recovered.exits.append((Engine(exited.engine, agent), exited))
        state.recovered.deaths.append(number)
        state.journal.need(number)

    def _prepared(self, number: int, record: Prepared, frames: Iterator[Frame]) -> None:
        state, message = self._state, record.message
        own = take_frames(frames, message.item)
        self._tasks.drop_preparation(message.name)
        if message.spec.function:
            function = state.library.get(message.spec.function)
            function.live += 1
            state.blobs.hold(names_of(message.item.buffers))
            state.journal.need(number)
            told = frozenset(record.boots)
            state.preparations[message.name] = Preparation(
                record.client, message.spec, message.item, own, function, number, told
            )

    def finish(self, now: float) -> None:
        """Bring tasks to life, and the history."""
        state, journal, history = self._state, self._state.journal, self._state.history
        state.now = now
        for past, number in self._past.values():
            history.restore(past, number)
            if past.id not in self._ended:
                state.recovered.ended[past.id] = Outcome(_bare(past), (), past.engine)
        for task_id, (task, number) in self._came.items():
            if task_id in self._past and task_id not in self._ended:
                continue
            changed = self._changed.get(task_id)
            if changed is not None:
                _apply(task, changed[0])
            if task_id not in self._ended:
                self._go_on(task, number, 0 if changed is None else changed[1])
            elif task_id not in self._past:
                outcome, at = self._ended[task_id]
                journal.need(number)
                journal.need(outcome.row)
                kept = bool(outcome.item.buffers)  # perhaps nobody has received it
                history.add(
                    task, outcome.item, outcome.engine, outcome.frames, at, kept, outcome.row
                )
        for task_id, (outcome, _) in self._ended.items():
            state.blobs.hold(names_of(outcome.item.buffers))
            journal.need(outcome.row)
            state.recovered.ended[task_id] = outcome
        self._keep_tries()
        self._keep_ends()
        self._count_ends()
        history.shrink(now)

    def _keep_tries(self) -> None:
        """Keep what was said of tasks that nobody had named when the hub died."""
        named = self._came.keys() | self._ended.keys() | self._past.keys()
        for outcome in self._tried:
            if outcome.item.id not in named:
                self._state.journal.need(outcome.row)
                self._state.recovered.tried.setdefault(outcome.item.id, []).append(outcome)

    def _keep_ends(self) -> None:
        """Have it stand somewhere that tasks have ended as long as it does that they came."""
        journal = self._state.journal
        for task_id, (_, past_on) in self._past.items():
            if task_id in self._came:
                journal.need(past_on)
                journal.outlast(self._came[task_id][1], past_on)

    def _count_ends(self) -> None:
        """Count what has ended of work that goes on, as far as it stands somewhere."""
        ends = [
            (self._came[i][0].spec, o[0].item) for i, o in self._ended.items() if i in self._came
        ]
        ends += [(past.spec, _bare(past)) for past, _ in self._past.values()]
        for spec, item in {item.id: (spec, item) for spec, item in ends}.values():
            work = self._state.works.find(client_of(item.id), spec)
            if work is not None and not work.aside:
                work.total += 1
                self._state.works.total += 1
                if item.status is not TaskStatus.DONE:
                    work.note(item)
                    self._state.works.failed += item.status is not TaskStatus.CANCELLED

    def _go_on(self, task: Task, number: int, changed_on: int) -> None:
        state = self._state
        state.tasks[task.id] = task
        task.function.live += 1
        owner, came = client_of(task.id), task.submitted
        task.work = state.works.of(owner, task.spec, task.function, came, 1)
        state.journal.need(number)
        if changed_on:
            state.journal.need(changed_on)
            task.extras.row = changed_on
        state.blobs.hold(names_of(task.item.buffers))
        for other in depends_on(task.spec.options):
            if (end := self._end_of(other)) is not None:
                task.extras.ends[other] = end
                state.journal.need(end.row)
        if not self._tasks.limits.admit(task):
            state.recovered.unclaimed[task.id] = task

    def _end_of(self, task: TaskId) -> End | None:
        """Return how a task ended that another depends on; None if that was not recorded."""
        if (ended := self._ended.get(task)) is not None:
            outcome = ended[0]
            return End(outcome.item.status is TaskStatus.DONE, outcome.engine, outcome.row)
        if (past := self._past.get(task)) is not None:
            return End(past[0].status is TaskStatus.DONE, past[0].engine, past[1])
        return None


def _apply(task: Task, changed: Changed) -> None:
    """Make of a task what had become of it."""
    extra = task.extras
    task.retries = changed.retries
    extra.tries, extra.unwanted = changed.tries, changed.unwanted
    extra.graces = changed.graces
    extra.killed = list(changed.killed)
    if changed.avoid:
        extra.lane = task.lane._replace(avoid=changed.avoid)


def _bare(past: Past) -> ResultItem:
    return ResultItem(past.id, past.status, past.started, past.completed, b"")

"""The values of ended tasks that others need, and where they are.

A value is kept as it came from its engine, and sent to an engine once, before the first task
there that needs it; engines forget small ones a few at a time, and others at once. It goes when
no unfinished task needs it and its client does not hold it any more: a client holds what lies in
shared memory for as long as it has the answer. As long as a task needs it, it stands in the
journal, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ipcluster_ext.core.blobs import Blobs, names_of
from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.journal import NOWHERE, Journal
from ipcluster_ext.core.recovered import NOBODY
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import ClientId, TaskId, client_of
from ipcluster_ext.protocol.messages import Forget, Values
from ipcluster_ext.protocol.parts import ResultItem

FORGET_AT = 16


@dataclass(slots=True, eq=False)
class Value:
    """What a task returned.

    Attributes
    ----------
    uses
        How many unfinished tasks need it.
    held
        Whether its client holds it.
    row
        The page of the journal where it stands while it is needed.
    """

    item: ResultItem
    frames: Sequence[Frame]
    uses: int = 0
    held: bool = False
    row: int = NOWHERE


class Store:
    """The values that are needed.

    Parameters
    ----------
    blobs
        Counts who needs which blob.
    journal
        Keeps what is needed.
    """

    def __init__(self, blobs: Blobs, journal: Journal) -> None:
        self._blobs = blobs
        self._journal = journal
        self._values: dict[TaskId, Value] = {}
        self._held: dict[ClientId, set[TaskId]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, task: TaskId) -> bool:
        return task in self._values

    @property
    def values(self) -> dict[TaskId, Value]:
        """All values, by their tasks."""
        return self._values

    def use(self, item: ResultItem, frames: Sequence[Frame], uses: int, row: int = NOWHERE) -> None:
        """Keep a value for so many tasks.

        ``row`` is the page of the journal where it stands; it is recorded if it does not.
        """
        value = self._keep(item, frames)
        value.uses += uses
        journal = self._journal
        if value.row or not journal.on:
            return
        if row:
            journal.need(row)
        else:
            journal.ended(item, frames, NOBODY)
        value.row = row or journal.page

    def hold(self, item: ResultItem, frames: Sequence[Frame]) -> None:
        """Keep a value in shared memory for its client, with what travels beside it."""
        value = self._keep(item, frames)
        if not value.held:
            value.held = True
            self._held.setdefault(client_of(item.id), set()).add(item.id)

    def _keep(self, item: ResultItem, frames: Sequence[Frame]) -> Value:
        value = self._values.get(item.id)
        if value is None:
            value = self._values[item.id] = Value(item, frames)
            if item.buffers:
                self._blobs.hold(names_of(item.buffers))
        return value

    def is_held(self, task: TaskId) -> bool:
        """Tell whether a client holds a value."""
        value = self._values.get(task)
        return value is not None and value.held

    def release(self, client: ClientId, tasks: Sequence[TaskId]) -> None:
        """Learn that a client does not hold these values any more."""
        held = self._held.get(client)
        for task in tasks:
            if held is not None and task in held:
                held.discard(task)
                value = self._values[task]
                value.held = False
                self._drop_unneeded(task, value)
        if not held:
            self._held.pop(client, None)

    def client_left(self, client: ClientId) -> None:
        """Learn that a client holds nothing any more."""
        self.release(client, list(self._held.get(client, ())))

    def done_with(self, task: Task) -> None:
        """Learn that a task that needed values has ended."""
        used, task.extras.used = task.extras.used, []
        for need in used:
            value = self._values[need]
            value.uses -= 1
            if not value.uses:
                value.row = self._journal.instead_of(value.row, NOWHERE)
            self._drop_unneeded(need, value)

    def _drop_unneeded(self, task: TaskId, value: Value) -> None:
        if value.uses <= 0 and not value.held:
            del self._values[task]
            if value.item.buffers:
                self._blobs.release(names_of(value.item.buffers))

    def bring(self, engine: Engine, task: Task) -> None:
        """Send an engine the values that a task needs and the engine does not have."""
        for need in task.item.needs:
            count = engine.values.get(need, 0)
            is_there = count or need in engine.unneeded
            engine.unneeded.discard(need)
            if not is_there or need in engine.unsure:
                engine.unsure.discard(need)
                value = self._values[need]
                engine.open_line.say(Values([value.item]))
                engine.open_line.frames.extend(value.frames)
            engine.values[need] = count + 1

    def left(self, engine: Engine, task: Task, *, may_forget: bool = True) -> None:
        """Learn that a task that needed values is not with an engine any more.

        Unless it ``may_forget`` what it does not need any more, the engine is told so later.
        """
        is_large = False
        for need in task.item.needs:
            count = engine.values.pop(need, 1) - 1
            if count:
                engine.values[need] = count
                continue
            engine.unneeded.add(need)
            value = self._values.get(need)
            is_large = is_large or value is None or bool(value.item.buffers)
        is_due = is_large or len(engine.unneeded) >= FORGET_AT
        if is_due and may_forget and engine.line is not None:
            engine.line.say(Forget(sorted(engine.unneeded)))
            engine.unneeded.clear()

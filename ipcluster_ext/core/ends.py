"""How a task ends, and who is told: its client, those who watch it, and the tasks behind it."""

from collections import deque
from collections.abc import Sequence

from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.dependencies import Dependencies, Verdict
from ipcluster_ext.core.journal import NOWHERE
from ipcluster_ext.core.recovered import Outcome
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.frames import Frame, encode_failure
from ipcluster_ext.protocol.ids import COUNTER_BITS, EngineId, TaskId, client_of
from ipcluster_ext.protocol.labour import Halt
from ipcluster_ext.protocol.parts import Failure, ResultItem
from ipcluster_ext.protocol.status import TaskStatus

HUB = EngineId(-1)
_DONE = TaskStatus.DONE


class Ends:
    """Ends tasks.

    Parameters
    ----------
    state
        The hub's tables.

    Attributes
    ----------
    verdicts
        What has become of tasks that waited for those that ended, not yet carried out.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.dependencies = Dependencies(state)
        self.verdicts: deque[Verdict] = deque()

    def end(
        self,
        task: Task,
        item: ResultItem,
        frames: Sequence[Frame],
        engine: EngineId = HUB,
        *,
        told: bool = False,
    ) -> None:
        """End a task with an outcome, and tell everybody whom that concerns.

        Parameters
        ----------
        task
            In whatever state it was; it is queued nowhere afterwards.
        item, frames
            The outcome, and its buffers.
        engine
            Who ran it; -1 if the hub ends it.
        told
            Whether its client has heard it already.
        """
        state = self._state
        if task.status is TaskStatus.QUEUED:
            state.queue.forget(task, item.status)
        else:
            task.move(item.status)
        if item.status is not _DONE:
            self._count_failure(task, item, engine)
        client = state.clients.get(task.id >> COUNTER_BITS)  # type: ignore[call-overload]
        if client is not None and not told:
            if task.row and (client.lags or client.owed):
                state.owe(client, item)
                in_blobs = bool(names_of(item.buffers))
            else:
                client.line.result(engine, item, frames)
                in_blobs = bool(item.buffers) and state.keep_until_heard(client, item.buffers)
            if in_blobs and item.status is _DONE:
                state.store.hold(item, frames)
        elif item.buffers:
            state.blobs.offer(names_of(item.buffers))
        if task.row:
            state.journal.ended(item, frames, engine)
        state.history.add(task, item, engine, frames, state.now, client is None)
        if 0 < task.row <= state.recovered.last_page:
            self._keep_for_its_client(task, item, frames, engine)
        if state.watchers or state.dependents or state.awaiting or state.sharers:
            page = state.journal.page if task.row else NOWHERE
            self._tell_others(task.id, item, frames, engine, page)
        self._drop(task)

    def _keep_for_its_client(
        self, task: Task, item: ResultItem, frames: Sequence[Frame], engine: EngineId
    ) -> None:
        """Keep the outcome of a task of the time before: its client may yet submit it again."""
        state = self._state
        state.blobs.hold(names_of(item.buffers))
        state.journal.need(state.journal.page)
        state.recovered.ended[task.id] = Outcome(item, frames, engine, state.journal.page)

    def _tell_others(
        self,
        task: TaskId,
        item: ResultItem,
        frames: Sequence[Frame],
        engine: EngineId,
        page: int,
    ) -> None:
        """Tell those who wait for a task that is not theirs."""
        state = self._state
        self._tell_watchers(task, item, frames, engine)
        if task in state.dependents or task in state.awaiting:
            self.verdicts.extend(self.dependencies.ended(task, item, frames, engine, page))
        for sharer in state.sharers.pop(task, ()):
            if sharer.id in state.waiting:
                self.share(sharer, item, frames, engine)

    def share(
        self, task: Task, item: ResultItem, frames: Sequence[Frame], engine: EngineId
    ) -> None:
        """End a task with the outcome of another."""
        own = ResultItem(
            task.id, item.status, item.started, item.completed, item.inline, item.buffers
        )
        self._state.waiting.pop(task.id, None)
        self.end(task, own, frames, engine)

    def _tell_watchers(
        self, task: TaskId, item: ResultItem, frames: Sequence[Frame], engine: EngineId
    ) -> None:
        for client in self._state.watchers.pop(task, ()):
            if client.id in self._state.clients:
                self.tell(client, item, frames, engine)

    def tell(
        self, client: Client, item: ResultItem, frames: Sequence[Frame], engine: EngineId
    ) -> None:
        """Send a client an outcome, keeping its blobs until it has arrived."""
        client.line.result(engine, item, frames)
        self._state.keep_until_heard(client, item.buffers)

    def _count_failure(self, task: Task, item: ResultItem, engine: EngineId) -> None:
        state = self._state
        if task.work.aside:
            return
        task.work.note(item)
        if item.status is not TaskStatus.CANCELLED:
            state.works.failed += 1
        who = state.engines.get(engine)
        if who is not None:
            who.failed += 1

    def _drop(self, task: Task) -> None:
        """Drop what the hub keeps of a task that has ended."""
        state = self._state
        del state.tasks[task.id]
        if state.recovered.unclaimed:
            state.recovered.unclaimed.pop(task.id, None)
            state.recovered.pinned.pop(task.id, None)
        if state.recovered.rivals:
            self._stop_rivals(task.id)
        task.function.live -= 1
        work = task.work
        work.live -= 1
        if not work.live:
            state.works.ended(work, state.now)
        task.engine = None
        if task.item.buffers:
            state.blobs.release(names_of(task.item.buffers))
        if state.waiting:
            state.waiting.pop(task.id, None)
        if task.extra is not None:
            if task.extra.used:
                state.store.done_with(task)
            state.journal.release(task.extra.row)
            for end in task.extra.ends.values():
                state.journal.release(end.row)
        if task.status not in {_DONE, TaskStatus.CANCELLED} and client_of(task.id) == 0:
            state.notify(f"preparing engine {task.target} failed: {task.spec.label}")

    def _stop_rivals(self, task: TaskId) -> None:
        """Have other engines stop what they have begun as well: nobody waits for it there."""
        for engine_id, other in self._state.recovered.rivals:
            engine = self._state.engines.get(engine_id)
            if other == task and engine is not None and engine.line is not None:
                engine.line.say(Halt([task]))

    def fail(
        self, task: Task, ename: str, evalue: str, status: TaskStatus, details: str = ""
    ) -> None:
        """End a task by the hub's own decision, and tell its client why."""
        engine = task.engine if task.engine is not None else task.target
        failure = Failure(ename, evalue, details, engine=engine)
        self.fail_with(task, encode_failure(failure), status)

    def fail_with(self, task: Task, failure: bytes, status: TaskStatus) -> None:
        """End a task with a failure that is written already; its engine holds it no longer."""
        if task.target is not None and (engine := self._state.engines.get(task.target)):
            engine.held = [other for other in engine.held if other is not task]
        if task.status is not TaskStatus.QUEUED:
            self._state.library.forget(task)
        self.end(task, ResultItem(task.id, status, 0.0, 0.0, failure), ())

"""Rules for tasks that came and ended so shortly before the hub died that it had recorded neither.

Nobody waits for them, so nobody submits them again. Their clients say what they were, and whoever
ran them how they ended, as the hub had acknowledged neither: so the history has them after all.
"""

from typing import NamedTuple

from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.journal import Past
from ipcluster_ext.core.recovered import Claim, Outcome
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.task import Task
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import decode_failure
from ipcluster_ext.protocol.ids import EngineId, TaskId, client_of
from ipcluster_ext.protocol.messages import Over, Submit, SubmitEach
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import TaskStatus

_DONE, _FAILED = TaskStatus.DONE, TaskStatus.FAILED


class _Told(NamedTuple):
    """A task as its client says that it was, and how it ended, if that is known there."""

    spec: TaskSpec
    item: TaskItem
    target: EngineId | None
    end: Outcome | None


class Retold:
    """Completes the history.

    Parameters
    ----------
    state
        The hub's tables.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._open: list[_Told] = []

    @property
    def is_open(self) -> bool:
        """Whether there are tasks that have ended, and it is not known how."""
        return bool(self._open)

    def take(self, client: Client, message: Over) -> None:
        """Learn of tasks that have ended; what is to be remembered of them follows in `learn`."""
        ends = {
            end.id: Outcome(end, (), engine)
            for end, engine in zip(message.ends, message.engines, strict=False)
        }
        for place, item in enumerate(message.items):
            if client_of(item.id) == client.id:
                target = message.targets[place] if place < len(message.targets) else None
                self._open.append(_Told(message.spec, item, target, ends.get(item.id)))

    def learn(self) -> list[TaskId]:
        """Remember the tasks that this hub does not know, and how they ended.

        An engine that has greeted, and says that it has such a task, tells its end in a moment.

        Returns
        -------
        Those of which it has learnt that just now.
        """
        recovered = self._state.recovered
        if not (self._open or recovered.said_again):
            return []
        self._open += [_Told(*again, None) for again in recovered.said_again]
        recovered.said_again = []
        waiting = self._state.now < self._state.recovered.learn_by
        told, self._open = self._open, []
        learnt: list[TaskId] = []
        for each in told:
            claim = self._state.claims.get(each.item.id)
            if waiting and claim is not None and claim.is_open:
                self._open.append(each)
            elif self._remember(each):
                learnt.append(each.item.id)
        return learnt

    def _remember(self, told: "_Told") -> bool:
        """Remember a task as whoever ran it says that it ended, or as its client says."""
        state, task = self._state, told.item.id
        if task in state.tasks or state.history.get(task) is not None:
            return False
        known, first = state.over.get(task), state.claims.get(task)
        made = None if first is None else _made(first, told.end)
        if known is not None and known.row:
            made = known  # a hub before this one had it from an engine, and knew no more
        if made is None and told.end is None:
            return False
        state.claims.pop(task, None)
        if made is not None and told.item.inline:
            self._record(told, made)
        else:
            self._note(told, told.end or made)
        for claim in () if first is None else (first, *first.also):
            state.journal.release(claim.row)
        for outcome in (known, *([] if first is None else first.outcomes)):
            if outcome is not None:
                state.blobs.release(names_of(outcome.item.buffers))
                state.journal.release(outcome.row)
        return True

    def _record(self, told: "_Told", made: Outcome) -> None:
        """Record a task, and what it returned, as if both had come just now."""
        spec, item, target, _ = told
        state, journal, end = self._state, self._state.journal, made.item
        if target is None:
            journal.submitted(Submit(spec, [item]), (), 1)
        else:
            journal.submitted(SubmitEach(spec, item, [target]), (), 1)
        journal.ended(end, made.frames, made.engine)
        function = state.library.get(spec.function)
        came, ended = self._times(end)
        task = Task(item.id, spec, item, (), function, target, came, journal.page)
        task.move(end.status)
        state.history.add(task, end, made.engine, made.frames, ended, bool(end.buffers))
        state.blobs.hold(names_of(end.buffers))
        journal.need(journal.page)
        state.recovered.ended[item.id] = Outcome(end, made.frames, made.engine, journal.page)

    def _note(self, told: "_Told", end: Outcome | None) -> None:
        """Record the facts of a task, as no more is known, or not all of its arguments."""
        if end is None:
            return
        state, item, task = self._state, end.item, told.item.id
        came, ended = self._times(item)
        past = Past(
            task, told.spec, item.status, item.started, item.completed, end.engine, told.target,
            came, ended, 1, _why(item),
            resubmitted=TaskId(0), orphan=False,
        )  # fmt: skip
        page = state.journal.past(past)
        state.history.restore(past, page)
        state.journal.release(page)  # from now on it is the history that needs it
        bare = ResultItem(task, item.status, item.started, item.completed, b"")
        state.recovered.ended[task] = Outcome(bare, (), end.engine)

    def _times(self, end: ResultItem) -> tuple[float, float]:
        """Return when a task came, at the latest, and when it ended, by the hub's clock."""
        place, now = self._state.place, self._state.now
        return (
            place.monotonic(end.started, latest=now),
            place.monotonic(end.completed, latest=now),
        )


def _made(first: Claim, told: Outcome | None) -> Outcome | None:
    """Choose among what engines say of a task's end: some may have tried it in vain."""
    made = first.outcomes
    statuses = (_DONE, _FAILED) if told is None else (told.item.status,)
    fitting = (outcome for status in statuses for outcome in made if outcome.item.status is status)
    return next(fitting, None)


def _why(item: ResultItem) -> tuple[str, str]:
    """Return name and text of a failure; empty if there is none."""
    if item.status is _DONE or not item.inline:
        return "", ""
    try:
        failure = decode_failure(item.inline)
    except ProtocolError:
        return "", ""
    return failure.ename, failure.evalue

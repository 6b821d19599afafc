"""Rules for tasks that wait for other tasks: for their values, or for their end.

A task that is submitted names tasks its client has not seen ended. Each may be unfinished, may
have ended so recently that the answer is under way (then the history knows it, or the client is
asked for it), or may be unknown.
"""

from collections.abc import Sequence

from ipcluster_ext.core.journal import NOWHERE
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.task import Condition, End, Task, depends_on
from ipcluster_ext.protocol.frames import Frame, encode_failure
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, client_of, task_text
from ipcluster_ext.protocol.messages import Lack
from ipcluster_ext.protocol.parts import Dependency, Failure, ResultItem
from ipcluster_ext.protocol.status import TaskStatus

_DONE = TaskStatus.DONE


class Verdict:
    """What has become of a task's dependencies: ready to run, or the reason why it never will."""

    __slots__ = ("failure", "status", "task")

    def __init__(self, task: Task, status: TaskStatus = _DONE, failure: bytes = b"") -> None:
        self.task = task
        self.status = status
        self.failure = failure


class Dependencies:
    """Who waits for whom.

    Parameters
    ----------
    state
        The hub's tables.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def admit(self, client: Client | None, task: Task) -> Verdict | None:
        """Register what a task waits for.

        Returns
        -------
        Its verdict, if that is certain already; None if it has to wait.
        """
        state, options = self._state, task.spec.options
        lacking: list[TaskId] = []
        extra = task.extras
        if (refusal := self._unborn(task) or self._bereft(task)) is not None:
            return refusal
        for need in task.item.needs:
            if not self._use(task, need):
                extra.awaited += 1
                state.dependents.setdefault(need, []).append(task)
                if need not in state.tasks:
                    lacking.append(need)
        if options is not None:
            for dependency, follows in ((options.after, False), (options.follow, True)):
                if dependency is not None:
                    extra.conditions.append(self._condition(task, dependency, follows, lacking))
        if lacking and client is not None:
            client.line.say(Lack(lacking))
        elif lacking and client_of(task.id) in state.recovered.left:
            self._wait_no_longer(task, lacking)
            return Verdict(task, TaskStatus.LOST, _failure("ClientClosed", ""))
        return self.verdict(task)

    def _wait_no_longer(self, task: Task, lacking: Sequence[TaskId]) -> None:
        """Undo that a task waits for what nobody will tell."""
        state = self._state
        for other in lacking:
            needing = [one for one in state.dependents.pop(other, ()) if one is not task]
            if needing:
                state.dependents[other] = needing
            waiting = [entry for entry in state.awaiting.pop(other, ()) if entry[0] is not task]
            if waiting:
                state.awaiting[other] = waiting

    def ask_again(self, client: Client) -> None:
        """Ask a client that has come back for what its tasks need and nobody else knows."""
        state = self._state
        waiting = [(other, task) for other, tasks in state.dependents.items() for task in tasks]
        waiting += [(other, task) for other, them in state.awaiting.items() for task, _ in them]
        lacking = dict.fromkeys(
            other
            for other, task in waiting
            if other not in state.tasks and client_of(task.id) == client.id
        )
        if lacking:
            client.line.say(Lack(list(lacking)))

    def _unborn(self, task: Task) -> Verdict | None:
        """Refuse a task that waits for itself, or for a later one of its own client."""
        for other in [*task.item.needs, *depends_on(task.spec.options)]:
            if other >= task.id and client_of(other) == client_of(task.id):
                text = f"a task cannot depend on one that was submitted later: {task_text(other)}"
                return Verdict(task, TaskStatus.LOST, _failure("InvalidDependency", text))
        return None

    def _bereft(self, task: Task) -> Verdict | None:
        """End a task as one ended whose value it needs, if that was not done."""
        for need in task.item.needs:
            ended = self._outcome(need)
            if ended is not None and ended.status is not _DONE:
                return Verdict(task, ended.status, ended.inline)
        return None

    def _outcome(self, need: TaskId) -> ResultItem | None:
        """Return how a task ended whose value is needed; None if that is to come."""
        state = self._state
        value = state.store.values.get(need)
        if value is not None:
            return value.item
        outcome = None if need in state.tasks else state.outcome(need)
        return None if outcome is None else outcome.item

    def _use(self, task: Task, need: TaskId) -> bool:
        """Keep the value of a task that was done for one that needs it, if it is here."""
        state = self._state
        value = state.store.values.get(need)
        if value is not None:
            state.store.use(value.item, value.frames, 1)
        else:
            outcome = None if need in state.tasks else state.outcome(need)
            if outcome is None:
                return False
            state.store.use(outcome.item, outcome.frames, 1, outcome.row)
        task.extras.used.append(need)
        return True

    def _condition(
        self,
        task: Task,
        dependency: Dependency,
        follows: bool,  # noqa: FBT001 - which of the two it is
        lacking: list[TaskId],
    ) -> Condition:
        condition = Condition(
            follows, dependency.all, dependency.success, dependency.failure,
            len(dependency.tasks), dependency.met, dependency.unmet, list(dependency.engines),
        )  # fmt: skip
        for other in dependency.tasks:
            end = task.extras.ends.get(other) or self._end_of(other)
            if end is not None:
                self._keep(task, other, end)
                condition.note(succeeded=end.succeeded, engine=end.engine)
                continue
            self._state.awaiting.setdefault(other, []).append((task, condition))
            if other not in self._state.tasks:
                lacking.append(other)
        return condition

    def _end_of(self, task: TaskId) -> End | None:
        """Return how a task ended; None if it has not, or if nobody here knows."""
        state = self._state
        if task in state.tasks:
            return None
        if (entry := state.history.get(task)) is not None:
            row = entry.end_row or entry.row
            return End(entry.item.status is _DONE, entry.engine, row)
        outcome = state.over.get(task)
        if outcome is None:
            return None
        return End(outcome.item.status is _DONE, outcome.engine, outcome.row)

    def _keep(self, task: Task, other: TaskId, end: End) -> None:
        """Keep how a task ended for one that depends on it, for the next hub as well."""
        ends = task.extras.ends
        if other not in ends:
            ends[other] = end
            self._state.journal.need(end.row)

    def verdict(self, task: Task) -> Verdict | None:
        """Tell what has become of a task's dependencies, None if that is open."""
        extra = task.extra
        if extra is None:
            return Verdict(task)
        if any(condition.impossible for condition in extra.conditions):
            return _impossible(task, "what it depends on has not ended as it has to")
        if extra.awaited or not all(condition.holds for condition in extra.conditions):
            return None
        return self._where(task)

    def _where(self, task: Task) -> Verdict:
        """Restrict a task that follows others to the engines where those ran."""
        follows = [condition for condition in task.extras.conditions if condition.follows]
        for condition in follows:
            if condition.met and not condition.engines:
                return _impossible(task, "the engine that it has to follow to is not known")
            lane = task.lane
            allowed = tuple(
                engine
                for engine in condition.engines
                if lane.engines is None or engine in lane.engines
            )
            if condition.engines and not allowed:
                return _impossible(task, "it may not run on the engine that it has to follow to")
            if condition.engines:
                task.extras.lane = lane._replace(engines=allowed)
        return Verdict(task)

    def ended(
        self,
        task: TaskId,
        item: ResultItem,
        frames: Sequence[Frame],
        engine: EngineId,
        row: int = NOWHERE,
    ) -> list[Verdict]:
        """Learn that a task has ended; ``row`` is the page of the journal that says so.

        Returns
        -------
        The verdicts on those that waited for it, as far as they are certain now.
        """
        state = self._state
        verdicts: list[Verdict] = []
        needing = [other for other in state.dependents.pop(task, ()) if other.id in state.tasks]
        if needing and item.status is _DONE:
            state.store.use(item, frames, len(needing), row)
        for other in needing:
            if item.status is not _DONE:
                verdicts.append(Verdict(other, item.status, item.inline))
                continue
            other.extras.awaited -= 1
            other.extras.used.append(task)
            if (verdict := self.verdict(other)) is not None:
                verdicts.append(verdict)
        for other, condition in state.awaiting.pop(task, ()):
            if other.id not in state.tasks or other.status is not TaskStatus.WAITING:
                continue
            if other.extras.pauses:  # it does not wait for others any more
                continue
            end = End(item.status is _DONE, engine, row)
            self._keep(other, task, end)
            condition.note(succeeded=end.succeeded, engine=end.engine)
            if (verdict := self.verdict(other)) is not None:
                verdicts.append(verdict)
        return verdicts

    def client_left(self, client: ClientId) -> list[Verdict]:
        """Give up what only a client that is gone could have supplied, or was asked for."""
        lost: dict[TaskId, Verdict] = {}
        state = self._state
        for awaited in [task for task in state.dependents if task not in state.tasks]:
            needing = state.dependents.pop(awaited)
            kept = [o for o in needing if not self._gives_up(client, awaited, o, lost)]
            if kept:
                state.dependents[awaited] = kept
        for awaited in [task for task in state.awaiting if task not in state.tasks]:
            entries = state.awaiting.pop(awaited)
            left = [e for e in entries if not self._gives_up(client, awaited, e[0], lost)]
            if left:
                state.awaiting[awaited] = left
        return list(lost.values())

    def _gives_up(
        self, client: ClientId, awaited: TaskId, task: Task, lost: dict[TaskId, Verdict]
    ) -> bool:
        """Give a task up if it or what it waits for is the client's; tell if it waits no more."""
        if task.id not in self._state.tasks:
            return True
        if client not in {client_of(task.id), client_of(awaited)}:
            return False
        if not task.extras.pauses:
            lost[task.id] = Verdict(task, TaskStatus.LOST, _failure("ClientClosed", ""))
        return True


def _failure(ename: str, evalue: str) -> bytes:
    return encode_failure(Failure(ename, evalue, ""))


def _impossible(task: Task, reason: str) -> Verdict:
    text = f"the task can never run: {reason}"
    return Verdict(task, TaskStatus.LOST, _failure("ImpossibleDependency", text))

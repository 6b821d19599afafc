"""How an answer comes: outcomes arrive on one thread, others wait for them and open them.

`AsyncResult` is what users hold, and says what its answer means. Here it is decided when an answer
is there, who is woken, and when a value is unpickled: as it is first asked for, by whoever asks.
"""

import logging
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from types import MappingProxyType
from typing import Any, ClassVar

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.dialog import questions
from ipcluster_ext.client.hearers import Hearer, Waker
from ipcluster_ext.client.notes import Notes
from ipcluster_ext.client.opening import Value, decode
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.errors import TaskAborted
from ipcluster_ext.protocol.composite import CompositeError
from ipcluster_ext.protocol.ids import EngineId, TaskId, task_text
from ipcluster_ext.protocol.status import TaskStatus

log = logging.getLogger(__name__)

Condition = Callable[[], bool]

_SILENCE = Notes()
_ENDED = frozenset({"CANCELLED", "CANCELLED_AND_NOTIFIED", "FINISHED"})
"""The states of `concurrent.futures` in which a future is done."""


class Answer(Future[Any]):
    """Tasks, and what has come of them so far.

    Parameters
    ----------
    connection
        The client's wire.
    count
        How many tasks it stands for.
    single
        Whether the answer is the one task's value and not a list.
    label
        What the work is called.
    tasks
        The tasks, if others have made their ids; outcomes are then brought by others, too.

    Attributes
    ----------
    begun
        The tasks that were said to have begun; of short ones only the end is told.
    engines
        The engines that the tasks were sent to, one for each, where that is known beforehand.
    facts
        What else the metadata of each task holds: ``after``, ``follow``, ``execute_input`` ...
    owner
        Whether the tasks are this client's own.
    sources
        The answers that the tasks came with, and their places there, if not with this one.
    failure
        Why nothing more will come, None if more may.
    shows_values
        Whether its tasks end with values to be shown, as cells do.
    """

    # What few answers have costs the others nothing: it is set where it is needed.
    engines: Sequence[EngineId] = ()
    facts: Mapping[str, Any] = MappingProxyType({})
    owner = True
    _inner: ClassVar[frozenset[str]] = frozenset()
    _came: list[tuple[float, Sequence[Outcome]]] | None = None
    begun: AbstractSet[TaskId] = frozenset()
    _notes: Mapping[TaskId, Notes] = MappingProxyType({})
    _hearers: tuple[Hearer, ...] = ()
    _listeners = 0
    _foreground = True
    _received: float | None = None
    _held: list[TaskId] | None = None
    failure: Exception | None = None
    shows_values = False
    _error: BaseException | None = None
    _tasks: Sequence[TaskId] | None = None
    _places: Mapping[TaskId, Sequence[int]] = MappingProxyType({})
    sources: Sequence[tuple["Answer", int]] = ()

    def __init__(
        self,
        connection: Connection,
        count: int,
        *,
        single: bool = False,
        label: str = "",
        tasks: Sequence[TaskId] | None = None,
    ) -> None:
        super().__init__()
        self.connection = connection
        self._single = single
        self._outcomes: list[Outcome | None] = [None] * count
        self._values: list[Value | None] = [None] * count
        self._left = count
        if count != 1:
            self._came = []
        self.label = label
        self._stamp = time.time_ns()
        self._sent = time.monotonic()
        if tasks is not None:
            self._take_over(tasks)
        else:
            self.first = connection.reserve(count, self) if count else TaskId(0)
        if not count:
            self._end()

    def _take_over(self, tasks: Sequence[TaskId]) -> None:
        places: dict[TaskId, list[int]] = {}
        for place, task in enumerate(tasks):
            places.setdefault(task, []).append(place)
        self._tasks, self._places = tasks, places
        self.first = tasks[0] if tasks else TaskId(0)
        self._came = []

    def take_from(self, sources: Sequence[tuple["Answer", int]]) -> None:
        """Stand for tasks of others from now on; see `client.parts`."""
        self.sources = sources
        self._stamp, self._sent = min(answer.times for answer, _ in sources)
        self._foreground = len({id(answer.connection) for answer, _ in sources}) == 1

    @property
    def times(self) -> tuple[int, float]:
        """When it was submitted: by the calendar, in ns, and by the monotonic clock, in s."""
        return self._stamp, self._sent

    def __dir__(self) -> list[str]:
        """List what is of use to users."""
        inner = (vars(base).get("_inner", ()) for base in type(self).__mro__)
        return sorted(set(super().__dir__()).difference(_INNER, *inner))

    # ------------------------------------------------------------ what the connection calls

    def deliver(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes of its tasks, on the thread that receives."""
        if self._tasks is not None:
            self.adopt(outcomes)
            return
        first, slots = self.first, self._outcomes
        for outcome in outcomes:
            slots[outcome.item.id - first] = outcome
            if outcome.payload is not None:
                self._hold(outcome.item.id)
        if self._came is not None:
            self._came.append((time.monotonic(), outcomes))
        self._left -= len(outcomes)
        if self._listeners:
            self._tell(outcomes)
        if self._left == 0:
            self._end()

    def _hold(self, task: TaskId) -> None:
        """Have the hub keep a large value for tasks that need it, as long as this answer lives."""
        if self._held is None:
            self._held = []
            weakref.finalize(self, self.connection.release, self._held).atexit = False
        self._held.append(task)
        self.connection.hold(task, self)

    def adopt(self, outcomes: Iterable[Outcome]) -> None:
        """Take outcomes of tasks whose ids others have made, each any number of times."""
        with self._condition:
            new = [o for o in outcomes if self._outcomes[self._places[o.item.id][0]] is None]
            for outcome in new:
                for place in self._places[outcome.item.id]:
                    self._outcomes[place] = outcome
                    self._left -= 1
            if self._came is not None:
                self._came.append((time.monotonic(), new))
            last = bool(new) and self._left == 0
        if new and self._listeners:
            self._tell(new)
        if last:
            self._end()

    def note_started(self, task: TaskId) -> None:
        """Learn that a task runs."""
        if not isinstance(self.begun, set):
            self.begun = set()
        self.begun.add(task)
        if not super().running() and not self.done():
            self.set_running_or_notify_cancel()

    def note_output(self, task: TaskId, stream: str, text: str) -> None:
        """Take what a task wrote."""
        self._notes_of(task).write(stream, text)
        self._pass_on(lambda hearer: hearer.wrote(task, stream, text))

    def note_news(self, task: TaskId, topic: str, value: Any) -> None:
        """Take what else a running task has to say.

        Parameters
        ----------
        task
            Its id.
        topic
            'display' (a dict with ``data`` and ``metadata``), 'data' (a dict) or 'progress' (how
            much is done, how much there is to do, and a text).
        value
            What is said.
        """
        self._notes_of(task).take(topic, value)
        self._pass_on(lambda hearer: hearer.told(task, topic, value))

    def fail(self, error: Exception) -> None:
        """Learn that nothing more will come."""
        self.failure = error
        self._end()

    def _notes_of(self, task: TaskId) -> Notes:
        if not isinstance(self._notes, dict):
            self._notes = {}
        return self._notes.setdefault(task, Notes())

    # ------------------------------------------------------------ the end

    def _end(self) -> None:
        """Be done, and call those back who asked for it."""
        if self.done():
            return
        self._received = time.monotonic()
        try:
            self._set_outcome()
        except BaseException:  # whoever receives has to go on, whatever a callback wants to end
            log.exception("a callback of task %s", task_text(self.first))
        if self._listeners:
            self._tell(())

    def _set_outcome(self) -> None:
        statuses = {outcome.item.status for outcome in self._outcomes if outcome is not None}
        if statuses == {TaskStatus.CANCELLED}:
            if super().cancel():
                self.set_running_or_notify_cancel()
            else:
                self.set_exception(TaskAborted())
        elif statuses <= {TaskStatus.DONE} and self.failure is None:
            self.set_result(None)
        else:
            self.set_exception(self.failure or TaskAborted("see exception()"))

    def done(self) -> bool:
        """Tell whether everything has ended.

        Examples
        --------
        >>> ar = lv.submit(pow, 2, 3)
        >>> ar.wait(), ar.done()
        (True, True)
        """
        return self._state in _ENDED  # no lock, unlike the standard library's: one look is enough

    def running(self) -> bool:
        """Tell whether tasks have begun, and not all have ended.

        Examples
        --------
        >>> ar = lv.submit(pow, 2, 3)
        >>> ar.wait(), ar.running()
        (True, False)
        """
        if self.done():
            return False
        if self.sources:
            return any(answer.has_begun(place) for answer, place in self.sources)
        return super().running() or self._left < len(self._outcomes)

    def has_begun(self, place: int) -> bool:
        """Tell whether one of its tasks is known to have begun."""
        return self._outcomes[place] is not None or self.task_at(place) in self.begun

    def place_of(self, task: TaskId) -> int:
        """Return where a task of its own stands, of several such places the first."""
        return self._places.get(task, (task - self.first,))[0]

    def weigh(self, task: TaskId) -> int:
        """Return how much of `len` of it a task is."""
        del task
        return 1

    # ------------------------------------------------------------ waiting

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        """Wake those who wait for less than everything."""
        with self._condition:
            self._condition.notify_all()
        self._pass_on(lambda hearer: hearer.ended(outcomes, self.failure))

    def _pass_on(self, news: Callable[[Hearer], None]) -> None:
        for hearer in self._hearers:
            try:
                news(hearer)
            except BaseException:  # as for callbacks: a closed standard output, say
                log.exception("news of task %s", task_text(self.first))

    def listen(self, hearer: Hearer) -> None:
        """Tell somebody of all news from now on."""
        with self._condition:
            self._hearers = (*self._hearers, hearer)
            self._listeners += 1

    def unlisten(self, hearer: Hearer) -> None:
        """Tell somebody nothing more."""
        with self._condition:
            self._hearers = tuple(other for other in self._hearers if other is not hearer)
            self._listeners -= 1

    def _wait_for_end(self, timeout: float | None) -> bool:
        """Wait until everything has ended; timeouts are None or negative for ever."""
        if self.done():
            return True
        self.connection.check_waiting()
        deadline = None if timeout is None or timeout < 0 else time.monotonic() + timeout
        self._attend(self.done, deadline)
        if self.done():
            return True
        return questions.rest(self._condition, self.done, deadline)

    def _attend(self, condition: Condition, deadline: float | None) -> None:
        """Receive on this thread, unless the answer comes from several hubs."""
        if self._foreground:
            self.connection.attend(condition, deadline)

    def wait_until(self, condition: Condition, timeout: float | None = None) -> bool:
        """Wait until a condition on what has come holds, or everything has ended.

        Returns
        -------
        Whether it holds, or everything has ended.
        """

        def enough() -> bool:
            return condition() or self.done()

        if enough():
            return True
        self.connection.check_waiting()
        deadline = None if timeout is None or timeout < 0 else time.monotonic() + timeout
        self._attend(enough, deadline)
        with self._condition:
            self._listeners += 1
        try:
            return questions.rest(self._condition, enough, deadline)
        finally:
            with self._condition:
                self._listeners -= 1

    async def until(self, condition: Condition) -> None:
        """Wait as `wait_until` does, without keeping the event loop from other work."""
        while not (condition() or self.done()):
            waker = Waker()
            self.listen(waker)
            try:
                if not (condition() or self.done()):
                    await waker.woken
            finally:
                self.unlisten(waker)

    def outcome(self, task: TaskId) -> Outcome | None:
        """Return how one of its tasks has ended, None if it has not or is none of them."""
        places = self._places.get(task, (task - self.first,))
        return self._outcomes[places[0]] if 0 <= places[0] < len(self._outcomes) else None

    def count_steps(self) -> int:
        """Return how many steps there are in walking over the values: one for each task."""
        return len(self._outcomes)

    def has_come(self, step: int) -> bool:
        """Tell whether the values of a step are there."""
        return self._outcomes[step] is not None

    def arrivals(self) -> Iterator[int]:
        """Yield the places of the tasks, in the order in which they have ended.

        To be advanced only when another has ended, or all have. Those that never will come last.
        """
        seen: set[int] = set()
        batch = 0
        while self._came is not None and (batch < len(self._came) or not self.done()):
            for outcome in self._came[batch][1]:
                for place in self._places.get(outcome.item.id, [outcome.item.id - self.first]):
                    seen.add(place)
                    yield place
            batch += 1
        yield from (place for place in range(len(self._outcomes)) if place not in seen)

    def count_tasks(self) -> int:
        """Return how many tasks it stands for."""
        return len(self._outcomes)

    def count_ended(self) -> int:
        """Return how many of its tasks have ended."""
        return len(self._outcomes) - self._left

    # ------------------------------------------------------------ values

    def value_at(self, place: int) -> Value:
        """Return what one of its tasks returned or raised, the same whenever it is asked for."""
        if self.sources:
            answer, index = self.sources[place]
            return answer.value_at(index)
        value = self._values[place]
        if value is None:
            outcome = self._outcomes[place]
            if outcome is None:
                return None, self.failure
            value = self._values[place] = self._decode(outcome)
        return value

    def _decode(self, outcome: Outcome) -> Value:
        return decode(outcome)

    def items(self, place: int) -> Iterable[Value]:
        """Return what one of its tasks adds to the values that are iterated over."""
        return [self.value_at(place)]

    def _answer(self, *, return_exceptions: bool) -> Any:
        values: list[Any] = []
        errors: list[BaseException] = []
        for place in range(len(self._outcomes)):
            value, error = self.value_at(place)
            if error is not None:
                errors.append(error)
            values.append(value if error is None else error)
        if errors and not return_exceptions:
            raise self._combined(errors)
        return values[0] if self._single else self._join(values)

    def _combined(self, errors: Sequence[BaseException]) -> BaseException:
        """Return the same error each time."""
        if self._error is None:
            self._error = errors[0]
            if not self.cancelled() and any(error is not errors[0] for error in errors):
                self._error = CompositeError(self.label or "one or more tasks failed", errors)
        return self._error

    def _join(self, values: list[Any]) -> Any:
        """Make the answer of the values of all tasks."""
        return values

    # ------------------------------------------------------------ tasks

    def task_at(self, place: int) -> TaskId:
        """Return the id of one of its tasks."""
        return TaskId(self.first + place) if self._tasks is None else self._tasks[place]

    def root(self, place: int) -> tuple["Answer", int]:
        """Return the answer that one of its tasks came with, and its place there."""
        return self.sources[place] if self.sources else (self, place)

    def outcome_at(self, place: int) -> Outcome | None:
        """Return how one of its tasks ended, None if it has not."""
        return self._outcomes[place]

    def came(self, since: int = 0) -> Sequence[Sequence[Outcome]]:
        """Return the outcomes in the batches in which they came, without the first so many."""
        if self._came is None:
            return [(outcome,) for outcome in self._outcomes if outcome is not None][since:]
        return [outcomes for _, outcomes in self._came[since:]]

    def notes_at(self, place: int) -> Notes:
        """Return what one of its tasks has said so far."""
        return self._notes.get(self.task_at(place), _SILENCE)

    def shown_by(self, place: int) -> tuple[list[dict[str, Any]], Any]:
        """Return what one of its tasks displayed, and the value that it ended with as a cell."""
        return self.notes_at(place).outputs, None

    def sent_at(self) -> float:
        """Return when it was submitted, in seconds since the epoch."""
        return self._stamp / 1e9

    def received_at(self, place: int) -> float | None:
        """Return when the outcome of one of its tasks came, in seconds since the epoch."""
        outcome = self._outcomes[place]
        came = self._came if self._came is not None else [(self._received, (outcome,))]
        for moment, outcomes in came:
            if moment is not None and any(other is outcome for other in outcomes):
                return self.sent_at() + moment - self._sent
        return None

    def _unended(self) -> list[TaskId]:
        return [
            self.task_at(place) for place, outcome in enumerate(self._outcomes) if outcome is None
        ]


_INNER = (
    frozenset(name for name in vars(Answer) if name[0] != "_") - {"done", "owner", "running"}
) | {"connection", "first"}
"""What others of this room need of an answer, beside the names in each class's ``_inner``."""

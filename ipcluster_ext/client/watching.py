"""How far an answer is, as bars show it: counted by the user's items, a little at each look.

Looking takes what has come since the last look into account, and nothing else: so it costs as
much with a million tasks behind it as with ten. Whoever shows an answer does not keep its values
alive: once nobody else has the answer, what was known last stands.
"""

import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from ipcluster_ext.client.awaited import Awaited
from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.feed import StatusFeed
from ipcluster_ext.client.notes import Notes
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.picture import ClusterStatus
from ipcluster_ext.display.figures import noun
from ipcluster_ext.display.looks import Share, Step, WorkLook
from ipcluster_ext.errors import ClientError
from ipcluster_ext.protocol.feed import LEAST_INTERVAL
from ipcluster_ext.protocol.status import TaskStatus

_TAIL = 400
"""In so many characters the last line of output is looked for."""
_UNASKED = 20
"""After so many looks that ask for no engines the hub need not tell of them any more."""
_OVER = "it has ended already"


class Told(Protocol):
    """What the hub tells of engines; a `StatusFeed`, as far as it is used."""

    @property
    def latest(self) -> ClusterStatus:
        """What is known."""

    def close(self) -> None:
        """Have it tell no more."""


class WatchedAnswer:
    """An answer, for those who show how far it is; see `display.looks.Work`.

    Parameters
    ----------
    answer
        The answer.
    feed
        Has the hub tell which engine runs which task, while somebody wants to know.
    """

    def __init__(
        self, answer: Awaited, feed: Callable[[Connection], Told | None] | None = None
    ) -> None:
        self._answer = weakref.ref(answer)
        self._feed = feed or _feed
        self._told: Told | None = None
        self._unasked = 0
        self._lock = threading.Lock()
        self._batches = 0
        self._begun = 0
        self._failed = 0
        self._cancelled = 0
        self._done: Counter[int] = Counter()
        self._broken: Counter[int] = Counter()
        self._last = WorkLook(kind=type(answer).__name__, label=answer.label)
        answer.add_done_callback(lambda _: self.look())

    # ------------------------------------------------------------ looking

    def look(self) -> WorkLook:
        """Return how far it is."""
        answer = self._answer()
        if answer is not None:
            with self._lock:
                self._last = self._look(answer)
                self._unasked += 1
        if self._told is not None and (self._last.over or self._unasked > _UNASKED):
            self._told.close()
            self._told = None
        return self._last

    def _look(self, answer: Awaited) -> WorkLook:
        over = answer.done()  # asked first: what comes meanwhile is counted at the next look
        self._count(answer)
        total: float | None = len(answer)
        done: float = answer.progress - self._cancelled
        step = step_of(answer.notes_at(0)) if answer.count_tasks() == 1 and done < 1 else None
        if step is not None:
            done, total = step.done, step.total
        return WorkLook(
            kind=type(answer).__name__,
            label=answer.label,
            done=done,
            total=total,
            failed=self._failed,
            cancelled=self._cancelled,
            running=len(answer.begun) - self._begun,
            doing=step.text if step is not None else "",
            trouble=_trouble(answer, over=over),
            over=over,
            elapsed=answer.elapsed,
        )

    def _count(self, answer: Awaited) -> None:
        """Take what has come since the last look into account."""
        for batch in answer.came(self._batches):
            self._batches += 1
            for outcome in batch:
                self._add(answer, outcome)

    def _add(self, answer: Awaited, outcome: Outcome) -> None:
        task, status = outcome.item.id, outcome.item.status
        self._begun += task in answer.begun
        if status is TaskStatus.CANCELLED:
            self._cancelled += answer.weigh(task)
            return
        self._done[outcome.engine] += 1
        if status is not TaskStatus.DONE:
            self._failed += 1 if status is TaskStatus.FAILED else answer.weigh(task)
            self._broken[outcome.engine] += 1

    def shares(self) -> Sequence[Share]:
        """Return what each engine has of it."""
        answer = self._answer()
        if answer is None:
            running: dict[int, list[Notes]] = {}
        else:
            self.look()
            running = _running(answer, self._where(answer))
        engines = {*running, *self._done, *(answer.engines if answer is not None else ())}
        return [self._share(engine, running.get(engine, [])) for engine in sorted(engines)]

    def _where(self, answer: Awaited) -> Mapping[int, int]:
        """Return which engines run which tasks, as far as that is known."""
        self._unasked = 0
        if self._told is None and not self._last.over:
            self._told = self._feed(answer.connection)
        rows = () if self._told is None else self._told.latest.engines
        return {row.task: row.id for row in rows if row.task}

    def _share(self, engine: int, notes: list[Notes]) -> Share:
        said = next((notes_of for notes_of in reversed(notes) if notes_of.progress), None)
        return Share(
            engine=engine if engine >= 0 else None,
            running=len(notes),
            done=self._done[engine] - self._broken[engine],
            failed=self._broken[engine],
            step=step_of(said) if said is not None else None,
            line=next((line for n in reversed(notes) if (line := last_line(n))), ""),
        )

    # ------------------------------------------------------------ ending it

    def cancel(self) -> str:
        """Cancel the tasks that have not begun, and say how many those were."""
        answer = self._answer()
        if answer is None or answer.done():
            return _OVER
        tasks, left = answer.cancel_unbegun()
        count = sum(map(answer.weigh, tasks))
        thing = "item" if len(answer) != answer.count_tasks() else "task"
        said = f"cancelled {noun(count, thing)} that had not begun"
        if not tasks:
            said = "everything has begun: there is nothing to cancel"
        return f"{said}; {noun(left, 'task goes', 'tasks go')} on" if left else said

    def interrupt(self) -> str:
        """Stop the tasks that run, too, and say how many those were."""
        answer = self._answer()
        if answer is None or answer.done():
            return _OVER
        running = answer.stop()
        return f"interrupted {noun(len(running), 'task')}" if running else "interrupted what ran"


def _trouble(answer: Awaited, *, over: bool) -> str:
    if over:
        failure = answer.failure
        return "" if failure is None else f"{type(failure).__name__}: {failure}"
    if not answer.connection.roster.ids:
        return "there is no engine"
    return ""


def _feed(connection: Connection) -> Told | None:
    """Have the hub tell of engines, if it can be asked."""
    try:
        return StatusFeed(connection, LEAST_INTERVAL, ["engines"])
    except ClientError:
        return None


def _running(answer: Awaited, where: Mapping[int, int]) -> dict[int, list[Notes]]:
    """Return what the tasks that run have said, by engine; -1 where that is not known."""
    found: dict[int, list[Notes]] = {}
    for place in _places(answer):
        known = answer.engines[place] if place < len(answer.engines) else -1
        engine = where.get(answer.task_at(place), known)
        found.setdefault(engine, []).append(answer.notes_at(place))
    return found


def _places(answer: Awaited) -> Iterator[int]:
    """Yield the places of the tasks that run."""
    for place in map(answer.place_of, tuple(answer.begun)):
        if answer.outcome_at(place) is None:
            yield place


def step_of(notes: Notes) -> Step | None:
    """Return how far a task says that it is."""
    said = notes.progress
    return None if said is None else Step(said.done, said.total, said.text)


def last_line(notes: Notes) -> str:
    """Return what a task wrote last."""
    for stream in ("stdout", "stderr"):
        text = notes.tail(stream, _TAIL).rstrip()
        if text:
            return text.replace("\r", "\n").rpartition("\n")[2].strip()
    return ""

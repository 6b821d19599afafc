"""What an answer tells about its tasks: ids, times, engines, output, by name."""

import time
from typing import Any

from ipcluster_ext.client.answer import Answer
from ipcluster_ext.client.metadata import (
    Choice,
    Metadata,
    Moment,
    fact_of,
    metadata_of,
    seconds_between,
)
from ipcluster_ext.protocol.ids import TaskId, task_text


def _fact(name: str, doc: str, example: str) -> Any:
    return property(
        lambda self: self.fact(name),
        doc=f"{doc} A list where there are several tasks.\n\nExamples\n--------\n{example}",
    )


class Described(Answer):
    """An answer that tells facts about its tasks; parameters as for `Answer`."""

    _inner = frozenset(
        {"all_metadata", "another", "before_question", "fact", "was_submitted", "withdraw"}
    )
    _read: dict[tuple[int, str], int] | None = None

    msg_id = _fact(
        "msg_id",
        "The task's id.",
        """>>> answer = lv.submit(abs, -1)
>>> [answer.msg_id] == answer.msg_ids
True""",
    )
    state = _fact(
        "state",
        "'queued', 'running', 'done', 'failed', 'cancelled' or 'lost'.",
        """>>> answer = dv.apply_async(abs, -1)
>>> answer.wait(), answer.state
(True, ['done', 'done'])""",
    )
    status = _fact(
        "status",
        "'ok', 'error' or 'aborted'; None before the end.",
        """>>> answer = lv.submit(divmod, 1, 0)
>>> answer.wait(), answer.status
(True, 'error')""",
    )
    engine_id = _fact(
        "engine_id",
        "The engine that runs the task, None where that is not known.",
        """>>> dv.apply_async(abs, -1).engine_id
[0, 1]""",
    )
    engine_uuid = _fact(
        "engine_uuid",
        "A name of that engine.",
        """>>> rc[1].apply_async(abs, -1).engine_uuid
'engine-1'""",
    )
    submitted = _fact(
        "submitted",
        "When the task was submitted, a `datetime.datetime` by this computer's clock.",
        """>>> first, second = lv.submit(abs, -1), lv.submit(abs, -2)
>>> first.submitted <= second.submitted
True""",
    )
    started = _fact(
        "started",
        "When the task began, by its engine's clock; None before the end.",
        """>>> answer = lv.submit(abs, -1)
>>> answer.wait(), answer.started <= answer.completed
(True, True)""",
    )
    completed = _fact(
        "completed",
        "When the task ended, by its engine's clock; None before.",
        """>>> import time
>>> answer = lv.submit(time.sleep, 0.01)
>>> answer.wait(), (answer.completed - answer.started).total_seconds() >= 0.01
(True, True)""",
    )
    received = _fact(
        "received",
        "When the outcome came, by this computer's clock; None before.",
        """>>> answer = lv.submit(abs, -1)
>>> answer.wait(), answer.received >= answer.submitted
(True, True)""",
    )
    after = _fact(
        "after",
        "The ids of the tasks that had to end before.",
        """>>> first = lv.submit(abs, -1)
>>> lv.options(after=first).submit(abs, -2).after == first.msg_ids
True""",
    )
    follow = _fact(
        "follow",
        "The ids of the tasks on one of whose engines it had to run.",
        """>>> first = lv.submit(abs, -1)
>>> lv.options(follow=first).submit(abs, -2).follow == first.msg_ids
True""",
    )
    stdout = _fact(
        "stdout",
        "What the task has written to ``sys.stdout`` so far.",
        r""">>> answer = lv.submit(print, "hello")
>>> answer.wait(), answer.stdout
(True, 'hello\n')""",
    )
    stderr = _fact(
        "stderr",
        "What the task has written to ``sys.stderr`` so far.",
        """>>> def complain():
...     import sys
...     print("ouch", end="", file=sys.stderr)
>>> answer = lv.submit(complain)
>>> answer.wait(), answer.stderr
(True, 'ouch')""",
    )
    outputs = _fact(
        "outputs",
        "What the task displayed, as dicts with ``data`` and ``metadata``.",
        """>>> def show():
...     from IPython.display import Latex, display
...     display(Latex("x^2"))
>>> answer = lv.submit(show)
>>> answer.wait(), [shown["data"]["text/latex"] for shown in answer.outputs]
(True, ['x^2'])""",
    )
    data = _fact(
        "data",
        "What the task has published so far, by name; see `ipcluster_ext.publish`.",
        """>>> answer = lv.submit(lambda: ipp.publish(loss=0.5))
>>> answer.wait(), answer.data
(True, {'loss': 0.5})""",
    )
    execute_input = _fact(
        "execute_input",
        "The cell's code; None where the task is no cell.",
        """>>> dv.execute("1 + 1").execute_input
['1 + 1', '1 + 1']""",
    )
    execute_result = _fact(
        "execute_result",
        "The value of the cell's last expression, as it would be displayed.",
        """>>> answer = rc[0].execute("1 + 1", silent=False)
>>> answer.wait(), answer.execute_result["data"]["text/plain"]
(True, '2')""",
    )
    error = _fact(
        "error",
        "What the task raised, None if it did not.",
        """>>> answer = lv.submit(divmod, 1, 0)
>>> answer.wait(), isinstance(answer.error, ZeroDivisionError)
(True, True)""",
    )
    is_broadcast = _fact(
        "is_broadcast",
        "Whether a `BroadcastView` sent the task.",
        """>>> rc.broadcast_view().apply_async(abs, -1).is_broadcast
[True, True]""",
    )
    is_coalescing = _fact(
        "is_coalescing",
        "Whether it was asked to put answers together.",
        """>>> rc.broadcast_view(is_coalescing=True).apply_async(abs, -1).is_coalescing
[True, True]""",
    )

    # ------------------------------------------------------------ for others of this room

    def another(self, place: int, task: TaskId) -> "Described":
        """Return an answer for another try of one of its tasks, of the same kind."""
        del place
        return Described(self.connection, 1, single=True, label=self.label, tasks=[task])

    def was_submitted(self, seconds: float) -> None:
        """Learn when its tasks were submitted, in seconds since the epoch."""
        stamp, self._stamp = self._stamp, int(seconds * 1e9)
        self._sent -= (stamp - self._stamp) / 1e9

    def withdraw(self) -> None:
        """Give up tasks whose submission failed half-way: nobody waits for them any more."""
        self.connection.withdraw(self._unended())

    # ------------------------------------------------------------ facts

    @property
    def msg_ids(self) -> list[str]:
        """The tasks' ids, as text.

        Examples
        --------
        >>> len(dv.apply_async(pow, 2, 3).msg_ids)
        2
        """
        return [task_text(self.task_at(place)) for place in range(len(self._outcomes))]

    @property
    def metadata(self) -> Any:
        """Facts about the task, or a list with those of each task: see `Metadata`.

        Examples
        --------
        >>> ar = dv.apply_async(pow, 2, 3)
        >>> ar.get()
        [8, 8]
        >>> [facts.engine_id for facts in ar.metadata]
        [0, 1]
        """
        entries = self.all_metadata()
        return entries[0] if self._single else entries

    def all_metadata(self) -> list[Metadata]:
        """Return the facts about each task."""
        return [metadata_of(self, place) for place in range(len(self._outcomes))]

    def fact(self, name: str) -> Any:
        """Return a fact about the task, or a list with that about each task.

        Raises
        ------
        KeyError
            There is no fact of that name.
        """
        values = [fact_of(self, place, name) for place in range(len(self._outcomes))]
        return values[0] if self._single else values

    def before_question(self, task: TaskId) -> list[tuple[str, str]]:
        """Show what a task has written, as it asks something; return what nobody shows.

        Of that, the same text is returned only once.
        """
        if [hearer for hearer in self._hearers if hearer.asked(task)]:
            return []
        notes, read = self.notes_at(task - self.first), self._read or {}
        self._read, new = read, list[tuple[str, str]]()
        for stream in ("stdout", "stderr"):
            text = notes.text(stream)
            if fresh := text[read.get((task, stream), 0) :]:
                new.append((stream, fresh))
                read[task, stream] = len(text)
        return new

    # ------------------------------------------------------------ times

    @property
    def elapsed(self) -> float:
        """Seconds since the submission, until the answer came.

        Examples
        --------
        >>> lv.submit(pow, 2, 3).elapsed > 0
        True
        """
        end = self._received if self._received is not None else time.monotonic()
        return end - self._sent

    @property
    def wall_time(self) -> float:
        """Seconds from the submission until the answer came; so far, if it has not.

        Examples
        --------
        >>> ar = lv.map_async(abs, range(10))
        >>> ar.wait(), ar.wall_time == ar.elapsed
        (True, True)
        """
        return self.elapsed

    @property
    def serial_time(self) -> float:
        """Seconds that the tasks that have ended took on their engines, added up.

        Divided by `wall_time` it is the speed-up.

        Examples
        --------
        >>> import time
        >>> ar = dv.apply_async(time.sleep, 0.01)
        >>> ar.wait(), ar.serial_time >= 0.02
        (True, True)
        """
        return sum(o.item.completed - o.item.started for o in self._outcomes if o is not None)

    def timedelta(
        self,
        start: Moment | str,
        end: Moment | str,
        start_key: Choice = min,
        end_key: Choice = max,
    ) -> float:
        """Return the seconds between two moments.

        Parameters
        ----------
        start, end
            A time, several of them, or the name of one in the metadata, as ``'submitted'``.
        start_key, end_key
            Which of several times to take: the first, and the last, if not given.

        Raises
        ------
        ValueError
            A time is not known yet.

        Examples
        --------
        >>> ar = dv.apply_async(pow, 2, 3)
        >>> ar.get()
        [8, 8]
        >>> ar.timedelta(ar.submitted, ar.received) > 0
        True
        >>> ar.timedelta("started", "completed") >= 0
        True
        """
        first: Moment = self.fact(start) if isinstance(start, str) else start
        last: Moment = self.fact(end) if isinstance(end, str) else end
        return seconds_between(first, last, start_key, end_key)

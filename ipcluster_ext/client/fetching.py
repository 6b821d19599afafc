"""Answers of tasks that others have submitted: another client, or this one before a restart."""

from collections.abc import Iterable, Sequence

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.opening import Value, decode
from ipcluster_ext.client.parts import Source, connect, derive
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.replies import AsyncExecuteResult
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.errors import UnknownTask
from ipcluster_ext.protocol.ids import TaskId, task_text
from ipcluster_ext.protocol.messages import Fetch
from ipcluster_ext.protocol.parts import Record
from ipcluster_ext.protocol.status import Kind


class AsyncHubResult(AsyncResult):
    """The answer of tasks that somebody else has submitted; otherwise an `AsyncResult`.

    Examples
    --------
    >>> ar = lv.submit(pow, 2, 3)
    >>> ar.get()
    8
    >>> with ipp.Client(rc.connection_file) as other:
    ...     again = other.get_result(ar.msg_ids[0])
    ...     again.get(), again.owner
    (8, False)
    """

    owner = False


class _CellResult(AsyncExecuteResult, AsyncHubResult):
    """The answer of a cell that somebody else has submitted."""


class _PullResult(AsyncHubResult):
    """The answer of a pull that somebody else has submitted."""

    def _decode(self, outcome: Outcome) -> Value:
        values, error = decode(outcome)
        return (values[0] if error is None and len(values) == 1 else values), error


_CLASSES = {Kind.EXECUTE: _CellResult, Kind.PULL: _PullResult}


def fetch(connection: Connection, records: Iterable[Record]) -> list[AsyncHubResult]:
    """Ask for the outcomes of tasks that are not this client's.

    Parameters
    ----------
    connection
        The client's wire.
    records
        What the hub knows of the tasks.

    Returns
    -------
    An answer for each of them, which may be there already or come later.

    Raises
    ------
    UnknownTask
        The outcome of one of them cannot be had.
    """
    answers: list[AsyncHubResult] = []
    for record in records:
        kind = _CLASSES.get(record.kind, AsyncHubResult)
        answer = kind(connection, 1, single=True, label=record.label, tasks=[record.id])
        answer.was_submitted(record.submitted)
        connection.adopt([record.id], answer)
        answers.append(answer)
    ids = [answer.task_at(0) for answer in answers]
    reply = connection.request(lambda number: Fetch(number, ids))
    for task, reason in reply.missing.items():
        connection.disown(ids)
        raise unknown(task, reason)
    return answers


def joined(answers: Sequence[AsyncResult]) -> AsyncResult:
    """Return one answer for the tasks of several, in their order."""
    sources: list[Source] = [
        (answer, place) for answer in answers for place in range(answer.count_tasks())
    ]
    kind = AsyncResult if all(answer.owner for answer in answers) else AsyncHubResult
    whole = derive(kind, sources, label=answers[0].label)
    connect([whole])
    return whole


def part(answer: AsyncResult, task: TaskId) -> AsyncResult:
    """Return an answer for one of the tasks of another."""
    count = answer.count_tasks()
    place = task - answer.first
    if not (0 <= place < count and answer.task_at(place) == task):
        place = next(place for place in range(count) if answer.task_at(place) == task)
    if count == 1:
        return answer.split()[0]
    own = derive(
        AsyncResult if answer.owner else AsyncHubResult,
        [(answer, place)],
        single=True,
        label=answer.label,
    )
    connect([own])
    return own


def unknown(task: TaskId, reason: str = "nothing is known of it") -> UnknownTask:
    """Make the error that says that a task, or its outcome, cannot be had."""
    return UnknownTask(
        f"task {task_text(task)}: {reason}; rc.history() lists what is known of tasks"
    )

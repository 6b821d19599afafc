"""Which failed tasks somebody has run again: from JupyterLab's panel, or with ``rc.resubmit``.

The hub notes at each task which one has taken its place. That may have failed as well and have been
run again, so the newest counts. What is run again from here it is told as well, for the panel: only
that it is, as the items of a map's chunks may be in others then.
"""

from collections.abc import Iterable, Mapping

from ipcluster_ext.client.answer import Answer
from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.facts import Described
from ipcluster_ext.client.parts import Source
from ipcluster_ext.client.records import encode
from ipcluster_ext.protocol.ids import TaskId, task_text
from ipcluster_ext.protocol.messages import Fetch, HistoryQuery, Retried
from ipcluster_ext.protocol.parts import Record
from ipcluster_ext.protocol.status import TaskStatus


def taken_over(failed: Mapping[int, Source]) -> dict[int, Answer]:
    """Return answers of the tasks that have taken the place of others, as far as these can do.

    Parameters
    ----------
    failed
        By any number, a task that has failed, as the answer that it came with and its place there.
        Several numbers may stand for one task.

    Returns
    -------
    By the same numbers, an answer for the task's newest try, there already or to come. Left out is
    what nobody has run again, what has failed once more, and what is not kept any more.

    Raises
    ------
    ClientError
        The hub is gone.
    """
    found: dict[int, Answer] = {}
    groups: dict[int, dict[int, Source]] = {}
    for number, source in failed.items():
        groups.setdefault(id(source[0].connection), {})[number] = source
    for group in groups.values():
        connection = next(iter(group.values()))[0].connection
        tasks = {number: answer.task_at(place) for number, (answer, place) in group.items()}
        answers = _fetched(connection, newest(connection, tasks.values()), group, tasks)
        found.update((each, answers[task]) for each, task in tasks.items() if task in answers)
    return found


def tell_retried(failed: Iterable[Source]) -> None:
    """Tell the hub that tasks that have failed were submitted again, in whatever form.

    Parameters
    ----------
    failed
        Each as the answer that it came with and its place there; one may come several times.

    Raises
    ------
    ClientError
        The client is closed or has lost its hub.
    """
    groups: dict[Connection, dict[TaskId, None]] = {}
    for answer, place in failed:
        groups.setdefault(answer.connection, {})[answer.task_at(place)] = None
    for connection, tasks in groups.items():
        connection.say([Retried(list(tasks))])


def _fetched(
    connection: Connection,
    records: Mapping[TaskId, Record],
    sources: Mapping[int, Source],
    tasks: Mapping[int, TaskId],
) -> dict[TaskId, Answer]:
    """Have the outcomes of the newest tries come."""
    answers: dict[TaskId, Answer] = {}
    for number, (answer, place) in sources.items():
        record = records.get(tasks[number])
        if record is None or tasks[number] in answers:
            continue
        if isinstance(answer, Described):  # all are that users hold
            answers[tasks[number]] = another = answer.another(place, record.id)
            another.owner = False
            another.was_submitted(record.submitted)
            connection.adopt([record.id], another)
    if not answers:
        return answers
    ids = [records[task].id for task in answers]
    missing = connection.request(lambda number: Fetch(number, ids)).missing
    connection.disown(missing)
    return {task: each for task, each in answers.items() if records[task].id not in missing}


def newest(connection: Connection, tasks: Iterable[TaskId]) -> dict[TaskId, Record]:
    """Return what has taken the place of tasks, as far as it is under way or has succeeded.

    Parameters
    ----------
    connection
        A client's wire.
    tasks
        Those that have failed.

    Raises
    ------
    ClientError
        The hub is gone.
    """
    found: dict[TaskId, Record] = {}
    asked = {task: task for task in tasks}
    while asked:
        after: dict[TaskId, TaskId] = {}
        for record in _records(connection, asked):
            first = asked[record.id]
            if record.resubmitted:
                after[record.resubmitted] = first
            elif record.id != first and _is_of_use(record):
                found[first] = record
        asked = after
    return found


def _is_of_use(record: Record) -> bool:
    return not record.status.ended or (record.status is TaskStatus.DONE and record.kept)


def _records(connection: Connection, tasks: Iterable[TaskId]) -> list[Record]:
    query = encode({"msg_id": {"$in": [task_text(task) for task in tasks]}})
    reply = connection.request(lambda number: HistoryQuery(number, query))
    records: list[Record] = reply.records
    return records

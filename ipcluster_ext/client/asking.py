"""What a client knows, and can ask the hub, of tasks: histories, records, results by id."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ipcluster_ext.client.base import Base
from ipcluster_ext.client.records import Query, TaskRecord, as_dict, encode, query_of, record_of
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.targets import Targets
from ipcluster_ext.errors import ClientError, UnknownTask
from ipcluster_ext.protocol.ids import EngineId, TaskId, parse_task, task_text
from ipcluster_ext.protocol.messages import HistoryQuery, QueueQuery
from ipcluster_ext.protocol.parts import Record

Job = int | str | AsyncResult | TaskRecord
"""A task or several: a place in the history, an id, an answer, or a record of the history."""
Jobs = Job | Iterable[Job]

LATEST = 1_000
"""How many records ``rc.history()`` returns at most, if nothing else is said."""


class History(list[str]):
    """The ids of the tasks that a client has submitted, the oldest first.

    Called, it asks the hub for records of tasks, of this client and of all others.

    Parameters
    ----------
    ids
        The ids.
    ask
        Asks the hub.

    Examples
    --------
    >>> ar = lv.options(label="fit one").apply_async(pow, 2, 3)
    >>> ar.get()
    8
    >>> rc.history[-1] == ar.msg_ids[0]
    True
    >>> [record.status for record in rc.history(label="fit *", status="done")]
    ['done']

    After a kernel was restarted, its tasks are found by the name of its session, which is that of
    the notebook or of the script if none is given. Those that run go on meanwhile:

    >>> before = ipp.Client(rc.connection_file, session="fits")
    >>> tasks = [before.load_balanced_view().submit(pow, 2, n) for n in range(3)]
    >>> before.close()
    >>> with ipp.connect(rc.connection_file, session="fits") as after:
    ...     after.get_result(after.history(session="fits")).get()
    [1, 2, 4]
    """

    def __init__(self, ids: Iterable[str], ask: Callable[..., list[TaskRecord]]) -> None:
        super().__init__(ids)
        self._ask = ask

    def __call__(
        self,
        *,
        since: datetime | timedelta | None = None,
        limit: int = LATEST,
        **facts: Any,
    ) -> list[TaskRecord]:
        """Ask the hub for records of tasks, also of those that other clients have submitted.

        Parameters
        ----------
        since
            When they were submitted at the earliest, or how long ago.
        limit
            How many of the latest; 0 for all.
        **facts
            What they have in common, by the names of `TaskRecord`: a value, a pattern
            (``label="fit*"``), alternatives (``status=["failed", "lost"]``) or a dict of
            operators (``tries={"$gt": 1}``).

        Returns
        -------
        The records, the oldest first.

        Raises
        ------
        ClientError
            There is no such fact or operator; the text names those there are.
        """
        return self._ask(facts, since=since, limit=limit)


class Asking(Base):
    """The part of a client that knows of tasks."""

    # ------------------------------------------------------------ tasks, as users name them

    def _tasks(self, jobs: Jobs | None) -> list[TaskId]:
        """Return the tasks that are meant; None means all that have not ended.

        Raises
        ------
        UnknownTask
            An id is none.
        IndexError
            The history is shorter.
        """
        if jobs is None:
            return sorted(self.connection.pending.outstanding)
        if isinstance(jobs, AsyncResult):
            return [jobs.task_at(place) for place in range(jobs.count_tasks())]
        if isinstance(jobs, int | str | TaskRecord):
            return [self._task(jobs)]
        return [task for job in jobs for task in self._tasks(job)]

    def _task(self, job: int | str | TaskRecord) -> TaskId:
        if isinstance(job, int):
            return self.connection.submitted.tasks[job]
        try:
            return parse_task(job if isinstance(job, str) else job.msg_id)
        except ValueError as error:
            raise UnknownTask(str(error)) from None

    @property
    def history(self) -> History:
        """The ids of the tasks that this client has submitted, the latest 10,000 of them.

        Called, ``rc.history(label="fit*", status="failed")`` asks the hub for records of tasks;
        see `History`.

        Examples
        --------
        >>> ar = lv.submit(abs, -1)
        >>> rc.history[-1] == ar.msg_ids[0]
        True
        """
        ids = map(task_text, self.connection.submitted.tasks)
        return History(ids, self._history)

    @property
    def outstanding(self) -> set[str]:
        """The ids of the tasks that this client waits for.

        Examples
        --------
        >>> ar = lv.submit(pow, 2, 3)
        >>> ar.get(), ar.msg_ids[0] in rc.outstanding
        (8, False)
        """
        return {task_text(task) for task in self.connection.pending.outstanding}

    # ------------------------------------------------------------ asking the hub

    def _ask(self, query: Query, limit: int = 0) -> list[Record]:
        """Ask the hub for records.

        Raises
        ------
        ClientError
            The query cannot be understood.
        """
        text = encode(query)
        reply = self.connection.request(lambda number: HistoryQuery(number, text, limit))
        if reply.refused:
            raise ClientError(reply.refused)
        records: list[Record] = reply.records
        return records

    def _ask_for(self, tasks: Sequence[TaskId]) -> list[Record]:
        return self._ask({"msg_id": {"$in": [task_text(task) for task in tasks]}})

    def _history(
        self, facts: Query, *, since: datetime | timedelta | None, limit: int
    ) -> list[TaskRecord]:
        query = query_of(facts, since=since, now=_now)
        return [record_of(record) for record in self._ask(query, limit)]

    def hub_history(self) -> list[str]:
        """Return the ids of all tasks that the hub knows, whoever submitted them, oldest first.

        Examples
        --------
        >>> ar = lv.submit(pow, 2, 3)
        >>> ar.get(), ar.msg_ids[0] in rc.hub_history()
        (8, True)
        """
        return [task_text(record.id) for record in self._ask({})]

    def db_query(self, query: Query, keys: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """Ask the hub for records of tasks, as dicts.

        Parameters
        ----------
        query
            Values by key, in MongoDB's style: ``{'label': {'$glob': 'fit*'}, 'completed': None}``.
            Keys are the attributes of `TaskRecord`; operators are ``$lt $gt $eq $ne $lte $gte $in
            $nin $all $mod $glob $exists``. Times are `datetime` objects or seconds since the
            epoch.
        keys
            Which facts are wanted; all if not given. The ``msg_id`` is always among them.

        Returns
        -------
        A dict for each task that was found, the oldest first.

        Raises
        ------
        ClientError
            The query cannot be understood; the text says why.
        KeyError
            There is no such fact.

        Examples
        --------
        >>> ar = lv.submit(divmod, 1, 0)
        >>> ar.wait()
        True
        >>> rc.db_query({"msg_id": ar.msg_ids[0]}, keys=["status", "ename"]) == [
        ...     {"msg_id": ar.msg_ids[0], "status": "failed", "ename": "ZeroDivisionError"}
        ... ]
        True
        """
        return [as_dict(record_of(record), keys) for record in self._ask(query)]

    # ------------------------------------------------------------ queues

    def queue_status(
        self,
        targets: Targets | None = "all",
        verbose: bool = False,  # noqa: FBT001, FBT002 - ipyparallel's signature
    ) -> dict[Any, Any]:
        """Return how many tasks engines have and had, and how many no engine has yet.

        Parameters
        ----------
        targets
            The engines.
        verbose
            Whether to return ids of tasks instead of their numbers.

        Returns
        -------
        ``{engine: {'queue': n, 'tasks': n, 'completed': n}, ..., 'unassigned': n}``: ``queue``
        are those that only this engine may run, ``tasks`` those that the hub gave to it. For a
        single engine by its id only what stands under it.

        Raises
        ------
        NoSuchEngine
            There is no such engine.

        Examples
        --------
        >>> sorted(rc.queue_status(0))
        ['completed', 'queue', 'tasks']
        """
        engines = self._engines(targets)
        reply = self.connection.request(QueueQuery)
        status: dict[Any, Any] = {
            int(engine): {
                "queue": reply.direct.get(engine, 0),
                "tasks": reply.engines.get(engine, 0) - reply.direct.get(engine, 0),
                "completed": reply.ended.get(engine, 0),
            }
            for engine in engines
        }
        status["unassigned"] = reply.queued
        if verbose:
            status = self._named(engines)
        return status[engines[0]] if isinstance(targets, int) else status

    def _named(self, engines: Sequence[EngineId]) -> dict[Any, Any]:
        """Return the ids of the tasks that engines have and had, and of those without an engine."""
        status: dict[Any, Any] = {
            int(engine): {"queue": [], "tasks": [], "completed": []} for engine in engines
        }
        status["unassigned"] = []
        for record in self._ask({}):
            text = task_text(record.id)
            if record.engine is None:
                status["unassigned"].extend([] if record.status.ended else [text])
            elif record.engine in status:
                kind = "tasks" if record.balanced else "queue"
                status[record.engine]["completed" if record.status.ended else kind].append(text)
        return status


def _now() -> datetime:
    return datetime.fromtimestamp(time.time_ns() / 1e9, UTC)

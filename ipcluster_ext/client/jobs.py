"""What a client can do with tasks, by id: wait for them, abort them, get them, run them again."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from ipcluster_ext.client.asking import Asking, Job, Jobs
from ipcluster_ext.client.fetching import fetch, joined, part, unknown
from ipcluster_ext.client.known import ByTask
from ipcluster_ext.client.metadata import Metadata, metadata_of
from ipcluster_ext.client.records import TaskRecord, metadata_from
from ipcluster_ext.client.replies import AsyncExecuteResult
from ipcluster_ext.client.requests import converted
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.targets import Targets
from ipcluster_ext.protocol.ids import TaskId, client_of, task_text
from ipcluster_ext.protocol.messages import Cancel, Cancelled, Resubmit
from ipcluster_ext.protocol.parts import Record
from ipcluster_ext.protocol.status import Kind


class Jobbing(Asking):
    """The part of a client that looks after tasks that were submitted."""

    # ------------------------------------------------------------ waiting

    def wait(
        self,
        jobs: "Jobs | Future[Any] | Iterable[Job | Future[Any]] | None" = None,
        timeout: float | None = -1,
    ) -> bool:
        """Wait until tasks have ended.

        Parameters
        ----------
        jobs
            Answers or other futures, ids, places in the client's history, or several of them; all
            that this client waits for if not given.
        timeout
            In seconds; None or a negative number for ever.

        Returns
        -------
        Whether all of them have ended.

        Raises
        ------
        UnknownTask
            There is no such task, or its result is lost.
        IndexError
            The history is shorter.

        Examples
        --------
        >>> ar = lv.map_async(abs, range(10))
        >>> rc.wait(ar, timeout=10), rc.wait(-1), rc.wait(ar.msg_ids), rc.wait()
        (True, True, True, True)
        """
        deadline = None if timeout is None or timeout < 0 else time.monotonic() + timeout
        for future in self._futures(jobs):
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._wait_for(future, left):
                return False
        return True

    def _futures(self, jobs: Any) -> "list[Future[Any]]":
        if jobs is None:
            owners = self.connection.pending.owners
            return [owner for owner in owners if isinstance(owner, Future)]
        if isinstance(jobs, Future):
            return [jobs]
        if isinstance(jobs, int | str | TaskRecord):
            return list(self._answers([self._task(jobs)]))
        return [future for job in jobs for future in self._futures(job)]

    def wait_interactive(
        self, jobs: Jobs | None = None, interval: float = 1.0, timeout: float | None = -1.0
    ) -> bool:
        """Wait until tasks have ended, with a progress bar.

        Parameters
        ----------
        jobs
            As for `wait`, futures of others excepted.
        interval
            Seconds between two looks.
        timeout
            In seconds; None or a negative number for ever.

        Returns
        -------
        Whether all of them have ended.

        Raises
        ------
        UnknownTask
            There is no such task, or its result is lost.
        IndexError
            The history is shorter.

        Examples
        --------
        >>> ar = lv.submit(pow, 2, 3)
        >>> ar.wait(), rc.wait_interactive(ar, timeout=10)
        (True, True)
        """
        answers = [owner for owner in self._futures(jobs) if isinstance(owner, AsyncResult)]
        if not answers:
            return True
        whole = answers[0] if len(answers) == 1 else joined(answers)
        return whole.wait_interactive(interval, timeout)

    # ------------------------------------------------------------ aborting

    def abort(
        self,
        jobs: Jobs | None = None,
        targets: Targets | None = None,
        block: bool | None = None,  # noqa: FBT001 - ipyparallel's signature
    ) -> "Future[list[str]]":
        """Cancel tasks of this client that have not begun; those that run go on.

        Parameters
        ----------
        jobs
            As for `wait`; all that have not ended if not given.
        targets
            Only those that these engines have, or are to get; wherever they are if not given.
        block
            Whether to wait until it is known which will never run; the client's `block` if not
            given.

        Returns
        -------
        A future of the ids of those that will never run; asking them for their results raises
        `TaskAborted`.

        Raises
        ------
        UnknownTask, IndexError, NoSuchEngine
            There is no such task or engine.

        Examples
        --------
        >>> import time
        >>> busy, late = rc[0].apply_async(time.sleep, 0.2), rc[0].apply_async(pow, 2, 3)
        >>> rc.abort(late, block=True).result() == late.msg_ids
        True
        """
        tasks = self._tasks(jobs)
        if targets is not None:
            tasks = self._of_engines(tasks, targets)
        pending = self.connection.pending
        open_ones = [task for task in tasks if pending.owner(task) is not None]
        answer = self.connection.ask(lambda number: Cancel(open_ones, number))
        return self._or_wait(converted(answer, _cancelled), block=block)

    def _of_engines(self, tasks: Sequence[TaskId], targets: Targets) -> list[TaskId]:
        query = {
            "msg_id": {"$in": [task_text(task) for task in tasks]},
            "engine_id": {"$in": self._engines(targets)},
        }
        return [record.id for record in self._ask(query)]

    # ------------------------------------------------------------ results

    def get_result(
        self,
        indices_or_msg_ids: Jobs | None = None,
        block: bool | None = None,  # noqa: FBT001 - ipyparallel's signature
        owner: bool = True,  # noqa: FBT001, FBT002 - ipyparallel's signature
    ) -> AsyncResult:
        """Return the answer of tasks, whoever has submitted them.

        Answers of other clients, and of this one before its process was restarted, are kept by the
        hub for a while.

        Parameters
        ----------
        indices_or_msg_ids
            An id, a place in the client's history, or several of them; the latest task if not
            given.
        block
            Whether to wait for it; the client's `block` if not given.
        owner
            For ipyparallel's sake; answers are kept as long as somebody holds them.

        Returns
        -------
        The answer; an `AsyncHubResult` if somebody else has submitted the tasks.

        Raises
        ------
        UnknownTask
            There is no such task, or its result is not kept any more.
        IndexError
            The history is shorter.

        Examples
        --------
        >>> ar = lv.submit(pow, 2, 3)
        >>> rc.get_result(ar.msg_ids[0]).get(), rc.get_result(-1).get(), rc.get_result([-1]).get()
        (8, 8, [8])
        """
        del owner
        jobs = -1 if indices_or_msg_ids is None else indices_or_msg_ids
        answers = self._answers(self._tasks(jobs))
        if not answers:
            msg = "get_result() needs at least one task"
            raise ValueError(msg)
        answer = answers[0] if isinstance(jobs, int | str | TaskRecord) else joined(answers)
        if self.block if block is None else block:
            answer.wait()
        return answer

    def _answers(self, tasks: Sequence[TaskId]) -> list[AsyncResult]:
        """Return an answer for each task: the one that is here, or one that is fetched."""
        here = {task: own for task in tasks if (own := self._own_answer(task)) is not None}
        others = [task for task in dict.fromkeys(tasks) if task not in here]
        if others:
            fetched = fetch(self.connection, self._records(others))
            here.update(zip(others, fetched, strict=True))
        return [here[task] for task in tasks]

    def _own_answer(self, task: TaskId) -> AsyncResult | None:
        owner = self.connection.owner(task)
        return part(owner, task) if isinstance(owner, AsyncResult) else None

    def _records(self, tasks: Sequence[TaskId]) -> list[Record]:
        """Ask the hub what it knows of tasks whose results are to be had.

        Raises
        ------
        UnknownTask
            One of them cannot.
        """
        found = {record.id: record for record in self._ask_for(tasks)}
        for task in tasks:
            record = found.get(task)
            if record is None:
                raise unknown(task)
            if record.status.ended and not record.kept:
                raise unknown(task, "its result is not kept any more")
            if not record.status.ended and client_of(task) == self.connection.client:
                raise unknown(task, "it was withdrawn by this client")
        return [found[task] for task in tasks]

    @property
    def results(self) -> ByTask[Any]:
        """What tasks returned, or the errors that they raised, by their ids.

        What nobody holds here any more comes from the hub, which keeps it for a while.

        Examples
        --------
        >>> ar = lv.submit(pow, 2, 3)
        >>> ar.get(), rc.results[ar.msg_ids[0]]
        (8, 8)
        """
        return ByTask("results", self._ended, self._value)

    @property
    def metadata(self) -> ByTask[Metadata]:
        """Facts about tasks, by their ids; see `Metadata`.

        Examples
        --------
        >>> ar = rc[0].apply_async(pow, 2, 3)
        >>> ar.get(), rc.metadata[ar.msg_ids[0]].engine_id
        (8, 0)
        """
        return ByTask("metadata", self._ended, self._facts)

    def _ended(self) -> list[str]:
        outstanding = self.outstanding
        return [task for task in self.history if task not in outstanding]

    def _value(self, msg_id: str) -> Any:
        if msg_id in self.outstanding:
            raise unknown(self._task(msg_id), "it has not ended")
        return self.get_result(msg_id, block=False).get(return_exceptions=True)

    def _facts(self, msg_id: str) -> Metadata:
        task = self._task(msg_id)
        own = self._own_answer(task)
        if own is not None:
            return metadata_of(own, 0)
        for record in self._ask_for([task]):
            return metadata_from(record)
        raise unknown(task)

    def result_status(self, msg_ids: Jobs, status_only: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - ipyparallel's signature
        """Tell which tasks have ended.

        Parameters
        ----------
        msg_ids
            As for `get_result`.
        status_only
            Whether that is all; if not, the values of those that have ended are returned, too.

        Returns
        -------
        ``{'pending': ids, 'completed': ids}``, and a value or an exception under each id that
        has ended.

        Raises
        ------
        UnknownTask
            There is no such task.

        Examples
        --------
        >>> ar = lv.submit(pow, 2, 3)
        >>> ar.get()
        8
        >>> status = rc.result_status(ar.msg_ids, status_only=False)
        >>> status["pending"], status["completed"] == ar.msg_ids, status[ar.msg_ids[0]]
        ([], True, 8)
        """
        tasks = self._tasks(msg_ids)
        known = {task: own for task in tasks if (own := self._own_answer(task)) is not None}
        ended = {task for task, own in known.items() if own.done()}
        others = [task for task in tasks if task not in known]
        found = {record.id: record for record in self._ask_for(others)} if others else {}
        for task in others:
            if task not in found:
                raise unknown(task)
        ended |= {task for task, record in found.items() if record.status.ended}
        status: dict[str, Any] = {
            "pending": [task_text(task) for task in tasks if task not in ended],
            "completed": [task_text(task) for task in tasks if task in ended],
        }
        if not status_only:
            done = [task for task in tasks if task in ended]
            for task, answer in zip(done, self._answers(done), strict=True):
                answer.wait()
                status[task_text(task)] = answer.get(return_exceptions=True)
        return status

    def resubmit(
        self,
        indices_or_msg_ids: Jobs | None = None,
        metadata: dict[str, Any] | None = None,
        block: bool | None = None,  # noqa: FBT001 - ipyparallel's signature
    ) -> AsyncResult:
        """Run tasks that have ended once more, with the arguments that they had.

        They run as new tasks of this client; what they had to wait for, and their ``key``, do not
        matter any more.

        Parameters
        ----------
        indices_or_msg_ids
            As for `get_result`.
        metadata
            For ipyparallel's sake; must be empty.
        block
            Whether to wait for the answer; the client's `block` if not given.

        Returns
        -------
        The answer to come.

        Raises
        ------
        UnknownTask
            One of them has not ended, is not known, or its arguments are not kept any more; none
            of them runs then.

        Examples
        --------
        >>> ar = lv.submit(pow, 2, 3)
        >>> ar.get(), rc.resubmit(ar.msg_ids[0]).get()
        (8, 8)
        """
        if metadata:
            msg = "resubmit() takes tasks as they are; submit them anew to change anything"
            raise TypeError(msg)
        jobs = -1 if indices_or_msg_ids is None else indices_or_msg_ids
        tasks = self._tasks(jobs)
        single = isinstance(jobs, int | str | TaskRecord)
        answer = self._resubmit(tasks, single=single)
        if self.block if block is None else block:
            answer.wait()
        return answer

    def _resubmit(self, tasks: list[TaskId], *, single: bool) -> AsyncResult:
        if not tasks:
            msg = "resubmit() needs at least one task"
            raise ValueError(msg)
        found = {record.id: record for record in self._ask_for(tasks)}
        cells = all(task in found and found[task].kind is Kind.EXECUTE for task in tasks)
        label = found[tasks[0]].label if tasks[0] in found else ""
        kind = AsyncExecuteResult if cells else AsyncResult
        answer = kind(self.connection, len(tasks), single=single, label=label)
        first = answer.first
        self.connection.define_again(record.digest for record in found.values())
        reply = self.connection.request(lambda number: Resubmit(number, tasks, first))
        for task, reason in reply.missing.items():
            answer.withdraw()
            raise unknown(task, reason)
        return answer


def _cancelled(reply: Cancelled) -> list[str]:
    return [task_text(task) for task in reply.ids]

"""How a client, and the hub, forget tasks."""

from collections.abc import Sequence
from typing import Any, Literal

from ipcluster_ext.client.asking import Asking, Jobs
from ipcluster_ext.client.records import encode
from ipcluster_ext.client.targets import Targets
from ipcluster_ext.protocol.ids import TaskId, task_text
from ipcluster_ext.protocol.messages import Purge

_NAMED = 3
_HAVE_ENDED = {"received": {"$ne": None}}


class Purging(Asking):
    """The part of a client that forgets tasks."""

    def purge_local_results(
        self, jobs: "Jobs | Literal['all']" = (), targets: Targets | Sequence[int] = ()
    ) -> None:
        """Forget tasks here: they leave the client's history.

        Answers that somebody holds are not touched.

        Parameters
        ----------
        jobs
            Ids, places in the history or answers; ``'all'`` for all that have ended.
        targets
            Also all tasks of these engines.

        Raises
        ------
        RuntimeError
            Some of them have not ended; nothing is forgotten then.
        UnknownTask, IndexError, NoSuchEngine
            There is no such task or engine.

        Examples
        --------
        >>> ar = lv.submit(pow, 2, 3)
        >>> ar.get()
        8
        >>> rc.purge_local_results(ar)
        >>> ar.msg_ids[0] in rc.history
        False
        """
        submitted, pending = self.connection.submitted, self.connection.pending
        gone = list(submitted.tasks) if _is_all(jobs) else self._tasks(jobs)
        if not _is_nothing(targets):
            gone += [record.id for record in self._ask(self._engine_query(targets))]
        unended = [task for task in dict.fromkeys(gone) if pending.owner(task) is not None]
        if unended:
            raise RuntimeError(_too_early(unended))
        self.connection.forget(gone)

    def purge_hub_results(
        self, jobs: "Jobs | Literal['all']" = (), targets: Targets | Sequence[int] = ()
    ) -> None:
        """Have the hub forget tasks, whoever submitted them: records, results and arguments.

        Parameters
        ----------
        jobs
            Ids, places in the client's history or answers; ``'all'`` for all that have ended.
        targets
            Also all ended tasks of these engines.

        Raises
        ------
        RuntimeError
            Some of them have not ended; nothing is forgotten then.
        UnknownTask, IndexError, NoSuchEngine
            There is no such task or engine.

        Examples
        --------
        >>> ar = lv.submit(pow, 2, 3)
        >>> ar.get()
        8
        >>> rc.purge_hub_results(ar)
        >>> ar.msg_ids[0] in rc.hub_history()
        False
        """
        if _is_all(jobs):
            self._purge(_HAVE_ENDED)
            return
        if tasks := self._tasks(jobs):
            self._purge({"msg_id": {"$in": [task_text(task) for task in tasks]}})
        if not _is_nothing(targets):
            self._purge({**self._engine_query(targets), **_HAVE_ENDED})

    def purge_results(
        self, jobs: "Jobs | Literal['all']" = (), targets: Targets | Sequence[int] = ()
    ) -> None:
        """Forget tasks here and in the hub; see `purge_hub_results` and `purge_local_results`.

        Parameters
        ----------
        jobs
            Ids, places in the history or answers; ``'all'`` for all that have ended.
        targets
            Also all ended tasks of these engines.

        Raises
        ------
        RuntimeError
            Some of them have not ended; nothing is forgotten then.
        UnknownTask, IndexError, NoSuchEngine
            There is no such task or engine.

        Examples
        --------
        >>> ar = lv.submit(pow, 2, 3)
        >>> ar.get()
        8
        >>> rc.purge_results(ar)
        >>> rc.db_query({"msg_id": ar.msg_ids[0]})
        []
        """
        ids = jobs if _is_all(jobs) else [task_text(task) for task in self._tasks(jobs)]
        self.purge_local_results(ids)
        self.purge_hub_results(ids)
        if not _is_nothing(targets):
            self.purge_local_results(targets=targets)
            self.purge_hub_results(targets=targets)

    def purge_everything(self) -> None:
        """Forget every task that has ended, here and in the hub.

        Raises
        ------
        RuntimeError
            Tasks of this client have not ended; nothing is forgotten then.

        Examples
        --------
        >>> rc.wait()
        True
        >>> rc.purge_everything()
        >>> list(rc.history), rc.hub_history()
        ([], [])
        """
        self.purge_results("all")
        self.connection.forget(None)

    def _purge(self, query: dict[str, Any]) -> None:
        text = encode(query)
        reply = self.connection.request(lambda number: Purge(number, text))
        if reply.refused:
            raise RuntimeError(reply.refused)

    def _engine_query(self, targets: Any) -> dict[str, Any]:
        return {"engine_id": {"$in": self._engines(targets)}}


def _is_all(jobs: object) -> bool:
    return isinstance(jobs, str) and jobs == "all"


def _is_nothing(targets: object) -> bool:
    return targets is None or (isinstance(targets, Sequence) and len(targets) == 0)


def _too_early(tasks: Sequence[TaskId]) -> str:
    some = ", ".join(map(task_text, tasks[:_NAMED]))
    return f"{len(tasks)} of the tasks have not ended ({some}); wait for them, or abort them, first"

"""Answers of tasks that this client did not submit, or that it has forgotten."""

from collections.abc import Iterable, Mapping, Sequence

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.protocol.frames import encode_failure
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Failure, ResultItem
from ipcluster_ext.protocol.status import TaskStatus

_HUB = EngineId(-1)


class AsyncHubResult(AsyncResult):
    """The answer of tasks whose outcomes the hub sends on request; else as any `AsyncResult`.

    Whoever makes it has the connection adopt its tasks, and asks the hub for them.

    Parameters
    ----------
    connection
        The client's wire.
    tasks
        The tasks.
    single
        Whether the answer is the one task's value and not a list.
    label
        What the work is called.

    Examples
    --------
    >>> ar = lv.submit(pow, 2, 3)
    >>> rc.get_result(ar.msg_id).get()
    8
    """

    owner = False

    def __init__(
        self,
        connection: Connection,
        tasks: Sequence[TaskId],
        *,
        single: bool = False,
        label: str = "",
    ) -> None:
        super().__init__(connection, len(tasks), single=single, label=label, tasks=tasks)

    def deliver(self, outcomes: Iterable[Outcome]) -> None:
        """Take outcomes of its tasks, on the thread that receives."""
        self.adopt(outcomes)

    def lack(self, missing: Mapping[TaskId, str]) -> None:
        """Learn which tasks the hub knows nothing of, and why: they fail with `UnknownTask`."""
        for task, reason in missing.items():
            failure = encode_failure(Failure("UnknownTask", reason, ""))
            item = ResultItem(task, TaskStatus.LOST, 0.0, 0.0, failure)
            self.adopt([Outcome(_HUB, item, None)])

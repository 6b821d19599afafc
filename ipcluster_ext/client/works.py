"""What a client can do with work that anybody has submitted, as the status feed shows it."""

from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING

from ipcluster_ext.protocol.feed import Redo, Redone, Withdraw, WorkRow
from ipcluster_ext.protocol.frames import decode_failure
from ipcluster_ext.protocol.ids import ClientId, first_task, task_text
from ipcluster_ext.protocol.tracebacks import colourless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipcluster_ext.client.client import Client
    from ipcluster_ext.client.connection import Connection
    from ipcluster_ext.protocol.messages import Cancelled


def take_back(
    connection: "Connection",
    row: WorkRow,
    *,
    begun: bool = False,
    graces: "Sequence[float]" = (),
) -> list[str]:
    """Take back all tasks of a work; its owner sees them cancelled.

    Parameters
    ----------
    connection
        A client's wire.
    row
        The work.
    begun
        Whether those that run are stopped, too: they get a `KeyboardInterrupt`.
    graces
        So long they, and then their engines, may take to end, in seconds, before the engine is
        killed; for ever if not given.

    Returns
    -------
    The ids of those that will never run.

    Raises
    ------
    ClientError
        The hub is gone.
    """
    reply: Cancelled = connection.request(
        lambda number: Withdraw(number, row.number, row.client, row.began, begun, list(graces))
    )
    return [task_text(task) for task in reply.ids]


def run_failed_again(connection: "Connection", row: WorkRow) -> Redone:
    """Run the tasks of a work once more that failed, and were not run again before.

    They run as tasks of a client that is not there: the hub keeps their results, large ones
    included, within the limits of its history, and ``rc.get_result`` fetches them.

    Parameters
    ----------
    connection
        A client's wire.
    row
        The work.

    Returns
    -------
    How many run, whose they are, and why others do not.

    Raises
    ------
    ClientError
        The hub is gone.
    """
    reply: Redone = connection.request(
        lambda number: Redo(number, row.number, row.client, row.began)
    )
    return reply


def owner_text(client: ClientId) -> str:
    """Return a client's number, as `TaskRecord` has it."""
    return task_text(first_task(client, 0)).partition("-")[0]


def first_error(client: "Client", row: WorkRow, *, timeout: float = 10.0) -> str:
    """Return the traceback of the task of a work that failed first; nothing is unpickled.

    Parameters
    ----------
    client
        Any client of the cluster.
    row
        The work.
    timeout
        How long to wait for it, in seconds.

    Returns
    -------
    What the row says if there is no traceback, or if it is not kept any more.
    """
    failed = client.history(
        since=datetime.fromtimestamp(row.began, UTC) - timedelta(milliseconds=1),
        limit=0,
        client_uuid=owner_text(row.client),
        label={"$in": [row.label]},
        function={"$in": [row.name]},
        kind=row.kind,
        status=["failed", "lost"],
        kept=True,
    )
    if not failed:
        return row.error
    first = min(failed, key=attrgetter("received"))
    answer = client.get_result(first.msg_id, block=False)
    answer.wait(timeout)
    outcome = answer.outcome_at(0)
    if outcome is None:
        return row.error
    return colourless(decode_failure(outcome.item.inline).traceback).strip() or row.error

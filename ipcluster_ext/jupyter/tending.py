"""What is done to the work of a cluster from the panel, and the reasons why it is not."""

from typing import TYPE_CHECKING

from ipcluster_ext.client.works import owner_text, run_failed_again, take_back
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.jupyter.notebooks import NotRunning
from ipcluster_ext.jupyter.schema import Tended, WorkAction

if TYPE_CHECKING:
    from ipcluster_ext.client.connection import Connection
    from ipcluster_ext.client.picture import ClusterStatus
    from ipcluster_ext.protocol.feed import Redone, WorkRow


class NoSuchWork(NotRunning):
    """There is no such work in a cluster."""


class NothingToDo(ClusterError):
    """What is asked for can have no effect."""


def find(snapshot: "ClusterStatus", number: int, began: float | None = None) -> "WorkRow":
    """Return the work that is meant; whenever it began, if that is not given.

    Raises
    ------
    NoSuchWork
        There is none, or it is another one by now.
    """
    row = next((row for row in snapshot.work if row.number == number), None)
    if row is None or began not in {None, row.began}:
        msg = "this work is not known any more"
        raise NoSuchWork(msg)
    return row


def tend(connection: "Connection", row: "WorkRow", action: WorkAction) -> Tended:
    """Do something to work.

    Raises
    ------
    NothingToDo
        It has ended, nothing of it failed, or nothing of it can run again.
    ClientError
        The hub is gone.
    """
    if action == "retry":
        return _retry(connection, row)
    if row.ended:
        msg = f"{row.title} has ended already"
        raise NothingToDo(msg)
    return Tended(count=len(take_back(connection, row, begun=action == "interrupt")))


def _retry(connection: "Connection", row: "WorkRow") -> Tended:
    if not row.failed:
        msg = f"nothing of {row.title} has failed"
        raise NothingToDo(msg)
    redone = run_failed_again(connection, row)
    reason = _reason(redone)
    if not redone.count:
        msg = reason or f"what failed of {row.title} runs again already, or is not known any more"
        raise NothingToDo(msg)
    return Tended(count=redone.count, client=owner_text(redone.client), reason=reason)


def _reason(redone: "Redone") -> str:
    parts = [f"{count} cannot run again: {why}" for why, count in redone.missing.items()]
    return "; ".join(parts)

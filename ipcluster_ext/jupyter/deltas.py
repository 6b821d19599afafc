"""What browsers are told of a snapshot: rows as JSON has them, and what differs between two."""

from collections.abc import Mapping
from typing import TypeVar

from ipcluster_ext.client.picture import ClusterStatus
from ipcluster_ext.jupyter.schema import Engine, StatusNow, Work
from ipcluster_ext.protocol.feed import EngineRow, WorkRow

K = TypeVar("K")
R = TypeVar("R")


def engine_of(row: EngineRow) -> Engine:
    """Return an engine as browsers see it."""
    return Engine(
        id=row.id,
        state=row.state,
        host=row.host,
        pid=row.pid,
        label=row.label,
        since=row.since,
        queued=row.queued,
        ended=row.ended,
        failed=row.failed,
        cpu=row.cpu,
        nbytes=row.nbytes,
        limit=row.limit,
        reason=row.reason,
    )


def work_of(row: WorkRow) -> Work:
    """Return work as browsers see it."""
    return Work(
        number=row.number,
        session=row.session,
        label=row.label,
        name=row.name,
        kind=row.kind,
        done=row.done,
        failed=row.failed,
        cancelled=row.cancelled,
        running=row.running,
        queued=row.queued,
        began=row.began,
        ended=row.ended,
        error=row.error,
    )


def whole(cluster: str, now: ClusterStatus) -> StatusNow:
    """Tell everything."""
    return StatusNow(
        cluster=cluster,
        whole=True,
        engines=[engine_of(row) for row in now.engines],
        work=[work_of(row) for row in now.work],
    )


def difference(cluster: str, before: ClusterStatus, now: ClusterStatus) -> StatusNow | None:
    """Tell what differs between two snapshots; None if nothing does."""
    engines, gone = _differing(
        {row.id: row for row in before.engines}, {row.id: row for row in now.engines}
    )
    work, past = _differing(
        {row.number: row for row in before.work}, {row.number: row for row in now.work}
    )
    if not (engines or gone or work or past):
        return None
    return StatusNow(
        cluster=cluster,
        whole=False,
        engines=[engine_of(row) for row in engines],
        gone=[int(engine) for engine in gone],
        work=[work_of(row) for row in work],
        past=past,
    )


def _differing(before: Mapping[K, R], now: Mapping[K, R]) -> tuple[list[R], list[K]]:
    """Return what is new or other than before, and the keys of what is gone."""
    changed = [row for key, row in now.items() if before.get(key) != row]
    return changed, [key for key in before if key not in now]

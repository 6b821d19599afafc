"""What browsers are told of a snapshot: rows as JSON has them, and what differs between two."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from ipcluster_ext.client.picture import ClusterStatus
from ipcluster_ext.jupyter.schema import Engine, StatusNow, Work
from ipcluster_ext.protocol.feed import EngineRow, WorkRow

K = TypeVar("K")
R = TypeVar("R")


def engine_of(row: EngineRow) -> Engine:
    """Return an engine as browsers see it."""
    return msgspec.convert(row, Engine, from_attributes=True)


def work_of(row: WorkRow) -> Work:
    """Return work as browsers see it."""
    return msgspec.convert(row, Work, from_attributes=True)


def whole(cluster: str, now: ClusterStatus) -> StatusNow:
    """Tell everything."""
    return StatusNow(
        cluster=cluster,
        whole=True,
        engines=[engine_of(row) for row in now.engines],
        work=[work_of(row) for row in now.work],
        lines={int(engine): line for engine, line in now.lines.items()},
    )


def difference(cluster: str, before: ClusterStatus, now: ClusterStatus) -> StatusNow | None:
    """Tell what differs between two snapshots; None if nothing does."""
    engines, gone = _differing(
        {row.id: row for row in before.engines}, {row.id: row for row in now.engines}
    )
    work, past = _differing(
        {row.number: row for row in before.work}, {row.number: row for row in now.work}
    )
    lines = {each: now.lines.get(each, "") for each in {**before.lines, **now.lines}}
    fresh = {int(each): line for each, line in lines.items() if before.lines.get(each, "") != line}
    if not (engines or gone or work or past or fresh):
        return None
    return StatusNow(
        cluster=cluster,
        whole=False,
        engines=[engine_of(row) for row in engines],
        gone=[int(engine) for engine in gone],
        work=[work_of(row) for row in work],
        past=past,
        lines=fresh,
    )


def _differing(before: Mapping[K, R], now: Mapping[K, R]) -> tuple[list[R], list[K]]:
    """Return what is new or other than before, and the keys of what is gone."""
    changed = [row for key, row in now.items() if before.get(key) != row]
    return changed, [key for key in before if key not in now]

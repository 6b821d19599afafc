"""What is said of a cluster, as text: a page is made of a snapshot, and of nothing else."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ipcluster_ext.cli.tables import shortened, table
from ipcluster_ext.client.picture import ClusterStatus
from ipcluster_ext.client.records import TaskRecord
from ipcluster_ext.display.figures import size, span
from ipcluster_ext.protocol.feed import EngineRow, WorkRow

Page = Callable[[str, ClusterStatus, float], str]
"""Makes a page of a cluster's id, a snapshot of its status, and the time in seconds since 1970."""

_WIDTH = 32


def overview(cluster: str, status: ClusterStatus, now: float, *, listening: str = "") -> str:
    """Write the totals, where the hub listens on TCP if it does, the engines and the work."""
    totals, head = status.totals, f"cluster {cluster}"
    if totals is not None:
        head += (
            f": {totals.state}, {totals.ready} of {totals.wanted} engines ready, "
            f"{totals.busy} busy; {totals.queued} tasks queued, {totals.running} running, "
            f"{totals.ended} ended, {totals.failed} of them failed"
        )
    if listening:
        head += f"\nlistens at {listening}"
    parts = [head, engine_table(status.engines, now)]
    if status.work:
        parts.append(work_table(status.work, now))
    return "\n\n".join(parts)


def engines(cluster: str, status: ClusterStatus, now: float) -> str:
    """Write the engines."""
    del cluster
    return engine_table(status.engines, now)


def engine_table(rows: Iterable[EngineRow], now: float) -> str:
    """Write engines as a table."""
    heads = ["ENGINE", "STATE", "FOR", "RUNS", ">QUEUED", ">ENDED", ">FAILED", ">CPU", ">MEMORY",
             ">PID", "HOST"]  # fmt: skip
    return table(
        heads,
        [
            (
                row.id,
                row.state,
                span(now - row.since) if row.since else "",
                shortened(row.label, _WIDTH),
                row.queued,
                row.ended,
                row.failed,
                "" if row.cpu is None else f"{row.cpu:.0%}",
                "" if row.nbytes is None else size(row.nbytes),
                row.pid or "",
                row.host,
            )
            for row in rows
        ],
    )


def work_table(rows: Iterable[WorkRow], now: float) -> str:
    """Write maps and other work as a table."""
    heads = ["WORK", ">DONE", ">FAILED", ">RUNNING", ">QUEUED", "FOR", "OF", "FIRST ERROR"]
    return table(
        heads,
        [
            (
                shortened(row.label or row.name or row.kind, _WIDTH),
                row.done,
                row.failed,
                row.running,
                row.queued,
                span((row.ended or now) - row.began),
                shortened(row.session, _WIDTH),
                shortened(row.error, 2 * _WIDTH),
            )
            for row in rows
        ],
    )


def tasks(records: Iterable[TaskRecord]) -> str:
    """Write records of tasks (`client.records.TaskRecord`) as a table."""
    heads = ["TASK", "LABEL", "FUNCTION", "STATUS", ">ENGINE", "SUBMITTED", "TOOK", "OF", "ERROR"]
    return table(heads, [_task_row(record) for record in records])


def _task_row(record: TaskRecord) -> tuple[object, ...]:
    took = ""
    if record.started is not None and record.completed is not None:
        took = f"{(record.completed - record.started).total_seconds():.3f} s"
    error = f"{record.ename}: {record.evalue}" if record.ename else ""
    submitted = record.submitted.astimezone().strftime("%H:%M:%S") if record.submitted else ""
    return (
        record.msg_id,
        shortened(record.label, _WIDTH),
        shortened(record.function, _WIDTH),
        record.status,
        "" if record.engine_id is None else record.engine_id,
        submitted,
        took,
        shortened(record.session, _WIDTH),
        shortened(error, 2 * _WIDTH),
    )


def plain(status: ClusterStatus) -> dict[str, Any]:
    """Return a snapshot as JSON has it."""
    return {
        "totals": msgspec.structs.asdict(status.totals) if status.totals else None,
        "engines": [msgspec.structs.asdict(row) for row in status.engines],
        "work": [msgspec.structs.asdict(row) for row in status.work],
    }

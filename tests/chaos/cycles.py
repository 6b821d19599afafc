"""Clusters that are started and stopped again and again: this process stays as it was."""

import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

import ipcluster_ext as ipp
from tests.chaos.members import Members
from tests.chaos.report import Report
from tests.chaos.stage import runtime_folder

WARM_UP = 2


class Holdings(NamedTuple):
    """What this process has, and what is to be found around it."""

    descriptors: int
    threads: int
    processes: int
    shared_memory: int
    files: int


def holdings(runtime: Path, mark: str) -> Holdings:
    """Count; of shared memory that of clusters whose ids begin with a mark."""
    mine = f"ipcluster-ext-{os.getuid()}-{mark}"
    return Holdings(
        len(os.listdir("/proc/self/fd")),
        threading.active_count(),
        Members(runtime).count(),
        sum(name.startswith(mine) for name in os.listdir("/dev/shm")),
        len(list(runtime.rglob("*"))),
    )


def cycles(count: int) -> Report:
    """Start, use and stop a cluster so many times.

    Parameters
    ----------
    count
        How often, after a few times that are not counted.
    """
    report = Report(
        f"{count} clusters started, used and stopped one after the other",
        "descriptors, threads, processes, shared memory and files as before",
    )
    mark = f"cyc{os.getpid()}-"
    with runtime_folder() as runtime:
        began = time.monotonic()
        first = holdings(runtime, mark)
        for turn in range(WARM_UP + count):
            if turn == WARM_UP:
                first, began = holdings(runtime, mark), time.monotonic()
            with ipp.Cluster(n=2, cluster_id=f"{mark}{turn}") as client:
                assert client[:].apply_sync(pow, 2, 3) == [8, 8]
        last = holdings(runtime, mark)
        report.figures |= {"clusters": count, **last._asdict()}
        report.figures["seconds each"] = round((time.monotonic() - began) / count, 2)
        report.never("more or less than before", last != first and (first, last))
    return report

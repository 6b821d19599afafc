"""Clusters that are started and stopped again and again: this process stays as it was."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import ipcluster_ext as ipp
from ipcluster_ext.transport import processes
from tests.chaos.members import Members
from tests.chaos.report import Report
from tests.chaos.stage import runtime_folder

WARM_UP = 2
MEMORY_MAY_GROW = 4096
FIRST_GROWTH = 4 * 1024 * 1024
"""By so many bytes with each cluster, or in all: what few clusters make an allocator keep."""


class Holdings(NamedTuple):
    """What this process has, and what is to be found around it."""

    descriptors: int
    threads: int
    processes: int
    children: int
    shared_memory: int
    files: int
    temporary_files: int


def holdings(runtime: Path, temporary: Path, mark: str) -> Holdings:
    """Count; of shared memory that of clusters whose ids begin with a mark."""
    mine = f"ipcluster-ext-{os.getuid()}-{mark}"
    return Holdings(
        len(os.listdir("/proc/self/fd")),
        threading.active_count(),
        Members(runtime).count(),
        len(processes.children()),
        sum(name.startswith(mine) for name in os.listdir("/dev/shm")),
        len(list(runtime.rglob("*"))),
        len(list(temporary.rglob("*"))),
    )


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Have temporary files, and those that Jupyter keeps while kernels run, in a new folder."""
    with tempfile.TemporaryDirectory(prefix="ipx-") as folder:
        places = {"TMPDIR": folder, "JUPYTER_RUNTIME_DIR": f"{folder}/jupyter"}
        with mock.patch.dict(os.environ, places), mock.patch.object(tempfile, "tempdir", folder):
            yield Path(folder)


def _memory() -> int:
    """Return how much memory this process has, in bytes."""
    usage = processes.usage_of(os.getpid())
    return 0 if usage is None else usage.nbytes


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
    with runtime_folder() as runtime, _temporary_folder() as temporary:
        began, memory = time.monotonic(), _memory()
        first = holdings(runtime, temporary, mark)
        for turn in range(WARM_UP + count):
            if turn == WARM_UP:
                first = holdings(runtime, temporary, mark)
                began, memory = time.monotonic(), _memory()
            with ipp.Cluster(n=2, cluster_id=f"{mark}{turn}") as client:
                assert client[:].apply_sync(pow, 2, 3) == [8, 8]
        last = holdings(runtime, temporary, mark)
        report.figures |= {"clusters": count, **last._asdict()}
        report.figures["seconds each"] = round((time.monotonic() - began) / count, 2)
        report.never("more or less than before", last != first and (first, last))
        growth = (_memory() - memory) / count
        report.limit("bytes of memory each", growth, max(MEMORY_MAY_GROW, FIRST_GROWTH / count))
    return report

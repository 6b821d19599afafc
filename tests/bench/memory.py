"""Memory and processes as the kernel counts them (Linux, from ``/proc``)."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK = "IPCLUSTER_EXT_BENCH_CELL"
"""Environment variable that every process of one measurement inherits, daemons included."""


def resident(pids: Iterable[int]) -> float:
    """Sum the resident memory of processes, in MB."""
    return sum(_status_field(pid, "VmRSS") for pid in pids)


def peak_resident(pids: Iterable[int]) -> float:
    """Sum the largest resident memory that each process has had so far, in MB."""
    return sum(_status_field(pid, "VmHWM") for pid in pids)


def proportional(pids: Iterable[int]) -> float:
    """Sum the proportional set sizes of processes, in MB: shared pages are divided up."""
    return sum(_proportional(pid) for pid in pids)


def marked(mark: str) -> list[int]:
    """List the living processes whose environment at their start carried this mark."""
    wanted = f"{MARK}={mark}".encode()
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return sorted(pid for pid in numbers if wanted in _environment(pid))


def end_marked(mark: str, *, grace: float) -> int:
    """Wait for the marked processes to end, then kill those that have not.

    Parameters
    ----------
    mark
        The mark of one measurement.
    grace
        Seconds they get to end by themselves.

    Returns
    -------
    How many had to be killed.
    """
    deadline = time.monotonic() + grace
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        _kill(pid)
    return len(left)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile, or another user's
        return []


def _status_field(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _proportional(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0

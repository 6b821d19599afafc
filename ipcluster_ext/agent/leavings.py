"""What engines and the hub leave behind: black boxes, logs, strays, files."""

import os
import shutil
import signal
import time
from pathlib import Path

from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.transport import processes

_TAIL = 8192
_TURN = 0.01


def engine_log(folder: Path, engine: EngineId) -> Path:
    """Return the file that takes what an engine's process writes."""
    return folder / f"engine-{engine}.log"


def black_box(folder: Path, engine: EngineId, boot: int) -> Path:
    """Return the file of an engine's black box; no blob can have this name."""
    return folder / f"engine.{engine}.{boot:x}.box"


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a log that are not empty, none if there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            data = file.read()
    except OSError:
        return []
    lines = data.decode(errors="replace").splitlines()
    return [line.rstrip() for line in lines if line.strip()][-count:]


def end_children(*, within: float) -> None:
    """Kill every child of this process, and what falls to it by that, until none is left.

    Parameters
    ----------
    within
        Seconds after which those that cannot be killed (they wait for a disk) are left alone.
    """
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        for pid in processes.children():
            processes.signal_group(pid, signal.SIGKILL)
        for _ in processes.reap(()):
            continue
        if not processes.has_children():
            return
        time.sleep(_TURN)


def sweep(*folders: str) -> None:
    """Delete folders with all that is in them; those that are gone are passed over."""
    for folder in folders:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)

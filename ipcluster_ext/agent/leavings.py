"""What engines and the hub leave behind: black boxes, logs, strays, files."""

import os
import shutil
import signal
import time
from pathlib import Path

from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.transport import processes
from ipcluster_ext.transport.files import tail

_TAIL = 64 * 1024
_MOST_LINES, _BEFORE_A_DUMP, _OF_A_DUMP = 20, 5, 30
_MOST_IN_A_LINE = 200
_DUMP, _CURRENT = "Fatal Python error:", "Current thread"
_OURS = (f"{os.sep}ipcluster_ext{os.sep}engine{os.sep}", '"<frozen runpy>"')
_TURN = 0.01


def black_box(folder: Path, engine: EngineId, boot: int) -> Path:
    """Return the file of an engine's black box; no blob can have this name."""
    return folder / f"engine.{engine}.{boot:x}.box"


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a log that are not empty, none if there is no such file."""
    lines = tail(path, _TAIL).splitlines()
    return [line.rstrip() for line in lines if line.strip()][-count:]


def size_of(path: Path) -> int:
    """Return the length of a file, 0 if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def excerpt(path: Path, since: int) -> str:
    """Return the end of what a log got after it had so many bytes.

    If Python has written down its own death there, that is what is returned, with a few lines
    before it.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(since if since <= end else 0, end - _TAIL))
            data = file.read()
    except OSError:
        return ""
    lines = [line.rstrip() for line in data.decode(errors="replace").splitlines()]
    dumps = [place for place, line in enumerate(lines) if line.startswith(_DUMP)]
    if dumps:
        before, dump = lines[: dumps[-1]], lines[dumps[-1] :]
        lines = [*before[-_BEFORE_A_DUMP:], *_sorted_out(dump)[:_OF_A_DUMP]]
    else:
        lines = lines[-_MOST_LINES:]
    return "\n".join(line[:_MOST_IN_A_LINE] for line in lines if line.strip())


def _sorted_out(dump: list[str]) -> list[str]:
    """Begin with the thread that died, and leave out what engines always do below a task."""
    current = next((n for n, line in enumerate(dump) if line.startswith(_CURRENT)), 1)
    sorted_out = [dump[0], *dump[current:], *dump[1:current]]
    return [line for line in sorted_out if not any(mark in line for mark in _OURS)]


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

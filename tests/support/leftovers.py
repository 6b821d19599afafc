"""What clusters have left behind: processes, files, shared memory."""

import os
from pathlib import Path

from ipcluster_ext.transport.processes import CLUSTER_VARIABLE


def processes_of(runtime: Path) -> list[str]:
    """Return the processes of every cluster below a runtime folder, as ``"pid: command"``."""
    mark = os.fsencode(f"{CLUSTER_VARIABLE}={runtime}/")
    found: list[str] = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                environment = (process / "environ").read_bytes()
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if any(entry.startswith(mark) for entry in environment.split(b"\0")):
                found.append(f"{process.name}: {command}")
    return found


def shared_memory_of(cluster: str) -> list[Path]:
    """Return what is left of a cluster in shared memory."""
    return list(Path("/dev/shm").glob(f"ipcluster-ext-*-{cluster}*"))


def leftovers_of(runtime: Path) -> list[str]:
    """Return the processes and files of every cluster below a runtime folder."""
    return [*processes_of(runtime), *_files_below(runtime)]


def _files_below(folder: Path) -> list[str]:
    """Return what is in a folder, and below; what is deleted meanwhile is not."""
    return [
        str(Path(where, name))
        for where, folders, files in os.walk(folder)
        for name in (*folders, *files)
    ]

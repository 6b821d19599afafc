"""Shared memory used again: writing into pages that are there costs a third of making new ones.

A blob that nobody needs any more comes back to the process that made it. It may still be mapped:
arrays live as long as their owners like. Every mapping holds a shared lock on its file (see
`transport.blobs`), which the system drops with the mapping or its process, so a file is free
for new content exactly when an exclusive lock can be had.
"""

import contextlib
import fcntl
import mmap
import os
import threading
from dataclasses import dataclass
from pathlib import Path

LIMIT = 1024 * 1024 * 1024
"""Bytes that a process keeps for use again, at most."""
SHARE = 0.25
"""What part of the memory that is still free a process keeps at most."""
KEPT_FOR = 10.0
"""Seconds that it keeps them."""
LARGEST_WASTE = 2


@dataclass(slots=True, eq=False)
class _File:
    path: Path
    nbytes: int
    idle_since: float
    memory: mmap.mmap | None = None


class Pool:
    """Files of this process that wait for new content.

    Parameters
    ----------
    limit
        How many bytes to keep at most; the oldest leave first.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._files: list[_File] = []
        self._lent: dict[Path, _File] = {}

    def add(self, path: Path, *, now: float) -> None:
        """Take a file back; without room for it, it is deleted."""
        with self._lock:
            file = self._lent.pop(path, None)
            if any(other.path == path for other in self._files):
                return  # it is here already
            if file is None:
                try:
                    file = _File(path, path.stat().st_size, now)
                except OSError:
                    return
            file.idle_since = now
            self._files.append(file)
            limit = min(self._limit, _share_of_free(path))
            while sum(file.nbytes for file in self._files) > limit:
                _delete(self._files.pop(0))

    def fill(self, path: Path, buffer: memoryview) -> bool:
        """Write a buffer into a free file of a fitting size, and give that a new name.

        Returns
        -------
        Whether there was one.
        """
        with self._lock:
            fitting = [
                file
                for file in self._files
                if buffer.nbytes <= file.nbytes <= LARGEST_WASTE * buffer.nbytes
            ]
            for file in sorted(fitting, key=lambda file: file.nbytes):
                if _write(file, buffer, path):
                    self._files.remove(file)
                    self._lent[path] = file
                    return True
        return False

    def trim(self, *, now: float) -> None:
        """Delete the files that were not used for `KEPT_FOR` seconds."""
        with self._lock:
            for file in [file for file in self._files if now - file.idle_since >= KEPT_FOR]:
                self._files.remove(file)
                _delete(file)


def _share_of_free(path: Path) -> float:
    """Return how much a process may keep where a file is, so that others find room as well."""
    try:
        status = os.statvfs(path.parent)
    except OSError:
        return 0.0
    return SHARE * status.f_bavail * status.f_frsize


def _write(file: _File, buffer: memoryview, name: Path) -> bool:
    """Write into a file if nobody has it mapped, and rename it."""
    try:
        fd = os.open(file.path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if file.memory is None:
            file.memory = mmap.mmap(fd, file.nbytes)
        file.path.rename(name)
        file.path = name
        file.memory[: buffer.nbytes] = buffer
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)
    return True


def _delete(file: _File) -> None:
    file.path.unlink(missing_ok=True)
    if file.memory is not None:
        file.memory.close()

"""What tasks wrote beyond what is passed on: in files on the engine's host, for who asks for it.

A task's text goes into a file once there is enough of it, all of it from the beginning; the file
is deleted when the task ends and its client has everything. The files of one engine, in all its
lives, take `MOST_NBYTES` at most: those of tasks that ended long ago make room, and where there
is none a text ends with a note. The agent deletes them with the cluster's folder.
"""

import logging
import os
import threading
from pathlib import Path

from ipcluster_ext.protocol.ids import EngineId, TaskId

MOST_NBYTES = 256 * 1024 * 1024
"""So much one engine keeps, and no more than half of what its disk has left."""
BEGIN_AFTER = 64 * 1024
"""A text that is no longer than so many characters has no file."""
NO_ROOM = "\n[what followed was not kept: there was no room for it on the engine's host]\n"

Key = tuple[TaskId, str]
"""A task, and one of its streams."""

log = logging.getLogger(__name__)


class FullTexts:
    """The files of one engine.

    Parameters
    ----------
    folder
        Where they are; it is made when the first is.
    engine
        The engine's id.
    most
        How many bytes they may have together.
    """

    def __init__(self, folder: Path, engine: EngineId, *, most: int = MOST_NBYTES) -> None:
        self._folder = folder
        self._engine = engine
        self._most = most
        self._lock = threading.Lock()
        self._heads: dict[Key, list[str]] = {}
        self._lengths: dict[Key, int] = {}
        self._open: dict[Key, int] = {}
        self._full: set[Key] = set()
        self._before: set[Key] = set()
        self._sizes: dict[Path, int] | None = None

    def add(self, key: Key, text: str) -> None:
        """Keep more of a text that has not ended."""
        with self._lock:
            length = self._lengths[key] = self._lengths.get(key, 0) + len(text)
            if key in self._open:
                self._write(key, text)
                return
            head = self._heads.setdefault(key, [])
            head.append(text)
            if length > BEGIN_AFTER and self._begin(key):
                self._write(key, "".join(head))
                del self._heads[key]

    def end(self, key: Key, *, keep: bool) -> None:
        """Learn that a text has ended, and whether its client has all of it."""
        with self._lock:
            self._heads.pop(key, None)
            self._lengths.pop(key, None)
            self._full.discard(key)
            fd = self._open.pop(key, None)
            if fd is not None:
                os.close(fd)
                if not keep and key not in self._before:
                    self._delete(self._path(key))
            self._before.discard(key)

    def read(self, key: Key, start: int, nbytes: int) -> bytes | None:
        """Read a piece of a text, in UTF-8; None if there is no file of it, or none any more."""
        try:
            with self._path(key).open("rb") as file:
                return os.pread(file.fileno(), nbytes, start)
        except OSError:
            return None

    # ------------------------------------------------------------ files

    def _path(self, key: Key) -> Path:
        task, stream = key
        return self._folder / f"{self._engine}-{task}-{stream}"

    def _begin(self, key: Key) -> bool:
        """Make a file; tell whether there is one."""
        path = self._path(key)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self._open[key] = os.open(path, flags, 0o600)
        except OSError as error:
            log.warning("no file for what task %d prints: %s", key[0], error)
            self._heads[key] = []  # what cannot be kept must not be collected
            return False
        if self._known().setdefault(path, 0):
            self._before.add(key)  # the task was tried before, or goes on printing after its end
        return True

    def _known(self) -> dict[Path, int]:
        """Return how large each file is, the oldest first: those of lives before as well."""
        if self._sizes is None:
            found = [
                (info.st_mtime_ns, path, info.st_size)
                for path in self._folder.glob(f"{self._engine}-*")
                for info in (path.stat(),)
            ]
            self._sizes = {path: size for _, path, size in sorted(found)}
        return self._sizes

    def _write(self, key: Key, text: str) -> None:
        if key in self._full:
            return
        path, data = self._path(key), text.encode(errors="backslashreplace")
        try:
            if not self._make_room(len(data)):
                self._full.add(key)
                data = NO_ROOM.encode()
            self._known()[path] = self._known().get(path, 0) + len(data)
            while data:
                data = data[os.write(self._open[key], data) :]
        except OSError as error:
            self._full.add(key)
            log.warning("what task %d prints is kept no further: %s", key[0], error)

    def _make_room(self, nbytes: int) -> bool:
        """Delete what is oldest until there is room; tell whether there is."""
        known = self._known()
        disk = os.statvfs(self._folder)
        most = min(self._most, sum(known.values()) + disk.f_bavail * disk.f_frsize // 2)
        current = {self._path(key) for key in self._open}
        ended = [path for path in known if path not in current]
        while ended and sum(known.values()) + nbytes > most:
            self._delete(ended.pop(0))
        return sum(known.values()) + nbytes <= most

    def _delete(self, path: Path) -> None:
        self._known().pop(path, None)
        path.unlink(missing_ok=True)

"""An engine's black box: the tasks it has begun, readable after its death.

A mapped file: writing it costs no system call, and what was written survives any way of dying, as
the pages belong to the kernel. Its first word is the task that was begun last in its turn; those
before it have begun as well. The others are tasks that were begun out of turn and have not ended.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ipcluster_ext.protocol.ids import TaskId

_WORD = struct.Struct("=Q")
SLOTS = 1023
"""So many tasks that were begun out of turn are noted at once; any more are not."""
NBYTES = (1 + SLOTS) * _WORD.size


class Begun(NamedTuple):
    """The tasks that an engine has begun.

    Attributes
    ----------
    last
        The last one in its turn, 0 if there was none.
    others
        Those out of turn that have not ended.
    """

    last: TaskId
    others: tuple[TaskId, ...] = ()


class BlackBox:
    """The writer's side.

    Parameters
    ----------
    path
        The file; it is made, of mode 0600, if it is not there.
    """

    def __init__(self, path: Path) -> None:
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        try:
            os.ftruncate(fd, 0)
            os.ftruncate(fd, NBYTES)
            self._memory = mmap.mmap(fd, NBYTES)
        finally:
            os.close(fd)
        self._pack = _WORD.pack_into
        self._free = list(range(NBYTES - _WORD.size, 0, -_WORD.size))

    def began(self, task: TaskId) -> None:
        """Note that a task begins in its turn."""
        self._pack(self._memory, 0, task)

    def enter(self, task: TaskId) -> int:
        """Note that a task begins out of turn, from any thread.

        Returns
        -------
        What `leave` wants.
        """
        try:
            place = self._free.pop()
        except IndexError:
            return 0
        self._pack(self._memory, place, task)
        return place

    def leave(self, place: int) -> None:
        """Note that a task that began out of turn has ended."""
        if place:
            self._pack(self._memory, place, 0)
            self._free.append(place)

    @contextmanager
    def noting(self, task: TaskId) -> Iterator[None]:
        """Note that a task is done out of turn, within the block."""
        place = self.enter(task)
        try:
            yield
        finally:
            self.leave(place)

    def close(self) -> None:
        """Unmap the file; it stays."""
        self._memory.close()


def begun_in(path: Path) -> Begun:
    """Read which tasks were begun; none if there is no such file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Begun(TaskId(0))
    if len(data) != NBYTES:
        return Begun(TaskId(0))
    last, *others = (TaskId(word) for (word,) in _WORD.iter_unpack(data))
    return Begun(last, tuple(other for other in others if other))

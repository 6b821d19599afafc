"""An engine's black box: the tasks it has begun, readable after its death and while it lives.

A mapped file: writing it costs no system call, and what was written survives any way of dying, as
the pages belong to the kernel. They are there from the start, or an engine whose memory file
system is full would die of writing. Words of 8 bytes::

    0                 where in the ring the task stands that was begun last, 0 for none
    1 … RING          the tasks begun in their turn, the last `RING` of them
    RING + 1 …        tasks that were begun out of turn and whose ends the hub has not
                      acknowledged, 0 where there is none
    the last          another number each time the engine was told to begin nothing more

A task is written before the word that points to it: whoever reads in between misses it, and it
has not done anything yet. The engine notes a task and then looks whether it was held; who holds
it writes that and then reads: at least one of them learns of the other.
"""

import errno
import mmap
import os
import struct
import time
from pathlib import Path
from typing import NamedTuple

from ipcluster_ext.protocol.ids import TaskId

_WORD = struct.Struct("=Q")
RING = 2047
"""So many tasks begun in their turn are remembered."""
SLOTS = 2047
"""So many tasks that were begun out of turn are noted at once; any more are not."""
RESERVE = 1024
"""So many of these are for tasks that go on; ends that are not acknowledged make room."""
NBYTES = (2 + RING + SLOTS) * _WORD.size
_HELD = 1 + RING + SLOTS
_SEEN_AFTER = 0.001
"""So long after a processor has written a word every other one reads it, by far."""


class Begun(NamedTuple):
    """The tasks that an engine has begun.

    Attributes
    ----------
    last
        The last one in its turn, 0 if there was none; those before it have begun as well.
    others
        Those out of turn that have not ended, as far as the hub has acknowledged.
    ran
        The last `RING` that were begun in their turn, the oldest first; `last` is the last.
    """

    last: TaskId
    others: tuple[TaskId, ...] = ()
    ran: tuple[TaskId, ...] = ()


class BlackBox:
    """The writer's side.

    Parameters
    ----------
    path
        The file; it is made, of mode 0600, if it is not there.
    spare
        Another one, for when there is no room for the first.

    Raises
    ------
    OSError
        There is no room for either.
    """

    def __init__(self, path: Path, spare: Path | None = None) -> None:
        try:
            self._memory = _mapped(path)
        except OSError as error:
            if spare is None or error.errno not in _NO_ROOM:
                raise
            path.unlink(missing_ok=True)
            self._memory = _mapped(spare)
        self._words = memoryview(self._memory).cast("Q")
        self._place = 1
        self._free = list(range(RING + SLOTS, RING, -1))

    def began(self, task: TaskId) -> None:
        """Note that a task begins in its turn."""
        place, words = self._place, self._words
        words[place] = task
        words[0] = place
        self._place = place + 1 if place < RING else 1

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
        self._words[place] = task
        return place

    @property
    def crowded(self) -> bool:
        """Whether there is hardly room for tasks that go on."""
        return len(self._free) < RESERVE

    @property
    def held(self) -> int:
        """Another number than before if the engine was told to begin nothing more."""
        return self._words[_HELD]

    def leave(self, place: int) -> None:
        """Note that a task that began out of turn has ended, and that this is known for good."""
        if place:
            self._words[place] = 0
            self._free.append(place)

    def close(self) -> None:
        """Unmap the file; it stays."""
        self._words.release()
        self._memory.close()


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def _mapped(path: Path) -> mmap.mmap:
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        os.ftruncate(fd, 0)
        os.posix_fallocate(fd, 0, NBYTES)
        return mmap.mmap(fd, NBYTES)
    finally:
        os.close(fd)


def begun_in(path: Path) -> Begun:
    """Read which tasks were begun; none if there is no such file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Begun(TaskId(0))
    if len(data) != NBYTES:
        return Begun(TaskId(0))
    newest, *words, _ = (word for (word,) in _WORD.iter_unpack(data))
    if newest > RING:
        return Begun(TaskId(0))
    ring = [*words[newest:RING], *words[:newest]]
    ran = tuple(TaskId(task) for task in ring if task)
    others = tuple(TaskId(task) for task in words[RING:] if task)
    return Begun(TaskId(words[newest - 1]) if newest else TaskId(0), others, ran)


def hold(path: Path) -> None:
    """Have an engine begin nothing more until the hub has welcomed it; before `begun_in`.

    That of an engine which is not there yet is left alone: it has nothing to begin.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        word = os.pread(fd, _WORD.size, _HELD * _WORD.size)
        if len(word) == _WORD.size:
            times = 1 + _WORD.unpack(word)[0]
            os.pwrite(fd, _WORD.pack(times % 2**64), _HELD * _WORD.size)
    finally:
        os.close(fd)
    time.sleep(_SEEN_AFTER)

"""Large buffers through shared memory, by name.

On one host a buffer of `BLOB_LIMIT` bytes or more is written once into a file in ``/dev/shm``
and mapped by whoever needs it, privately (``MAP_PRIVATE``): arrays arrive writable, nothing is
copied, and all engines of the host share the physical pages until one writes. The hub counts who
needs a blob and gives it back to its maker, which uses its memory again once nobody has it mapped
(`transport.pool`); the host agent deletes those whose makers are gone. Where shared memory is full
or missing, buffers travel as frames.
"""

import fcntl
import itertools
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.buffers import Dumped
from ipcluster_ext.protocol.frames import Frame, blobs_described, join, split
from ipcluster_ext.protocol.ids import owner_of_blob
from ipcluster_ext.protocol.messages import Message
from ipcluster_ext.protocol.parts import (
    Blob,
    Buffers,
    ResultItem,
    TaskItem,
)
from ipcluster_ext.transport.kept import Kept, Opened
from ipcluster_ext.transport.pool import Pool

INLINE_LIMIT = 32 * 1024
"""A stream of so many bytes travels beside its message: one message holds many of them, and its
length is limited (`protocol.frames.HEADER_LIMIT`)."""
BLOB_LIMIT = 1024 * 1024
_NAME = re.compile(r"[a-z0-9]{1,32}-[0-9]{1,20}")
_WRITE_AT_ONCE = 1 << 30


class Body(NamedTuple):
    """A payload as it travels: its place in the message, and the frames beside it."""

    inline: bytes
    buffers: Buffers
    frames: list[Frame]


class BlobStore:
    """One process's access to the blobs of its cluster.

    Parameters
    ----------
    folder
        The cluster's blob folder; empty if this host has none.
    owner
        Distinguishes the names of this process from those of others: lower-case letters and
        digits.
    limit
        Buffers from this many bytes on become blobs.
    """

    def __init__(self, folder: str, owner: str, *, limit: int = BLOB_LIMIT) -> None:
        self._folder = Path(folder) if folder else None
        self._owner = owner
        self.limit = limit
        self._numbers = itertools.count(1)
        self._pool = Pool()
        self._unsaid: set[str] = set()
        self._lent: set[str] = set()

    @property
    def available(self) -> bool:
        """Whether this process can use the cluster's shared memory."""
        return self._folder is not None

    @property
    def lent(self) -> list[str]:
        """The blobs whose names were said and that did not come back, in the order of names."""
        return sorted(self._lent)

    def said(self, messages: Sequence[Message]) -> None:
        """Note that whoever is told these messages decides when their blobs come back."""
        if self._unsaid:
            for message in messages:
                names = self._unsaid.intersection(blobs_described(message))
                self._lent |= names
                self._unsaid -= names

    def place(self, dumped: Dumped, *, shared: bool) -> Body:
        """Decide how a pickled object travels, and take a snapshot of its buffers.

        Parameters
        ----------
        dumped
            What `protocol.buffers.dump` returned.
        shared
            Whether the receiver can read this host's blobs.

        Returns
        -------
        A body that no longer depends on the object: it may be changed at once.
        """
        if not dumped.buffers and len(dumped.stream) < INLINE_LIMIT:
            return Body(dumped.stream, (), [])
        inline = dumped.stream
        parts = list(dumped.buffers)
        if len(inline) >= INLINE_LIMIT:
            parts.insert(0, memoryview(inline))
            inline = b""
        described: list[int | Blob] = []
        frames: list[Frame] = []
        for part in parts:
            blob = self._write(part) if shared and part.nbytes >= self.limit else None
            if blob is None:
                described.append(part.nbytes)
                frames.extend(split(memoryview(bytes(part))))
            else:
                described.append(blob)
        return Body(inline, tuple(described), frames)

    def _write(self, buffer: memoryview) -> Blob | None:
        """Write a buffer as a blob; None if there is no room."""
        if self._folder is None:
            return None
        name = f"{self._owner}-{next(self._numbers)}"
        path = self._folder / name
        if not (self._pool.fill(path, buffer) or _create(path, buffer)):
            self._pool.trim(now=float("inf"))  # what this process keeps for later is in the way
            if not _create(path, buffer):
                return None
        self._unsaid.add(name)
        return Blob(name, buffer.nbytes)

    def recycle(self, names: Sequence[str]) -> None:
        """Take back blobs that nobody needs any more; their memory may be used again."""
        if self._folder is not None:
            for name in names:
                if _NAME.fullmatch(name) and owner_of_blob(name) == self._owner:
                    self._unsaid.discard(name)
                    self._lent.discard(name)
                    self._pool.add(self._folder / name, now=time.monotonic())

    def trim(self, *, everything: bool = False) -> None:
        """Give memory back that was not used for a while."""
        self._pool.trim(now=float("inf") if everything else time.monotonic())

    def collect(
        self, item: TaskItem | ResultItem, frames: Iterator[Frame]
    ) -> tuple[bytes | memoryview, list[memoryview]]:
        """Bring an item's payload together: its stream, and the buffers beside it.

        Parameters
        ----------
        item
            What came.
        frames
            The frames that came with it, from its own first on; its own are consumed.

        Raises
        ------
        ProtocolError
            A blob is not there, or something is not as long as was said.
        """
        if not item.buffers:
            return item.inline, []
        parts = [self._read(part, frames) for part in item.buffers]
        return (item.inline, parts) if item.inline else (parts[0], parts[1:])

    def _read(self, part: int | Blob, frames: Iterator[Frame]) -> memoryview:
        if isinstance(part, int):
            return _writable(join(frames, part))
        return self._map(part)

    def keep(self, item: ResultItem, frames: Iterator[Frame]) -> Kept:
        """Bring an item's payload together for several readers.

        Parameters
        ----------
        item, frames
            As for `collect`.

        Returns
        -------
        The payload; it has to be closed when nobody reads it any more.

        Raises
        ------
        ProtocolError
            As for `collect`.
        """
        parts: list[memoryview | Opened] = []
        kept = Kept(item.inline, parts)
        try:
            for part in item.buffers:
                if isinstance(part, int):
                    parts.append(join(frames, part).toreadonly())
                elif part.nbytes:
                    parts.append(Opened(self._open(part), part.nbytes))
                else:
                    parts.append(memoryview(b""))
        except BaseException:
            kept.close()
            raise
        return kept

    def view(self, blob: Blob) -> memoryview:
        """Map a blob, which is used for nothing else as long as it is mapped.

        Raises
        ------
        ProtocolError
            It is not there, or not as long as was said.
        """
        return self._map(blob)

    def _map(self, blob: Blob) -> memoryview:
        if not blob.nbytes:
            return memoryview(bytearray())
        opened = Opened(self._open(blob), blob.nbytes)
        try:
            return opened.map()
        finally:
            os.close(opened.fd)  # the mapping has a descriptor of its own, which keeps the lock

    def _open(self, blob: Blob) -> int:
        """Open a blob; its maker does not use it again before it is closed and unmapped."""
        if self._folder is None or not _NAME.fullmatch(blob.name):
            raise ProtocolError(f"blob {blob.name!r} does not belong to this cluster")
        try:
            fd = os.open(self._folder / blob.name, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            raise ProtocolError(f"blob {blob.name} cannot be read: {error.strerror}") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            complete = 0 < blob.nbytes <= os.fstat(fd).st_size
        except OSError:
            os.close(fd)
            raise ProtocolError(f"blob {blob.name} is not needed any more") from None
        if not complete:
            os.close(fd)
            raise ProtocolError(f"blob {blob.name} is not {blob.nbytes} bytes long")
        return fd


def _create(path: Path, buffer: memoryview) -> bool:
    """Write a new file; False, and no file, if there is no room."""
    try:
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except OSError:
        return False
    try:
        _write_all(fd, buffer)
    except OSError:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(fd)
    return True


def _write_all(fd: int, buffer: memoryview) -> None:
    rest = buffer.cast("B") if buffer.ndim != 1 or buffer.format != "B" else buffer
    while rest.nbytes:
        rest = rest[os.write(fd, rest[:_WRITE_AT_ONCE]) :]


def _writable(buffer: memoryview) -> memoryview:
    return memoryview(bytearray(buffer)) if buffer.readonly else buffer


def free_blobs(folder: Path, names: Sequence[str], *, on_error: Callable[[str], None]) -> None:
    """Delete blobs that nobody needs any more; their mappings live on.

    Parameters
    ----------
    folder
        The cluster's blob folder.
    names
        Their names; any that is not a blob's name is passed to `on_error`.
    on_error
        Called with a sentence for each that could not be deleted.
    """
    for name in names:
        if not _NAME.fullmatch(name):
            on_error(f"{name!r} is not the name of a blob")
            continue
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            on_error(f"blob {name} cannot be deleted: {error}")


def sweep_blobs(folder: Path, owner: str, keep: Sequence[str]) -> None:
    """Delete the blobs of a maker that is gone, but for those that are still needed."""
    kept = frozenset(keep)
    for path in folder.glob(f"{owner}-*"):
        if _NAME.fullmatch(path.name) and path.name not in kept:
            path.unlink(missing_ok=True)

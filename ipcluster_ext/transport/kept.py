"""Payloads that several readers unpickle, each into memory of its own."""

import mmap
import os
from collections.abc import Sequence
from typing import NamedTuple


class Opened(NamedTuple):
    """A file in shared memory, opened for reading and locked against being used again."""

    fd: int
    nbytes: int

    def map(self) -> memoryview:
        """Map it privately: what is written there stays there."""
        access = mmap.PROT_READ | mmap.PROT_WRITE
        return memoryview(mmap.mmap(self.fd, self.nbytes, flags=mmap.MAP_PRIVATE, prot=access))


class Kept:
    """A payload, as long as somebody may need it.

    Parameters
    ----------
    inline
        What stood in the message.
    parts
        What came beside it.
    """

    def __init__(self, inline: bytes, parts: Sequence[memoryview | Opened]) -> None:
        self._inline = inline
        self._parts = parts

    def collect(self) -> tuple[bytes | memoryview, list[memoryview]]:
        """Return the pickle and the buffers beside it, for one reader, who may write to them."""
        parts = [
            part.map() if isinstance(part, Opened) else memoryview(bytearray(part))
            for part in self._parts
        ]
        if self._inline or not parts:
            return self._inline, parts
        return parts[0], parts[1:]

    def close(self) -> None:
        """Give the files back; what was collected stays."""
        for part in self._parts:
            if isinstance(part, Opened):
                os.close(part.fd)
        self._parts = ()

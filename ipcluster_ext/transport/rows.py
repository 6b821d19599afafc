"""How a row of the journal is written: its parts one after the other, and a checksum over them.

What the parts mean is for others to know; here they are bytes. The checksum covers the row's
number too, so that a row never comes back under the number of another.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from ipcluster_ext.protocol.frames import Frame

_HEAD = struct.Struct("<II")  # the checksum, the number of parts
_NUMBER = struct.Struct("<q")


class Row(NamedTuple):
    """A row of the journal.

    Attributes
    ----------
    number
        Which one it is; rows are numbered in the order in which they were appended.
    data
        Its parts, as they were appended.
    """

    number: int
    data: list[bytes]


def pack(number: int, data: Sequence[Frame]) -> list[Frame]:
    """Return what is written for a row; the parts are not copied."""
    sizes = struct.pack(f"<{len(data)}Q", *map(size_of, data))
    checksum = zlib.crc32(sizes, zlib.crc32(_NUMBER.pack(number)))
    for part in data:
        checksum = zlib.crc32(part, checksum)
    return [_HEAD.pack(checksum, len(data)), sizes, *data]


def unpack(number: int, packed: bytes | memoryview) -> Row | None:
    """Return a row that was written; None if anything about it has changed since."""
    packed = memoryview(packed)
    if len(packed) < _HEAD.size:
        return None
    checksum, count = _HEAD.unpack_from(packed)
    at = _HEAD.size + 8 * count
    if zlib.crc32(packed[_HEAD.size :], zlib.crc32(_NUMBER.pack(number))) != checksum:
        return None
    if len(packed) < at:
        return None
    data: list[bytes] = []
    for size in struct.unpack_from(f"<{count}Q", packed, _HEAD.size):
        data.append(bytes(packed[at : at + size]))
        at += size
    return Row(number, data) if at == len(packed) else None


def size_of(part: Frame) -> int:
    """Return how many bytes a part has."""
    return part.nbytes if isinstance(part, memoryview) else len(part)

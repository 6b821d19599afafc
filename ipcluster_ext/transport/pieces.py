"""Packets in pieces, for connections on which no part may be long.

ZeroMQ takes memory for a part of a message as soon as its length is announced, and does so before
it knows who speaks. So on TCP no part is longer than `PIECE`: a stranger gets no more memory than
that, and frames are cut and put together again here.

Whoever stands between two ends can read and change nothing, but he can leave parts out, and CURVE
does not tell. So every part begins with the number of its packet and its place in that: parts of
two packets never make a third.

The first part is the *envelope*: the name of the sender, how many parts there are, and into how
many each frame was cut; no such counts if none was.
"""

import struct
from collections.abc import Sequence
from itertools import islice
from typing import Annotated

import msgspec

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import FRAME_LIMIT, HEADER_LIMIT, MOST_FRAMES, Frame
from ipcluster_ext.protocol.ledger import Wire

PIECE = 64 * 1024
LONGEST_NAME = 64
_MARK = struct.Struct(">II")
_NUMBERS = 1 << 32
_MOST_PIECES = -(-FRAME_LIMIT // PIECE)
_MOST_HEADER_PIECES = -(-HEADER_LIMIT // PIECE)


class _Envelope(msgspec.Struct, frozen=True, array_like=True):
    name: Annotated[bytes, msgspec.Meta(max_length=LONGEST_NAME)]
    total: int
    counts: Annotated[list[int], msgspec.Meta(max_length=MOST_FRAMES)]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Envelope).decode


class Cutter:
    """Cuts the packets that one end sends.

    Parameters
    ----------
    name
        What it calls itself.
    """

    def __init__(self, name: bytes = b"") -> None:
        self._name = name
        self._number = 0

    def cut(self, wire: Wire) -> list[bytes]:
        """Return a packet as the parts in which it travels."""
        number = self._number = (self._number + 1) % _NUMBERS
        counts: list[int] = []
        parts = [b""]
        for frame in wire:
            view = memoryview(frame)
            starts = range(0, max(1, len(view)), PIECE)
            for start in starts:
                mark = _MARK.pack(number, len(parts))
                parts.append(b"".join((mark, view[start : start + PIECE])))
            counts.append(len(starts))
        total = len(parts) - 1
        envelope = _Envelope(self._name, total, counts if total > len(counts) else [])
        parts[0] = _MARK.pack(number, 0) + _encode(envelope)
        return parts


def put_together(parts: Sequence[memoryview]) -> tuple[bytes, list[Frame]]:
    """Return the name of the sender of a packet, and its frames.

    Raises
    ------
    ProtocolError
        The parts are not those of one packet, all of them and in order.
    """
    envelope, rest = _unmarked(parts)
    counts = envelope.counts
    if not rest or len(rest) != envelope.total or len(rest) > MOST_FRAMES * _MOST_PIECES:
        raise ProtocolError(f"{len(rest)} parts instead of {envelope.total}")
    if not counts:
        return envelope.name, list(rest)
    if counts[0] > _MOST_HEADER_PIECES or max(counts[1:], default=1) > _MOST_PIECES:
        raise ProtocolError("a frame that is longer than any")
    if min(counts) < 1 or sum(counts) != len(rest):
        raise ProtocolError(f"{sum(counts)} parts described, {len(rest)} received")
    following = iter(rest)
    return envelope.name, [
        next(following) if count == 1 else bytearray().join(islice(following, count))
        for count in counts
    ]


def _unmarked(parts: Sequence[memoryview]) -> tuple[_Envelope, list[memoryview]]:
    """Return the envelope and the other parts, which belong to it, without their marks."""
    try:
        number, _ = _MARK.unpack_from(parts[0])
        for place, part in enumerate(parts):
            if _MARK.unpack_from(part) != (number, place):
                raise ProtocolError("parts of different packets")
        contents = [part[_MARK.size :] for part in parts]
        return _decode(contents[0]), contents[1:]
    except (IndexError, struct.error, msgspec.DecodeError, ValueError, RecursionError):
        raise ProtocolError("no envelope") from None

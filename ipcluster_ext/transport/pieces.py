"""Packets in pieces, for connections on which no part may be long.

ZeroMQ takes memory for a part of a message as soon as its length is announced, and does so before
it knows who speaks. So on TCP no part is longer than `PIECE`: a stranger gets no more memory than
that, and frames are cut and put together again here.

Before the frames goes an *envelope*: the name of the sender, and into how many parts each frame
was cut; no counts at all if none was.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Annotated

import msgspec

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import FRAME_LIMIT, HEADER_LIMIT, MOST_FRAMES, Frame
from ipcluster_ext.protocol.ledger import Wire

PIECE = 64 * 1024
LONGEST_NAME = 64
_MOST_PIECES = -(-FRAME_LIMIT // PIECE)
_MOST_HEADER_PIECES = -(-HEADER_LIMIT // PIECE)


class _Envelope(msgspec.Struct, frozen=True, array_like=True):
    name: Annotated[bytes, msgspec.Meta(max_length=LONGEST_NAME)]
    counts: Annotated[list[int], msgspec.Meta(max_length=MOST_FRAMES)]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Envelope).decode


def cut(wire: Wire, name: bytes = b"") -> Wire:
    """Return a packet as the parts in which it travels.

    Parameters
    ----------
    wire
        The packet's frames.
    name
        What the sender calls itself.
    """
    if all(len(frame) <= PIECE for frame in wire):
        return [_encode(_Envelope(name, [])), *wire]
    counts: list[int] = []
    parts: list[Frame] = [b""]
    for frame in wire:
        view = memoryview(frame)
        starts = range(0, max(1, len(view)), PIECE)
        parts += [view[start : start + PIECE] for start in starts]
        counts.append(len(starts))
    parts[0] = _encode(_Envelope(name, counts))
    return parts


def put_together(parts: Sequence[Frame]) -> tuple[bytes, list[Frame]]:
    """Return the name of the sender of a packet, and its frames.

    Raises
    ------
    ProtocolError
        The parts are not those of a packet.
    """
    try:
        envelope = _decode(parts[0])
    except (IndexError, msgspec.DecodeError, ValueError, RecursionError):
        raise ProtocolError("no envelope") from None
    counts, rest = envelope.counts, parts[1:]
    if not rest or len(rest) > MOST_FRAMES * _MOST_PIECES:
        raise ProtocolError(f"a packet in {len(rest)} parts")
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

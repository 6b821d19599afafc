"""Packets to frames and back; sizes and versions are checked here.

The first frame is the packet, the others are the payload buffers of its messages, in order. A
buffer longer than `FRAME_LIMIT` is cut into several frames, so that no single allocation is
dictated by a peer.
"""

from collections.abc import Iterator, Sequence

import msgspec

from ipcluster_ext.errors import ProtocolError, VersionMismatch
from ipcluster_ext.protocol.messages import (
    PROTOCOL_VERSION,
    Done,
    Holding,
    Message,
    News,
    Packet,
    Prepare,
    Results,
    Run,
    Submit,
    SubmitEach,
    Supply,
    Values,
)
from ipcluster_ext.protocol.parts import (
    Blob,
    Buffers,
    Failure,
    ResultItem,
    TaskItem,
)

Frame = bytes | bytearray | memoryview

FRAME_LIMIT = 16 * 1024 * 1024
HEADER_LIMIT = 64 * 1024 * 1024
MOST_FRAMES = 1 << 18
"""So many frames may make a packet: buffers that are shorter travel within its header."""

_WITH_ITEMS = frozenset({Submit, Run, Done, Results, Values, Supply, Holding})
_WITH_AN_ITEM = (SubmitEach, Prepare)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Packet)
_failure_decoder = msgspec.msgpack.Decoder(Failure)


class _AnyVersion(msgspec.Struct, array_like=True):
    version: int


def encode(packet: Packet) -> bytes:
    """Write the first frame of a packet."""
    return _encoder.encode(packet)


def decode(header: Frame, *, frame_count: int) -> Packet:
    """Read the first frame of a packet.

    Parameters
    ----------
    header
        The first frame.
    frame_count
        How many frames came after it.

    Raises
    ------
    VersionMismatch
        The packet is of another version of the protocol.
    ProtocolError
        The bytes are not a packet, or do not describe the frames that came with them.
    """
    if len(header) > HEADER_LIMIT:
        raise ProtocolError(f"a header of {len(header)} bytes; the limit is {HEADER_LIMIT}")
    try:
        packet = _decoder.decode(header)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        _refuse_other_version(header)
        raise ProtocolError(str(error)) from None
    if packet.version != PROTOCOL_VERSION:
        raise VersionMismatch(PROTOCOL_VERSION, packet.version)
    described = 0
    for message in packet.messages:  # a generator would cost as much as the rest of this
        described += frames_described(message)
    if described != frame_count:
        raise ProtocolError(f"{described} frames described, {frame_count} received")
    return packet


def _refuse_other_version(header: Frame) -> None:
    try:
        theirs = msgspec.msgpack.decode(header, type=_AnyVersion).version
    except (msgspec.DecodeError, ValueError, RecursionError):
        return
    if theirs != PROTOCOL_VERSION:
        raise VersionMismatch(PROTOCOL_VERSION, theirs)


def frames_of(buffers: Buffers) -> int:
    """Count the frames that buffers take on the wire; blobs take none."""
    count = 0
    for buffer in buffers:
        if isinstance(buffer, int):
            count += max(1, -(-buffer // FRAME_LIMIT))
    return count


def frames_described(message: Message) -> int:
    """Count the frames that follow for a message."""
    kind = type(message)
    if kind in _WITH_ITEMS:
        count = 0
        items: Sequence[TaskItem | ResultItem] = message.items  # type: ignore[union-attr]
        for item in items:
            if item.buffers:
                count += frames_of(item.buffers)
        return count
    if isinstance(message, _WITH_AN_ITEM):
        return frames_of(message.item.buffers)
    return frames_of(message.buffers) if isinstance(message, News) else 0


def blobs_described(message: Message) -> Iterator[str]:
    """Yield the names of the blobs in which a message's payloads are."""
    kind = type(message)
    if kind in _WITH_ITEMS:
        items: Sequence[TaskItem | ResultItem] = message.items  # type: ignore[union-attr]
        described = [item.buffers for item in items if item.buffers]
    elif isinstance(message, _WITH_AN_ITEM):
        described = [message.item.buffers]
    else:
        described = [message.buffers] if isinstance(message, News) else []
    for buffers in described:
        for buffer in buffers:
            if isinstance(buffer, Blob):
                yield buffer.name


def split(buffer: memoryview) -> Iterator[memoryview]:
    """Cut a buffer of bytes into the frames in which it travels."""
    for start in range(0, max(1, buffer.nbytes), FRAME_LIMIT):
        yield buffer[start : start + FRAME_LIMIT]


def join(frames: Iterator[Frame], nbytes: int) -> memoryview:
    """Take one buffer from a packet's frames.

    Parameters
    ----------
    frames
        The frames not yet taken; those of this buffer are consumed.
    nbytes
        The length its message gives for it.

    Returns
    -------
    The buffer, without a copy where it came as one frame.

    Raises
    ------
    ProtocolError
        The frames are not as long as was said, or there are too few.
    """
    count = max(1, -(-nbytes // FRAME_LIMIT))
    parts = [memoryview(frame) for _, frame in zip(range(count), frames, strict=False)]
    if sum(part.nbytes for part in parts) != nbytes:
        raise ProtocolError(f"a buffer of {nbytes} bytes came as frames of another length")
    if len(parts) == 1:
        return parts[0]
    whole = bytearray(nbytes)
    position = 0
    for part in parts:
        whole[position : position + part.nbytes] = part
        position += part.nbytes
    return memoryview(whole)


def encode_failure(failure: Failure) -> bytes:
    """Write a failure as the payload of a result."""
    return _encoder.encode(failure)


def decode_failure(inline: bytes) -> Failure:
    """Read a failure from the payload of a result.

    Raises
    ------
    ProtocolError
        The payload is not a failure.
    """
    try:
        return _failure_decoder.decode(inline)
    except (msgspec.DecodeError, ValueError) as error:
        raise ProtocolError(str(error)) from None

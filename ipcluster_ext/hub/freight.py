"""What leaves for other hosts: they cannot read this one's blobs, so these travel as frames.

A blob is mapped, not read: its pages stay where they are, in shared memory, and its name stays
held in the core until the packet has arrived. What is under way is limited, because ZeroMQ copies
what it has not sent yet: the rest waits as names.
"""

from collections.abc import Callable, Iterator, Sequence

from msgspec import structs

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame, blobs_described, frames_of, split
from ipcluster_ext.protocol.messages import Message, News, Prepare, SubmitEach
from ipcluster_ext.protocol.parts import Blob, Buffers

MOST_FOR_ONE = 64 * 1024 * 1024
"""A peer that has not received so many bytes is sent no more blobs for the time being."""
MOST_FOR_ALL = 256 * 1024 * 1024
"""The same for all peers on other hosts together; a single packet may be longer."""

Read = Callable[[Blob], memoryview]


def has_blobs(messages: Sequence[Message]) -> bool:
    """Tell whether something in messages is in blobs."""
    return any(True for message in messages for _ in blobs_described(message))


def unload(
    messages: Sequence[Message], frames: Sequence[Frame], read: Read
) -> tuple[list[Message], list[Frame]]:
    """Have everything that is in blobs travel as frames.

    Parameters
    ----------
    messages, frames
        What is to be said.
    read
        Maps a blob. One that it cannot find stays a name, and whoever reads that says so.

    Returns
    -------
    The same, as another host can read it.
    """
    rest = iter(frames)
    out: list[Frame] = []
    return [_unload(message, rest, out, read) for message in messages], out


def _unload(message: Message, frames: Iterator[Frame], out: list[Frame], read: Read) -> Message:
    if isinstance(message, News):
        if not message.buffers:
            return message
        return structs.replace(message, buffers=_carry(message.buffers, frames, out, read))
    if isinstance(message, SubmitEach | Prepare):
        item = message.item
        if not item.buffers:
            return message
        buffers = _carry(item.buffers, frames, out, read)
        return structs.replace(message, item=structs.replace(item, buffers=buffers))
    items = getattr(message, "items", None)
    if not items or not any(item.buffers for item in items):
        return message
    carried = [
        structs.replace(item, buffers=_carry(item.buffers, frames, out, read))
        if item.buffers
        else item
        for item in items
    ]
    return structs.replace(message, items=carried)


def _carry(buffers: Buffers, frames: Iterator[Frame], out: list[Frame], read: Read) -> Buffers:
    """Move a payload's frames over, and add those of its blobs at their places."""
    described: list[int | Blob] = []
    for buffer in buffers:
        if isinstance(buffer, int):
            described.append(buffer)
            out.extend(next(frames) for _ in range(frames_of((buffer,))))
            continue
        try:
            data = read(buffer)
        except ProtocolError:
            described.append(buffer)
        else:
            described.append(data.nbytes)
            out.extend(split(data))
    return tuple(described)

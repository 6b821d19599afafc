"""ZMTP 3.0, ZeroMQ's protocol, as far as one DEALER on a Unix socket needs it (RFC 23).

Both sides send a *greeting* and then, under the NULL mechanism, a READY command with their
properties. From then on there are frames, each with its length before it; those of one message
but the last are marked. Nothing here reads or writes: bytes in, frames out.
"""

import struct

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import HEADER_LIMIT, Frame

MORE, LONG, COMMAND = 1, 2, 4
GREETING_NBYTES = 64
LARGE = 64 * 1024
"""A frame from this size on gets memory of its own, into which the socket is read directly."""

_VERSION_3 = 3
_SHORT_LIMIT = 256
_SHORT = tuple(tuple(bytes((flags, n)) for n in range(_SHORT_LIMIT)) for flags in (0, MORE))
"""The heads of short frames, made once: by whether more follow, and by length."""
_LONG_HEAD = struct.Struct(">BQ")
_LENGTH = struct.Struct(">I")
_GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
_READY = b"\x05READY"
_SIGNATURE = slice(0, 10, 9)
_MECHANISM = slice(12, 32)


def greeting(identity: bytes) -> bytes:
    """Return all that a DEALER says before the first message."""
    ready = _READY + _property(b"Socket-Type", b"DEALER") + _property(b"Identity", identity)
    return _GREETING + bytes((COMMAND, len(ready))) + ready


def _property(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + _LENGTH.pack(len(value)) + value


def check_greeting(theirs: bytes) -> None:
    """Refuse the greeting of somebody who speaks something else.

    Raises
    ------
    ProtocolError
        It is not ZMTP 3 without encryption.
    """
    if (
        theirs[_SIGNATURE] != b"\xff\x7f"
        or theirs[10] < _VERSION_3
        or theirs[_MECHANISM] != _GREETING[_MECHANISM]
    ):
        raise ProtocolError("the other end of the socket file does not speak ZMTP 3")


def check_ready(flags: int, body: bytes) -> None:
    """Refuse a first command that is not READY.

    Raises
    ------
    ProtocolError
        The other side does not want this peer.
    """
    if flags != COMMAND or not body.startswith(_READY):
        raise ProtocolError("the other end of the socket file refused the connection")


def framed(frames: list[Frame]) -> list[Frame]:
    """Return a message as pieces to be written one after the other."""
    pieces: list[Frame] = []
    last = len(frames) - 1
    for place, frame in enumerate(frames):
        more = place < last
        nbytes = len(frame)
        if nbytes < _SHORT_LIMIT:
            pieces.append(_SHORT[more][nbytes] + frame)
        elif nbytes < LARGE:
            pieces.append(_LONG_HEAD.pack(LONG | more, nbytes) + frame)
        else:
            pieces += (_LONG_HEAD.pack(LONG | more, nbytes), frame)
    return pieces


class Decoder:
    """Cuts what comes on one connection into messages."""

    def __init__(self) -> None:
        self._rest = b""
        self._frames: list[Frame] = []
        self._large: bytearray | None = None
        self._filled = 0
        self._large_more = 0

    @property
    def space(self) -> memoryview | None:
        """The place for the bytes that come next, if they belong to one large frame."""
        return None if self._large is None else memoryview(self._large)[self._filled :]

    def filled(self, nbytes: int) -> list[Frame] | None:
        """Note that so many bytes were written to `space`; return the message if that ends it."""
        self._filled += nbytes
        large = self._large
        if large is None or self._filled < len(large):
            return None
        self._large = None
        return self._add(memoryview(large), self._large_more)

    def feed(self, data: bytes) -> list[list[Frame]]:
        """Take bytes; return the messages that they complete.

        Raises
        ------
        ProtocolError
            A frame is longer than any that the hub sends.
        """
        if self._rest:
            data, self._rest = self._rest + data, b""
        messages: list[list[Frame]] = []
        at, end = 0, len(data)
        while end - at > 1:
            flags = data[at]
            if flags & LONG:
                if end - at < _LONG_HEAD.size:
                    break
                start = at + _LONG_HEAD.size
                stop = start + _LONG_HEAD.unpack_from(data, at)[1]
                if stop - start > HEADER_LIMIT:
                    raise ProtocolError(f"a frame of {stop - start} bytes")
            else:
                start = at + 2
                stop = start + data[at + 1]
            if stop > end:
                if stop - start >= LARGE and not flags & COMMAND:
                    self._begin_large(data[start:], stop - start, flags & MORE)
                    return messages
                break
            at = stop
            if flags & COMMAND:
                continue  # none wants anything of us: the hub sends no heartbeats
            if (message := self._add(data[start:stop], flags & MORE)) is not None:
                messages.append(message)
        self._rest = data[at:]
        return messages

    def _begin_large(self, beginning: bytes, nbytes: int, more: int) -> None:
        self._large = bytearray(nbytes)
        self._large[: len(beginning)] = beginning
        self._filled = len(beginning)
        self._large_more = more

    def _add(self, frame: Frame, more: int) -> list[Frame] | None:
        """Take a frame; return the message if it was the last of one."""
        if more:
            self._frames.append(frame)
            return None
        if not self._frames:
            return [frame]
        message, self._frames = [*self._frames, frame], []
        return message

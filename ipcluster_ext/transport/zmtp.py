"""ZMTP 3.0, ZeroMQ's protocol, as far as one DEALER on a Unix socket needs it (RFC 23).

Both sides send a *greeting* and then, under the NULL mechanism, a READY command with their
properties. From then on there are frames, each with its length before it; those of one message
but the last are marked. Nothing here reads or writes: bytes in, frames out.
"""

import struct

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import FRAME_LIMIT, HEADER_LIMIT, MOST_FRAMES, Frame

MORE, LONG, COMMAND = 1, 2, 4
GREETING_NBYTES = 64
LARGE = 64 * 1024
"""A frame from this size on gets memory of its own, into which the socket is read directly."""
AT_FIRST = 64 * 1024
"""So much memory goes by what the length of a frame is said to be; more as it comes."""

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


def greeting() -> bytes:
    """Return what either side says first."""
    return _GREETING


def ready(kind: bytes, identity: bytes = b"") -> bytes:
    """Return the command that ends a greeting, after which there are messages."""
    body = _READY + _property(b"Socket-Type", kind) + _property(b"Identity", identity)
    return bytes((COMMAND, len(body))) + body


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


def properties_of(flags: int, body: bytes) -> dict[bytes, bytes]:
    """Read a READY command.

    Returns
    -------
    The other side's properties, by name in lower case.

    Raises
    ------
    ProtocolError
        It is another command, or none: the other side does not want this peer.
    """
    if flags != COMMAND or not body.startswith(_READY):
        raise ProtocolError("the other end of the socket file refused the connection")
    properties: dict[bytes, bytes] = {}
    at = len(_READY)
    while at < len(body):
        name, at = body[at + 1 : at + 1 + body[at]], at + 1 + body[at]
        (nbytes,) = _LENGTH.unpack(body[at : at + 4].ljust(4, b"\0"))
        properties[name.lower()] = body[at + 4 : at + 4 + nbytes]
        at += 4 + nbytes
    return properties


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


class Welcoming:
    """A ROUTER's side of the greetings with one that has just connected.

    Attributes
    ----------
    greeting, ready
        What to say at once, and when `take` has returned an identity.
    rest
        What came after the greeting.
    """

    greeting = _GREETING

    def __init__(self) -> None:
        self.ready = ready(b"ROUTER")
        self.rest = b""

    def take(self, data: bytes) -> bytes | None:
        """Take what has come.

        Returns
        -------
        The other side's identity, empty if it has none; None if more has to come.

        Raises
        ------
        ProtocolError
            It speaks something else, or is no DEALER.
        """
        self.rest += data
        head = GREETING_NBYTES + 2
        if not _GREETING.startswith(self.rest[:1]):
            raise ProtocolError("no greeting")
        if len(self.rest) < head or len(self.rest) < head + self.rest[head - 1]:
            return None
        check_greeting(self.rest[:GREETING_NBYTES])
        end = head + self.rest[head - 1]
        properties = properties_of(self.rest[GREETING_NBYTES], self.rest[head:end])
        if properties.get(b"socket-type") != b"DEALER":
            raise ProtocolError(f"a {properties.get(b'socket-type', b'')!r}, not a DEALER")
        self.rest = self.rest[end:]
        return properties.get(b"identity", b"")


class Decoder:
    """Cuts what comes on one connection into messages."""

    def __init__(self) -> None:
        self._rest = b""
        self._frames: list[Frame] = []
        self._large: bytearray | None = None
        self._large_nbytes = 0
        self._large_more = 0
        self._filled = 0

    @property
    def space(self) -> memoryview | None:
        """The place for the bytes that come next, if they belong to one large frame."""
        return None if self._large is None else memoryview(self._large)[self._filled :]

    def filled(self, nbytes: int) -> list[Frame] | None:
        """Note that so many bytes were written to `space`, which nobody uses any more.

        Returns
        -------
        The message, if that ends one.

        Raises
        ------
        ProtocolError
            It consists of too many frames.
        """
        self._filled += nbytes
        large = self._large
        if large is None or self._filled < len(large):
            return None
        if len(large) < self._large_nbytes:
            large *= 2
            del large[self._large_nbytes :]
            return None
        self._large = None
        return self._add(memoryview(large), self._large_more)

    def feed(self, data: bytes) -> list[list[Frame]]:  # noqa: C901 - calls would cost more here
        """Take bytes; return the messages that they complete.

        Raises
        ------
        ProtocolError
            Something is longer or more than in any packet.
        """
        if self._rest:
            data, self._rest = self._rest + data, b""
        messages: list[list[Frame]] = []
        at, end = 0, len(data)
        while end - at > 1:
            flags = data[at]
            if flags <= MORE:
                start = at + 2
                stop = start + data[at + 1]
            elif flags <= LONG | MORE:
                if end - at < _LONG_HEAD.size:
                    break
                start = at + _LONG_HEAD.size
                stop = start + _LONG_HEAD.unpack_from(data, at)[1]
                if stop - start > FRAME_LIMIT:
                    self._check_long(stop - start)
            else:
                start, stop = _command(data, at)
            if stop > end:
                if stop - start >= LARGE:
                    self._begin_large(data[start:], stop - start, flags & MORE)
                    return messages
                break
            at = stop
            if flags & COMMAND:
                continue  # none wants anything of us: neither end sends heartbeats
            if message := self._add(data[start:stop], flags & MORE):
                messages.append(message)
        self._rest = data[at:]
        return messages

    def _check_long(self, nbytes: int) -> None:
        """Refuse a frame that is too long; only the first of a message may be very long."""
        if self._frames or nbytes > HEADER_LIMIT:
            raise ProtocolError(f"a frame of {nbytes} bytes")

    def _begin_large(self, beginning: bytes, nbytes: int, more: int) -> None:
        self._large = bytearray(min(nbytes, max(AT_FIRST, 2 * len(beginning))))
        self._large[: len(beginning)] = beginning
        self._large_nbytes = nbytes
        self._filled = len(beginning)
        self._large_more = more

    def _add(self, frame: Frame, more: int) -> list[Frame] | None:
        """Take a frame; return the message if it was the last of one."""
        if more:
            if len(self._frames) >= MOST_FRAMES:
                raise ProtocolError(f"more than {MOST_FRAMES} frames")
            self._frames.append(frame)
            return None
        if not self._frames:
            return [frame]
        message, self._frames = [*self._frames, frame], []
        return message


def _command(data: bytes, at: int) -> tuple[int, int]:
    """Return where the body of a command begins and ends; it may not be all there.

    Raises
    ------
    ProtocolError
        It is no command, or a longer one than there are.
    """
    flags = data[at]
    if flags == COMMAND:
        return at + 2, at + 2 + data[at + 1]
    if flags != COMMAND | LONG:
        raise ProtocolError(f"a frame of the kind {flags}")
    start = at + _LONG_HEAD.size
    if start > len(data):
        return start, start
    nbytes: int = _LONG_HEAD.unpack_from(data, at)[1]
    if nbytes >= LARGE:
        raise ProtocolError(f"a command of {nbytes} bytes")
    return start, start + nbytes

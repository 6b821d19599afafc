"""The short way of a task: from a client straight to an engine of the same host, and back.

What travels is a task as the hub would send it, and its outcome, over one Unix socket that keeps
packets apart. The hub is told of those that took no time when they are over, by their client. Of
any other it is told by both: by its client as soon as that has said so here, and by the engine as
it would otherwise be. Nothing is resent: what a client has said here before it died, or was given
up, is read all the same.
"""

import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.transport.sockets import bound, check_path

MOST_NBYTES = 32 * 1024
"""What is larger goes the usual way."""
_PACKET = MOST_NBYTES + 4096
_BACKLOG = 64
_PEER = struct.Struct("3i")
_NUMBER = struct.Struct("=Q")
"""How lives and tasks are named: shorter than whatever else travels."""

T = TypeVar("T")
Handed = tuple[TaskSpec, TaskItem]
"""A task that an engine is to do."""

_encode = msgspec.msgpack.Encoder().encode
_decode_handed = msgspec.msgpack.Decoder(tuple[TaskSpec, TaskItem]).decode
_decode_outcome = msgspec.msgpack.Decoder(ResultItem).decode


def express_socket(folder: Path, engine: EngineId) -> Path:
    """Return where an engine of a cluster's folder takes tasks from clients."""
    return folder / f"x{engine}"


def listen(path: Path) -> socket.socket | None:
    """Listen at a socket file, in place of that of a life before; None if it cannot be."""
    try:
        check_path(path)
        return bound(path, socket.SOCK_SEQPACKET, _BACKLOG)
    except (ClusterError, OSError):
        return None


def reach(path: Path) -> "Link | None":
    """Connect to an engine; None if nobody is there."""
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    peer.settimeout(0)
    try:
        peer.connect(os.fspath(path))
    except OSError:
        peer.close()
        return None
    return Link(peer)


class Link:
    """One end of such a connection.

    Parameters
    ----------
    peer
        Its socket.

    Attributes
    ----------
    fd
        Its file descriptor, readable when something has come or the other end is gone.
    is_open
        Whether the other end was there, when it was heard or spoken to last.
    """

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self.fd = peer.fileno()
        self.is_open = True

    @property
    def is_ours(self) -> bool:
        """Whether a process of this user is at the other end."""
        told = self._peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        return bool(_PEER.unpack(told)[1] == os.getuid())

    def greet(self, boot: int) -> None:
        """Say which life of the engine this is."""
        self._send(_NUMBER.pack(boot))

    def hear_greeting(self) -> int:
        """Return which life of the engine is there; 0 if it has not said so."""
        data = self._receive()
        return _number(data) if len(data) == _NUMBER.size else 0

    def hand(self, spec: TaskSpec, item: TaskItem) -> bool:
        """Send a task; tell whether it is with the other end, and will be read if that lives."""
        return self._send(_encode((spec, item)))

    def tell(self, outcome: ResultItem) -> bool:
        """Send an outcome; tell whether it is with the other end."""
        return self._send(_encode(outcome))

    def name(self, task: TaskId) -> bool:
        """Say that the hub is going to be told of a task, or, from an engine, has to be."""
        return self._send(_NUMBER.pack(task))

    def take_asked(self) -> Handed | TaskId | None:
        """Return what a client has said, without waiting.

        Raises
        ------
        msgspec.MsgspecError
            What came is no such thing.
        """
        return self._take(_decode_handed)

    def take_told(self) -> ResultItem | TaskId | None:
        """Return what an engine has said, without waiting.

        Raises
        ------
        msgspec.MsgspecError
            What came is no such thing.
        """
        return self._take(_decode_outcome)

    def _take(self, decode: Callable[[bytes], T]) -> T | TaskId | None:
        data = self._receive()
        if len(data) == _NUMBER.size:
            return TaskId(_number(data))
        return decode(data) if data else None

    def _send(self, data: bytes) -> bool:
        try:
            self._peer.send(data, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except OSError:
            self.is_open = False
            return False
        return True

    def _receive(self) -> bytes:
        try:
            data = self._peer.recv(_PACKET)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self.is_open = False
        return data

    def close(self) -> None:
        """Close this end."""
        self.is_open = False
        self._peer.close()


def _number(data: bytes) -> int:
    return int(_NUMBER.unpack(data)[0])

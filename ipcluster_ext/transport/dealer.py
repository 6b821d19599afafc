"""A ZeroMQ DEALER on a Unix socket that works on its caller's own thread.

libzmq hands every message to an I/O thread of its own, which costs two wake-ups a message, as
much as everything else that a short call needs. On a Unix socket its protocol is little more
than a length before each frame (`transport.zmtp`), so this end speaks it by itself: sending is
one system call, waiting is one. The hub's end is libzmq's ROUTER and does not notice.

What ZeroMQ promises holds: order while a connection lives, and a new connection, by and by, when
it breaks or was not there yet. Whoever waits connects; until then what is sent is kept. What was
under way when a connection broke is lost, and found out by the ledger.
"""

import os
import select
import socket
import time
from collections import deque
from itertools import islice
from pathlib import Path

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ledger import Wire
from ipcluster_ext.transport.sockets import endpoint_of
from ipcluster_ext.transport.zmtp import (
    GREETING_NBYTES,
    Decoder,
    check_greeting,
    check_ready,
    framed,
    greeting,
)

RETRY = 0.01
RETRY_MAX = 0.5
HANDSHAKE_WITHIN = 2.0
GRACE = 0.1
"""How long a sender waits while the hub reads nothing; then the thread that receives goes on."""
_CHUNK = 64 * 1024
_MOST_BYTES = 1024 * 1024
_MOST_PIECES = 256
_IN = select.POLLIN
_IN_OUT = select.POLLIN | select.POLLOUT


class Dealer:
    """One peer's connection to a ROUTER; its owner sees to it that one thread at a time uses it.

    Parameters
    ----------
    path
        The ROUTER's socket file; it need not be there yet.
    identity
        The name under which the ROUTER knows this peer.
    poll
        Where to enter the socket, for the thread that waits.

    Raises
    ------
    ClusterError
        The path is too long for a socket.
    """

    def __init__(self, path: Path, *, identity: bytes, poll: select.poll) -> None:
        endpoint_of(path)
        self._path = os.fspath(path)
        self._greeting = greeting(identity)
        self._poll = poll
        self._socket: socket.socket | None = None
        self._decoder = Decoder()
        self._unsent: deque[Frame] = deque()
        self._broken = False
        """Whether a sender met the end of the connection; whoever receives makes a new one."""
        self._retry = RETRY
        self._retry_at = 0.0
        self.connect(time.monotonic())

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._socket is not None

    @property
    def backlog(self) -> bool:
        """Whether something was sent that has not left."""
        return bool(self._unsent)

    def connect(self, now: float) -> float:
        """Try to connect, if it is time to.

        Returns
        -------
        Seconds until the next attempt, 0 if there is a connection now.
        """
        if now < self._retry_at:
            return self._retry_at - now
        try:
            self._socket = self._shake_hands()
        except (OSError, ProtocolError):
            self._retry_at = now + self._retry
            self._retry = min(2 * self._retry, RETRY_MAX)
            return self._retry_at - now
        self._retry = RETRY
        self._decoder = Decoder()
        self._broken = False
        self._poll.register(self._socket, _IN)
        self.flush()
        return 0.0

    def _shake_hands(self) -> socket.socket:
        """Connect, and exchange greetings; the ROUTER's I/O thread answers for a busy hub too.

        Raises
        ------
        OSError
            Nobody is there, or does not answer in time.
        ProtocolError
            Somebody is there who does not speak ZMTP.
        """
        deadline = time.monotonic() + HANDSHAKE_WITHIN
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            peer.settimeout(HANDSHAKE_WITHIN)
            peer.connect(self._path)
            peer.sendall(self._greeting)
            check_greeting(_read(peer, GREETING_NBYTES, deadline))
            flags, nbytes = _read(peer, 2, deadline)
            check_ready(flags, _read(peer, nbytes, deadline))
            peer.settimeout(0)
        except BaseException:
            peer.close()
            raise
        return peer

    def send(self, wire: Wire) -> None:
        """Send a message, or keep it until it can leave."""
        pieces = framed(wire)
        if self._socket is None or self._unsent or len(pieces) > 1:
            self._unsent.extend(pieces)
            self.flush()
            return
        piece = pieces[0]
        try:
            sent = self._socket.send(piece)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._broken, sent = True, 0
        if sent < len(piece):
            self._unsent.append(memoryview(piece)[sent:])
            self.flush()

    def flush(self, grace: float = GRACE) -> None:
        """Write what has not left, as long as the hub reads at least now and then.

        Parameters
        ----------
        grace
            How long to wait while it reads nothing, in seconds.
        """
        unsent, peer = self._unsent, self._socket
        if peer is None or self._broken or not unsent:
            return
        try:
            while unsent:
                try:
                    self._wrote(peer.sendmsg(islice(unsent, _MOST_PIECES)))
                except BlockingIOError:
                    if not _writable(peer, grace):
                        break
        except OSError:
            self._broken = True
            unsent.clear()  # a beginning of it may have left; the ledger has it all
        self._poll.modify(peer, _IN_OUT if unsent else _IN)

    def _wrote(self, nbytes: int) -> None:
        unsent = self._unsent
        while unsent and nbytes >= len(unsent[0]):
            nbytes -= len(unsent.popleft())
        if nbytes:
            unsent[0] = memoryview(unsent[0])[nbytes:]

    def receive(self) -> list[list[Frame]]:
        """Return messages that have come, without waiting; what is left keeps the poll awake."""
        messages: list[list[Frame]] = []
        peer, decoder = self._socket, self._decoder
        if peer is None:
            return messages
        read = 0
        try:
            while read < _MOST_BYTES:
                space = decoder.space
                if space is not None:
                    nbytes = peer.recv_into(space)
                    if not nbytes:
                        raise ConnectionResetError
                    if (message := decoder.filled(nbytes)) is not None:
                        messages.append(message)
                else:
                    data = peer.recv(_CHUNK)
                    nbytes = len(data)
                    if not nbytes:
                        raise ConnectionResetError
                    messages += decoder.feed(data)
                    if nbytes < _CHUNK and decoder.space is None:
                        return messages  # that was all: saves asking once more
                read += nbytes
        except BlockingIOError:
            return messages
        except (OSError, ProtocolError):
            self._lose()
        return messages

    def _lose(self) -> None:
        """Drop a connection that is broken; `connect` makes a new one."""
        if not self._broken:
            self._unsent.clear()  # a beginning of it may have left; the ledger has it all
        self._broken = True
        self.close()
        self._retry_at = time.monotonic() + self._retry

    def close(self, linger: float = 0.0) -> None:
        """Close the connection, giving what has not left so many seconds."""
        peer = self._socket
        if peer is None:
            return
        self.flush(linger)
        self._poll.unregister(peer)
        self._socket = None
        peer.close()


def _read(peer: socket.socket, nbytes: int, deadline: float) -> bytes:
    """Read exactly so many bytes: what follows a greeting may be a message."""
    data = b""
    while len(data) < nbytes:
        peer.settimeout(max(0.001, deadline - time.monotonic()))
        piece = peer.recv(nbytes - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return data


def _writable(peer: socket.socket, timeout: float) -> bool:
    poll = select.poll()
    poll.register(peer, select.POLLOUT)
    return bool(poll.poll(timeout * 1000))

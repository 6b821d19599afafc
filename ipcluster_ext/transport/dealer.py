"""A ZeroMQ DEALER on a Unix socket that works on its caller's own thread.

libzmq hands every message to an I/O thread of its own, which costs two wake-ups a message, as
much as everything else that a short call needs. On a Unix socket its protocol is little more
than a length before each frame (`transport.zmtp`), so this end speaks it by itself: sending is
one system call, waiting is one. libzmq's ROUTER could be at the other end, as it is in tests; in a
cluster it is `transport.router`, which answers as soon as the hub's loop turns.

What ZeroMQ promises holds: order while a connection lives, and a new connection, by and by, when
it breaks or was not there yet. Whoever waits connects; until then what is sent is kept. What was
under way when a connection broke is lost, and found out by the ledger.
"""

import os
import select
import socket
import time
from pathlib import Path

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ledger import Wire
from ipcluster_ext.transport.sockets import check_path
from ipcluster_ext.transport.stream import Stream
from ipcluster_ext.transport.zmtp import (
    GREETING_NBYTES,
    check_greeting,
    framed,
    greeting,
    properties_of,
    ready,
)

RETRY = 0.01
RETRY_MAX = 0.1
HANDSHAKE_WITHIN = 2.0
GRACE = 0.1
"""How long a sender waits while the hub reads nothing; then the thread that receives goes on."""


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

    Attributes
    ----------
    trouble
        Why there is no connection; of a socket file there is nothing to be told.

    Raises
    ------
    ClusterError
        The path is too long for a socket.
    """

    trouble = ""

    def __init__(self, path: Path, *, identity: bytes, poll: select.poll) -> None:
        check_path(path)
        self._path = os.fspath(path)
        self._greeting = greeting() + ready(b"DEALER", identity)
        self._poll = poll
        self._stream: Stream | None = None
        self._unsent: list[Frame] = []
        self._retry = RETRY
        self._retry_at = 0.0
        self.connect(time.monotonic())

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._stream is not None

    @property
    def backlog(self) -> bool:
        """Whether something waits to be written to a connection that is there."""
        return self._stream is not None and self._stream.backlog > 0

    def connect(self, now: float) -> float:
        """Try to connect, if it is time to.

        Returns
        -------
        Seconds until the next attempt, 0 if there is a connection now.
        """
        reached = self.reach(now)
        if isinstance(reached, float):
            return reached
        self.enter(reached)
        return 0.0

    def reach(self, now: float) -> socket.socket | float:
        """Try to reach the ROUTER, if it is time to.

        That may take a while; what is sent meanwhile, on other threads, is kept.

        Returns
        -------
        What to `enter`, or else seconds until the next attempt.
        """
        if now < self._retry_at:
            return self._retry_at - now
        try:
            peer = self._shake_hands()
        except (OSError, ProtocolError):
            self._retry_at = now + self._retry
            pause, self._retry = self._retry, min(2 * self._retry, RETRY_MAX)
            return pause
        self._retry = RETRY
        return peer

    def enter(self, peer: socket.socket, *, anew: bool = False) -> None:
        """Use a connection that was reached.

        ``anew`` drops what has been kept for it: its owner is going to send that again.
        """
        unsent, self._unsent = self._unsent, []
        self._stream = Stream(peer, self._poll, [] if anew else unsent)
        self._stream.flush(GRACE)

    def _shake_hands(self) -> socket.socket:
        """Connect, and exchange greetings.

        Raises
        ------
        OSError
            Nobody is there, or does not answer in time.
        ProtocolError
            Somebody is there who does not speak ZMTP, or does not want this peer.
        """
        deadline = time.monotonic() + HANDSHAKE_WITHIN
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            peer.settimeout(HANDSHAKE_WITHIN)
            peer.connect(self._path)
            peer.sendall(self._greeting)
            check_greeting(_read(peer, GREETING_NBYTES, deadline))
            flags, nbytes = _read(peer, 2, deadline)
            properties_of(flags, _read(peer, nbytes, deadline))
            peer.settimeout(0)
        except BaseException:
            peer.close()
            raise
        return peer

    def send(self, wire: Wire) -> None:
        """Send a message, or keep it until it can leave."""
        if self._stream is not None:
            self._stream.send(wire, grace=GRACE)
        else:
            self._unsent.extend(framed(wire))

    def flush(self) -> None:
        """Write what waits."""
        if self._stream is not None:
            self._stream.flush(GRACE)

    def receive(self) -> list[list[Frame]]:
        """Return messages that have come, without waiting."""
        stream = self._stream
        if stream is None:
            return []
        messages = stream.receive()
        if stream.broken:
            self._stream = None
            self._unsent = stream.close()
            self._retry_at = time.monotonic() + self._retry
        return messages

    def close(self, linger: float = 0.0) -> None:
        """Close the connection, giving what has not left so many seconds."""
        if self._stream is not None:
            self._stream.close(linger)
            self._stream = None


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

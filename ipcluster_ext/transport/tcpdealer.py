"""A peer's connection to a hub on another host: libzmq's DEALER, with CURVE.

It has the ways of `transport.dealer`, which is its twin for socket files: sends at once or keeps,
never waits, and connects again by itself. libzmq tells of news by a file descriptor only once, so
whoever has sent something looks whether something came meanwhile.
"""

import contextlib
import os
import select
import time
import weakref
from typing import NamedTuple

import zmq

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.keys import TcpAddress
from ipcluster_ext.protocol.ledger import Wire
from ipcluster_ext.transport.curve import Context, Socket, make_dealer
from ipcluster_ext.transport.knocking import Knocking
from ipcluster_ext.transport.pieces import Cutter, put_together

KNOCK_AGAIN = 1.0
"""One whom a hub has turned away tries again so often, in seconds: libzmq does not."""
ANSWERED_WITHIN = 5.0
"""Where nothing is answered for so long, another connection is made: owners ask every 2 s."""
LOOK_EVERY = 0.5


class Reached(NamedTuple):
    """A connection that was made, the first or a later one."""

    number: int

    def close(self) -> None:
        """Do nothing: it ends with the socket."""


class TcpDealer:
    """One peer's connection to a hub; its owner sees to it that one thread at a time uses it.

    Parameters
    ----------
    address
        Where the hub is, and the keys; nobody need be there yet.
    identity
        The name by which the hub tells this peer from others of the same key.
    poll
        Where to enter what the thread that waits has to wait for.

    Attributes
    ----------
    backlog
        Whether something waits to be written; libzmq does that by itself.
    """

    backlog = False

    def __init__(self, address: TcpAddress, *, identity: bytes, poll: select.poll) -> None:
        self._cutter = Cutter(identity)
        self._endpoint = f"tcp://{address.host}:{address.port}"
        self._poll = poll
        self._context: Context = zmq.Context()
        self._socket = make_dealer(self._context, address.keys, address.server)
        self._knocking = Knocking(self._socket)
        self._again = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._fds = [
            self._again,
            int(self._socket.getsockopt(zmq.FD)),
            int(self._knocking.monitor.getsockopt(zmq.FD)),
        ]
        for fd in self._fds:
            poll.register(fd, select.POLLIN)
        self._abandoned = weakref.finalize(
            self, _abandon, self._context, self._socket, self._knocking, os.getpid()
        )
        self._abandoned.atexit = False
        self._closed = False
        self._entered = 0
        self._knocked_at = time.monotonic()
        self._asked_at: float | None = None
        self._socket.connect(self._endpoint)

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known, that was entered."""
        return self._knocking.admitted == self._entered > 0

    @property
    def trouble(self) -> str:
        """Why there is no connection, as far as is known."""
        return self._knocking.trouble

    def reach(self, now: float) -> Reached | float:
        """Look whether there is a connection on which both ends have proved who they are.

        Returns
        -------
        What to `enter`, or else seconds until it is time to look again.
        """
        del now
        self._knocking.hear()
        if self._knocking.admitted == 0:
            return LOOK_EVERY
        return Reached(self._knocking.admitted)

    def enter(self, reached: Reached, *, anew: bool = False) -> None:
        """Use a connection that was reached; what was sent before leaves by itself."""
        del anew
        self._entered = reached.number

    def send(self, wire: Wire) -> None:
        """Send a message, or leave it to the ledger if too much waits already."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
        with contextlib.suppress(zmq.Again):
            self._socket.send_multipart(self._cutter.cut(wire), zmq.NOBLOCK)
        self._look_again()

    def _look_again(self) -> None:
        if int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            os.eventfd_write(self._again, 1)

    def flush(self) -> None:
        """Do nothing: libzmq writes what waits."""

    def receive(self) -> list[list[Frame]]:
        """Return messages that have come, without waiting."""
        messages: list[list[Frame]] = []
        if self._closed:
            return messages
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._again)
        self._knocking.hear()
        now = time.monotonic()
        while True:
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
                messages.append(put_together([part.buffer for part in parts])[1])
                self._asked_at = None
            except zmq.Again:
                break
            except ProtocolError:  # something is missing, or the hub hears nothing more
                self._knocking.given_up = True
                break
        if self._knocking.given_up or self._unanswered_for(now) > ANSWERED_WITHIN:
            self._knock_again(now)
        return messages

    def _unanswered_for(self, now: float) -> float:
        if self._asked_at is None or not self.connected:
            return 0.0
        return now - self._asked_at

    def _knock_again(self, now: float) -> None:
        """Make another connection, unless one was made just now."""
        if now - self._knocked_at >= KNOCK_AGAIN:
            self._knocked_at, self._asked_at = now, None
            self._knocking.given_up = False
            with contextlib.suppress(zmq.ZMQError):  # libzmq may have forgotten it already
                self._socket.disconnect(self._endpoint)
            self._socket.connect(self._endpoint)

    def close(self, linger: float = 0.0) -> None:
        """Close the connection, giving what has not left so many seconds."""
        if self._closed:
            return
        self._closed = True
        self._abandoned.detach()
        for fd in self._fds:
            self._poll.unregister(fd)
        self._knocking.close()
        self._context.destroy(linger=round(linger * 1000) if self._knocking.admitted else 0)
        os.close(self._again)


def _abandon(context: Context, socket: Socket, knocking: Knocking, creator: int) -> None:
    """Close what a dealer leaves behind that nobody closed: else its context waits for ever."""
    if os.getpid() == creator:  # a fork has none of the threads that this needs
        knocking.close()
        socket.close(linger=0)
        context.destroy(linger=0)

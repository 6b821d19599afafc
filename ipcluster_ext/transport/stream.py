"""Messages over one connected Unix socket, in ZMTP's framing, on the caller's thread.

The two ends differ in how they meet (`transport.dealer`, `transport.router`); from then on a
connection is this, and its owner sees to it that one thread at a time uses it.
"""

import select
import socket
from collections import deque
from collections.abc import Iterable
from itertools import islice

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ledger import Wire
from ipcluster_ext.transport.zmtp import Decoder, framed

BUFFER_NBYTES = 1024 * 1024
"""What the system may keep of a connection; it allows less where an administrator says so."""
_CHUNK = 64 * 1024
_MOST_BYTES = 1024 * 1024
_MOST_PIECES = 256
_IN = select.POLLIN
_IN_OUT = select.POLLIN | select.POLLOUT


class Stream:
    """One connection.

    Parameters
    ----------
    peer
        The socket, connected and non-blocking, after the greetings.
    poll
        Where it is entered, and where its wish to write is noted.
    unsent
        What is to be written first.

    Attributes
    ----------
    broken
        Whether the connection has ended; the owner closes it.
    """

    def __init__(
        self, peer: socket.socket, poll: "select.poll | select.epoll", unsent: Iterable[Frame] = ()
    ) -> None:
        self._peer = peer
        # The usual 208 KB would have writer and reader take turns within one array.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_NBYTES)
        self._poll = poll
        self._decoder = Decoder()
        self._unsent = deque(unsent)
        self.broken = False
        poll.register(peer, _IN)

    @property
    def backlog(self) -> int:
        """How many pieces of messages wait to be written."""
        return len(self._unsent)

    def send(self, wire: Wire, *, grace: float) -> None:
        """Send a message; what cannot leave waits, `grace` as for `flush`."""
        pieces = framed(wire)
        if self._unsent or len(pieces) > 1:
            self._unsent.extend(pieces)
            self.flush(grace)
            return
        piece = pieces[0]
        try:
            sent = self._peer.send(piece)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.broken, sent = True, 0
        if sent < len(piece):
            self._unsent.append(memoryview(piece)[sent:])
            self.flush(grace)

    def flush(self, grace: float) -> None:
        """Write what waits, as long as the other end reads at least now and then.

        Parameters
        ----------
        grace
            How long to wait while it reads nothing, in seconds; then what is left waits on.
        """
        unsent, peer = self._unsent, self._peer
        if self.broken or not unsent:
            return
        try:
            while unsent:
                try:
                    self._wrote(peer.sendmsg(islice(unsent, _MOST_PIECES)))
                except BlockingIOError:
                    if not (grace and _writable(peer, grace)):
                        break
        except OSError:
            self.broken = True
            unsent.clear()  # a beginning of it may have left; the ledger has it all
        self._poll.modify(peer, _IN_OUT if unsent else _IN)

    def _wrote(self, nbytes: int) -> None:
        unsent = self._unsent
        while unsent and nbytes >= len(unsent[0]):
            nbytes -= len(unsent.popleft())
        if nbytes:
            unsent[0] = memoryview(unsent[0])[nbytes:]

    def begin(self, data: bytes) -> list[list[Frame]]:
        """Return the messages in what was read together with the greeting."""
        try:
            return self._decoder.feed(data)
        except ProtocolError:
            self._end()
            return []

    def receive(self) -> list[list[Frame]]:
        """Return messages that have come, without waiting; what is left keeps the poll awake."""
        messages: list[list[Frame]] = []
        peer, decoder = self._peer, self._decoder
        read = 0
        try:
            while read < _MOST_BYTES:
                space = decoder.space
                if space is not None:
                    with space:  # the decoder may want to enlarge what it is a part of
                        nbytes = peer.recv_into(space)
                    if (message := decoder.filled(nbytes)) is not None:
                        messages.append(message)
                else:
                    data = peer.recv(_CHUNK)
                    nbytes = len(data)
                    messages += decoder.feed(data)
                    if 0 < nbytes < _CHUNK and decoder.space is None:
                        return messages  # that was all: saves asking once more
                if not nbytes:
                    self._end()
                    return messages
                read += nbytes
        except BlockingIOError:
            return messages
        except (OSError, ProtocolError):
            self._end()
        return messages

    def _end(self) -> None:
        if not self.broken:
            self.broken = True
            self._unsent.clear()  # a beginning of it may have left; the ledger has it all

    def close(self, linger: float = 0.0) -> list[Frame]:
        """Close the connection, giving what waits so many seconds.

        Returns
        -------
        Whole messages that a sender found no connection for; the next one may have them.
        """
        self.flush(linger)
        self._poll.unregister(self._peer)
        self._peer.close()
        return list(self._unsent)


def _writable(peer: socket.socket, timeout: float) -> bool:
    poll = select.poll()
    poll.register(peer, select.POLLOUT)
    return bool(poll.poll(timeout * 1000))

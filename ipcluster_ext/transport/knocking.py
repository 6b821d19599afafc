"""How ZeroMQ's attempts to connect went, as the socket's monitor tells it."""

import time

import zmq
from zmq.utils.monitor import recv_monitor_message

from ipcluster_ext.transport.curve import KNOCKED_MS, Socket

_TOLD = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
NOBODY = "nobody answers there"
NOT_ADMITTED = "it does not admit the key, which may have been replaced; get the file anew"
SAYS_NOTHING = "who is there says nothing; too many may be waiting, or it is something else"
SOMEBODY_ELSE = "who answers there is not that hub: it has another key, or none"
_LONG = 0.9 * KNOCKED_MS / 1000


class Knocking:
    """Follows a socket that connects.

    Parameters
    ----------
    socket
        The socket, not yet connected.

    Attributes
    ----------
    monitor
        What to read from when it is readable.
    admitted
        The number of the connection, from 1, whose two ends have proved who they are; 0 while
        there is none.
    trouble
        Why there is none, as far as is known; empty if not.
    given_up
        Whether ZeroMQ does not try again.
    """

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self.monitor: Socket = socket.get_monitor_socket(_TOLD)
        self.monitor.setsockopt(zmq.LINGER, 0)
        self.admitted = 0
        self.trouble = ""
        self.given_up = False
        self._met = False
        self._met_at = 0.0
        self._admissions = 0

    @property
    def turned_away(self) -> bool:
        """Whether somebody is there and did not let the socket in."""
        return self.trouble in {NOT_ADMITTED, SOMEBODY_ELSE, SAYS_NOTHING}

    def hear(self) -> None:
        """Take note of what has happened, without waiting."""
        while int(self.monitor.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self._take(recv_monitor_message(self.monitor)["event"])

    def _take(self, event: int) -> None:
        match event:
            case zmq.EVENT_CONNECTED:
                self._met, self._met_at = True, time.monotonic()
            case zmq.EVENT_CONNECT_RETRIED:
                if not self._met:
                    self.trouble = NOBODY
                self._met = False
            case zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._admissions += 1
                self.admitted, self.trouble = self._admissions, ""
            case zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                self.trouble, self.given_up = NOT_ADMITTED, True
            case zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                self.trouble, self.given_up = SOMEBODY_ELSE, True
            case zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                waited = time.monotonic() - self._met_at
                self.trouble = SAYS_NOTHING if waited > _LONG else SOMEBODY_ELSE
            case _:
                self.admitted = 0

    def close(self) -> None:
        """Follow it no longer."""
        self._socket.disable_monitor()
        self.monitor.close(linger=0)

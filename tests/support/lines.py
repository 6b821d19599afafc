"""The wires of a notebook's front end: it listens all the time, as a server does."""

import contextlib
import os
from collections import deque
from collections.abc import Callable
from threading import Thread
from time import monotonic
from typing import Any, cast

import zmq
from jupyter_client.manager import KernelManager
from jupyter_client.session import Session

from tests.support.cells import Channel, Message

_UNLIMITED = 0


class Lines:
    """The four sockets to a kernel, in the hands of one thread.

    Parameters
    ----------
    manager
        Of the kernel, which has been started.
    session
        Signs what is sent.
    take
        Called on the thread with each message that comes.
    """

    def __init__(
        self, manager: KernelManager, session: Session, take: Callable[[Message], None]
    ) -> None:
        self._session = session
        self._take = take
        self._outgoing: deque[tuple[Channel, dict[str, Any]]] = deque()
        self._bell = os.eventfd(0)
        self._closed = False
        self._sockets: dict[Channel, zmq.Socket[bytes]] = {
            "shell": manager.connect_shell(identity=session.bsession),
            "iopub": manager.connect_iopub(),
            "stdin": manager.connect_stdin(identity=session.bsession),
            "control": manager.connect_control(),
        }
        self._sockets["iopub"].rcvhwm = _UNLIMITED
        self._thread = Thread(target=self._run, name="front end", daemon=True)
        self._thread.start()

    def send(self, channel: Channel, message: dict[str, Any]) -> None:
        """Send a message, from any thread."""
        self._outgoing.append((channel, message))
        os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """Hear nothing any more."""
        self._closed = True
        os.eventfd_write(self._bell, 1)
        self._thread.join(10.0)
        assert not self._thread.is_alive()
        os.close(self._bell)

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._bell, zmq.POLLIN)
        for socket in self._sockets.values():
            poller.register(socket, zmq.POLLIN)
        while not self._closed:
            ready = dict(poller.poll())
            if self._bell in ready:
                os.eventfd_read(self._bell)
                self._send_all()
            for channel, socket in self._sockets.items():
                if socket in ready:
                    self._receive_all(channel, socket)
        for socket in self._sockets.values():
            socket.close(linger=0)

    def _send_all(self) -> None:
        while self._outgoing:
            channel, message = self._outgoing.popleft()
            self._session.send(self._sockets[channel], message)

    def _receive_all(self, channel: Channel, socket: zmq.Socket[bytes]) -> None:
        with contextlib.suppress(zmq.Again):
            while True:
                frames = socket.recv_multipart(zmq.NOBLOCK)
                self._take(self._opened(channel, frames))

    def _opened(self, channel: Channel, frames: list[bytes]) -> Message:
        _, signed = self._session.feed_identities(frames)
        said = self._session.deserialize(cast("Any", signed))
        return Message(
            channel=channel,
            kind=said["msg_type"],
            content=said["content"],
            metadata=said["metadata"],
            buffers=[bytes(buffer) for buffer in said["buffers"]],
            id=said["header"]["msg_id"],
            parent=said["parent_header"].get("msg_id", ""),
            arrived=monotonic(),
        )

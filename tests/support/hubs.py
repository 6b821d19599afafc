"""Hubs that do what a test says, at the other end of a channel."""

from collections.abc import Callable, Sequence
from pathlib import Path

import zmq

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame, decode
from ipcluster_ext.protocol.ledger import Ledger, Wire
from ipcluster_ext.protocol.messages import Message
from tests.support.libzmq import bind_router

PATIENCE = 10.0


class Hub:
    """The other end of channels, on the test's own thread: hears, and answers when told to.

    A patient one acknowledges only what its ledger is told to.
    """

    def __init__(self, path: Path, boot: int = 1, *, patient: bool = False) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        self.socket = bind_router(self._context, path)
        self.ledger = Ledger(boot, patient=patient)
        self.peer = b""
        self.heard: list[Message] = []
        self.frames: list[bytes] = []

    def hear(self, timeout: float = PATIENCE) -> None:
        """Take one packet, and answer what its ledger wants answered."""
        if not self.socket.poll(int(timeout * 1000)):
            msg = f"nothing came within {timeout} s"
            raise AssertionError(msg)
        peer, header, *frames = self.socket.recv_multipart()
        try:
            packet = decode(header, frame_count=len(frames))
        except ProtocolError:
            return
        self.peer = peer
        taken = self.ledger.take(packet)
        self.heard.extend(taken.messages)
        self.frames.extend(frames)
        for wire in taken.resend:
            self.send(wire)

    def hear_until(self, done: Callable[[], bool]) -> None:
        """Take packets until something has come."""
        while not done():
            self.hear()

    def send(self, wire: Wire) -> None:
        self.socket.send_multipart([self.peer, *wire])

    def say(self, *messages: Message, frames: Sequence[Frame] = ()) -> None:
        self.send(self.ledger.say(list(messages), frames))

    def close(self) -> None:
        self.socket.close(linger=0)
        self._context.term()

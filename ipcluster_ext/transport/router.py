"""The hub's end of the wires: one socket for clients, one for engines and agents."""

import os
import select
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import zmq

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ledger import Wire
from ipcluster_ext.transport.sockets import (
    MORE_COMES,
    MORE_NOW,
    NOW,
    bind_router,
    descriptor_of,
    has_arrivals,
)

MOST_PACKETS = 4096
LINGER_MS = 50
_COPY_BELOW = 64 * 1024


class Address(NamedTuple):
    """Where a peer is: which socket, and by what name there."""

    door: int
    identity: bytes


class Arrival(NamedTuple):
    """A packet that came, still in bytes."""

    address: Address
    header: bytes
    frames: list[Frame]


class Router:
    """Several bound sockets, read and written by one thread.

    Parameters
    ----------
    doors
        Their socket files; a peer's `Address.door` is an index of this list.
    lifeline
        A file descriptor whose end means that this process should end.
    """

    def __init__(self, doors: Sequence[Path], *, lifeline: int) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        self._sockets = [bind_router(self._context, path) for path in doors]
        self._lifeline = lifeline
        self._poll = select.poll()
        self._doors: dict[int, int] = {}
        for door, socket in enumerate(self._sockets):
            descriptor = descriptor_of(socket)
            self._doors[descriptor] = door
            self._poll.register(descriptor, select.POLLIN)
        self._poll.register(lifeline, select.POLLIN)
        self._unsure = set(range(len(self._sockets)))
        """Doors at which something may be that their descriptors do not tell of any more."""

    def wait(self, timeout: float) -> bool:
        """Wait until something has come, or for so many seconds.

        Returns
        -------
        False when the lifeline has ended.
        """
        self._unsure = {door for door in self._unsure if has_arrivals(self._sockets[door])}
        if self._unsure:
            timeout = 0.0
        for descriptor, _ in self._poll.poll(max(0.0, timeout * 1000)):
            if descriptor != self._lifeline:
                self._unsure.add(self._doors[descriptor])
            elif os.read(self._lifeline, 1024) == b"":
                return False
        return True

    def receive(self) -> list[Arrival]:
        """Return everything that has come, in order for each peer."""
        arrivals: list[Arrival] = []
        for door in list(self._unsure):
            socket = self._sockets[door]
            try:
                for _ in range(MOST_PACKETS):
                    identity = socket.recv(NOW)
                    header, frames = _receive_frames(socket)
                    arrivals.append(Arrival(Address(door, identity), header, frames))
            except zmq.Again:
                self._unsure.discard(door)
        return arrivals

    def send(self, address: Address, wire: Wire) -> bool:
        """Send a packet.

        Returns
        -------
        Whether the peer is there. A packet that finds its queue full is dropped here and kept
        in the ledger, like one that is lost on its way.
        """
        socket = self._sockets[address.door]
        self._unsure.add(address.door)
        try:
            if len(wire) == 1:
                socket.send(address.identity, MORE_NOW)
                socket.send(wire[0], NOW)
            else:
                socket.send_multipart([address.identity, *wire], NOW, copy=False)
        except zmq.Again:
            return True
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True

    def close(self) -> None:
        """Close the sockets; what cannot be sent within `LINGER_MS` is lost."""
        for socket in self._sockets:
            socket.close(linger=LINGER_MS)
        self._context.term()


def _receive_frames(socket: zmq.Socket[bytes]) -> tuple[bytes, list[Frame]]:
    """Take the frames of a packet whose sender's identity was taken already."""
    header = socket.recv(NOW)
    frames: list[Frame] = []
    while socket.getsockopt(MORE_COMES):
        frame = socket.recv(copy=False)
        frames.append(frame.buffer if frame.buffer.nbytes >= _COPY_BELOW else frame.bytes)
    return header, frames

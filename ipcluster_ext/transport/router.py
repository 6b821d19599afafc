"""The hub's end of the wires: a ROUTER for clients and one for engines and agents.

They speak ZeroMQ's protocol to whoever connects, libzmq's DEALER included, on the hub's only
thread (`transport.stream` says why), and write to nobody who would keep it waiting.
"""

import os
import select
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ledger import Wire
from ipcluster_ext.transport.lookout import Lookout
from ipcluster_ext.transport.sockets import listen
from ipcluster_ext.transport.stream import Stream
from ipcluster_ext.transport.zmtp import Welcoming

MOST_WAITING = 20_000
"""So many pieces of messages wait for one peer; what comes beyond stays in its ledger."""
HANDSHAKE_WITHIN = 2.0
LINGER = 0.05
_CHUNK = 4096
_OUT = select.EPOLLOUT


class Address(NamedTuple):
    """Where a peer is: through which door it came, and by what name."""

    door: int
    identity: bytes


class Arrival(NamedTuple):
    """A packet that came, still in bytes."""

    address: Address
    header: Frame
    frames: list[Frame]


class _Stranger(NamedTuple):
    """A connection whose greeting is not complete."""

    peer: socket.socket
    door: int
    welcoming: Welcoming
    until: float


class _Link(NamedTuple):
    """A connection to a peer."""

    fd: int
    address: Address
    stream: Stream


class Router:
    """Several doors, read and written by one thread.

    Parameters
    ----------
    doors
        Their socket files; a peer's `Address.door` is an index of this list.
    lifeline
        A file descriptor whose end means that this process should end.

    Attributes
    ----------
    last_words
        What was read from it.
    """

    def __init__(self, doors: Sequence[Path], *, lifeline: int) -> None:
        self._paths = doors
        self._poll = select.epoll()
        self._lifeline = lifeline
        self._poll.register(lifeline, select.EPOLLIN)
        self._doors: dict[int, tuple[int, socket.socket]] = {}
        for number, path in enumerate(doors):
            door = listen(path)
            self._doors[door.fileno()] = (number, door)
            self._poll.register(door, select.EPOLLIN)
        self._strangers: dict[int, _Stranger] = {}
        self._links: dict[int, _Link] = {}
        self._by_address: dict[Address, _Link] = {}
        self._ready: list[tuple[int, int]] = []
        self._lookout = Lookout(self._poll)
        self._talking = False
        self._last_door = -1
        self.last_words = b""

    def wait(self, timeout: float) -> bool:
        """Wait until something has come, or for so many seconds.

        Returns
        -------
        False when the lifeline has ended.
        """
        self._ready = self._lookout.wait(max(0.0, timeout), talking=self._talking)
        for fd, _ in self._ready:
            if fd == self._lifeline:
                said = os.read(fd, 1024)
                self.last_words += said
                return said != b""
        return True

    def receive(self) -> list[Arrival]:
        """Return what has come, in order for each peer."""
        arrivals: list[Arrival] = []
        ready, self._ready = self._ready, []
        for fd, event in ready:
            link = self._links.get(fd)
            if link is None:
                self._meet(fd, arrivals)
                continue
            _, address, stream = link
            if event & _OUT:
                stream.flush(0.0)
            for header, *frames in stream.receive():
                arrivals.append(Arrival(address, header, frames))
            if stream.broken:
                self._forget(link)
        if self._strangers:
            self._sweep()
        before, self._last_door = self._last_door, arrivals[-1].address.door if arrivals else -1
        self._talking = len(arrivals) == 1 and self._last_door != before
        return arrivals

    def _meet(self, fd: int, arrivals: list[Arrival]) -> None:
        if fd in self._doors:
            self._accept(*self._doors[fd])
        elif fd in self._strangers:
            self._welcome(fd, arrivals)

    def _accept(self, number: int, door: socket.socket) -> None:
        """Begin to talk to those who have come to a door."""
        while True:
            try:
                peer, _ = door.accept()
            except OSError:
                return  # nobody is left, or there is no descriptor for another
            peer.settimeout(0)
            welcoming = Welcoming()
            until = time.monotonic() + HANDSHAKE_WITHIN
            self._strangers[peer.fileno()] = _Stranger(peer, number, welcoming, until)
            self._poll.register(peer, select.EPOLLIN)
            try:
                peer.send(welcoming.greeting)
            except OSError:
                self._turn_away(peer.fileno())

    def _welcome(self, fd: int, arrivals: list[Arrival]) -> None:
        """Go on with a stranger's greeting; with its end, it is a peer."""
        peer, door, welcoming, _ = self._strangers[fd]
        try:
            data = peer.recv(_CHUNK)
            identity = welcoming.take(data) if data else None
            if identity is None:
                if not data:
                    self._turn_away(fd)
                return
            peer.send(welcoming.ready)
        except BlockingIOError:
            return
        except (OSError, ProtocolError):
            self._turn_away(fd)
            return
        del self._strangers[fd]
        self._poll.unregister(peer)
        address = Address(door, identity or b"\0%d" % fd)
        if (before := self._by_address.get(address)) is not None:
            self._forget(before)  # whoever comes under a name takes it over
        stream = Stream(peer, self._poll)
        self._links[fd] = self._by_address[address] = _Link(fd, address, stream)
        for header, *frames in stream.begin(welcoming.rest):
            arrivals.append(Arrival(address, header, frames))

    def _sweep(self) -> None:
        """Turn those away who have not finished their greeting in time."""
        now = time.monotonic()
        for fd in [fd for fd, stranger in self._strangers.items() if stranger.until < now]:
            self._turn_away(fd)

    def _turn_away(self, fd: int) -> None:
        stranger = self._strangers.pop(fd)
        self._poll.unregister(stranger.peer)
        stranger.peer.close()

    def _forget(self, link: _Link) -> None:
        del self._links[link.fd], self._by_address[link.address]
        link.stream.close()

    def send(self, address: Address, wire: Wire) -> bool:
        """Send a packet, without ever waiting.

        Returns
        -------
        Whether the peer is there. A packet that finds too much waiting before it is dropped
        here and kept in the ledger, like one that is lost on its way.
        """
        link = self._by_address.get(address)
        if link is None or link.stream.broken:
            return False
        stream = link.stream
        if stream.backlog < MOST_WAITING:
            stream.send(wire, grace=0.0)
        return not stream.broken

    def close(self) -> None:
        """Close the doors and the connections; what cannot be sent within `LINGER` is lost."""
        for fd in list(self._strangers):
            self._turn_away(fd)
        linger = LINGER
        for link in self._links.values():
            began = time.monotonic()
            link.stream.close(linger)
            linger = max(0.0, linger - (time.monotonic() - began))
        for path, (_, door) in zip(self._paths, self._doors.values(), strict=True):
            door.close()
            path.unlink(missing_ok=True)
        self._poll.close()

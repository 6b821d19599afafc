"""The hub's end of the wires: a ROUTER for clients and one for engines and agents.

They speak ZeroMQ's protocol to whoever connects, libzmq's DEALER included, on the hub's only
thread (`transport.stream` says why), and write to nobody who would keep it waiting. Those who come
and say nothing have to make room for others when it gets narrow.
"""

import errno
import os
import select
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.keys import KEY_LENGTH
from ipcluster_ext.protocol.ledger import Wire
from ipcluster_ext.transport.descriptors import first_reserved
from ipcluster_ext.transport.lookout import Lookout
from ipcluster_ext.transport.sockets import listen
from ipcluster_ext.transport.stream import Stream
from ipcluster_ext.transport.zmtp import Welcoming

MOST_WAITING = 20_000
"""So many pieces of messages wait for one peer; what comes beyond stays in its ledger."""
HANDSHAKE_WITHIN = 2.0
MOST_STRANGERS = 512
"""So many may be greeting at a time; the one that takes longest makes room for another."""
MOST_MET_AT_ONCE = 64
"""So many of those who come to a door are met in one turn: no storm keeps the others waiting."""
LINGER = 0.05
_CHUNK = 4096
_OURS = b"\0"
"""How the names begin that peers do not choose themselves."""
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE})
_OUT = select.EPOLLOUT


class Address(NamedTuple):
    """Where a peer is: through which door it came, and by what name."""

    door: int
    identity: bytes

    @property
    def outside(self) -> bool:
        """Whether it came by TCP, and so perhaps from another host: its name begins with a key."""
        return self.identity.startswith(_OURS) and len(self.identity) > KEY_LENGTH


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


class Annex(Protocol):
    """More doors, which somebody else keeps; their addresses differ from those of peers here."""

    @property
    def fd(self) -> int:
        """A file descriptor that is readable when something has come."""

    def receive(self) -> list[Arrival]:
        """Return what has come, in order for each peer."""

    def send(self, address: Address, wire: Wire) -> bool:
        """Send a packet, without ever waiting; tell whether the peer is there."""

    def dismiss(self, address: Address) -> None:
        """Hear no more of a peer."""

    def close(self) -> None:
        """Close the doors."""


class Router:
    """Several doors, read and written by one thread.

    Parameters
    ----------
    doors
        Their socket files; a peer's `Address.door` is an index of this list.
    lifeline
        A file descriptor whose end means that this process should end.
    annex
        More doors, which are closed together with these.

    Attributes
    ----------
    last_words
        What was read from it.
    """

    def __init__(self, doors: Sequence[Path], *, lifeline: int, annex: Annex | None = None) -> None:
        self._paths = doors
        self._annex = annex
        self._first_reserved = first_reserved()
        self._poll = select.epoll()
        self._lifeline = lifeline
        self._poll.register(lifeline, select.EPOLLIN)
        self._doors: dict[int, tuple[int, socket.socket]] = {}
        for number, path in enumerate(doors):
            door = listen(path)
            self._doors[door.fileno()] = (number, door)
            self._poll.register(door, select.EPOLLIN)
        if annex is not None:
            self._poll.register(annex.fd, select.EPOLLIN)
        self._strangers: dict[int, _Stranger] = {}
        self._silent: dict[int, _Link] = {}
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
        elif fd in self._silent:
            self._hear_first(self._silent.pop(fd), arrivals)
        elif self._annex is not None and fd == self._annex.fd:
            arrivals += self._annex.receive()

    def _hear_first(self, link: _Link, arrivals: list[Arrival]) -> None:
        """Take the first that one says who came some time ago."""
        self._links[link.fd] = link
        for header, *frames in link.stream.receive():
            arrivals.append(Arrival(link.address, header, frames))
        if link.stream.broken:
            self._forget(link)

    def _accept(self, number: int, door: socket.socket) -> None:
        """Begin to talk to those who have come to a door; what is left of them has its turn."""
        for _ in range(MOST_MET_AT_ONCE):
            try:
                peer, _ = door.accept()
            except OSError as error:
                if error.errno in _NO_ROOM and self._make_room():
                    continue
                return  # nobody is left
            if peer.fileno() >= self._first_reserved and not self._make_room():
                peer.close()
                continue
            if len(self._strangers) >= MOST_STRANGERS:
                self._make_room()
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
            _check_name(identity)
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
        address = Address(door, identity or _OURS + b"%d" % fd)
        if (before := self._by_address.get(address)) is not None:
            self._forget(before)  # whoever comes under a name takes it over
        stream = Stream(peer, self._poll)
        link = self._by_address[address] = _Link(fd, address, stream)
        if not welcoming.rest:
            self._silent[fd] = link
            return
        self._links[fd] = link
        for header, *frames in stream.begin(welcoming.rest):
            arrivals.append(Arrival(address, header, frames))
        if stream.broken:
            self._forget(link)

    def _sweep(self) -> None:
        """Turn those away who have not finished their greeting in time."""
        now = time.monotonic()
        while self._strangers:
            fd, stranger = next(iter(self._strangers.items()))  # the one that came first
            if stranger.until >= now:
                return
            self._turn_away(fd)

    def _make_room(self) -> bool:
        """Turn away who came first of those who have said nothing yet; tell whether one had not."""
        if self._strangers:
            self._turn_away(next(iter(self._strangers)))
        elif self._silent:
            self._forget(next(iter(self._silent.values())))
        else:
            return False
        return True

    def _turn_away(self, fd: int) -> None:
        stranger = self._strangers.pop(fd)
        self._poll.unregister(stranger.peer)
        stranger.peer.close()

    def _forget(self, link: _Link) -> None:
        self._links.pop(link.fd, None)
        self._silent.pop(link.fd, None)
        del self._by_address[link.address]
        link.stream.close()

    def dismiss(self, address: Address) -> None:
        """End the connection to a peer, once what was sent before has left, if it can at once."""
        link = self._by_address.get(address)
        if link is not None:
            self._forget(link)
        elif self._annex is not None:
            self._annex.dismiss(address)

    def send(self, address: Address, wire: Wire) -> bool:
        """Send a packet, without ever waiting.

        Returns
        -------
        Whether the peer is there. A packet that finds too much waiting before it is dropped
        here and kept in the ledger, like one that is lost on its way.
        """
        link = self._by_address.get(address)
        if link is None:
            return self._annex is not None and self._annex.send(address, wire)
        stream = link.stream
        if stream.broken:
            return False
        if stream.backlog < MOST_WAITING:
            stream.send(wire, grace=0.0)
        return not stream.broken

    def close(self) -> None:
        """Close the doors and the connections; what cannot be sent within `LINGER` is lost."""
        for fd in list(self._strangers):
            self._turn_away(fd)
        linger = LINGER
        for link in self._by_address.values():
            began = time.monotonic()
            link.stream.close(linger)
            linger = max(0.0, linger - (time.monotonic() - began))
        for path, (_, door) in zip(self._paths, self._doors.values(), strict=True):
            door.close()
            path.unlink(missing_ok=True)
        if self._annex is not None:
            self._annex.close()
        self._poll.close()


def _check_name(identity: bytes | None) -> None:
    """Refuse a name of the kind that is given here.

    Raises
    ------
    ProtocolError
        It is one.
    """
    if identity and identity.startswith(_OURS):
        raise ProtocolError("a name that is not a peer's to choose")

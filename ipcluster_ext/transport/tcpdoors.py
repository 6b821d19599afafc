"""The hub's doors on TCP: one for clients, one for engines and agents, both of ZeroMQ with CURVE.

They add to what `transport.router` waits for and have its ways: packets with addresses in, packets
to addresses out, nobody waited for. An address is the key that a peer has proved to own, and the
name that it gives itself; how to reach it is learnt anew from each packet that it sends. By what
name ZeroMQ knows its connection is ZeroMQ's choice, so that no peer can take another's place.
"""

import contextlib
import os
import select
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import zmq

from ipcluster_ext.errors import ClusterError, ProtocolError
from ipcluster_ext.protocol.keys import KEY_LENGTH
from ipcluster_ext.protocol.ledger import Wire
from ipcluster_ext.transport.admission import Admission
from ipcluster_ext.transport.curve import DOMAINS, Context, Socket, make_door
from ipcluster_ext.transport.interfaces import EVERYWHERE, addresses_of
from ipcluster_ext.transport.keys import HubKeys, check_encryption
from ipcluster_ext.transport.pieces import Cutter, put_together
from ipcluster_ext.transport.refusals import Refusals
from ipcluster_ext.transport.router import Address, Arrival

ABSENT_FOR = 900.0
"""A peer that nothing is heard of is waited for so long, in seconds: connections break."""
MOST_AT_ONCE = 1_000
"""So many packets are taken from a door in one turn: no flood keeps the others waiting."""
MOST_NAMES = 10_000
"""So many peers may share one key."""
_BACKLOG = 4096
HANG_UP = b""
"""What is said to one who is not heard any more: it is no packet."""
_NOWHERE = b""
_FIRST = b"\0"
"""How ZeroMQ's own names begin, and the addresses here; no socket file's peer is called so."""
_MOST_OUTCASTS = 10_000
_LINGER_MS = 50
_ATTEMPTS = 20


@dataclass(slots=True)
class _Route:
    """By which connection a peer is reached, and when it was heard."""

    connection: bytes
    heard_at: float


class TcpDoors:
    """The doors, open from the moment this is made.

    Parameters
    ----------
    ips
        Where to listen, each an address, the name of an interface, or ``"*"`` for everywhere.
    ports
        One for each door, the same at all addresses; 0 for any that is free.
    keys
        The hub's own, and those it admits.
    refusals
        Told of those who are turned away.

    Attributes
    ----------
    ips, ports
        Where the doors are.

    Raises
    ------
    ClusterError
        There is no such address, a port is taken, or this ZeroMQ cannot encrypt.
    """

    def __init__(
        self, ips: Sequence[str], ports: Sequence[int], keys: HubKeys, *, refusals: Refusals
    ) -> None:
        check_encryption()
        self.ips = addresses_of(ips)
        self.ports: list[int] = []
        self._refusals = refusals
        self._routes: dict[Address, _Route] = {}
        self._names: Counter[str] = Counter()
        self._cutter = Cutter()
        self._outcasts: set[bytes] = set()
        self._sweep_at = 0.0
        self._listening: list[list[socket.socket]] = []
        self._doors: list[Socket] = []
        self._poll = select.epoll()
        self._again = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._again, select.EPOLLIN)
        self._context: Context = zmq.Context()
        self._admission = Admission(self._context, keys.admitted, refusals)
        self._enter(self._admission.socket)
        try:
            for port in ports:
                self._listening.append(_listen_at(self.ips, port))
            self.ports = [_port_of(sockets[0]) for sockets in self._listening]
            self._open(keys)
        except BaseException:
            self.close()
            raise

    def _open(self, keys: HubKeys) -> None:
        for port, sockets, domain in zip(self.ports, self._listening, DOMAINS, strict=True):
            door = make_door(self._context, keys.server, domain)
            self._doors.append(door)
            for ip, listening in zip(self.ips, sockets, strict=True):
                door.setsockopt(zmq.USE_FD, os.dup(listening.fileno()))  # closed with the door
                door.bind(f"tcp://{ip}:{port}")
            self._enter(door)

    def _enter(self, of_zmq: Socket) -> None:
        self._poll.register(int(of_zmq.getsockopt(zmq.FD)), select.EPOLLIN)

    @property
    def fd(self) -> int:
        """A file descriptor to wait on: it is readable when `receive` is due."""
        return self._poll.fileno()

    @property
    def hosts(self) -> list[str]:
        """The addresses by which this host reaches the doors."""
        return ["127.0.0.1"] if self.ips == [EVERYWHERE] else self.ips

    def admit_more(self, keys: HubKeys) -> None:
        """Admit others as well; nobody's connection is touched."""
        self._admission.admit(keys.admitted)

    def rekey(self, keys: HubKeys) -> None:
        """Admit others from now on; every connection has to prove itself again."""
        for door in self._doors:
            self._poll.unregister(int(door.getsockopt(zmq.FD)))
            door.close(linger=0)
        self._doors.clear()
        self._outcasts.clear()
        self._admission.admit(keys.admitted)
        for address in list(self._routes):
            if not self._admission.admits(address.door, _key_of(address)):
                self._forget(address)
        self._open(keys)

    def answer(self) -> None:
        """Judge those who knock, without telling anybody, and hear nobody."""
        self._admission.answer(quietly=True)

    def receive(self) -> list[Arrival]:
        """Return what has come from those who are admitted, in order for each."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._again)
        now = time.monotonic()
        arrivals: list[Arrival] = []
        self._admission.answer()
        for number, door in enumerate(self._doors):
            for _ in range(MOST_AT_ONCE):
                try:
                    parts = door.recv_multipart(zmq.NOBLOCK, copy=False)
                except zmq.Again:
                    break
                if (arrival := self._accept(number, parts, now)) is not None:
                    arrivals.append(arrival)
        self._look_again(self._admission.socket, *self._doors)
        if now >= self._sweep_at:
            self._sweep(now)
        return arrivals

    def _look_again(self, *sockets: Socket) -> None:
        """Make the file descriptor readable if there is more: ZeroMQ's tell of news only once."""
        for each in sockets:
            if int(each.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                self.nudge()
                return

    def nudge(self) -> None:
        """Make the file descriptor readable, from anywhere."""
        os.eventfd_write(self._again, 1)

    def _accept(self, number: int, parts: list[zmq.Frame], now: float) -> Arrival | None:
        """Return a packet that may be taken; who sends anything else is not heard again."""
        connection = parts[0].bytes
        if connection in self._outcasts:
            return None
        user = str(parts[1].get("User-Id"))
        try:
            self._check(number, user)
            name, (header, *frames) = put_together([part.buffer for part in parts[1:]])
            address = Address(number, _FIRST + user.encode() + name)
            self._note(address, user, connection, now)
        except ProtocolError as error:
            self._refusals.note(f"{error}, from key {user[:8]}")
            self._cast_out(connection)
            self._hang_up(number, connection)
            return None
        return Arrival(address, header, frames)

    def _check(self, number: int, user: str) -> None:
        if not self._admission.admits(number, user):
            raise ProtocolError("not admitted any more")

    def _note(self, address: Address, user: str, connection: bytes, now: float) -> None:
        """Remember how a peer is reached."""
        route = self._routes.get(address)
        if route is not None:
            route.connection, route.heard_at = connection, now
            return
        if self._names[user] >= MOST_NAMES:
            raise ProtocolError(f"more than {MOST_NAMES} names")
        self._names[user] += 1
        self._routes[address] = _Route(connection, now)

    def _cast_out(self, connection: bytes) -> None:
        """Neither hear nor tell anything more by a connection."""
        for route in self._routes.values():
            if route.connection == connection:
                route.connection = _NOWHERE
        if len(self._outcasts) >= _MOST_OUTCASTS:
            self._outcasts.clear()
        self._outcasts.add(connection)

    def _hang_up(self, number: int, connection: bytes) -> None:
        """Have the other end make another connection, if it is one of ours: it understands this."""
        with contextlib.suppress(zmq.ZMQError):
            self._doors[number].send_multipart([connection, HANG_UP], zmq.NOBLOCK)

    def _sweep(self, now: float) -> None:
        """Forget those who have been silent for long."""
        self._sweep_at = now + ABSENT_FOR / 10
        for address, route in list(self._routes.items()):
            if now - route.heard_at > ABSENT_FOR:
                self._forget(address)

    def _forget(self, address: Address) -> None:
        del self._routes[address]
        user = _key_of(address)
        self._names[user] -= 1
        if not self._names[user]:
            del self._names[user]

    def send(self, address: Address, wire: Wire) -> bool:
        """Send a packet, without ever waiting.

        Returns
        -------
        Whether the peer is there, or may come back. What finds too much waiting before it, or no
        connection for the time being, is dropped here and kept in the ledger.
        """
        route = self._routes.get(address)
        if route is None:
            return False
        if route.connection == _NOWHERE:
            return True
        door = self._doors[address.door]
        try:
            door.send_multipart([route.connection, *self._cutter.cut(wire)], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in {zmq.EAGAIN, zmq.EHOSTUNREACH}:
                raise
        self._look_again(door)
        return True

    def dismiss(self, address: Address) -> None:
        """Hear no more of a peer, until it makes another connection."""
        route = self._routes.get(address)
        if route is not None:
            self._cast_out(route.connection)
            self._forget(address)

    def close(self) -> None:
        """Close the doors; what cannot be sent at once is lost."""
        self._poll.close()
        self._context.destroy(linger=_LINGER_MS)
        for listening in chain.from_iterable(self._listening):
            listening.close()
        os.close(self._again)


def _key_of(address: Address) -> str:
    return address.identity[1:][:KEY_LENGTH].decode()


def _listen_at(ips: Sequence[str], port: int) -> list[socket.socket]:
    """Listen at a port of several addresses: the same one, any that is free at all of them if 0.

    Raises
    ------
    ClusterError
        It is taken at one of them, or one is not this host's.
    """
    for attempt in range(_ATTEMPTS):
        sockets: list[socket.socket] = []
        try:
            for ip in ips:
                sockets.append(_listen(ip, _port_of(sockets[0]) if sockets else port))
        except ClusterError:
            for each in sockets:
                each.close()
            if port or not sockets or attempt == _ATTEMPTS - 1:
                raise
        else:
            return sockets
    return []


def _port_of(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


def _listen(ip: str, port: int) -> socket.socket:
    """Listen at a port.

    Raises
    ------
    ClusterError
        It is taken, or not this host's.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((ip, port))
        listening.listen(_BACKLOG)
        listening.settimeout(0)
    except (OSError, OverflowError) as error:
        listening.close()
        msg = f"the hub cannot listen at {ip}:{port}: {error}; choose other ports"
        raise ClusterError(msg) from None
    return listening

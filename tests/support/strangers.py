"""Those who knock at a hub's doors on TCP: with the right keys, with others, with none."""

import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import zmq

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.keys import KeyPair, TcpAddress
from ipcluster_ext.transport.keys import HubKeys, mint
from ipcluster_ext.transport.refusals import Refusals
from ipcluster_ext.transport.router import Arrival
from ipcluster_ext.transport.tcpdealer import TcpDealer
from ipcluster_ext.transport.tcpdoors import TcpDoors
from tests.support.waiting import wait_until

CLIENTS, ENGINES = 0, 1


class Keyring(NamedTuple):
    """The keys of a hub, of one of its clients, and of one of its engines."""

    server: KeyPair
    client: KeyPair
    engine: KeyPair

    @classmethod
    def new(cls) -> Self:
        return cls(mint(), mint(), mint())

    def hub_keys(self, *more_clients: KeyPair) -> HubKeys:
        """Make out whom the hub admits."""
        clients = [self.client.public, *(pair.public for pair in more_clients)]
        return HubKeys(server=self.server, clients=clients, engines=[self.engine.public])


class House:
    """Doors on TCP, served on the test's own thread."""

    def __init__(self, *more_clients: KeyPair, ips: Sequence[str] = ("127.0.0.1",)) -> None:
        self.keys = Keyring.new()
        self.refusals = Refusals()
        self.doors = TcpDoors(
            ips, (0, 0), self.keys.hub_keys(*more_clients), refusals=self.refusals
        )
        self._dealers: list[TcpDealer] = []

    def address(
        self, door: int, keys: KeyPair, *, server: str = "", host: str = "127.0.0.1"
    ) -> TcpAddress:
        """Say where a door is, to somebody with these keys."""
        return TcpAddress(
            host=host,
            port=self.doors.ports[door],
            server=server or self.keys.server.public,
            keys=keys,
        )

    def knock(
        self,
        door: int,
        keys: KeyPair,
        *,
        identity: bytes = b"me",
        server: str = "",
        host: str = "127.0.0.1",
    ) -> TcpDealer:
        """Have somebody connect."""
        address = self.address(door, keys, server=server, host=host)
        self._dealers.append(TcpDealer(address, identity=identity, poll=select.poll()))
        return self._dealers[-1]

    def hear(self, count: int) -> list[Arrival]:
        """Receive until so many packets have come."""
        came: list[Arrival] = []

        def enough() -> bool:
            came.extend(self.turn())
            return len(came) >= count

        wait_until(enough)
        return came

    def turn(self) -> list[Arrival]:
        """Do what is due."""
        poll = select.poll()
        poll.register(self.doors.fd, select.POLLIN)
        return self.doors.receive() if poll.poll(2) else []

    def turn_until(self, done: Callable[[], object]) -> list[Arrival]:
        """Receive until something is the case; return what has come."""
        came: list[Arrival] = []

        def turned() -> bool:
            came.extend(self.turn())
            return bool(done())

        wait_until(turned)
        return came

    def close(self) -> None:
        for dealer in self._dealers:
            dealer.close()
        self.doors.close()


def settle(dealer: TcpDealer) -> bool:
    """Have a dealer enter its connection, if there is one; tell whether there is."""
    reached = dealer.reach(time.monotonic())
    if not isinstance(reached, float):
        dealer.enter(reached)
    return dealer.connected


def take(dealer: TcpDealer, house: House, count: int = 1) -> list[list[Frame]]:
    """Receive on a dealer until so many messages have come."""
    came: list[list[Frame]] = []

    def enough() -> bool:
        house.turn()
        came.extend(dealer.receive())
        return len(came) >= count

    wait_until(enough)
    return came


def plain_dealer(
    context: zmq.Context[zmq.Socket[bytes]], port: int, **options: bytes
) -> zmq.Socket[bytes]:
    """Connect a DEALER that does not encrypt."""
    dealer = context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.LINGER, 0)
    for name, option in options.items():
        dealer.setsockopt(getattr(zmq, name), option)
    dealer.connect(f"tcp://127.0.0.1:{port}")
    return dealer


def connect(port: int) -> socket.socket:
    """Connect without a word."""
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def hung_up(peer: socket.socket, within: float = 5.0) -> bool:
    """Whether the other end closes a connection in time, whatever it says before."""
    deadline = time.monotonic() + within
    try:
        while (left := deadline - time.monotonic()) > 0:
            peer.settimeout(left)
            if not peer.recv(65536):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    return False

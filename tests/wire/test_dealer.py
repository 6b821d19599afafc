"""The dealer's own ways, with a bare socket at the other end that does what the test says."""

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ipcluster_ext.transport.dealer import GRACE, Dealer
from ipcluster_ext.transport.zmtp import GREETING_NBYTES, framed, greeting, ready
from tests.support.waiting import wait_until

PATIENCE = 10.0
HELLO = greeting() + ready(b"ROUTER")


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "hub.sock"


@pytest.fixture
def door(path: Path) -> Iterator[socket.socket]:
    """Listen at the socket file, without libzmq."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()
        door.settimeout(PATIENCE)
        yield door


def accept(door: socket.socket, hello: bytes = HELLO) -> socket.socket:
    """Let a dealer in, and answer its greeting."""
    other, _ = door.accept()
    other.settimeout(PATIENCE)
    read = 0
    while read < len(greeting() + ready(b"DEALER", b"me")):
        read += len(other.recv(4096))
    other.sendall(hello)
    return other


@contextmanager
def connected(
    path: Path, door: socket.socket, hello: bytes = HELLO
) -> Iterator[tuple[Dealer, socket.socket]]:
    """Connect a dealer; both of its sides are closed in the end."""
    others: list[socket.socket] = []
    welcoming = threading.Thread(target=lambda: others.append(accept(door, hello)))
    welcoming.start()
    dealer = Dealer(path, identity=b"me", poll=select.poll())
    welcoming.join()
    try:
        yield dealer, others[0]
    finally:
        dealer.close()
        others[0].close()


def received(dealer: Dealer, enough: Callable[[list[list[bytes]]], bool]) -> list[list[bytes]]:
    """Receive until it is enough."""
    messages: list[list[bytes]] = []

    def done() -> bool:
        messages.extend([bytes(frame) for frame in message] for message in dealer.receive())
        return enough(messages)

    wait_until(done)
    return messages


def test_a_message_in_the_same_breath_as_the_greeting_is_not_lost(
    path: Path, door: socket.socket
) -> None:
    early = b"".join(map(bytes, framed([b"early"])))

    with connected(path, door, HELLO + early) as (dealer, _):
        assert received(dealer, bool) == [[b"early"]]


def test_a_message_that_comes_in_pieces_is_put_together(path: Path, door: socket.socket) -> None:
    frames = [b"head", os.urandom(200_000), b""]
    data = b"".join(map(bytes, framed(list(frames))))

    with connected(path, door) as (dealer, other):

        def write() -> None:
            for at in range(0, len(data), 999):
                other.sendall(data[at : at + 999])

        writing = threading.Thread(target=write)
        writing.start()
        messages = received(dealer, bool)
        writing.join()

    assert messages == [frames]


def test_what_the_hub_does_not_read_waits_and_leaves_when_it_does(
    path: Path, door: socket.socket
) -> None:
    content = os.urandom(8_000_000)
    expected = b"".join(map(bytes, framed([content]) + framed([b"after"])))

    with connected(path, door) as (dealer, other):
        dealer.send([content])
        dealer.send([b"after"])
        waits = dealer.backlog

        data = bytearray()
        other.settimeout(0)
        while len(data) < len(expected):
            with suppress(BlockingIOError):
                while True:
                    data += other.recv(1 << 16)
            dealer.flush()

        assert (waits, dealer.backlog, data == expected) == (True, False, True)
    assert GRACE < 1, "the test would take long"


def test_a_connection_that_broke_is_made_anew_and_its_half_messages_are_forgotten(
    path: Path, door: socket.socket
) -> None:
    with connected(path, door) as (dealer, other):
        other.sendall(b"\x01\x03abc\x00\x09half")
        other.close()
        wait_until(lambda: dealer.receive() == [] and not dealer.connected)

        dealer.send([b"kept"])
        welcomed: list[socket.socket] = []
        welcoming = threading.Thread(target=lambda: welcomed.append(accept(door)))
        welcoming.start()
        wait_until(lambda: dealer.connect(float("inf")) == 0.0)
        welcoming.join()
        with welcomed[0] as again:
            again.sendall(b"".join(map(bytes, framed([b"whole"]))))

            assert received(dealer, bool) == [[b"whole"]]
            assert again.recv(100) == b"\x00\x04kept"


@pytest.mark.parametrize(
    "hello",
    [b"HTTP/1.1 400 Bad Request\r\n".ljust(GREETING_NBYTES), HELLO[:GREETING_NBYTES] + b"\0\1x"],
)
def test_somebody_who_speaks_something_else_is_left_alone(
    hello: bytes, path: Path, door: socket.socket
) -> None:
    others: list[socket.socket] = []
    welcoming = threading.Thread(target=lambda: others.append(accept(door, hello)))
    welcoming.start()

    dealer = Dealer(path, identity=b"me", poll=select.poll())

    welcoming.join()
    others[0].close()
    assert not dealer.connected


def test_attempts_to_connect_become_rarer(path: Path) -> None:
    dealer = Dealer(path, identity=b"me", poll=select.poll())

    now = 1e9
    pauses: list[float] = []
    for _ in range(8):
        pauses.append(dealer.connect(now))
        now += pauses[-1]

    assert pauses == pytest.approx([0.02, 0.04, 0.08, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert dealer.connect(now - 0.25) == pytest.approx(0.25)

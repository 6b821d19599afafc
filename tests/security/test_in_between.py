"""Whoever stands between a peer and its hub reads nothing, and changes nothing."""

import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import zmq

import ipcluster_ext as ipp
from ipcluster_ext.errors import HubGone
from ipcluster_ext.transport.files import to_json
from ipcluster_ext.transport.keys import mint
from tests.security.guarded import Guarded
from tests.security.proxy import Proxy

if TYPE_CHECKING:
    from ipcluster_ext.protocol.keys import TcpAddress

FIRST_OF_WORK = 2
"""The frames before are the handshake's: HELLO and INITIATE."""


@pytest.fixture
def proxy(guarded: Guarded) -> Iterator[Proxy]:
    proxy = Proxy(guarded.tcp(guarded.own).port)
    yield proxy
    proxy.close()


Through = Callable[..., ipp.Client]


@pytest.fixture
def through(guarded: Guarded, proxy: Proxy) -> Iterator[Through]:
    """Connect a client through the proxy."""
    opened: list[ipp.Client] = []

    def connect(**facts: object) -> ipp.Client:
        address = msgspec.structs.replace(guarded.tcp(guarded.own), port=proxy.port, **facts)
        info = msgspec.structs.replace(guarded.own, folder="", tcp=address)
        opened.append(ipp.Client(msgspec.json.decode(to_json(info))))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


def _echo(canary: str, path: str) -> str:
    with open(path, "a") as file:  # noqa: PTH123 - runs on an engine, which imports nothing for it
        file.write("once\n")
    print(canary)  # noqa: T201 - what is printed travels, too
    return canary


def test_what_is_submitted_printed_and_returned_is_not_to_be_read(
    through: Through, proxy: Proxy, tmp_path: Path
) -> None:
    canary = f"canary-{secrets.token_hex(16)}"
    client = through()

    answer = client[0].apply_async(_echo, canary, str(tmp_path / "ran"))

    assert answer.get(20) == canary
    assert answer.stdout == [f"{canary}\n"] or canary in str(answer.stdout)
    assert len(proxy.seen) > 1_000
    for written in (canary.encode(), canary.encode("utf-16-le"), canary[7:].encode()):
        assert written not in proxy.seen
    assert b"_echo" not in proxy.seen


def test_what_is_not_encrypted_would_be_read() -> None:
    """Or the test above would prove nothing."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as dealer:
        proxy = Proxy(router.bind_to_random_port("tcp://127.0.0.1"))
        dealer.connect(f"tcp://127.0.0.1:{proxy.port}")
        dealer.send(b"canary")
        router.recv_multipart()
        proxy.close()
    context.term()

    assert b"canary" in proxy.seen


def flip_a_bit(place: float) -> Callable[[bytes], bytes]:
    def flip(frame: bytes) -> bytes:
        head = 9 if frame[0] & 2 else 2
        damaged = bytearray(frame)
        damaged[head + int((len(frame) - head - 1) * place)] ^= 0x10
        return bytes(damaged)

    return flip


class Once:
    """Does something to one frame of the work, whichever that is."""

    def __init__(self, number: int, do: Callable[[bytes], list[bytes]]) -> None:
        self._number = number
        self._do = do
        self.done = False
        self.kept: list[bytes] = []

    def __call__(self, number: int, frame: bytes) -> list[bytes]:
        if self.done or number < FIRST_OF_WORK + self._number:
            return [frame]
        self.done = True
        return self._do(frame)


@pytest.mark.parametrize("number", [0, 1, 3])
@pytest.mark.parametrize(
    "meddle",
    [
        pytest.param(lambda frame: [flip_a_bit(0.05)(frame)], id="a bit near the beginning"),
        pytest.param(lambda frame: [flip_a_bit(0.5)(frame)], id="a bit in the middle"),
        pytest.param(lambda frame: [flip_a_bit(1.0)(frame)], id="the last bit"),
        pytest.param(lambda frame: [frame, frame], id="the same again"),
        pytest.param(lambda frame: [frame, frame, frame[:1] + frame[1:]] * 3, id="many times"),
        pytest.param(lambda frame: [frame[:-1]], id="a byte less"),
        pytest.param(lambda frame: [b"\x00\x05forge", frame], id="a frame of his own"),
        pytest.param(lambda frame: [], id="a frame less"),
    ],
)
def test_what_is_changed_on_its_way_is_not_taken_and_the_work_is_done_once(
    meddle: Callable[[bytes], list[bytes]],
    number: int,
    through: Through,
    proxy: Proxy,
    tmp_path: Path,
) -> None:
    client = through()
    proxy_ = Once(number, meddle)
    proxy.meddle = proxy_

    answers = [
        client[0].apply_async(_echo, f"{turn}", str(tmp_path / "ran")).get(30) for turn in range(4)
    ]

    assert proxy_.done
    assert answers == ["0", "1", "2", "3"]
    assert (tmp_path / "ran").read_text() == "once\n" * 4


def test_frames_in_another_order_are_not_taken(
    through: Through, proxy: Proxy, tmp_path: Path
) -> None:
    held: list[bytes] = []

    def swap(number: int, frame: bytes) -> list[bytes]:
        if number < FIRST_OF_WORK + 2 or len(held) > 1:
            return [frame]
        held.append(frame)
        return [] if len(held) == 1 else [held[1], held[0]]

    client = through()
    proxy.meddle = swap

    answers = [client[0].apply_async(_echo, f"{turn}", str(tmp_path / "ran")) for turn in range(4)]

    assert [answer.get(40) for answer in answers] == ["0", "1", "2", "3"]
    assert (tmp_path / "ran").read_text() == "once\n" * 4


def test_a_session_that_was_recorded_cannot_be_played_again(
    through: Through, proxy: Proxy, guarded: Guarded, tmp_path: Path
) -> None:
    recorded: list[bytes] = []

    def record(number: int, frame: bytes) -> list[bytes]:
        del number
        recorded.append(frame)
        return [frame]

    proxy.meddle = record
    assert through()[0].apply_async(_echo, "x", str(tmp_path / "ran")).get(20) == "x"

    address = guarded.tcp(guarded.own)
    with socket.create_connection((address.host, address.port), timeout=5) as peer:
        peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32))
        try:
            for frame in recorded:
                peer.sendall(frame)
            while peer.recv(4096):
                continue
        except OSError:
            peer.close()
    guarded.work()

    assert (tmp_path / "ran").read_text() == "once\n"


def test_whoever_pretends_to_be_the_hub_is_told_nothing(
    through: Through, proxy: Proxy, guarded: Guarded
) -> None:
    with pytest.raises(HubGone, match="who answers there is not that hub"):
        through(server=mint().public)
    said = bytes(proxy.seen)

    address: TcpAddress = guarded.tcp(guarded.own)
    assert address.keys.public.encode() not in said
    assert b"ClientHello" not in said

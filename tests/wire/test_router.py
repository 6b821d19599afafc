"""The hub's end among peers of libzmq's own, and among those who are no peers."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from ipcluster_ext.transport import router as router_module
from ipcluster_ext.transport.router import (
    MOST_MET_AT_ONCE,
    MOST_WAITING,
    Address,
    Arrival,
    Router,
)
from ipcluster_ext.transport.zmtp import greeting, ready
from tests.support.libzmq import connect_dealer
from tests.support.strangers import House
from tests.support.waiting import wait_until

PATIENCE_MS = 10_000


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "hub.sock"


@pytest.fixture
def router(path: Path) -> Iterator[Router]:
    lifeline, life = os.pipe()
    router = Router([path], lifeline=lifeline)
    yield router
    router.close()
    os.close(life)
    os.close(lifeline)


Connect = Callable[[bytes], zmq.Socket[bytes]]


@pytest.fixture
def connect(path: Path) -> Iterator[Connect]:
    """Make DEALERs of libzmq's under names."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made: list[zmq.Socket[bytes]] = []

    def connect(identity: bytes) -> zmq.Socket[bytes]:
        made.append(connect_dealer(context, path, identity=identity))
        return made[-1]

    yield connect
    for dealer in made:
        dealer.close(linger=0)
    context.term()


def arrivals(router: Router, count: int) -> list[Arrival]:
    """Receive until so many packets have come."""
    came: list[Arrival] = []

    def enough() -> bool:
        router.wait(0.02)
        came.extend(router.receive())
        return len(came) >= count

    wait_until(enough)
    return came


@pytest.mark.parametrize("nbytes", [0, 255, 256, 100_000, 5_000_000])
def test_libzmqs_dealer_and_the_router_understand_each_other(
    nbytes: int, router: Router, connect: Connect
) -> None:
    dealer = connect(b"them")
    content = os.urandom(nbytes)

    dealer.send_multipart([b"header", content, b"last"])
    [arrival] = arrivals(router, 1)
    there = router.send(arrival.address, [b"answer", content])
    while not dealer.poll(0):
        router.wait(0.02)
        router.receive()

    assert arrival.address == Address(0, b"them")
    assert bytes(arrival.header) == b"header"
    assert [bytes(frame) for frame in arrival.frames] == [content, b"last"]
    assert there
    assert dealer.recv_multipart() == [b"answer", content]


def test_a_peer_that_never_came_or_has_gone_is_not_there(router: Router, connect: Connect) -> None:
    dealer = connect(b"them")
    dealer.send(b"x")
    [arrival] = arrivals(router, 1)
    dealer.close(linger=0)

    def gone() -> bool:
        router.wait(0.02)
        router.receive()
        return not router.send(arrival.address, [b"x"])

    wait_until(gone)
    assert not router.send(Address(0, b"nobody"), [b"x"])


def test_who_comes_under_a_name_takes_it_over(router: Router, connect: Connect) -> None:
    first = connect(b"name")
    first.send(b"1")
    [arrival] = arrivals(router, 1)
    first.setsockopt(zmq.RECONNECT_IVL, -1)

    second = connect(b"name")
    second.send(b"2")
    arrivals(router, 1)
    router.send(arrival.address, [b"for the second"])

    assert second.poll(PATIENCE_MS)
    assert second.recv() == b"for the second"


def test_a_peer_that_reads_nothing_keeps_nobody_waiting_and_gets_what_waited_later(
    router: Router, path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        peer.sendall(greeting() + ready(b"DEALER", b"slow") + b"\x00\x01x")
        [arrival] = arrivals(router, 1)

        sent = [router.send(arrival.address, [b"y" * 200]) for _ in range(2 * MOST_WAITING)]
        peer.settimeout(0)
        read = 0

        def everything() -> bool:
            nonlocal read
            router.wait(0.0)
            router.receive()
            try:
                while data := peer.recv(1 << 20):
                    read += len(data)
            except BlockingIOError:
                return read > 202 * MOST_WAITING
            return False

        wait_until(everything)

    assert all(sent)
    assert read < 202 * 2 * MOST_WAITING


def test_those_who_speak_something_else_or_nothing_do_not_disturb_others(
    router: Router, path: Path, connect: Connect
) -> None:
    strangers = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for number, stranger in enumerate(strangers):
        stranger.connect(str(path))
        stranger.sendall((os.urandom(200), b"", greeting(), b"\xff")[number % 4])
    for stranger in strangers[:20]:
        stranger.close()

    connect(b"them").send(b"x")

    assert [arrival.address.identity for arrival in arrivals(router, 1)] == [b"them"]
    for stranger in strangers:
        stranger.close()


def test_a_frame_longer_than_any_packet_ends_the_connection(router: Router, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        peer.sendall(greeting() + ready(b"DEALER", b"liar") + b"\x00\x01x")
        [arrival] = arrivals(router, 1)
        peer.sendall(b"\x02" + b"\x7f" * 8)

        wait_until(
            lambda: (
                router.wait(0.02)
                and router.receive() == []
                and not router.send(arrival.address, [b"x"])
            )
        )


def test_the_end_of_the_lifeline_is_told(path: Path) -> None:
    lifeline, life = os.pipe()
    router = Router([path], lifeline=lifeline)
    before = router.wait(0.0)

    os.close(life)
    after = router.wait(1.0)

    router.close()
    os.close(lifeline)
    assert (before, after, path.exists()) == (True, False, False)


class TestCrowds:
    """Those who come in numbers and say nothing."""

    @pytest.fixture
    def crowd(self, path: Path) -> Iterator[Callable[[int, bytes], list[socket.socket]]]:
        """Have so many come, who say so much each."""
        came: list[socket.socket] = []

        def come(count: int, says: bytes) -> list[socket.socket]:
            for _ in range(count):
                visitor = socket.socket(socket.AF_UNIX)
                visitor.connect(str(path))
                visitor.sendall(says)
                visitor.settimeout(0)
                came.append(visitor)
            return came

        yield come
        for visitor in came:
            visitor.close()

    @pytest.mark.parametrize(
        "says", [b"", greeting() + ready(b"DEALER")], ids=["nothing", "no more than a greeting"]
    )
    def test_they_make_room_for_one_who_speaks_when_descriptors_run_out(
        self,
        says: bytes,
        path: Path,
        connect: Connect,
        crowd: Callable[[int, bytes], list[socket.socket]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(router_module, "first_reserved", lambda: 200)
        lifeline, life = os.pipe()
        router = Router([path], lifeline=lifeline)
        talker = connect(b"talker")
        talker.send(b"1")
        arrivals(router, 1)

        for _ in range(10):
            crowd(30, says)
            router.wait(0.0)
            router.receive()
        connect(b"late").send(b"2")
        late = arrivals(router, 1)
        talker.send(b"3")
        again = arrivals(router, 1)

        assert [bytes(each.header) for each in late + again] == [b"2", b"3"]
        router.close()
        for fd in (lifeline, life):
            os.close(fd)

    def test_who_takes_longest_to_greet_makes_room_when_many_do(
        self,
        router: Router,
        crowd: Callable[[int, bytes], list[socket.socket]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(router_module, "MOST_STRANGERS", 5)

        visitors = crowd(12, greeting()[:9])
        router.wait(0.0)
        router.receive()

        assert [ended(visitor) for visitor in visitors] == [True] * 7 + [False] * 5

    def test_they_are_met_a_few_in_each_turn_so_that_others_are_heard_between(
        self, router: Router, crowd: Callable[[int, bytes], list[socket.socket]]
    ) -> None:
        visitors = crowd(MOST_MET_AT_ONCE + 36, b"")
        met: list[int] = []
        for _ in range(2):
            router.wait(0.0)
            router.receive()
            met.append(sum(greeted(visitor) for visitor in visitors))

        assert met == [MOST_MET_AT_ONCE, 36]

    def test_who_has_no_room_to_make_is_turned_away_and_others_go_on(
        self, path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lifeline, life = os.pipe()
        router = Router([path], lifeline=lifeline)
        talker = connect(b"talker")
        talker.send(b"1")
        arrivals(router, 1)
        monkeypatch.setattr(router, "_first_reserved", 0)

        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.connect(str(path))
            router.wait(0.0)
            router.receive()
            turned_away = ended(visitor)
        talker.send(b"2")

        assert [bytes(each.header) for each in arrivals(router, 1)] == [b"2"]
        assert turned_away
        router.close()
        for fd in (lifeline, life):
            os.close(fd)


def greeted(visitor: socket.socket) -> bool:
    """Whether the other end has said something since it was asked last."""
    try:
        return visitor.recv(4096) != b""
    except BlockingIOError:
        return False


def ended(visitor: socket.socket) -> bool:
    """Whether the other end has closed a connection."""
    visitor.settimeout(0)
    try:
        while visitor.recv(4096):
            continue
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


def test_a_peer_is_heard_no_more_once_it_is_dismissed(router: Router, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        peer.sendall(greeting() + ready(b"DEALER", b"rude") + b"\x00\x01x")
        [arrival] = arrivals(router, 1)

        router.send(arrival.address, [b"farewell"])
        router.dismiss(arrival.address)
        router.dismiss(arrival.address)

        peer.settimeout(5)
        said = b""
        while data := peer.recv(4096):
            said += data
    assert said.endswith(b"\x00\x08farewell")
    assert not router.send(arrival.address, [b"x"])


def test_nobody_may_take_a_name_of_the_kind_that_is_given(router: Router, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        peer.sendall(greeting() + ready(b"DEALER", b"\0me") + b"\x00\x01x")

        wait_until(lambda: router.wait(0.02) and router.receive() == [] and ended(peer))


def test_garbage_in_the_same_breath_as_the_greeting_ends_the_connection(
    router: Router, path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        peer.sendall(greeting() + ready(b"DEALER", b"liar") + b"\x00\x01x" + b"\xff" * 9)

        wait_until(lambda: router.wait(0.02) and router.receive() == [] and ended(peer))


class TestTheAnnex:
    """Doors that somebody else keeps."""

    def test_packets_come_and_go_through_both(self, path: Path) -> None:
        lifeline, life = os.pipe()
        house = House()
        router = Router([path], lifeline=lifeline, annex=house.doors)
        far = house.knock(0, house.keys.client)
        far.send([b"from afar"])
        [arrival] = arrivals(router, 1)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        near = connect_dealer(context, path, identity=b"near")
        near.send(b"from here")
        [other] = arrivals(router, 1)

        router.send(arrival.address, [b"to afar"])
        router.send(other.address, [b"to here"])
        heard: list[list[bytes]] = []
        while not heard or not near.poll(0):
            router.wait(0.01)
            router.receive()
            heard += [[bytes(frame) for frame in each] for each in far.receive()]
        router.dismiss(arrival.address)

        assert (bytes(arrival.header), bytes(other.header)) == (b"from afar", b"from here")
        assert (heard, near.recv()) == ([[b"to afar"]], b"to here")
        assert not router.send(arrival.address, [b"x"])
        near.close()
        context.term()
        far.close()
        router.close()
        for fd in (lifeline, life):
            os.close(fd)

"""Whoever comes to a hub's doors and does not behave gets nothing, and costs nothing."""

import resource
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import msgspec
import pytest
import zmq

import ipcluster_ext as ipp
from ipcluster_ext.protocol.messages import PROTOCOL_VERSION
from ipcluster_ext.transport.curve import make_dealer
from ipcluster_ext.transport.files import connection_file
from ipcluster_ext.transport.keys import mint
from ipcluster_ext.transport.pieces import Cutter
from ipcluster_ext.transport.zmtp import COMMAND, LONG, MORE, framed, greeting, ready
from tests.security.guarded import DOORS, MIB, PORTS, SOCKETS, Door, Guarded
from tests.security.nonsense import CASES, HELLO, SEED, nonsense
from tests.support.strangers import hung_up, plain_dealer

STRANGERS_MAY_COST = 5 * MIB
PEERS_MAY_COST = 30 * MIB
CONNECTS_WITHIN = 3.0


@pytest.fixture(autouse=True, scope="module")
def room() -> Iterator[None]:
    """Let this process have as many connections as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


def say(door: Door, said: bytes) -> None:
    """Say something at a door, and go."""
    with door.knock() as visitor, suppress(OSError):
        visitor.sendall(said)
        visitor.shutdown(socket.SHUT_WR)
        visitor.settimeout(0.001)
        while visitor.recv(4096):
            continue


def a_new_client_connects(guarded: Guarded, *, by_tcp: bool) -> float:
    """Return how long it takes another client to connect and have something done."""
    began = time.monotonic()
    info = connection_file(guarded.cluster.folder)
    content = info if not by_tcp else _for_tcp(guarded)
    with ipp.Client(content) as client:
        took = time.monotonic() - began
        assert client[:].apply_async(pow, 2, 3).get(20) == [8]
    return took


def _for_tcp(guarded: Guarded) -> dict[str, object]:
    address = guarded.tcp(guarded.own)
    return {
        "cluster": guarded.own.cluster,
        "folder": "",
        "agent_pid": guarded.own.agent_pid,
        "agent_started": guarded.own.agent_started,
        "tcp": {
            "host": address.host,
            "port": address.port,
            "server": address.server,
            "keys": {"public": address.keys.public, "secret": address.keys.secret.reveal()},
        },
    }


@pytest.mark.parametrize("name", DOORS)
def test_nonsense_changes_nothing_and_costs_little(name: str, guarded: Guarded) -> None:
    door, count = guarded.door(name), max(60, CASES // 100)
    pieces = list(nonsense(SEED, count))

    def attack() -> None:
        for number, piece in enumerate(pieces):
            say(door, piece)
            if number % 50 == 0:
                guarded.work()

    growth = guarded.growth(attack)

    may_cost = STRANGERS_MAY_COST if door.on_tcp else PEERS_MAY_COST
    assert growth < may_cost, f"seed {SEED}"
    assert guarded.log.stat().st_size < MIB, f"seed {SEED}"


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("flags", [LONG, LONG | MORE, COMMAND | LONG])
@pytest.mark.parametrize("nbytes", [1 << 30, (1 << 64) - 1])
def test_a_giant_that_is_announced_is_hung_up_on_before_it_comes(
    nbytes: int, flags: int, name: str, guarded: Guarded
) -> None:
    door = guarded.door(name)

    def attack() -> None:
        with door.knock() as visitor:
            visitor.sendall(HELLO + struct.pack(">BQ", flags, nbytes))
            with suppress(OSError):
                for _ in range(64):
                    visitor.sendall(bytes(MIB // 8))
            assert hung_up(visitor)

    assert guarded.growth(attack) < STRANGERS_MAY_COST


@pytest.mark.parametrize("name", SOCKETS)
def test_many_who_announce_much_and_send_little_take_little_memory(
    name: str, guarded: Guarded
) -> None:
    door = guarded.door(name)
    longest = struct.pack(">BQ", LONG, 60 * MIB)

    def attack() -> None:
        with ExitStack() as stack:
            for _ in range(60):
                visitor = stack.enter_context(door.knock())
                visitor.sendall(greeting() + ready(b"DEALER") + longest + bytes(1000))
            guarded.work()
            costs.append(guarded.memory - before)

    before, costs = guarded.memory, list[int]()
    growth = guarded.growth(attack)

    assert max(costs) < PEERS_MAY_COST
    assert growth < STRANGERS_MAY_COST


@pytest.mark.parametrize("name", SOCKETS)
def test_garbage_instead_of_a_packet_ends_the_connection_after_a_word(
    name: str, guarded: Guarded
) -> None:
    garbage = b"".join(map(bytes, framed([b"\xc1 garbage"])))

    with guarded.door(name).knock() as visitor:
        visitor.sendall(HELLO + garbage)
        assert hung_up(visitor)


@pytest.mark.parametrize("name", SOCKETS)
@pytest.mark.parametrize("version", [0, PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1, 1 << 40])
def test_a_peer_of_another_version_is_told_so(version: int, name: str, guarded: Guarded) -> None:
    old = b"".join(map(bytes, framed([msgspec.msgpack.encode([version, 1, 0, 0, 0, []])])))

    with guarded.door(name).knock() as visitor:
        visitor.sendall(HELLO + old)
        said = b""
        while data := visitor.recv(4096):
            said += data

    assert b"version" in said


@pytest.mark.parametrize("name", PORTS)
def test_no_key_or_a_wrong_one_opens_no_port(
    name: str, guarded: Guarded, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    own, engines = guarded.tcp(guarded.own), guarded.tcp(guarded.engines)
    right, wrong = (own, engines) if "client" in name else (engines, own)
    log_before = guarded.log.stat().st_size
    strangers = [
        plain_dealer(context, right.port),
        plain_dealer(context, right.port, ROUTING_ID=b"e0-1"),
        plain_dealer(context, right.port, PLAIN_USERNAME=b"root", PLAIN_PASSWORD=b"root"),
        make_dealer(context, wrong.keys, right.server),  # the other role's
        make_dealer(context, mint(), right.server),  # one that nobody knows
        make_dealer(context, right.keys, mint().public),  # for another hub
    ]
    monitors = []
    for stranger in strangers:
        monitors.append(stranger.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED))
        stranger.connect(f"tcp://{right.host}:{right.port}")
        with suppress(zmq.Again):
            stranger.send_multipart(Cutter(b"me").cut([b"let me in"]), zmq.NOBLOCK)

    for _ in range(20):
        guarded.work()

    assert [monitor.poll(0) for monitor in monitors] == [0] * len(strangers)
    assert [stranger.poll(0) for stranger in strangers] == [0] * len(strangers)
    assert guarded.log.stat().st_size - log_before < 64 * 1024
    for stranger, monitor in zip(strangers, monitors, strict=True):
        stranger.disable_monitor()
        monitor.close()
        stranger.close()


def test_crowds_at_every_door_keep_nobody_out(guarded: Guarded) -> None:
    """A thousand who greet by halves, and a thousand who greet and say nothing, at each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(1_000, (hard - 1_000) // 10)
    with ExitStack() as crowd:
        for door in guarded.doors:
            for said in (HELLO[:30], greeting() + ready(b"DEALER")):
                for _ in range(count // (2 if door.family is socket.AF_UNIX else 1)):
                    visitor = crowd.enter_context(door.knock())
                    with suppress(OSError):  # it may have been turned away by now
                        visitor.sendall(said)
        took = [a_new_client_connects(guarded, by_tcp=by_tcp) for by_tcp in (False, True)]

    assert max(took) < CONNECTS_WITHIN


@pytest.mark.parametrize("name", DOORS)
def test_who_comes_and_goes_all_the_time_disturbs_nobody(name: str, guarded: Guarded) -> None:
    door = guarded.door(name)

    def attack() -> None:
        for number in range(1_000):
            with door.knock() as visitor, suppress(OSError):
                visitor.sendall(HELLO[: (0, 10, 64, 200)[number % 4]])
            if number % 100 == 0:
                guarded.work()

    assert guarded.growth(attack) < STRANGERS_MAY_COST


@pytest.mark.parametrize("name", DOORS)
def test_half_a_greeting_is_waited_for_a_few_seconds_and_no_longer(
    name: str, guarded: Guarded
) -> None:
    with guarded.door(name).knock() as visitor:
        visitor.sendall(greeting()[:30])
        assert hung_up(visitor, within=4.5)

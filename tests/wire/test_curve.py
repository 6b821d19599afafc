"""Doors on TCP, among those who have keys and those who have others or none."""

import gc
import os
import select
import socket
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest
import zmq

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport import probing, tcpdealer, tcpdoors
from ipcluster_ext.transport.curve import DOMAINS, make_dealer
from ipcluster_ext.transport.interfaces import EVERYWHERE
from ipcluster_ext.transport.keys import mint
from ipcluster_ext.transport.knocking import NOBODY, NOT_ADMITTED, SOMEBODY_ELSE
from ipcluster_ext.transport.pieces import PIECE, Cutter
from ipcluster_ext.transport.probing import prove_shut
from ipcluster_ext.transport.refusals import Refusals
from ipcluster_ext.transport.router import Address
from ipcluster_ext.transport.tcpdealer import TcpDealer
from ipcluster_ext.transport.tcpdoors import TcpDoors
from ipcluster_ext.transport.zmtp import greeting
from tests.support.strangers import (
    CLIENTS,
    ENGINES,
    House,
    Keyring,
    connect,
    hung_up,
    plain_dealer,
    settle,
    take,
)
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from ipcluster_ext.protocol.keys import KeyPair


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


class TestThoseWithKeys:
    @pytest.mark.parametrize("nbytes", [0, PIECE, PIECE + 1, 5_000_000])
    def test_packets_go_both_ways_whatever_their_size(self, nbytes: int, house: House) -> None:
        content = os.urandom(nbytes)
        dealer = house.knock(CLIENTS, house.keys.client)

        dealer.send([b"header", content, b""])
        [arrival] = house.hear(1)
        there = house.doors.send(arrival.address, [b"answer", content])

        assert arrival.address.door == CLIENTS
        assert [bytes(frame) for frame in (arrival.header, *arrival.frames)] == [
            b"header", content, b"",
        ]  # fmt: skip
        assert there
        assert [[bytes(frame) for frame in each] for each in take(dealer, house)] == [
            [b"answer", content]
        ]

    def test_each_door_has_keys_of_its_own(self, house: House) -> None:
        house.knock(CLIENTS, house.keys.client).send([b"a client"])
        house.knock(ENGINES, house.keys.engine).send([b"an engine"])

        heard = {(each.address.door, bytes(each.header)) for each in house.hear(2)}

        assert heard == {(CLIENTS, b"a client"), (ENGINES, b"an engine")}

    def test_peers_of_one_key_differ_by_their_names(self, house: House) -> None:
        for name in (b"a", b"b"):
            house.knock(ENGINES, house.keys.engine, identity=name).send([b"x"])

        addresses = {each.address for each in house.hear(2)}

        key = house.keys.engine.public.encode()
        assert addresses == {Address(ENGINES, b"\0" + key + name) for name in (b"a", b"b")}

    def test_a_peer_keeps_its_address_when_its_connection_is_another(self, house: House) -> None:
        dealer = house.knock(CLIENTS, house.keys.client)
        dealer.send([b"1"])
        [before] = house.hear(1)
        house.turn_until(lambda: settle(dealer))
        dealer.close()

        again = house.knock(CLIENTS, house.keys.client)
        lost = house.doors.send(before.address, [b"lost"])
        again.send([b"2"])
        [after] = house.hear(1)
        house.doors.send(after.address, [b"found"])

        assert lost, "it may come back"
        assert after.address == before.address
        assert take(again, house) == [[b"found"]]

    def test_whoever_waits_hears_of_what_came_while_another_thread_was_sending(
        self, house: House
    ) -> None:
        poll = select.poll()
        dealer = TcpDealer(house.address(CLIENTS, house.keys.client), identity=b"x", poll=poll)
        for number in range(300):
            dealer.send([b"%d" % number])
            [arrival] = house.hear(1)
            house.doors.send(arrival.address, [b"back"])
            dealer.send([b"and more"])  # takes note of what has come, in libzmq's stead
            house.hear(1)

            assert poll.poll(5_000)
            while not (came := dealer.receive()):
                assert poll.poll(5_000)

            assert came == [[b"back"]]
        dealer.close()

    def test_a_connection_that_was_made_has_to_be_entered_and_so_has_each_after_it(
        self, house: House
    ) -> None:
        dealer = house.knock(CLIENTS, house.keys.client)
        before = dealer.connected
        house.turn_until(lambda: not isinstance(dealer.reach(0.0), float))
        reached = dealer.connected
        assert settle(dealer)

        house.doors.rekey(house.keys.hub_keys())
        house.turn_until(lambda: dealer.receive() == [] and not dealer.connected)
        house.turn_until(lambda: settle(dealer))

        assert (before, reached) == (False, False)

    def test_who_was_silent_for_long_is_gone(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tcpdoors, "ABSENT_FOR", 0.0)
        house.knock(CLIENTS, house.keys.client).send([b"x"])
        [arrival] = house.hear(1)

        house.turn_until(
            lambda: not house.doors.send(arrival.address, [b"x"]) or house.doors.receive()
        )

    def test_a_key_has_so_many_names_and_no_more(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tcpdoors, "MOST_NAMES", 2)
        for name in (b"a", b"b"):
            house.knock(ENGINES, house.keys.engine, identity=name).send([b"x"])
        house.hear(2)

        house.knock(ENGINES, house.keys.engine, identity=b"c").send([b"x"])

        assert house.turn_until(lambda: house.refusals.count) == []


class TestThoseWithout:
    def test_a_key_that_nobody_knows_opens_nothing(self, house: House) -> None:
        stranger = house.knock(CLIENTS, mint())
        stranger.send([b"let me in"])

        came = house.turn_until(lambda: stranger.receive() == [] and stranger.trouble)

        assert (came, stranger.trouble, stranger.connected) == ([], NOT_ADMITTED, False)

    @pytest.mark.parametrize("door", [CLIENTS, ENGINES])
    def test_one_roles_key_does_not_open_the_others_door(self, door: int, house: House) -> None:
        other = (house.keys.engine, house.keys.client)[door]
        stranger = house.knock(door, other)
        stranger.send([b"let me in"])

        came = house.turn_until(lambda: stranger.receive() == [] and stranger.trouble)

        assert (came, stranger.trouble) == ([], NOT_ADMITTED)

    def test_a_hub_with_another_key_is_told_nothing(self, house: House) -> None:
        peer = house.knock(CLIENTS, house.keys.client, server=mint().public)
        peer.send([b"secret"])

        came = house.turn_until(lambda: peer.receive() == [] and peer.trouble)

        assert (came, peer.trouble) == ([], SOMEBODY_ELSE)

    def test_a_port_where_somebody_else_listens_by_now_gets_no_bytes_of_ours(
        self, house: House
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = house.address(CLIENTS, house.keys.client)
            moved = type(address)(
                host="127.0.0.1",
                port=other.getsockname()[1],
                server=address.server,
                keys=address.keys,
            )
            peer = TcpDealer(moved, identity=b"me", poll=select.poll())
            peer.send([b"secret" * 100])
            there, _ = other.accept()
            with there:
                there.settimeout(5)
                there.sendall(greeting())
                said = there.recv(4096)
                wait_until(lambda: peer.receive() == [] and peer.trouble)
            peer.close()

        assert b"secret" not in said
        assert peer.trouble == SOMEBODY_ELSE

    def test_a_port_where_nobody_listens_is_told_as_such(self, house: House) -> None:
        address = house.address(CLIENTS, house.keys.client)
        house.doors.close()
        peer = TcpDealer(address, identity=b"me", poll=select.poll())

        wait_until(lambda: peer.receive() == [] and peer.trouble)

        peer.close()
        assert peer.trouble == NOBODY
        house.doors = House().doors

    @pytest.mark.parametrize(
        "options",
        [{}, {"PLAIN_USERNAME": b"a", "PLAIN_PASSWORD": b"b"}, {"ROUTING_ID": b"e0-1"}],
        ids=["without a mechanism", "with a password", "under an engine's name"],
    )
    def test_who_does_not_encrypt_is_not_heard(
        self, options: dict[str, bytes], house: House, context: zmq.Context[zmq.Socket[bytes]]
    ) -> None:
        strangers = [plain_dealer(context, port, **options) for port in house.doors.ports]
        for stranger in strangers:
            stranger.send_multipart(Cutter().cut([b"hello"]))

        house.knock(CLIENTS, house.keys.client).send([b"known"])

        assert [bytes(each.header) for each in house.hear(1)] == [b"known"]
        assert house.turn() == []
        for stranger in strangers:
            stranger.close()

    @pytest.mark.parametrize(
        "said",
        [
            b"GET / HTTP/1.1\r\n\r\n" + bytes(100),
            b"\x01\x00",  # ZMTP 1
            b"\xff" + bytes(8) + b"\x7f\x01\x05",  # ZMTP 2
            b"\xff" + bytes(8) + b"\x7f\x02" + bytes(53),
            greeting(),
            greeting()[:12] + b"PLAIN".ljust(20, b"\0") + bytes(32),
            greeting()[:12] + b"CURVE".ljust(20, b"\0") + bytes(32),
            greeting()[:12] + b"CURVE".ljust(20, b"\0") + bytes(32) + b"\x06" + b"\x7f" * 8,
            b"",
        ],
        ids=[
            "HTTP", "ZMTP 1", "ZMTP 2", "ZMTP 2 whole", "no encryption", "a password", "no more",
            "a giant command", "nothing",
        ],
    )  # fmt: skip
    def test_who_says_something_else_or_nothing_is_hung_up_on(
        self, said: bytes, house: House
    ) -> None:
        with connect(house.doors.ports[CLIENTS]) as stranger:
            stranger.sendall(said)
            assert hung_up(stranger)

        assert house.turn() == []

    def test_who_takes_an_engines_place_in_libzmqs_eyes_keeps_it_from_nobody(
        self, context: zmq.Context[zmq.Socket[bytes]]
    ) -> None:
        liar_keys = mint()
        house = House(liar_keys)
        address = house.address(CLIENTS, liar_keys)
        liar = make_dealer(context, liar_keys, address.server)
        liar.setsockopt(zmq.ROUTING_ID, b"me")
        liar.connect(f"tcp://127.0.0.1:{address.port}")
        liar.send_multipart(Cutter(b"me").cut([b"I am he"]))
        house.hear(1)

        peer = house.knock(CLIENTS, house.keys.client, identity=b"me")
        peer.send([b"no, I am"])
        [arrival] = house.hear(1)
        house.doors.send(arrival.address, [b"welcome"])

        assert arrival.address.identity == b"\0" + house.keys.client.public.encode() + b"me"
        assert take(peer, house) == [[b"welcome"]]
        assert not liar.poll(0)
        liar.close()
        house.close()

    def test_who_sends_what_is_no_packet_is_not_heard_again(
        self, house: House, context: zmq.Context[zmq.Socket[bytes]]
    ) -> None:
        address = house.address(CLIENTS, house.keys.client)
        peer = make_dealer(context, house.keys.client, address.server)
        peer.connect(f"tcp://127.0.0.1:{address.port}")

        peer.send_multipart([b"garbage", b"header"])
        peer.send_multipart(Cutter(b"me").cut([b"header"]))

        assert house.turn_until(lambda: house.refusals.count) == []
        house.knock(CLIENTS, house.keys.client, identity=b"other").send([b"known"])
        assert [bytes(each.header) for each in house.hear(1)] == [b"known"]
        peer.close()

    def test_who_is_not_heard_any_more_is_told_and_makes_another_connection(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tcpdealer, "KNOCK_AGAIN", 0.0)
        peer = house.knock(CLIENTS, house.keys.client)
        peer.send([b"1"])
        [arrival] = house.hear(1)
        house.turn_until(lambda: settle(peer))

        peer._socket.send(b"garbage")  # noqa: SLF001 - as one in between might make of a packet
        house.turn_until(lambda: peer.receive() == [] and house.refusals.count)
        house.turn_until(lambda: peer.receive() == [] and not peer.connected)
        house.turn_until(lambda: settle(peer))
        peer.send([b"2"])

        assert [bytes(each.header) for each in house.hear(1)] == [b"2"]

    def test_who_is_answered_nothing_makes_another_connection(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tcpdealer, "KNOCK_AGAIN", 0.0)
        monkeypatch.setattr(tcpdealer, "ANSWERED_WITHIN", 0.0)
        peer = house.knock(CLIENTS, house.keys.client)
        house.turn_until(lambda: settle(peer))

        peer.send([b"1"])
        house.turn_until(lambda: peer.receive() == [] and not peer.connected)

        house.turn_until(lambda: settle(peer))

    def test_a_part_that_is_too_long_ends_the_connection(
        self, house: House, context: zmq.Context[zmq.Socket[bytes]]
    ) -> None:
        address = house.address(CLIENTS, house.keys.client)
        peer = make_dealer(context, house.keys.client, address.server)
        ends = peer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        peer.connect(f"tcp://127.0.0.1:{address.port}")

        peer.send_multipart([b"x", bytes(PIECE + 1000)])

        assert house.turn_until(lambda: ends.poll(0)) == []
        peer.disable_monitor()
        ends.close()
        peer.close()


class TestRotation:
    def test_a_key_that_was_taken_away_is_not_heard_any_more_and_others_are(self) -> None:
        other = mint()
        house = House(other)
        old, new = house.knock(CLIENTS, house.keys.client), house.knock(CLIENTS, other)
        for dealer in (old, new):
            dealer.send([b"before"])
        addresses = {each.address for each in house.hear(2)}
        for dealer in (old, new):
            house.turn_until(partial(settle, dealer))

        house.doors.rekey(Keyring(house.keys.server, other, house.keys.engine).hub_keys())
        old.send([b"after"])
        house.turn_until(lambda: new.receive() == [] and not new.connected)
        house.turn_until(lambda: settle(new))
        new.send([b"after"])
        came = house.hear(1)
        came += house.turn_until(lambda: old.receive() == [] and old.trouble)

        assert {each.address.identity[1:41].decode() for each in came} == {other.public}
        assert old.trouble == NOT_ADMITTED
        gone = {each for each in addresses if not house.doors.send(each, [b"x"])}
        assert {each.identity[1:41].decode() for each in gone} == {house.keys.client.public}
        house.close()

    def test_who_was_turned_away_comes_in_once_its_key_is_admitted(self) -> None:
        later: KeyPair = mint()
        house = House()
        early = house.knock(CLIENTS, later)
        house.turn_until(lambda: early.receive() == [] and early.trouble)

        house.doors.rekey(house.keys.hub_keys(later))
        house.turn_until(lambda: early.receive() == [] and settle(early))

        house.close()


class TestTheProbe:
    def test_doors_that_are_shut_pass_and_nobody_is_told(self, house: House) -> None:
        prove_shut(house.doors, house.keys.server.public)

        assert house.refusals.count == 0

    @pytest.mark.parametrize("domain", DOMAINS)
    def test_a_door_at_which_anybody_is_let_in_is_noticed(
        self, domain: str, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        number = DOMAINS.index(domain)
        admission = house.doors._admission  # noqa: SLF001 - it is made to err
        monkeypatch.setattr(admission, "admits", lambda door, key: door == number)

        with pytest.raises(ClusterError, match=r"with keys of his own at .*:\d+ was let in"):
            prove_shut(house.doors, house.keys.server.public)

    def test_a_door_without_encryption_is_noticed(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        with context.socket(zmq.ROUTER) as plain:
            monkeypatch.setattr(
                house.doors, "ports", [plain.bind_to_random_port("tcp://127.0.0.1")]
            )
            with pytest.raises(ClusterError, match=r"without keys at .*:\d+ was let in"):
                prove_shut(house.doors, house.keys.server.public)
        context.term()

    def test_a_door_that_does_not_answer_proves_nothing(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(probing, "WITHIN", 0.1)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            monkeypatch.setattr(house.doors, "ports", [silent.getsockname()[1]])
            with pytest.raises(ClusterError, match=r"got no answer in 0.1 s"):
                prove_shut(house.doors, house.keys.server.public)


class TestListening:
    def test_a_port_that_is_taken_is_named(self, house: House) -> None:
        port = house.doors.ports[0]

        with pytest.raises(ClusterError, match=f"cannot listen at 127.0.0.1:{port}: .*in use"):
            TcpDoors(["127.0.0.1"], (port, 0), house.keys.hub_keys(), refusals=Refusals())

    def test_an_address_that_is_not_ours_is_named(self, house: House) -> None:
        with pytest.raises(ClusterError, match="'no-such-thing' is no IPv4 address, host or inter"):
            TcpDoors(["no-such-thing"], (0, 0), house.keys.hub_keys(), refusals=Refusals())

    def test_an_interface_stands_for_its_address(self, house: House) -> None:
        doors = TcpDoors(["lo"], (0, 0), house.keys.hub_keys(), refusals=Refusals())
        doors.close()

        assert doors.ips == ["127.0.0.1"]

    def test_several_addresses_have_the_same_ports_and_no_other_address_any(self) -> None:
        house = House(ips=["127.0.0.1", "127.0.0.2", "127.0.0.1"])
        try:
            keys = house.keys
            for host in ("127.0.0.1", "127.0.0.2"):
                dealer = house.knock(CLIENTS, keys.client, identity=host.encode(), host=host)
                dealer.send([b"from", host.encode()])
            came = house.hear(2)
            refused = [_knocks("127.0.0.3", port) for port in house.doors.ports]
        finally:
            house.close()

        assert house.doors.ips == ["127.0.0.1", "127.0.0.2"]
        assert sorted(bytes(arrival.frames[0]) for arrival in came) == [b"127.0.0.1", b"127.0.0.2"]
        assert refused == [False, False]

    def test_everywhere_is_everywhere_whatever_else_is_named(self, house: House) -> None:
        keys = house.keys.hub_keys()
        doors = TcpDoors(["127.0.0.1", "*"], (0, 0), keys, refusals=Refusals())
        try:
            assert doors.ips == [EVERYWHERE]
            assert _knocks("127.0.0.3", doors.ports[0])
        finally:
            doors.close()

    def test_a_port_that_is_taken_at_one_of_several_addresses_is_named(self, house: House) -> None:
        port, keys = house.doors.ports[0], house.keys.hub_keys()

        with pytest.raises(ClusterError, match=f"cannot listen at 127.0.0.1:{port}: .*in use"):
            TcpDoors(["127.0.0.2", "127.0.0.1"], (port, 0), keys, refusals=Refusals())

        assert not _knocks("127.0.0.2", port)

    def test_who_forgets_to_close_a_dealer_waits_for_nothing(self, house: House) -> None:
        dealer = TcpDealer(
            house.address(CLIENTS, house.keys.client), identity=b"me", poll=select.poll()
        )
        dealer.send([b"x"])
        house.hear(1)

        del dealer
        gc.collect()

        assert house.turn() == []

    def test_everything_is_given_back(self) -> None:
        House().close()
        before = len(os.listdir("/proc/self/fd"))

        for _ in range(3):
            house = House()
            dealer = house.knock(CLIENTS, house.keys.client)
            dealer.send([b"x"])
            house.hear(1)
            house.close()

        wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before)


def _knocks(host: str, port: int) -> bool:
    """Tell whether anybody answers there."""
    with socket.socket() as visitor:
        return not visitor.connect_ex((host, port))

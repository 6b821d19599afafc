"""The hub's loop over real sockets, among peers that behave and peers that do not."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec
import pytest
import zmq

from ipcluster_ext.core.hub import Hub
from ipcluster_ext.core.state import Place
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.hub.loop import Loop
from ipcluster_ext.hub.ports import Ports
from ipcluster_ext.protocol.frames import decode, encode
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, first_task
from ipcluster_ext.protocol.messages import (
    PROTOCOL_VERSION,
    AgentHello,
    Bye,
    ClientHello,
    Done,
    EngineExited,
    EngineHello,
    Message,
    Packet,
    QueueQuery,
    QueueReply,
    Refused,
    Results,
    Run,
    StartEngines,
    Submit,
    Welcome,
)
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.channel import Channel
from ipcluster_ext.transport.files import client_socket, engine_socket
from ipcluster_ext.transport.journal import Journal
from ipcluster_ext.transport.router import Router
from tests.support.libzmq import connect_dealer
from tests.support.waiting import wait_until

M = TypeVar("M", bound=Message)

PATIENCE = 10.0
SPEC = TaskSpec(Kind.APPLY)


class Running:
    """A hub's loop on a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.core = Hub(Place(1, "here", ""))
        self._lifeline, self._life = os.pipe()
        doors = [client_socket(folder), engine_socket(folder)]
        self._router = Router(doors, lifeline=self._lifeline)
        self.ports = Ports(self._router, 1)
        self._thread = threading.Thread(
            target=Loop(self.core, self.ports, self._router, Journal(None)).run, daemon=True
        )
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> None:
        os.close(self._life)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._router.close()
        os.close(self._lifeline)


class Peer:
    """Somebody with a real connection; hears on the test's thread."""

    boots = 100

    def __init__(self, socket: Path, hello: Message) -> None:
        Peer.boots += 1
        self.boot = Peer.boots
        self.channel = Channel(socket, identity=b"peer-%d" % self.boot, boot=self.boot)
        self.heard: list[Message] = []
        self.frames: list[bytes] = []
        self.channel.mention(hello)

    def wait_for(self, kind: type[M], count: int = 1) -> list[M]:
        """Hear until so many messages of a type have come."""

        def found() -> list[M]:
            return [message for message in self.heard if isinstance(message, kind)]

        def enough() -> bool:
            self.channel.wait(0.05)
            for messages, frames in self.channel.receive():
                self.heard.extend(messages)
                self.frames.extend(bytes(frame) for frame in frames)
            return len(found()) >= count

        wait_until(enough, PATIENCE)
        return found()

    def close(self, *farewell: Message) -> None:
        self.channel.close(*farewell)
        self.channel.release()


class Cluster:
    """A hub, an agent, an engine and a client, over real sockets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hub = Running(folder)
        self.agent = Peer(engine_socket(folder), AgentHello(1, "here", 1, 1))
        self.agent.wait_for(StartEngines)
        self.engine = self.start_engine()
        self.client = Peer(client_socket(folder), ClientHello(ClientId(5), "here", 1))
        self.client.wait_for(Welcome)

    def start_engine(self) -> Peer:
        hello = EngineHello(EngineId(0), Peer.boots + 1, 1, "here", 1)
        engine = Peer(engine_socket(self.folder), hello)
        engine.wait_for(Welcome)
        return engine

    def round_trip(self, count: int) -> list[TaskId]:
        """Have tasks run; return those that came back, in order."""
        self.client.heard.clear()
        first = first_task(ClientId(5), 0)
        items = [TaskItem(TaskId(first + n), b"in", (4,)) for n in range(count)]
        self.client.channel.say([Submit(SPEC, items)], [b"%04d" % n for n in range(count)])
        done: list[TaskId] = []
        while len(done) < count:
            self.engine.heard.clear()
            for run in self.engine.wait_for(Run):
                results = [
                    ResultItem(item.id, TaskStatus.DONE, 0.0, 0.0, b"out", (2,))
                    for item in run.items
                ]
                self.engine.channel.say([Done(results)], [b"ok"] * len(results))
                done += [item.id for item in run.items]
        answers = 0
        came: list[TaskId] = []
        while len(came) < count:
            answers += 1
            said = self.client.wait_for(Results, answers)
            came = [item.id for message in said for item in message.items]
        return came

    def close(self) -> None:
        for peer in (self.client, self.engine, self.agent):
            peer.close()
        self.hub.end()


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(folder)
    yield cluster
    cluster.close()


@pytest.fixture
def raw(folder: Path) -> Iterator[list[zmq.Socket[bytes]]]:
    """Make two bare sockets, one at each of the hub's doors."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    doors = [client_socket(folder), engine_socket(folder)]
    sockets = [
        connect_dealer(context, door, identity=b"raw-%d" % number)
        for number, door in enumerate(doors)
    ]
    yield sockets
    for socket in sockets:
        socket.close(linger=0)
    context.term()


def answer(socket: zmq.Socket[bytes]) -> Message:
    """Return the first message of the next packet that a bare socket gets."""
    assert socket.poll(int(PATIENCE * 1000))
    packet = msgspec.msgpack.decode(socket.recv_multipart()[0], type=Packet)
    return packet.messages[0]


def test_tasks_run_and_their_results_come_back_with_their_buffers(cluster: Cluster) -> None:
    came = cluster.round_trip(500)

    assert came == [first_task(ClientId(5), n) for n in range(500)]
    assert cluster.engine.frames == [b"%04d" % n for n in range(500)]
    assert cluster.client.frames == [b"ok"] * 500


def test_a_peer_of_another_version_is_told_both_versions(
    cluster: Cluster, raw: list[zmq.Socket[bytes]]
) -> None:
    raw[0].send(msgspec.msgpack.encode([PROTOCOL_VERSION + 1, 1, 0, 0, []]))

    refusal = answer(raw[0])

    assert isinstance(refusal, Refused)
    assert f"protocol version {PROTOCOL_VERSION}, its peer {PROTOCOL_VERSION + 1}" in refusal.reason


def test_a_peer_that_does_not_greet_is_refused(
    cluster: Cluster, raw: list[zmq.Socket[bytes]]
) -> None:
    raw[0].send(encode(Packet(PROTOCOL_VERSION, 9, 0, 1, 0, [QueueQuery(1)])))

    assert answer(raw[0]) == Refused("the first message has to be a greeting")


@pytest.mark.parametrize(
    ("door", "message"),
    [
        (0, EngineHello(EngineId(0), 9, 1, "here", 1)),
        (0, AgentHello(9, "here", 1, 5)),
        (0, EngineExited(EngineId(0), 9, "a lie", TaskId(0), again=False)),
        (1, ClientHello(ClientId(9), "here", 1)),
        (1, QueueQuery(1)),
    ],
)
def test_what_a_role_may_not_say_is_not_heard(
    door: int, message: Message, cluster: Cluster, raw: list[zmq.Socket[bytes]]
) -> None:
    raw[door].send(encode(Packet(PROTOCOL_VERSION, 9, 0, 0, 0, [message])))

    wait_until(lambda: cluster.hub.ports.forbidden == 1)

    assert not raw[door].poll(50)
    assert set(cluster.hub.core.state.engines) == {0}


def test_an_engine_that_dies_loses_what_it_had_begun_and_its_successor_gets_the_rest(
    cluster: Cluster,
) -> None:
    first = first_task(ClientId(5), 0)
    items = [TaskItem(TaskId(first + n), b"in") for n in range(2)]
    cluster.client.channel.say([Submit(SPEC, items)])
    cluster.engine.wait_for(Run)
    cluster.engine.close()

    died = EngineExited(EngineId(0), cluster.engine.boot, "killed", first, again=True)
    cluster.agent.channel.say([died])
    cluster.engine = cluster.start_engine()
    [run] = cluster.engine.wait_for(Run)
    [lost] = cluster.client.wait_for(Results)

    assert [item.id for item in run.items] == [first + 1]
    assert [(item.id, item.status) for item in lost.items] == [(first, TaskStatus.LOST)]


def test_a_peer_that_says_goodbye_is_forgotten(cluster: Cluster, folder: Path) -> None:
    peer = Peer(client_socket(folder), ClientHello(ClientId(8), "here", 1))
    peer.wait_for(Welcome)

    peer.close(Bye())

    wait_until(lambda: set(cluster.hub.core.state.clients) == {5})


def test_ten_thousand_random_packets_leave_the_hub_serving(
    cluster: Cluster, raw: list[zmq.Socket[bytes]]
) -> None:
    chance = Random(20_000)
    packets = [_garbage(chance) for _ in range(10_000)]
    malformed = sum(map(_is_malformed, packets))

    for number, packet in enumerate(packets):
        raw[number % 2].send_multipart(packet)
    wait_until(lambda: cluster.hub.ports.malformed > 10)  # each ends its connection

    assert malformed > 9_900
    assert cluster.hub.alive
    assert len(cluster.round_trip(50)) == 50


def _is_malformed(packet: list[bytes]) -> bool:
    try:
        decode(packet[0], frame_count=len(packet) - 1)
    except ProtocolError:
        return True
    return False


def _garbage(chance: Random) -> list[bytes]:
    """Make frames: noise, or a packet with some bytes changed and without its buffers."""
    if chance.random() < 0.5:
        return [chance.randbytes(chance.randrange(60)) for _ in range(chance.randint(1, 3))]
    task = TaskItem(TaskId(chance.getrandbits(62)), b"in", (chance.randrange(9),))
    hello = ClientHello(ClientId(chance.getrandbits(30) + 9), "here", 1)
    header = bytearray(encode(Packet(PROTOCOL_VERSION, 9, 0, 1, 0, [hello, Submit(SPEC, [task])])))
    for _ in range(3):
        header[chance.randrange(len(header))] = chance.randrange(256)
    return [bytes(header)]


def test_the_queue_is_told_while_garbage_comes_in(
    cluster: Cluster, raw: list[zmq.Socket[bytes]]
) -> None:
    for request in range(20):
        for socket in raw:
            socket.send_multipart([os.urandom(30), os.urandom(30)])
        cluster.client.channel.say([QueueQuery(request)])

    answers = cluster.client.wait_for(QueueReply, 20)

    assert [reply.request for reply in answers] == list(range(20))


def test_the_loop_ends_with_its_lifeline_and_leaves_nothing_open(folder: Path) -> None:
    Running(folder).end()
    before = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    Running(folder).end()

    # a thread that has ended is seen for a moment longer, and those of earlier tests may end
    wait_until(lambda: len(os.listdir("/proc/self/task")) <= before[1])
    assert len(os.listdir("/proc/self/fd")) == before[0]

import pytest

from ipcluster_ext.core.effects import Dismiss, Send
from ipcluster_ext.core.events import Delivered
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.hub import freight
from ipcluster_ext.hub.freight import has_blobs, unload
from ipcluster_ext.hub.ports import CLIENTS, ENGINES
from ipcluster_ext.protocol.frames import decode
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    AgentHello,
    ClientHello,
    Message,
    News,
    Recall,
    Results,
    Run,
    Values,
)
from ipcluster_ext.protocol.parts import Blob, Buffers, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.router import Address
from tests.unit.hub.test_ports import Stage

SPEC = TaskSpec(Kind.APPLY, b"f")
KEY = b"\0" + b"k" * 40
FAR, FARTHER = Address(ENGINES, KEY + b"e1-1"), Address(ENGINES, KEY + b"e2-1")
NEAR = Address(ENGINES, b"e0-1")
CONTENTS = {"c1-1": b"first", "c1-2": b"second"}


def read(blob: Blob) -> memoryview:
    if blob.name not in CONTENTS:
        raise ProtocolError(f"blob {blob.name} is not needed any more")
    return memoryview(CONTENTS[blob.name])


def run(*buffers: int | Blob) -> Run:
    return Run(SPEC, [TaskItem(TaskId(1), b"p", buffers)])


def result(task: int, buffers: Buffers) -> ResultItem:
    return ResultItem(TaskId(task), TaskStatus.DONE, 0.0, 0.0, b"p", buffers)


def test_blobs_become_frames_at_their_places() -> None:
    messages: list[Message] = [
        Recall(2),
        run(3, Blob("c1-1", 5), 4),
        Values([result(2, ()), result(3, (Blob("c1-2", 6),))]),
        News(TaskId(1), "data", b"n", (2,)),
    ]

    carried, frames = unload(messages, [b"abc", b"defg", b"hi"], read)

    assert carried == [
        Recall(2),
        run(3, 5, 4),
        Values([result(2, ()), result(3, (6,))]),
        News(TaskId(1), "data", b"n", (2,)),
    ]
    assert [bytes(frame) for frame in frames] == [b"abc", b"first", b"defg", b"second", b"hi"]


def test_a_blob_that_is_gone_stays_a_name() -> None:
    carried, frames = unload([run(Blob("c9-9", 5), 1)], [b"x"], read)

    assert carried == [run(Blob("c9-9", 5), 1)]
    assert frames == [b"x"]


@pytest.mark.parametrize(
    ("message", "has"),
    [
        (run(3), False),
        (run(3, Blob("c1-1", 5)), True),
        (Results(EngineId(0), [result(1, ()), result(2, (Blob("c1-1", 5),))]), True),
        (Recall(1), False),
    ],
)
def test_only_what_has_blobs_is_touched(message: Message, has: bool) -> None:
    assert has_blobs([Recall(1), message]) is has


class Harbour(Stage):
    """The hub's ports, with peers on this host and on another."""

    def __init__(self, *addresses: Address) -> None:
        super().__init__(read=read)
        for number, address in enumerate(addresses):
            if address.door == CLIENTS:
                self.says(address, ClientHello(ClientId(number), "far", 1))
            else:
                self.says(address, AgentHello(number, "far", 1, 0))
        self.peers = [event.peer for event in self.turn(100.0)]  # type: ignore[attr-defined]
        self.sent.clear()

    def tell(self, number: int, *buffers: int | Blob) -> None:
        self.ports.carry([Send(self.peers[number], [run(*buffers)], [])])

    def hears(self, address: Address) -> None:
        """Have a peer acknowledge what it was sent."""
        ledger = self.ledgers[address]
        for wire in [wire for to, wire in self.sent if to == address]:
            ledger.take(decode(wire[0], frame_count=len(wire) - 1))
        self.says(address)
        self.turn(100.0)

    def runs(self, address: Address) -> list[Buffers]:
        """Return what somebody was sent."""
        told = self.told(address)
        return [message.items[0].buffers for message in told if isinstance(message, Run)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have little under way."""
    monkeypatch.setattr(freight, "MOST_FOR_ONE", 3)
    monkeypatch.setattr(freight, "MOST_FOR_ALL", 100)


def test_who_is_here_gets_names_and_who_is_not_gets_what_they_name() -> None:
    stage = Harbour(NEAR, FAR)

    stage.tell(0, Blob("c1-1", 5))
    stage.tell(1, Blob("c1-1", 5))

    assert stage.runs(NEAR) == [(Blob("c1-1", 5),)]
    assert stage.runs(FAR) == [(5,)]
    assert [bytes(frame) for frame in stage.sent[1][1][1:]] == [b"first"]


@pytest.mark.usefixtures("small")
def test_more_waits_until_what_was_sent_has_arrived_and_keeps_its_order() -> None:
    stage = Harbour(FAR)
    stage.tell(0, Blob("c1-1", 5))
    stage.tell(0, Blob("c1-2", 6))
    stage.tell(0)
    assert stage.runs(FAR) == [(5,)]

    stage.hears(FAR)
    stage.ports.carry([])

    assert stage.runs(FAR) == [(5,), (6,), ()]


@pytest.mark.usefixtures("small")
def test_what_has_no_blobs_does_not_wait_for_others() -> None:
    stage = Harbour(FAR)
    stage.tell(0, Blob("c1-1", 5))

    stage.tell(0)

    assert stage.runs(FAR) == [(5,), ()]


def test_all_together_are_sent_no_more_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(freight, "MOST_FOR_ALL", 3)
    stage = Harbour(FAR, FARTHER)
    stage.tell(0, Blob("c1-1", 5))
    stage.tell(1, Blob("c1-1", 5))
    assert stage.runs(FARTHER) == []

    stage.hears(FAR)
    stage.ports.carry([])

    assert stage.runs(FARTHER) == [(5,)]


def test_one_who_is_silent_takes_no_room_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freight, "MOST_FOR_ALL", 3)
    stage = Harbour(FAR, FARTHER)
    stage.tell(0, Blob("c1-1", 5))
    stage.turn(102.0)
    stage.says(FARTHER)
    stage.turn(104.5)

    stage.tell(1, Blob("c1-1", 5))

    assert stage.runs(FARTHER) == [(5,)]


@pytest.mark.usefixtures("small")
def test_what_waits_for_one_who_is_dismissed_is_given_back() -> None:
    stage = Harbour(FAR)
    [peer] = stage.peers
    token = (0, ["c1-1"])
    stage.tell(0, Blob("c1-1", 5))
    stage.ports.carry([Send(peer, [run(Blob("c1-1", 5))], [], token)])

    assert stage.ports.carry([Dismiss(peer)]) == [Delivered(token)]

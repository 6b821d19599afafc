from typing import cast

from ipcluster_ext.core.effects import Dismiss, Send
from ipcluster_ext.core.events import Heard, PeerId, Said, Silent
from ipcluster_ext.hub.freight import Read
from ipcluster_ext.hub.ports import ACK_WITHIN, CLIENTS, ENGINES, Ports
from ipcluster_ext.protocol.frames import decode
from ipcluster_ext.protocol.ids import ClientId, EngineId
from ipcluster_ext.protocol.ledger import Ledger, Wire
from ipcluster_ext.protocol.messages import (
    AgentHello,
    ClientHello,
    Message,
    Ping,
    StartEngines,
    StopEngines,
)
from ipcluster_ext.transport.router import Address, Arrival, Router

QUIET = 4.0
AN_ENGINE = Address(ENGINES, b"e0-1")
ANOTHER = Address(ENGINES, b"e1-2")
AN_AGENT = Address(ENGINES, b"a1")
A_CLIENT = Address(CLIENTS, b"c1")
START, STOP = StartEngines([EngineId(1)]), StopEngines([EngineId(0)])


class Stage:
    """The hub's ports, with nothing but scripted arrivals behind them."""

    def __init__(self, *, journal: bool = False, read: Read | None = None) -> None:
        self.arrivals: list[Arrival] = []
        self.ledgers: dict[Address, Ledger] = {}
        self.sent: list[tuple[Address, Wire]] = []
        self.ports = Ports(cast("Router", self), 1, journal=journal, quiet=QUIET, read=read)

    def receive(self) -> list[Arrival]:
        arrivals, self.arrivals = self.arrivals, []
        return arrivals

    def send(self, address: Address, wire: Wire) -> bool:
        self.sent.append((address, wire))
        return True

    def told(self, who: Address) -> list[Message]:
        """Return what somebody was told that has to arrive."""
        packets = [
            decode(wire[0], frame_count=len(wire) - 1) for to, wire in self.sent if to == who
        ]
        return [message for packet in packets if packet.seq for message in packet.messages]

    def says(self, who: Address, message: Message | None = None) -> None:
        """Have somebody say something, or just be there."""
        ledger = self.ledgers.setdefault(who, Ledger(len(self.ledgers) + 10))
        wire = ledger.ping() if message is None else ledger.say([message])
        self.arrivals.append(Arrival(who, wire[0], list(wire[1:])))

    def turn(self, now: float) -> list[object]:
        """Return what the core hears of in a turn of the loop."""
        return [*self.ports.hear(now), *self.ports.keep_up(now)]


def test_an_engine_that_is_not_heard_is_told_of_once() -> None:
    stage = Stage()
    stage.says(AN_ENGINE)
    stage.turn(100.0)

    told = [stage.turn(now) for now in (102.0, 103.9, 104.0, 106.0, 110.0)]

    [silent] = told[2]
    assert isinstance(silent, Silent)
    assert silent.since == 100.0
    assert [told[0], told[1], told[3], told[4]] == [[], [], [], []]


def test_the_loop_is_woken_in_time_to_notice() -> None:
    stage = Stage()
    stage.says(AN_ENGINE)
    stage.turn(100.0)
    stage.turn(102.5)

    assert stage.ports.deadline <= 104.0


def test_an_engine_that_is_heard_again_is_told_of_before_anything_else() -> None:
    stage = Stage()
    stage.says(AN_ENGINE)
    stage.says(ANOTHER)
    stage.turn(100.0)
    stage.says(ANOTHER)
    stage.turn(103.0)
    [silent] = stage.turn(104.0)
    assert isinstance(silent, Silent)

    stage.says(ANOTHER, AgentHello(2, "here", 1, 0))
    stage.says(AN_ENGINE, AgentHello(1, "here", 1, 0))
    first, *others = stage.turn(105.0)

    assert first == Heard(silent.peer)
    assert [type(other) for other in others] == [Said, Said]


def test_a_client_may_be_silent() -> None:
    stage = Stage()
    stage.says(A_CLIENT, ClientHello(ClientId(1), "here", 1))
    stage.turn(100.0)

    assert stage.turn(1000.0) == []


def test_a_hub_that_was_stopped_itself_takes_nobody_for_silent() -> None:
    stage = Stage()
    stage.says(AN_ENGINE)
    stage.turn(100.0)

    told = [stage.turn(now) for now in (500.0, 502.0, 503.9)]
    [silent] = stage.turn(504.0)

    assert told == [[], [], []]
    assert isinstance(silent, Silent)


class TestAnOrderThatMustNotBeDoneTwice:
    """One that is not written yet: whoever asked for it would ask the next hub again."""

    def test_waits_until_it_is_written(self) -> None:
        stage, agent = _with_an_agent()
        stage.ports.settle(7, 5)

        stage.ports.carry([Send(agent, [STOP], [], patient=True)])
        before = stage.told(AN_AGENT)
        stage.ports.settle(7, 7)
        stage.ports.carry([])

        assert before == []
        assert stage.told(AN_AGENT) == [STOP]

    def test_keeps_its_place_before_what_follows(self) -> None:
        stage, agent = _with_an_agent()
        stage.ports.settle(7, 5)

        stage.ports.carry([Send(agent, [STOP], [], patient=True)])
        stage.ports.carry([Send(agent, [START], [])])
        before = stage.told(AN_AGENT)
        stage.ports.settle(9, 7)
        stage.ports.carry([])

        assert before == []
        assert stage.told(AN_AGENT) == [STOP, START]

    def test_is_looked_after_although_nothing_else_happens(self) -> None:
        stage, agent = _with_an_agent()
        stage.ports.settle(7, 5)

        stage.ports.carry([Send(agent, [STOP], [], patient=True)])

        assert stage.ports.deadline <= 100.0 + ACK_WITHIN

    def test_goes_at_once_where_nothing_has_to_be_written(self) -> None:
        stage, agent = _with_an_agent()
        stage.ports.settle(7, 7)

        stage.ports.carry([Send(agent, [STOP], [], patient=True)])

        assert stage.told(AN_AGENT) == [STOP]

    def test_is_for_nobody_once_its_receiver_is_gone(self) -> None:
        stage, agent = _with_an_agent()
        stage.ports.settle(7, 5)

        stage.ports.carry([Send(agent, [STOP], [], patient=True), Dismiss(agent)])
        stage.ports.settle(7, 7)
        stage.ports.carry([])

        assert stage.told(AN_AGENT) == []


class TestWhatIsCarriedBeforeTheBatchIsRecorded:
    def test_is_what_waits_for_nothing(self) -> None:
        stage, agent = _with_an_agent()

        assert stage.ports.may_carry_at_once([Send(agent, [START], [])])

    def test_is_no_order_that_must_not_be_done_twice(self) -> None:
        stage, agent = _with_an_agent()
        sends = [Send(agent, [START], []), Send(agent, [STOP], [], patient=True)]

        assert not stage.ports.may_carry_at_once(sends)

    def test_is_nothing_as_long_as_such_an_order_waits(self) -> None:
        stage, agent = _with_an_agent()
        stage.ports.settle(7, 5)
        stage.ports.carry([Send(agent, [STOP], [], patient=True)])

        assert not stage.ports.may_carry_at_once([Send(agent, [START], [])])

    def test_is_nothing_that_is_followed_by_a_dismissal(self) -> None:
        stage, agent = _with_an_agent()

        assert not stage.ports.may_carry_at_once([Send(agent, [START], []), Dismiss(agent)])


def _with_an_agent() -> tuple[Stage, PeerId]:
    stage = Stage(journal=True)
    stage.says(AN_AGENT, AgentHello(1, "here", 1, 0))
    [said] = [event for event in stage.turn(100.0) if isinstance(event, Said)]
    return stage, said.peer


def test_one_who_was_forgotten_and_is_heard_again_is_made_to_begin_anew() -> None:
    stage = Stage()
    stage.says(AN_AGENT, AgentHello(1, "here", 1, 0))
    [said] = stage.turn(100.0)
    assert isinstance(said, Said)
    stage.ports.carry([Dismiss(said.peer)])
    stage.says(AN_AGENT)  # knows nothing of that

    assert stage.turn(101.0) == []

    first = decode(stage.sent[-1][1][0], frame_count=0)
    again = stage.ledgers[AN_AGENT]
    assert first.boot != again.other
    again.restart(first.boot)
    stage.says(AN_AGENT, AgentHello(1, "here", 1, 0, True))
    [said] = stage.turn(102.0)
    assert isinstance(said, Said)
    assert said.messages == [AgentHello(1, "here", 1, 0, True)]


def test_one_who_was_forgotten_before_it_had_heard_anything_begins_anew_as_well() -> None:
    stage = Stage()
    stage.says(AN_AGENT, AgentHello(1, "here", 1, 0))
    [said] = stage.turn(100.0)
    assert isinstance(said, Said)
    stage.ports.carry([Send(said.peer, [START], []), Dismiss(said.peer)])
    told = decode(stage.sent[-1][1][0], frame_count=0)

    stage.ledgers[AN_AGENT] = Ledger(stage.ledgers[AN_AGENT].boot)
    stage.says(AN_AGENT)
    stage.turn(101.0)

    assert decode(stage.sent[-1][1][0], frame_count=0).boot != told.boot


def test_one_who_was_forgotten_is_acknowledged_nothing_by_the_name_it_knew_the_hub_by() -> None:
    stage, agent = _with_an_agent()
    stage.ports.settle(7, 5)  # a page that follows from its greeting is not written yet
    stage.ports.carry([Dismiss(agent)])
    stage.says(AN_AGENT)
    stage.turn(101.0)
    stage.sent.clear()

    stage.ports.settle(7, 7)
    stage.turn(101.0 + ACK_WITHIN)

    boots = {decode(wire[0], frame_count=0).boot for to, wire in stage.sent if to == AN_AGENT}
    assert boots <= {2}


class TestWhileEverybodyIsWaitedFor:
    """Who owes something is asked for it every half second, and a moment longer."""

    @staticmethod
    def pinged(stage: Stage, who: Address) -> int:
        """Return how often somebody was pinged."""
        packets = [
            decode(wire[0], frame_count=len(wire) - 1) for to, wire in stage.sent if to == who
        ]
        return sum(isinstance(message, Ping) for p in packets for message in p.messages)

    def test_who_has_said_nothing_that_counts_is_asked(self) -> None:
        stage = Stage(journal=True)
        stage.says(AN_ENGINE)  # and its greeting was lost
        stage.says(AN_AGENT, AgentHello(1, "here", 1, 0))
        for now in (100.0, 100.4, 100.5, 100.9, 101.0):
            stage.turn(now)
            stage.ports.settle(None, 0)

        assert self.pinged(stage, AN_ENGINE) == 3
        assert self.pinged(stage, AN_AGENT) == 1

    def test_what_was_lost_comes_with_the_answer(self) -> None:
        stage = Stage(journal=True)
        stage.says(AN_ENGINE)
        stage.turn(100.0)
        stage.ports.settle(None, 0)
        hello = AgentHello(1, "here", 1, 0)
        stage.ledgers[AN_ENGINE].say([hello])
        stage.sent.clear()
        stage.turn(100.5)

        for _ in range(2):  # its answer, and what it is asked for
            for _, wire in [each for each in stage.sent if each[0] == AN_ENGINE]:
                packet = decode(wire[0], frame_count=0)
                for again in stage.ledgers[AN_ENGINE].take(packet).resend:
                    stage.arrivals.append(Arrival(AN_ENGINE, again[0], []))
            stage.sent.clear()
            heard = stage.turn(100.5)

        assert [each.messages for each in heard if isinstance(each, Said)] == [[hello]]

    def test_the_loop_is_woken_for_it(self) -> None:
        stage = Stage(journal=True)
        stage.says(AN_ENGINE)
        stage.turn(100.0)
        stage.ports.settle(None, 0)

        assert stage.ports.deadline == 100.5

    def test_it_ends_when_everybody_has_been_back_for_a_while(self) -> None:
        stage = Stage(journal=True)
        stage.says(AN_ENGINE)
        stage.turn(100.0)
        stage.ports.settle(None, 0)
        stage.turn(100.1)
        stage.ports.settle(1, 1)
        for now in (101.9, 102.0, 102.5, 103.0, 103.5):
            stage.turn(now)

        assert self.pinged(stage, AN_ENGINE) == 3
        assert stage.ports.deadline == 104.0

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipcluster_ext.protocol.frames import decode
from ipcluster_ext.protocol.ledger import Ledger, Taken, Wire
from ipcluster_ext.protocol.messages import (
    Bye,
    Message,
    Need,
    Packet,
    Ping,
    Pong,
)


def word(number: int) -> Need:
    """Make a message that can be told from others."""
    return Need(b"%d" % number)


def words(*numbers: int) -> list[Message]:
    return [word(number) for number in numbers]


def opened(wire: Wire) -> Packet:
    return decode(wire[0], frame_count=0)


def carry(wire: Wire, to: Ledger) -> Taken:
    return to.take(opened(wire))


def messages_of(wires: Sequence[Wire]) -> list[Sequence[Message]]:
    return [opened(wire).messages for wire in wires]


class TestOneDirection:
    def test_what_is_said_is_heard(self) -> None:
        here, there = Ledger(1), Ledger(2)

        taken = carry(here.say(words(1, 2)), there)

        assert taken.messages == words(1, 2)
        assert taken.resend == []

    def test_what_comes_twice_is_heard_once(self) -> None:
        here, there = Ledger(1), Ledger(2)
        wire = here.say(words(1))

        heard = [carry(wire, there).messages, carry(wire, there).messages]

        assert heard == [words(1), ()]

    def test_a_duplicate_is_acknowledged_again_as_its_sender_may_not_know(self) -> None:
        here, there = Ledger(1), Ledger(2)
        wire = here.say(words(1))
        carry(wire, there)
        there.mention()
        owed_before = there.owes_ack

        carry(wire, there)

        assert (owed_before, there.owes_ack) == (False, True)

    def test_what_comes_too_early_is_not_heard_and_the_gap_is_told(self) -> None:
        here, there = Ledger(1), Ledger(2)
        here.say(words(1))

        taken = carry(here.say(words(2)), there)

        assert taken.messages == ()
        assert messages_of(taken.resend) == [[Pong(2)]]

    def test_a_gap_is_told_once(self) -> None:
        here, there = Ledger(1), Ledger(2)
        here.say(words(1))

        told = [carry(here.say(words(n)), there).resend for n in (2, 3, 4)]

        assert [len(wires) for wires in told] == [1, 0, 0]

    def test_a_second_gap_is_told_again(self) -> None:
        here, there = Ledger(1), Ledger(2)
        first, second = here.say(words(1)), here.say(words(2))
        carry(second, there)
        carry(first, there)
        carry(second, there)
        here.say(words(3))

        taken = carry(here.say(words(4)), there)

        assert messages_of(taken.resend) == [[Pong(4)]]

    def test_the_answer_to_a_ping_brings_what_was_lost(self) -> None:
        here, there = Ledger(1), Ledger(2)
        here.say(words(1))
        here.say(words(2))

        pong = carry(here.ping(), there).resend
        again = carry(pong[0], here).resend

        assert messages_of(again) == [words(1), words(2)]

    def test_whoever_is_answered_hears_what_the_other_side_has_said_and_was_lost(self) -> None:
        here, there = Ledger(1), Ledger(2)
        there.say(words(1))
        there.say(words(2))

        [pong] = carry(here.ping(5.0), there).resend
        [asked] = carry(pong, here).resend
        again = carry(asked, there).resend

        assert messages_of(again) == [words(1), words(2)]

    def test_whoever_is_answered_and_lacks_nothing_asks_for_nothing(self) -> None:
        here, there = Ledger(1), Ledger(2)
        carry(there.say(words(1)), here)

        [pong] = carry(here.ping(5.0), there).resend

        assert carry(pong, here).resend == []

    def test_what_was_said_after_a_ping_may_be_under_way_and_is_not_sent_again(self) -> None:
        here, there = Ledger(1), Ledger(2)
        ping = here.ping()
        here.say(words(1))

        pong = carry(ping, there).resend
        again = carry(pong[0], here).resend

        assert again == []

    def test_a_mention_may_be_lost_without_leaving_a_gap(self) -> None:
        here, there = Ledger(1), Ledger(2)
        here.mention(Bye())

        taken = carry(here.say(words(1)), there)

        assert taken.messages == words(1)

    def test_a_mention_is_heard_without_its_pings_and_pongs(self) -> None:
        here, there = Ledger(1), Ledger(2)

        taken = carry(here.mention(Ping(0), Bye(), Pong(0)), there)

        assert taken.messages == [Bye()]
        assert messages_of(taken.resend) == [[Pong(0)]]

    def test_an_answer_tells_that_the_other_side_was_there(self) -> None:
        here, there = Ledger(1), Ledger(2)
        before = here.answered
        for at in (5.0, 7.0, 6.0):
            [pong] = carry(here.ping(at), there).resend
            carry(pong, here)

        assert (before, here.answered) == (0.0, 7.0)

    def test_an_answer_counts_once_all_that_was_said_before_it_is_there(self) -> None:
        here, there = Ledger(1), Ledger(2)
        lost = there.say(words(1))

        [pong] = carry(here.ping(5.0), there).resend
        carry(pong, here)
        before = here.answered
        carry(lost, here)
        [pong] = carry(here.ping(6.0), there).resend
        carry(pong, here)

        assert (before, here.answered) == (0.0, 6.0)

    def test_frames_are_sent_again_with_their_packet(self) -> None:
        here = Ledger(1)
        wire = here.say(words(1), [b"beside"])

        again = here.take(opened(Ledger(2).mention(Pong(1)))).resend

        assert again == [wire]
        assert wire[1] == b"beside"


class TestWhatIsKept:
    def test_a_token_comes_back_with_the_acknowledgement(self) -> None:
        here, there = Ledger(1), Ledger(2)
        carry(here.say(words(1), token="first"), there)
        carry(here.say(words(2)), there)
        here.say(words(3), token="third")

        released = carry(there.mention(), here).released

        assert released == ["first"]
        assert here.unacked == 1

    def test_a_token_comes_back_once(self) -> None:
        here, there = Ledger(1), Ledger(2)
        carry(here.say(words(1), token="first"), there)

        released = [carry(there.mention(), here).released for _ in range(2)]

        assert released == [["first"], []]

    def test_the_bytes_that_are_kept_are_counted_with_their_frames(self) -> None:
        here, there = Ledger(1), Ledger(2)
        wire = here.say(words(1), [bytes(1000), memoryview(bytes(80))])
        kept = here.unacked_nbytes
        carry(wire, there)

        carry(there.mention(), here)

        assert kept == len(wire[0]) + 1080
        assert here.unacked_nbytes == 0

    def test_what_is_said_acknowledges_what_was_heard(self) -> None:
        here, there = Ledger(1), Ledger(2)
        carry(here.say(words(1)), there)
        owed_before = there.owes_ack

        carry(there.say(words(2)), here)

        assert (owed_before, there.owes_ack) == (True, False)
        assert here.unacked == 0

    def test_a_message_that_cannot_be_written_leaves_no_gap(self) -> None:
        here, there = Ledger(1), Ledger(2)
        carry(there.say(words(1)), here)
        with pytest.raises(UnicodeEncodeError):
            here.say([Need("\udc80")])  # type: ignore[arg-type]
        owed = here.owes_ack

        taken = carry(here.say(words(2)), there)

        assert taken.messages == words(2)
        assert owed
        assert here.unacked == 1

    def test_restarting_returns_the_tokens_of_what_was_not_acknowledged_in_order(self) -> None:
        here, there = Ledger(1), Ledger(2)
        for number in (1, 2, 3):
            wire = here.say(words(number), token=number)
            if number == 1:
                carry(wire, there)
        carry(there.mention(), here)

        tokens = here.restart()

        assert tokens == [2, 3]
        assert (here.unacked, here.unacked_nbytes, here.mark) == (0, 0, 0)

    def test_after_a_restart_a_peer_that_remembers_nothing_hears_everything(self) -> None:
        here, there = Ledger(1), Ledger(2)
        carry(here.say(words(1)), there)
        carry(there.say(words(2)), here)
        here.restart()
        successor = Ledger(3)

        taken = carry(here.say(words(3)), successor)
        answer = carry(successor.say(words(4)), here)

        assert taken.messages == words(3)
        assert answer.messages == words(4)


class TestAnotherIncarnation:
    def test_what_was_meant_for_another_is_not_taken_and_the_answer_shows_who_is_here(
        self,
    ) -> None:
        here, before, now = Ledger(1), Ledger(2), Ledger(3)
        carry(before.mention(), here)

        taken = carry(here.say(words(1)), now)
        [answer] = taken.resend
        noticed = carry(answer, here)

        assert not taken.messages
        assert noticed.reborn
        assert here.unheard

    def test_nothing_of_it_counts_before_the_conversation_begins_anew(self) -> None:
        here, before, now = Ledger(1), Ledger(2), Ledger(3)
        carry(before.mention(), here)
        here.say(words(1))

        assert carry(now.say(words(2)), here) == Taken(reborn=True)
        here.restart(3)
        assert carry(here.say(words(1)), now).messages == words(1)

    def test_is_not_one_of_which_a_packet_came_late(self) -> None:
        here, before, now = Ledger(1), Ledger(2), Ledger(3)
        late = before.say(words(1))
        carry(before.mention(), here)
        carry(now.mention(), here)
        here.restart(3)

        taken = carry(late, here)

        assert taken == Taken()
        assert carry(now.say(words(2)), here).messages == words(2)


class TestPatience:
    def test_nothing_is_acknowledged_before_it_may_be(self) -> None:
        here, there = Ledger(1), Ledger(2, patient=True)
        carry(here.say(words(1)), there)
        carry(here.say(words(2)), there)

        owed = there.owes_ack
        carry(there.say(words(3)), here)
        unacked = here.unacked
        there.may_acknowledge(1)

        assert (owed, unacked) == (False, 2)
        assert there.owes_ack
        carry(there.mention(), here)
        assert here.unacked == 1


class End:
    """One end of a bad line, and what it has heard."""

    def __init__(self, boot: int) -> None:
        self.ledger = Ledger(boot)
        self.said = 0
        self.heard: list[Message] = []
        self.released: list[Any] = []
        self.under_way: list[Wire] = []

    def say(self) -> None:
        self.said += 1
        token = self.said if self.said % 2 else None
        self.under_way.append(self.ledger.say(words(self.said), [b"x" * 9], token=token))

    def take(self, wire: Wire) -> None:
        taken = carry(wire, self.ledger)
        self.heard.extend(taken.messages)
        self.released.extend(taken.released)
        self.under_way.extend(taken.resend)


def _come_to_rest(one: End, other: End) -> None:
    """Let everything arrive, with a ping where something is not acknowledged."""
    for _ in range(8):
        for here, there in ((one, other), (other, one)):
            while here.under_way:
                there.take(here.under_way.pop(0))
            if there.ledger.owes_ack:
                there.under_way.append(there.ledger.mention())
            if here.ledger.unacked:
                here.under_way.append(here.ledger.ping())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "say", "ping", "mention", "arrive", "arrive", "lose", "double"]),
        st.booleans(),
        st.integers(0, 9),
    )
    | st.just(("break", False, 0)),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_whatever_a_line_loses_doubles_and_reorders_all_is_heard_once_in_order(
    steps: list[tuple[str, bool, int]],
) -> None:
    left, right = End(1), End(2)

    for step, is_left, place in steps:
        here, there = (left, right) if is_left else (right, left)
        at = place % len(here.under_way) if here.under_way else 0
        match step:
            case "say":
                here.say()
            case "ping":
                here.under_way.append(here.ledger.ping())
            case "mention":
                here.under_way.append(here.ledger.mention())
            case "break":
                left.under_way.clear()
                right.under_way.clear()
            case "arrive" if here.under_way:
                there.take(here.under_way.pop(at))
            case "lose" if here.under_way:
                here.under_way.pop(at)
            case "double" if here.under_way:
                here.under_way.append(here.under_way[at])
    _come_to_rest(left, right)

    for here, there in ((left, right), (right, left)):
        assert there.heard == words(*range(1, here.said + 1))
        assert here.released == list(range(1, here.said + 1, 2))
        assert (here.ledger.unacked, here.ledger.unacked_nbytes) == (0, 0)

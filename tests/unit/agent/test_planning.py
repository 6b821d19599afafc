"""How many engines are to come, as the next hub is told."""

import pytest

from ipcluster_ext.agent.planning import after, before, ordered, with_more
from ipcluster_ext.protocol.messages import AgentHello, Bye, Launched, LaunchMore

FAILED = Launched("ssh", "host n1", 2, "failed", "no such host")
ENDED = Launched("ssh", "host n1", 2, "ended")
AGAIN = Launched("ssh", "host n1", 2, "failed", "Connection closed", 1.0)
UP = Launched("ssh", "host n1", 2, "up")


@pytest.mark.parametrize(("report", "left"), [(FAILED, 3), (ENDED, 3), (AGAIN, 5), (UP, 5)])
def test_fewer_are_to_come_once_something_has_failed_for_good_or_ended(
    report: Launched, left: int
) -> None:
    assert after({"ssh": 5, "batch": 1}, report) == {"ssh": left, "batch": 1}


@pytest.mark.parametrize("report", [FAILED, ENDED, AGAIN, UP])
def test_a_hub_that_has_not_heard_of_it_counts_it_when_it_does(report: Launched) -> None:
    planned = {"ssh": 5}

    assert before(after(planned, report), [Bye(), report]) == planned


def test_never_fewer_than_none_are_to_come() -> None:
    assert after({"ssh": 1}, FAILED) == {"ssh": 0}


def test_more_are_to_come_of_a_set_that_had_none() -> None:
    assert with_more({}, "batch", 3) == {"batch": 3}


def test_the_next_hub_is_told_what_was_ever_asked_for_although_some_has_ended() -> None:
    hello = AgentHello(1, "here", 10, 0, sets={"ssh": 2}, asked={"ssh": 1})

    greeting = ordered(hello, LaunchMore("ssh", 3))

    assert (greeting.sets, greeting.asked) == ({"ssh": 5}, {"ssh": 4})

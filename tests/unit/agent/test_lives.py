from itertools import count

from ipcluster_ext.agent.roster import Death, Launch, Roster
from ipcluster_ext.protocol.ids import EngineId, TaskId

ZERO, ONE = EngineId(0), EngineId(1)


def test_engines_are_listed_with_the_number_of_their_life() -> None:
    roster = Roster(count(7))
    roster.start([ZERO, ONE], now=0.0)
    roster.born(ZERO, 7, 100, now=0.0)

    assert roster.lives() == [Launch(ZERO, 7), Launch(ONE, 8)]


def test_an_engine_between_two_lives_has_none() -> None:
    roster = Roster(count(7))
    roster.start([ZERO], now=0.0)
    for boot in range(7, 11):
        roster.born(ZERO, boot, 100 + boot, now=0.0)
        roster.ended(Death(100 + boot, -9, up=True, began=TaskId(0)), now=0.0)

    assert roster.lives() == [Launch(ZERO, 0)]


def test_an_engine_that_was_stopped_for_good_is_not_listed() -> None:
    roster = Roster(count(7))
    roster.start([ZERO, ONE], now=0.0)
    roster.born(ZERO, 7, 100, now=0.0)
    roster.stop([ZERO], again=False, now=0.0)
    roster.ended(Death(100, -15, up=True, began=TaskId(0)), now=0.0)

    assert roster.lives() == [Launch(ONE, 8)]


def test_to_start_an_engine_that_is_here_changes_nothing() -> None:
    roster = Roster(count(7))
    roster.start([ZERO], now=0.0)

    assert roster.start([ZERO], now=1.0) == []
    assert roster.lives() == [Launch(ZERO, 7)]

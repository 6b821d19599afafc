import pytest

from ipcluster_ext.transport.lookout import BEGIN_AFTER, LOOK_FOR, Lookout, Ready

EVENT = (3, 1)
SOON, LATE = LOOK_FOR / 4, LOOK_FOR * 10


class Script:
    """An epoll object and its clock: events come when the script says."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due = 0.0
        self.asleep: list[float] = []

    def clock(self) -> float:
        self.now += 1e-6
        return self.now

    def poll(self, timeout: float, /) -> Ready:
        if timeout:
            self.asleep.append(timeout)
            self.now = min(self.due, self.now + timeout)
        return [EVENT] if self.now >= self.due else []


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def lookout(script: Script) -> Lookout:
    return Lookout(script, script.clock)


def talk(lookout: Lookout, script: Script, *, after: float, times: int = 1) -> list[float]:
    """Have events come one by one; return how long each was slept for."""
    script.asleep.clear()
    for _ in range(times):
        script.due = script.now + after
        assert lookout.wait(2.0, talking=True) == [EVENT]
    return list(script.asleep)


def test_it_sleeps_until_messages_have_come_quickly_for_a_while(
    lookout: Lookout, script: Script
) -> None:
    assert talk(lookout, script, after=SOON, times=BEGIN_AFTER) == [2.0] * BEGIN_AFTER
    assert talk(lookout, script, after=SOON, times=5) == []


def test_messages_that_come_slowly_are_slept_for(lookout: Lookout, script: Script) -> None:
    assert talk(lookout, script, after=LATE, times=50) == [2.0] * 50


def test_it_goes_to_sleep_if_it_has_looked_in_vain(lookout: Lookout, script: Script) -> None:
    talk(lookout, script, after=SOON, times=BEGIN_AFTER)

    assert talk(lookout, script, after=LATE) == [2.0]


def test_it_looks_no_more_after_a_few_times_in_vain(lookout: Lookout, script: Script) -> None:
    talk(lookout, script, after=SOON, times=100)
    talk(lookout, script, after=LATE, times=2)

    assert talk(lookout, script, after=SOON) == [2.0]


def test_messages_that_come_in_numbers_are_no_conversation(
    lookout: Lookout, script: Script
) -> None:
    talk(lookout, script, after=SOON, times=100)

    assert lookout.wait(2.0, talking=False) == [EVENT]
    assert talk(lookout, script, after=SOON) == [2.0]


def test_it_never_looks_longer_than_it_was_told_to_wait(lookout: Lookout, script: Script) -> None:
    talk(lookout, script, after=SOON, times=BEGIN_AFTER)
    script.due = script.now + 1.0

    assert lookout.wait(0.0, talking=True) == []

import pytest

from ipcluster_ext.display.pulse import Pulse
from tests.support.waiting import wait_until


def test_no_thread_runs_while_nothing_is_shown() -> None:
    pulse = Pulse(every=0.001)
    calls = []

    def beat() -> bool:
        calls.append(1)
        return len(calls) < 3

    assert pulse.idle
    pulse.add(beat)
    wait_until(lambda: pulse.idle)

    assert len(calls) == 3


def test_one_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    pulse = Pulse(every=0.001)
    calls = []

    def fails() -> bool:
        msg = "cannot be drawn"
        raise ValueError(msg)

    def beat() -> bool:
        calls.append(1)
        return len(calls) < 5

    pulse.add(fails)
    pulse.add(beat)
    wait_until(lambda: pulse.idle)

    assert len(calls) == 5
    assert "cannot be drawn" in caplog.text


def test_one_that_is_removed_is_not_called_again() -> None:
    pulse = Pulse(every=0.001)
    calls = []

    def beat() -> bool:
        calls.append(1)
        return True

    pulse.add(beat)
    wait_until(lambda: calls)
    pulse.remove(beat)
    pulse.remove(beat)

    wait_until(lambda: pulse.idle)


def test_one_that_is_added_anew_while_it_ends_is_called_again() -> None:
    pulse = Pulse(every=0.001)
    calls = []

    def beat() -> bool:
        calls.append(1)
        if len(calls) == 1:
            pulse.add(beat)
        return False

    pulse.add(beat)
    wait_until(lambda: pulse.idle)

    assert len(calls) == 2

import threading
import time
from collections.abc import Callable

import pytest

from ipcluster_ext.engine.timer import Timer
from tests.support.waiting import wait_until


@pytest.fixture
def made() -> list[str]:
    """Return the calls that were made, in order."""
    return []


@pytest.fixture
def note(made: list[str]) -> Callable[[str], Callable[[], None]]:
    return lambda name: lambda: made.append(name)


def soon(seconds: float = 0.0) -> float:
    return time.monotonic() + seconds


def test_calls_are_made_when_they_are_due(
    made: list[str], note: Callable[[str], Callable[[], None]]
) -> None:
    timer = Timer()
    timer.set("later", soon(0.06), note("later"))
    timer.set("sooner", soon(0.03), note("sooner"))
    timer.set("never", soon(60), note("never"))

    wait_until(lambda: len(made) == 2)

    assert made == ["sooner", "later"]


def test_a_call_that_is_set_again_is_made_once(
    made: list[str], note: Callable[[str], Callable[[], None]]
) -> None:
    timer = Timer()
    timer.set("call", soon(60), note("old"))
    timer.set("call", soon(), note("new"))
    timer.set("last", soon(0.02), note("last"))

    wait_until(lambda: "last" in made)

    assert made == ["new", "last"]


def test_a_call_that_was_cleared_is_not_made(
    made: list[str], note: Callable[[str], Callable[[], None]]
) -> None:
    timer = Timer()
    timer.set("call", soon(0.02), note("call"))
    timer.clear("call")
    timer.clear("never set")
    timer.set("last", soon(0.04), note("last"))

    wait_until(lambda: made)

    assert made == ["last"]


def test_a_call_does_not_go_on_once_it_is_cleared() -> None:
    timer, begun, ended = Timer(), threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        time.sleep(0.02)
        ended.set()

    timer.set("call", soon(), call)
    assert begun.wait(5)
    timer.clear("call")

    assert ended.is_set()


def test_a_call_may_set_another() -> None:
    timer, made = Timer(), threading.Event()

    timer.set("first", soon(), lambda: timer.set("second", soon(), made.set))

    assert made.wait(5)


def test_no_thread_runs_before_the_first_call() -> None:
    before = threading.active_count()
    timer = Timer()
    timer.clear("nothing")

    assert threading.active_count() == before

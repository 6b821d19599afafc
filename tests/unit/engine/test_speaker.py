import threading
from collections.abc import Sequence

import pytest

from ipcluster_ext.engine.interrupts import Interrupts
from ipcluster_ext.engine.speaker import Speaker
from ipcluster_ext.engine.streams import GLIMPSE, KEPT_PER_TASK, MUCH, Printed, Written
from ipcluster_ext.engine.timer import Timer
from ipcluster_ext.protocol.ids import TaskId
from tests.support.waiting import wait_until

TASK = TaskId(1)


class Stage:
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.threads: list[str] = []
        self.shown: list[Written] = []
        self.printed = Printed(lambda: TASK)
        interrupts = Interrupts(lambda: TASK, lambda: None)
        self.speaker = Speaker(self.printed, self._say, Timer(), interrupts, show=self.shown.append)

    def _say(self, written: Sequence[Written]) -> None:
        self.said += [(stream, text) for _, stream, text in written]
        self.threads.append(threading.current_thread().name)

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.said)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_what_is_printed_is_said_by_and_by_on_another_thread(stage: Stage) -> None:
    stage.printed.write("stdout", "a")
    stage.printed.write("stdout", "b")
    wait_until(lambda: stage.text == "ab")
    stage.printed.write("stdout", "c")
    wait_until(lambda: stage.text == "abc")

    assert stage.said[0] == ("stdout", "ab")
    assert set(stage.threads) == {"ipcluster_ext-timer"}


def test_who_prints_very_much_says_it_himself(stage: Stage) -> None:
    with stage.speaker._saying:  # noqa: SLF001 - the timer finds somebody speaking
        for _ in range(100):
            stage.printed.write("stdout", "x" * MUCH)
        own = threading.current_thread().name
        assert own in stage.threads

    wait_until(lambda: not stage.printed.pending)


def test_the_end_of_a_task_says_all_that_was_printed(stage: Stage) -> None:
    stage.printed.write("stdout", "a")
    stage.printed.write("stderr", "b")
    stage.speaker.end_task(TASK)

    assert sorted(stage.said) == [("stderr", "b"), ("stdout", "a")]
    assert not stage.speaker.used


def test_nothing_is_said_by_a_fork(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipcluster_ext.engine.speaker.os.getpid", lambda: -1)
    stage.printed.write("stdout", "a")
    for _ in range(3):
        stage.printed.write("stdout", "x" * MUCH)

    assert stage.said == []


def test_a_task_says_its_first_text_without_the_pause_of_the_one_before(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipcluster_ext.engine.speaker.WINDOW", 3600.0)
    stage.printed.write("stdout", "a")
    stage.speaker.end_task(TASK)
    stage.printed.write("stdout", "b")

    wait_until(lambda: stage.text == "ab")


def test_of_what_is_held_back_the_end_is_shown_now_and_then(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipcluster_ext.engine.speaker.GLIMPSE_EVERY", 0.2)
    stage.printed.write("stdout", "x" * KEPT_PER_TASK)
    wait_until(lambda: len(stage.text) == KEPT_PER_TASK)
    assert stage.shown == []

    stage.printed.write("stdout", "y" * GLIMPSE + "first\n")
    wait_until(lambda: stage.shown != [])
    for number in range(100):
        stage.printed.write("stdout", f"{number}\n")
        stage.speaker.flush()
    wait_until(lambda: stage.shown[-1].text == "99\n")

    [first, *others] = stage.shown
    assert first == (TASK, "stdout", "y" * (GLIMPSE - len("first\n")) + "first\n")
    assert len(others) < 10
    assert len(stage.text) == KEPT_PER_TASK


def test_nothing_that_was_said_is_shown_as_well(stage: Stage) -> None:
    stage.printed.write("stdout", "x" * (KEPT_PER_TASK + 1))
    stage.speaker.end_task(TASK)
    stage.speaker.flush()

    assert stage.shown == []

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from ipcluster_ext.engine.interrupts import Interrupts, Mood
from ipcluster_ext.protocol.ids import TaskId
from tests.support.waiting import wait_until

INNER, OUTER, OTHER = TaskId(1), TaskId(2), TaskId(3)


class Stage:
    """A main thread that does a task, and what woke it while it held exceptions back."""

    def __init__(self) -> None:
        self.task: TaskId | None = INNER
        self.woken = 0
        self.interrupts = Interrupts(lambda: self.task, self._wake)

    def _wake(self) -> None:
        self.woken += 1


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    before = signal.signal(signal.SIGINT, stage.interrupts.on_signal)
    stage.interrupts.mood = Mood.OPEN
    yield stage
    signal.signal(signal.SIGINT, before)


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


class TestInUserCode:
    def test_a_signal_from_outside_is_a_keyboard_interrupt(self, stage: Stage) -> None:
        del stage
        with pytest.raises(KeyboardInterrupt):
            press_ctrl_c()

    def test_what_another_thread_wants_is_raised_in_the_midst_of_a_wait(self, stage: Stage) -> None:
        error = TimeoutError("enough")
        thread = threading.Timer(0.02, stage.interrupts.want, (INNER, error))

        def wait() -> None:
            thread.start()
            time.sleep(60)

        with pytest.raises(TimeoutError) as raised:
            wait()

        thread.join()
        assert raised.value is error
        assert stage.interrupts.wanted == {}

    def test_a_signal_that_ends_no_wait_is_sent_again(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[int] = []
        send = signal.pthread_kill

        def miss_twice(thread: int, signum: int) -> None:
            sent.append(signum)
            if len(sent) > 2:
                send(thread, signum)

        monkeypatch.setattr(signal, "pthread_kill", miss_twice)

        def wait() -> None:
            stage.interrupts.want(INNER, TimeoutError())
            time.sleep(60)

        with pytest.raises(TimeoutError):
            wait()

        assert sent == [signal.SIGINT] * 3

    def test_a_signal_is_not_sent_again_once_its_task_has_ended(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[int] = []
        monkeypatch.setattr(signal, "pthread_kill", lambda _, signum: sent.append(signum))
        before = threading.active_count()

        stage.interrupts.want(INNER, TimeoutError())
        stage.task = OTHER
        wait_until(lambda: threading.active_count() == before)

        assert sent == [signal.SIGINT]

    def test_what_is_wanted_in_a_task_that_does_not_run_is_not_raised(self, stage: Stage) -> None:
        stage.interrupts.want(OTHER, TimeoutError())

        assert stage.interrupts.wanted == {}


class TestBetweenTasks:
    def test_a_signal_from_outside_is_nobodys(self, stage: Stage) -> None:
        stage.interrupts.mood = Mood.CLOSED

        press_ctrl_c()
        stage.task = None
        press_ctrl_c()

        assert stage.interrupts.wanted == {}

    def test_what_came_too_late_is_not_kept(self, stage: Stage) -> None:
        stage.interrupts.wanted[OTHER] = TimeoutError()
        with pytest.raises(ValueError, match="in time"):
            stage.interrupts.want(INNER, ValueError("in time"))

        assert stage.interrupts.wanted == {}

    def test_what_is_wanted_in_a_task_that_is_about_to_begin_is_raised_when_it_does(
        self, stage: Stage
    ) -> None:
        stage.interrupts.mood = Mood.CLOSED
        stage.interrupts.want(INNER, TimeoutError())
        stage.interrupts.mood = Mood.OPEN

        stage.interrupts.begin(OTHER)
        with pytest.raises(TimeoutError):
            stage.interrupts.begin(INNER)

    def test_what_is_wanted_in_a_task_that_has_ended_is_forgotten(self, stage: Stage) -> None:
        stage.interrupts.mood = Mood.CLOSED
        stage.interrupts.want(INNER, TimeoutError())

        stage.interrupts.forget(INNER)

        assert stage.interrupts.wanted == {}


class TestHeldBack:
    def test_an_exception_is_raised_at_the_end(self, stage: Stage) -> None:
        reached: list[bool] = []

        def hold() -> None:
            with stage.interrupts.held():
                press_ctrl_c()
                reached.append(stage.interrupts.pending)

        with pytest.raises(KeyboardInterrupt):
            hold()

        assert (reached, stage.woken, stage.interrupts.pending) == ([True], 1, False)
        assert stage.interrupts.mood is Mood.OPEN

    def test_an_exception_waits_for_the_outermost_end(self, stage: Stage) -> None:
        reached: list[bool] = []

        def hold() -> None:
            with stage.interrupts.held():
                with stage.interrupts.held():
                    stage.interrupts.want(INNER, TimeoutError())
                reached.append(stage.interrupts.pending)

        with pytest.raises(TimeoutError):
            hold()

        assert reached == [True]

    def test_while_an_outcome_is_written_holding_changes_nothing(self, stage: Stage) -> None:
        stage.interrupts.mood = Mood.CLOSED

        with stage.interrupts.held():
            press_ctrl_c()

        assert (stage.interrupts.mood, stage.interrupts.wanted) == (Mood.CLOSED, {})

    def test_on_another_thread_holding_changes_nothing(self, stage: Stage) -> None:
        moods: list[Mood] = []

        def hold() -> None:
            with stage.interrupts.held():
                moods.append(stage.interrupts.mood)

        thread = threading.Thread(target=hold)
        thread.start()
        thread.join()

        assert moods == [Mood.OPEN]


class TestNested:
    def test_an_exception_for_an_outer_task_waits_until_that_goes_on(self, stage: Stage) -> None:
        stage.interrupts.outer.append(OUTER)

        stage.interrupts.want(OUTER, TimeoutError())

        assert not stage.interrupts.pending
        stage.interrupts.outer.remove(OUTER)
        stage.task = OUTER
        assert stage.interrupts.pending

    def test_a_signal_from_outside_is_for_the_innermost(self, stage: Stage) -> None:
        stage.interrupts.outer.append(OUTER)

        with pytest.raises(KeyboardInterrupt):
            press_ctrl_c()

        assert stage.interrupts.wanted == {}

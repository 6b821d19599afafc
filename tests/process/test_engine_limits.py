import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.support.gates import Gate, pass_through
from tests.support.tasks import error_of
from tests.support.waiting import wait_until


def sleep(begun: Path, seconds: float = 1000.0) -> None:
    """Wait in C, without the interpreter's lock."""
    begun.touch()
    time.sleep(seconds)


def spin(begun: Path) -> None:
    """Wait in Python."""
    begun.touch()
    while True:
        pass


def hold_the_lock(begun: Path) -> None:
    """Wait in C, with the interpreter's lock, deaf to signals."""
    begun.touch()
    sum(range(10**14))


def swallow(begun: Path) -> None:
    """Go on whatever is raised."""
    begun.touch()
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(1000)


def clean_up(begun: Path) -> str:
    """Use the time between the warning and the limit."""
    try:
        sleep(begun)
    except ipp.SoftTimeLimit as error:
        return str(error)
    return "not warned"


Endless = Callable[[Path], None]


def nothing() -> None:
    """Have an engine import this module."""


@pytest.fixture
def rc(rc: ipp.Client) -> ipp.Client:
    """Lend the module's client; importing this module counts into no task's time."""
    rc[:].apply_async(nothing).get(10)
    return rc


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """Return a file that tasks make when they begin."""
    return tmp_path / "begun"


class TestATimeLimit:
    @pytest.mark.parametrize("task", [sleep, spin])
    def test_ends_a_task(self, task: Endless, rc: ipp.Client, begun: Path) -> None:
        before = rc[0].apply_sync(os.getpid)

        result = rc[0].options(time_limit=0.1).apply_async(task, begun)
        error = error_of(result)

        assert isinstance(error, ipp.TaskTimeout)
        assert isinstance(error, TimeoutError)
        assert str(error).endswith("TaskTimeout: the task has taken 0.1 s, its time limit")
        assert rc[0].apply_sync(os.getpid) == before

    def test_is_not_felt_by_who_is_quicker(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view().options(time_limit=30, soft_time_limit=20)

        assert view.map_sync(abs, range(-50, 0)) == list(range(50, 0, -1))

    def test_is_of_each_chunk_of_a_map(self, rc: ipp.Client, begun: Path) -> None:
        view = rc.load_balanced_view().options(time_limit=0.1)

        result = view.map_async(sleep, [begun, begun], [0, 1000], return_exceptions=True)

        values = result.get(10)
        assert values[0] is None
        assert isinstance(values[1], ipp.TaskTimeout)

    def test_holds_for_cells(self, rc: ipp.Client) -> None:
        result = rc[0].options(time_limit=0.1).execute("import time\ntime.sleep(1000)")

        assert isinstance(error_of(result), ipp.TaskTimeout)

    @pytest.mark.parametrize("task", [hold_the_lock, swallow])
    def test_ends_an_engine_that_cannot_be_told(
        self, task: Endless, rc: ipp.Client, begun: Path
    ) -> None:
        before = rc[0].apply_sync(os.getpid)

        error = error_of(rc[0].options(time_limit=0.1).apply_async(task, begun))

        assert isinstance(error, ipp.TaskTimeout)
        assert rc[0].apply_async(os.getpid).get(10) != before

    def test_may_be_preceded_by_a_warning(self, rc: ipp.Client, begun: Path) -> None:
        view = rc[0].options(time_limit=30, soft_time_limit=0.1)

        assert view.apply_async(clean_up, begun).get(10) == (
            "the task has taken 0.1 s, its soft time limit"
        )

    def test_of_the_soft_sort_may_end_a_task(self, rc: ipp.Client, begun: Path) -> None:
        error = error_of(rc[0].options(soft_time_limit=0.1).apply_async(sleep, begun))

        assert isinstance(error, ipp.SoftTimeLimit)


class TestAnInterrupt:
    @pytest.mark.parametrize("task", [sleep, spin])
    def test_ends_a_task_and_not_its_engine(
        self, task: Endless, rc: ipp.Client, begun: Path
    ) -> None:
        before = rc[0].apply_sync(os.getpid)
        result = rc[0].apply_async(task, begun)
        wait_until(begun.exists)

        result.interrupt()
        error = error_of(result)

        assert (type(error), str(error)) == (ipp.RemoteError, "[engine 0] KeyboardInterrupt")
        assert rc[0].apply_sync(os.getpid) == before

    def test_spares_the_tasks_that_were_not_meant(
        self, rc: ipp.Client, begun: Path, gate: Gate
    ) -> None:
        first = rc[0].apply_async(pass_through, gate.path, "first")
        meant = rc[0].apply_async(sleep, begun)
        last = rc[0].apply_async(abs, -1)

        meant.interrupt()
        gate.open()

        assert (first.get(10), last.get(10)) == ("first", 1)
        assert meant.wait(10)
        assert not begun.exists()

    @pytest.mark.parametrize("task", [hold_the_lock, swallow])
    def test_that_escalates_ends_an_engine_that_cannot_be_told(
        self, task: Endless, rc: ipp.Client, begun: Path
    ) -> None:
        before = rc[0].apply_sync(os.getpid)
        result = rc[0].apply_async(task, begun)
        wait_until(begun.exists)

        result.interrupt(escalate=[0.1, 0.1])
        error = error_of(result)

        assert isinstance(error, ipp.TaskInterrupted)
        assert rc[0].apply_async(os.getpid).get(10) != before


def fail_until(mark: Path, times: int, error: Exception) -> int:
    """Fail the first so many times; return how often it has run."""
    with mark.open("a") as file:
        file.write(".")
    if mark.stat().st_size <= times:
        raise error
    return mark.stat().st_size


class TestAJudge:
    def test_lets_a_task_run_again(self, rc: ipp.Client, begun: Path) -> None:
        view = rc.load_balanced_view().options(retries=ipp.Retry(2, on=OSError))

        assert view.apply_async(fail_until, begun, 2, FileNotFoundError()).get(10) == 3

    @pytest.mark.parametrize("error", [ValueError("wrong"), PermissionError("wrong")])
    def test_ends_it_at_once(self, error: Exception, rc: ipp.Client, begun: Path) -> None:
        retry = ipp.Retry(2, on=OSError, not_on=PermissionError)
        view = rc.load_balanced_view().options(retries=retry)

        raised = error_of(view.apply_async(fail_until, begun, 2, error))

        assert isinstance(raised, type(error))
        assert begun.stat().st_size == 1


def only_on(engine: int) -> int:
    """Run on one engine alone."""
    task = ipp.current_task()
    if task is None or task.engine != engine:
        raise ipp.UnmetDependency("not here")
    return task.engine


def test_a_task_that_misses_something_here_runs_elsewhere(rc: ipp.Client) -> None:
    view = rc.load_balanced_view()

    assert [view.apply_async(only_on, engine).get(10) for engine in rc.ids] == rc.ids


def test_a_task_that_misses_something_everywhere_fails(rc: ipp.Client) -> None:
    error = error_of(rc.load_balanced_view().apply_async(only_on, 99))

    assert isinstance(error, ipp.ImpossibleDependency)

import ctypes
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.process.clients import four_engines
from tests.support.clusters import pids
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until


@pytest.fixture(scope="class")
def four() -> Iterator[ipp.Client]:
    """Start new engines for each class: those that die too often come back later and later."""
    with four_engines() as client:
        yield client


def kill_itself() -> None:
    """Die by the surest signal."""
    os.kill(os.getpid(), signal.SIGKILL)


def exit_at_once() -> None:
    """Die without any ceremony."""
    os._exit(3)


def read_nowhere() -> None:
    """Die by a mistake in C."""
    ctypes.string_at(0)


def fail_first(mark: Path, die: Callable[[], None]) -> int:
    """Die, or raise, when run for the first time; each run leaves a mark."""
    with mark.open("a") as file:
        file.write(".")
    if mark.stat().st_size == 1:
        die()
    return os.getpid()


def die_always(mark: Path) -> None:
    """Die whenever it runs; each run leaves a mark."""
    with mark.open("a") as file:
        file.write(".")
    kill_itself()


def slowly(number: int, ran: Path, gate: Path | None = None) -> int:
    """Take two milliseconds, and tell that it ran; or wait at a gate, and tell who waits."""
    with ran.open("a") as file:
        file.write(f"{number}\n")
    if gate is not None:
        note = gate.with_name("new-pid")
        note.write_text(str(os.getpid()))
        note.rename(gate.with_name("pid"))
        pass_through(gate)
    end = time.monotonic() + 0.002
    while time.monotonic() < end:
        pass
    return -number


DEATHS = [
    (kill_itself, "killed by SIGKILL"),
    (exit_at_once, "exit code 3"),
    (read_nowhere, "killed by SIGSEGV"),
    (os.abort, "killed by SIGABRT"),
]


class TestTheTaskThatRan:
    @pytest.mark.parametrize(("die", "cause"), DEATHS, ids=[cause for _, cause in DEATHS])
    def test_is_lost_with_the_engine_and_the_cause(
        self, rc: ipp.Client, die: Callable[[], None], cause: str
    ) -> None:
        result = rc[2].apply_async(die)

        with pytest.raises(ipp.EngineLost, match=f"engine 2 was lost .*{cause}") as caught:
            result.get(10)

        assert (caught.value.engine, caught.value.cause) == (2, cause)
        assert (result.done(), result.cancelled(), result["state"]) == (True, False, "lost")

    def test_is_lost_if_balanced_too(self, rc: ipp.Client) -> None:
        error = rc.load_balanced_view().apply_async(kill_itself).exception(10)

        assert isinstance(error, ipp.EngineLost)
        assert error.engine in {0, 1, 2, 3}

    def test_is_lost_if_the_engine_is_killed_from_outside(self, rc: ipp.Client, gate: Gate) -> None:
        before = pids(rc)
        result = rc[1].apply_async(pass_through, gate.path)
        wait_until(result.running)

        os.kill(before[1], signal.SIGKILL)

        assert isinstance(result.exception(10), ipp.EngineLost)

    def test_is_the_only_one_of_several_engines_to_be_lost(self, rc: ipp.Client) -> None:
        result = rc[:].execute("import os\nif engine_id == 1: os._exit(3)\na = 1")

        values = result.get(10, return_exceptions=True)

        assert [type(value).__name__ for value in values] == [
            "NoneType", "EngineLost", "NoneType", "NoneType",
        ]  # fmt: skip


class TestTheTasksBehindIt:
    def test_run_in_the_engines_next_life_if_they_are_for_it(self, rc: ipp.Client) -> None:
        before = pids(rc)

        dying = rc[0].apply_async(kill_itself)
        behind = [rc[0].apply_async(os.getpid) for _ in range(20)]

        assert isinstance(dying.exception(10), ipp.EngineLost)
        after = {result.get(10) for result in behind}
        assert len(after) == 1
        assert after.isdisjoint(before)

    def test_run_somewhere_if_they_are_balanced(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view(targets=[0, 1])
        view.map_async(abs, range(1000), chunksize=10).get(10)  # engines hold many tasks by now

        dying = view.apply_async(kill_itself)
        behind = [view.apply_async(abs, -n) for n in range(500)]

        assert isinstance(dying.exception(10), ipp.EngineLost)
        assert [result.get(10) for result in behind] == list(range(500))

    def test_run_when_all_engines_died(self, rc: ipp.Client, gate: Gate) -> None:
        before = pids(rc)
        running = rc[:].apply_async(pass_through, gate.path)
        wait_until(running.running)
        behind = rc.load_balanced_view().map_async(abs, range(-20, 0))
        direct = rc[:].apply_async(pow, 2, 3)

        for pid in before:
            os.kill(pid, signal.SIGKILL)

        assert isinstance(running.exception(10), ipp.RemoteError | ipp.EngineLost)
        assert behind.get(10) == list(range(20, 0, -1))
        assert direct.get(10) == [8, 8, 8, 8]

    def test_can_be_cancelled_while_the_engine_is_away(self, rc: ipp.Client) -> None:
        dying = rc[0].apply_async(kill_itself)
        behind = rc[0].apply_async(pow, 2, 3)
        behind.cancel()

        assert isinstance(dying.exception(10), ipp.EngineLost)
        assert behind.wait(10)


class TestTheEngine:
    def test_comes_back_under_its_id_with_an_empty_namespace(self, rc: ipp.Client) -> None:
        rc[:]["a"] = 1
        before = pids(rc)

        assert isinstance(rc[3].apply_async(kill_itself).exception(10), ipp.EngineLost)

        assert rc[3]["engine_id"] == 3
        assert rc[:3]["a"] == [1, 1, 1]
        with pytest.raises(NameError):
            rc[3]["a"]
        assert [a == b for a, b in zip(before, pids(rc), strict=True)] == [True, True, True, False]

    def test_that_had_nothing_to_do_is_not_missed(self, rc: ipp.Client) -> None:
        before = pids(rc)

        os.kill(before[0], signal.SIGKILL)
        result = rc[0].apply_async(os.getpid)

        assert result.get(10) != before[0] or isinstance(result.exception(), ipp.EngineLost)

    def test_that_dies_again_and_again_does_its_work_in_between(self, rc: ipp.Client) -> None:
        ends = []
        for n in range(2):
            ends.append(type(rc[0].apply_async(kill_itself).exception(10)))
            ends.append(rc[0].apply_async(abs, -n).get(10))

        assert ends == [ipp.EngineLost, 0, ipp.EngineLost, 1]

    def test_gets_functions_again_that_it_had_in_its_last_life(self, rc: ipp.Client) -> None:
        def own(number: int) -> int:
            return number + 1

        assert rc[1].apply_sync(own, 1) == 2
        rc[1].apply_async(kill_itself).wait(10)

        assert rc[1].apply_async(own, 2).get(10) == 3


class TestRetries:
    @pytest.mark.parametrize("die", [kill_itself, exit_at_once, lambda: 1 / 0])
    def test_run_a_task_again(
        self, rc: ipp.Client, tmp_path: Path, die: Callable[[], None]
    ) -> None:
        view = rc.load_balanced_view(retries=1)

        assert view.apply_async(fail_first, tmp_path / "mark", die).get(10) > 0
        assert (tmp_path / "mark").read_text() == ".."

    def test_end_with_the_last_error(self, rc: ipp.Client, tmp_path: Path) -> None:
        view = rc.load_balanced_view(retries=2)

        error = view.apply_async(die_always, tmp_path / "mark").exception(20)

        assert isinstance(error, ipp.EngineLost)
        assert (tmp_path / "mark").read_text() == "..."

    def test_are_none_unless_asked_for(self, rc: ipp.Client, tmp_path: Path) -> None:
        error = rc.load_balanced_view().apply_async(die_always, tmp_path / "mark").exception(10)

        assert isinstance(error, ipp.EngineLost)
        assert (tmp_path / "mark").read_text() == "."


class TestAMap:
    def test_loses_nothing_but_what_ran(self, rc: ipp.Client, gate: Gate, tmp_path: Path) -> None:
        ran = tmp_path / "ran"
        held = [gate.path if n == 300 else None for n in range(1000)]
        result = rc.load_balanced_view().map_async(slowly, range(1000), [ran] * 1000, held)
        wait_until(gate.path.with_name("pid").exists)
        before = result.progress
        wait_until(lambda: result.progress > before + 50)

        os.kill(int(gate.path.with_name("pid").read_text()), signal.SIGKILL)
        values = result.get(30, return_exceptions=True)

        lost = [n for n, value in enumerate(values) if isinstance(value, ipp.EngineLost)]
        kept = [n for n, value in enumerate(values) if value == -n]
        assert lost == [300]
        assert kept == [n for n in range(1000) if n != 300]
        times = Counter(int(line) for line in ran.read_text().splitlines())
        assert times == dict.fromkeys(range(1000), 1)

    def test_with_retries_loses_nothing_at_all(self, rc: ipp.Client, tmp_path: Path) -> None:
        ran = tmp_path / "ran"
        victims = pids(rc)[:2]
        view = rc.load_balanced_view(retries=3)
        result = view.map_async(slowly, range(1000), [ran] * 1000, chunksize=3)
        for victim in victims:
            before = result.progress
            wait_until(lambda before=before: result.progress > before + 100)  # type: ignore[misc]
            os.kill(victim, signal.SIGKILL)

        assert result.get(30) == [-n for n in range(1000)]

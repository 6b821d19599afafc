import ctypes
import os
import re
import resource
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.process.clients import four_engines
from tests.support.clusters import ROOT, Started, pids
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until

MIB = 1 << 20


@pytest.fixture(scope="class")
def four() -> Iterator[ipp.Client]:
    """Start new engines for each class: those that die too often come back later and later."""
    with four_engines() as client:
        yield client


def error_of(result: ipp.AsyncResult) -> ipp.EngineLost:
    """Return the error of a task whose engine dies with it."""
    error = result.exception(60)
    assert isinstance(error, ipp.EngineLost)
    return error


def read_nowhere() -> None:
    """Die by a mistake in C."""
    ctypes.string_at(0)


def write_and_die(text: str, code: int) -> None:
    """Die right after a library has complained."""
    os.write(2, text.encode())
    os._exit(code)


def use_and_die(nbytes: int, seconds: float) -> None:
    """Use memory and time, and die."""
    kept = bytearray(nbytes)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        kept[0] ^= 1
    os.kill(os.getpid(), signal.SIGKILL)


def overflow_the_stack() -> None:
    """Recurse until the system ends the process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(10**9)

    def deeper(text: str) -> str:
        return max([text], key=deeper)

    deeper("")


class TestTheErrorOfALostTask:
    def test_has_the_stack_that_the_engine_died_in(self, rc: ipp.Client) -> None:
        error = error_of(rc[1].apply_async(read_nowhere))

        assert error.cause == "killed by SIGSEGV"
        assert "Fatal Python error: Segmentation fault" in error.details
        assert "in read_nowhere" in error.details
        assert "ipcluster_ext/engine" not in error.details
        assert "in read_nowhere" in str(error)

    def test_has_what_the_engine_wrote_last(self, rc: ipp.Client) -> None:
        error = error_of(rc[2].apply_async(write_and_die, "libfoo: bar is broken\n", 3))

        assert error.cause == "exit code 3"
        assert error.details.endswith("what its process wrote last:\nlibfoo: bar is broken")

    def test_has_nothing_of_an_earlier_life(self, rc: ipp.Client) -> None:
        error_of(rc[3].apply_async(write_and_die, "libfoo: bar is broken\n", 3))

        assert "libfoo" not in error_of(rc[3].apply_async(os._exit, 4)).details

    def test_is_short_however_much_was_written(self, rc: ipp.Client) -> None:
        error = error_of(rc[0].apply_async(write_and_die, "x" * 200 + "\n", 3))
        long = error_of(rc[1].apply_async(write_and_die, ("x" * 999 + "\n") * 999, 3))

        assert len(error.details) < len(long.details) < 8192

    def test_tells_what_the_engine_had_used(self, rc: ipp.Client) -> None:
        error = error_of(rc[2].apply_async(use_and_die, 200 * MIB, 0.2))

        first_line = error.details.splitlines()[0]
        assert first_line.startswith("it had lived for ")
        used = float(first_line.split("at most ")[1].split(" MiB")[0])
        assert 200 <= used < 400

    def test_survives_a_pickle(self, rc: ipp.Client) -> None:
        nested = rc[0].apply_async(_lose_engine_1).get(20)

        assert nested[0] == "exit code 5"
        assert "it had lived for" in nested[1]


def _lose_engine_1() -> tuple[str, str]:
    error = ipp.get_client()[1].apply_async(os._exit, 5).exception(20)
    assert isinstance(error, ipp.EngineLost)
    raised = ipp.EngineLost(error.engine, error.cause, error.details)
    return raised.cause, raised.details


def test_a_stack_that_is_too_deep_is_a_cause_like_any_other(started: Started) -> None:
    error = error_of(started.client[0].apply_async(overflow_the_stack))

    assert error.cause == "killed by SIGSEGV"
    assert started.client[0].apply_async(pow, 2, 3).get(10) == 8


def _seen_last(error: ipp.EngineLost) -> float:
    """Return how much memory the last look at the engine had found, in MiB; 0 if there was none."""
    seen = re.search(r"before its end: .*?([\d.]+) MiB of memory", error.details.splitlines()[0])
    return float(seen[1]) if seen else 0.0


def test_what_an_engine_used_is_looked_at_while_it_lives(started: Started) -> None:
    """A busy host looks late: the engine lives longer until a look has met what it has taken."""
    lives = (2.5, 5.0, 10.0, 20.0)

    errors = (error_of(started.client[0].apply_async(use_and_die, 100 * MIB, s)) for s in lives)

    assert any(_seen_last(error) > 100 for error in errors)


# ------------------------------------------------------------ memory


@contextmanager
def memory_group(nbytes: int) -> Iterator[Path]:
    """Make a control group (version 1 or 2) whose processes may have so much memory together."""
    for mount, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = mount / f"ipcluster-ext-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / limit).exists():
            break
        group.rmdir()
    else:
        pytest.skip("no control group can be made here")
    try:
        (group / limit).write_text(str(nbytes))
        swap = group / "memory.swappiness"
        if swap.exists():
            swap.write_text("0")
        yield group
    finally:
        wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_an_engine_that_the_kernel_kills_for_memory_is_recognised(tmp_path: Path) -> None:
    script = """
        import os, signal, sys
        from pathlib import Path
        Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
        import ipcluster_ext as ipp

        def take(nbytes):
            kept = []
            while True:
                kept.append(bytearray(nbytes))
                kept[-1][::4096] = b"x" * len(kept[-1][::4096])

        with ipp.Cluster(n=2) as client:
            error = client[0].apply_async(take, 20_000_000).exception(60)
            print(type(error).__name__, error.cause, sep="|")
            client.send_signal(signal.SIGKILL, 1)
            client.wait_for_engines(2, timeout=20)
            print(client[:].apply_async(pow, 2, 3).get(20))
    """
    with memory_group(600 * MIB) as group:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), str(group)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=100,
            check=False,
        )

    first, *rest = done.stdout.splitlines() or [done.stderr]
    kind, cause = first.split("|")
    assert kind == "EngineLost"
    assert cause.startswith("killed by SIGKILL, probably for memory: used ")
    assert " of 600.0 MiB; 1 oom kill in its cgroup" in cause
    assert rest == ["[8, 8]"]


# ------------------------------------------------------------ again and again


def die_quickly() -> None:
    """Die at once."""
    os._exit(9)


class TestAnEngineThatDiesAgainAndAgain:
    def test_is_told_of(self, rc: ipp.Client) -> None:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for _ in range(4):
                error_of(rc[2].apply_async(die_quickly))
            wait_until(lambda: told)

        [warning] = told
        said = r"engine 2 failed 4 times in \d+ s, the last time: exit code 9; next try in 0\.\d s"
        assert re.fullmatch(said, str(warning.message))


class TestATaskThatKillsEngines:
    def test_is_not_given_to_a_fourth_one(self, rc: ipp.Client, tmp_path: Path) -> None:
        mark = tmp_path / "mark"

        error = error_of(rc.load_balanced_view(retries=50).apply_async(_mark_and_die, mark))

        assert isinstance(error, ipp.PoisonTask)
        assert mark.read_text() == "..."
        assert "it has killed engines" in error.cause
        assert "exit code 7" in error.cause

    def test_is_given_to_more_if_its_owner_says_so(self, rc: ipp.Client, tmp_path: Path) -> None:
        mark = tmp_path / "mark"
        view = rc.load_balanced_view(retries=ipp.Retry(50, on_engine_lost=4))

        error = error_of(view.apply_async(_mark_and_die, mark))

        assert isinstance(error, ipp.PoisonTask)
        assert mark.read_text() == "....."

    def test_harms_nobody_else(self, rc: ipp.Client, tmp_path: Path) -> None:
        view = rc.load_balanced_view(retries=2)

        poison = view.apply_async(_mark_and_die, tmp_path / "mark")
        others = view.map_async(abs, range(-200, 0), chunksize=1)

        assert isinstance(error_of(poison), ipp.PoisonTask)
        assert others.get(20) == list(range(200, 0, -1))


def _mark_and_die(mark: Path) -> None:
    with mark.open("a") as file:
        file.write(".")
    os._exit(7)


def test_a_restart_that_was_asked_for_does_not_make_a_task_poisonous(
    started: Started, gate: Gate
) -> None:
    client = started.client
    view = client.load_balanced_view(retries=10, targets=[0])
    result = view.apply_async(pass_through, gate.path, "done")
    for _ in range(4):
        wait_until(result.running)
        client.restart_engines([0])
        client.wait_for_engines(2, timeout=10)
    gate.open()

    assert result.get(20) == "done"


# ------------------------------------------------------------ coming back


def test_an_engine_is_back_with_its_set_up_before_any_other_task(
    started: Started, tmp_path: Path
) -> None:
    client = started.client
    log = tmp_path / "log"
    client.on_engine_start(_note_line, log, "set up")
    before = pids(client)

    dying = client[0].apply_async(die_quickly)
    behind = client[0].apply_async(_note_line, log, "task")

    assert isinstance(dying.exception(10), ipp.EngineLost)
    behind.get(10)
    assert log.read_text().split("\n")[-3:] == ["set up", "task", ""]
    assert pids(client)[0] != before[0]


def _note_line(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(f"{text}\n")

import asyncio
import ctypes
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster import running
from ipcluster_ext.protocol.process import Patience
from tests.process.clients import engines
from tests.support.clusters import pids
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until

SOON = Patience(quiet=0.3, lease=0.8, handover=1.0)
"""Patience that a test can wait for the end of."""


@pytest.fixture(scope="module")
def four() -> Iterator[ipp.Client]:
    """Start four engines in a cluster that has little patience."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "PATIENCE", SOON)
        with engines(4) as client:
            yield client


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def hold_the_interpreter(seconds: float, begun: Path | None = None) -> int:
    """Let no other thread of this process run."""
    if begun is not None:
        begun.touch()
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    return os.getpid()


def note(ran: Path, number: int) -> int:
    """Take ten milliseconds, and tell that it ran."""
    with ran.open("a") as file:
        file.write(f"{number}\n")
    time.sleep(0.01)
    return number


async def note_in_a_coroutine(ran: Path, number: int) -> int:
    """Tell that it ran, beside others."""
    with ran.open("a") as file:
        file.write(f"{number}\n")
    await asyncio.sleep(0.01)
    return number


def wait_for_the_handover(client: ipp.Client, since: float) -> None:
    """Wait until a silent engine has surely lost what it had not begun."""
    wait_until(lambda: time.monotonic() - since > 1.5 * SOON.handover)
    assert client.ids


class TestAnEngineThatIsStopped:
    def test_is_known_not_to_respond_until_it_goes_on(self, rc: ipp.Client) -> None:
        with stopped(pids(rc)[2]):
            wait_until(lambda: rc.unresponsive == [2])
            assert rc.ids == [0, 1, 2, 3]

        wait_until(lambda: rc.unresponsive == [])

    def test_leaves_what_it_has_not_begun_to_others(self, rc: ipp.Client, tmp_path: Path) -> None:
        ran = tmp_path / "ran"
        view = rc.load_balanced_view()
        view.map_async(abs, range(400), chunksize=1).get(10)
        result = view.map_async(note, [ran] * 200, range(200), chunksize=1)
        wait_until(lambda: result.progress > 20)

        with stopped(pids(rc)[0]):
            wait_until(lambda: result.progress >= 199, timeout=20.0)
        values = result.get(10)

        assert values == list(range(200))
        assert set(Counter(ran.read_text().split()).values()) == {1}

    def test_keeps_what_it_has_begun_and_its_variables(self, rc: ipp.Client, gate: Gate) -> None:
        rc[1]["a"] = 17
        pid = rc[1].apply_sync(os.getpid)
        begun = rc.load_balanced_view(targets=1).apply_async(pass_through, gate.path, "there")
        wait_until(begun.running)

        with stopped(pid):
            since = time.monotonic()
            wait_until(lambda: rc.unresponsive == [1])
            wait_for_the_handover(rc, since)
            gate.open()

        assert begun.get(10) == "there"
        assert rc[1]["a"] == 17

    def test_does_what_is_for_it_alone_when_it_goes_on(self, rc: ipp.Client) -> None:
        all_pids = pids(rc)
        with stopped(all_pids[3]):
            wait_until(lambda: rc.unresponsive == [3])
            result = rc[3].apply_async(os.getpid)
            since = time.monotonic()
            wait_for_the_handover(rc, since)
            assert not result.done()

        assert result.get(10) == all_pids[3]

    def test_begins_nothing_that_was_given_away_when_it_goes_on(
        self, rc: ipp.Client, gate: Gate, tmp_path: Path
    ) -> None:
        ran = tmp_path / "ran"
        view = rc.load_balanced_view(targets=[0, 1])
        view.map_async(abs, range(400), chunksize=1).get(10)
        pid = rc[0].apply_sync(os.getpid)
        blocked = rc[0].apply_async(pass_through, gate.path)
        wait_until(blocked.running)
        behind = [view.apply_async(note, ran, n) for n in range(100)]

        with stopped(pid):
            assert [answer.get(20) for answer in behind] == list(range(100))
            gate.open()
        blocked.get(10)

        assert rc[0].apply_async(os.getpid).get(10) == pid
        assert set(Counter(ran.read_text().split()).values()) == {1}

    @pytest.mark.parametrize("function", [note, note_in_a_coroutine])
    def test_begins_nothing_that_was_sent_to_it_and_given_away(
        self, rc: ipp.Client, tmp_path: Path, function: Callable[[Path, int], object]
    ) -> None:
        ran = tmp_path / "ran"
        view = rc.load_balanced_view(targets=[0, 1])
        view.apply_async(function, ran, -1).get(10)
        pid = rc[0].apply_sync(os.getpid)

        with stopped(pid):
            sent = [view.apply_async(function, ran, n) for n in range(30)]
            values = [answer.get(20) for answer in sent]

        assert values == list(range(30))
        assert rc[0].apply_async(os.getpid).get(10) == pid
        assert set(Counter(ran.read_text().split()).values()) == {1}

    def test_can_be_restarted(self, rc: ipp.Client, gate: Gate) -> None:
        before = pids(rc)
        running = rc[2].apply_async(pass_through, gate.path)
        wait_until(running.running)
        os.kill(before[2], signal.SIGSTOP)

        rc.restart_engines([2])

        error = running.exception(10)
        assert isinstance(error, ipp.EngineLost)
        assert rc[2].apply_async(os.getpid).get(10) != before[2]

    def test_can_be_interrupted_with_force(self, rc: ipp.Client, gate: Gate) -> None:
        before = pids(rc)
        running = rc[1].apply_async(pass_through, gate.path)
        wait_until(running.running)
        os.kill(before[1], signal.SIGSTOP)

        running.interrupt(escalate=0.2)

        assert isinstance(running.exception(10), ipp.TaskInterrupted)
        assert rc[1].apply_async(os.getpid).get(10) != before[1]


class TestATaskThatHoldsTheInterpreter:
    def test_makes_its_engine_unresponsive_until_it_ends(self, rc: ipp.Client) -> None:
        before = pids(rc)
        result = rc[0].apply_async(hold_the_interpreter, 1.0)

        wait_until(lambda: rc.unresponsive == [0])

        assert result.get(10) == before[0]
        wait_until(lambda: rc.unresponsive == [])

    def test_keeps_nobody_waiting_who_cancels_it(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(hold_the_interpreter, 2.0)
        other = rc[1].apply_async(os.getpid)
        other.get(10)

        cancelled = result.cancel()

        assert (cancelled, result.done()) in {(False, False), (True, True)}
        assert result.wait(10)

    def test_frees_its_engine_when_it_is_interrupted_with_force(
        self, rc: ipp.Client, tmp_path: Path
    ) -> None:
        before = pids(rc)
        result = rc[0].apply_async(hold_the_interpreter, 60.0, tmp_path / "begun")
        wait_until((tmp_path / "begun").exists)

        result.interrupt(escalate=0.3)

        assert isinstance(result.exception(10), ipp.TaskInterrupted)
        assert rc[0].apply_async(os.getpid).get(10) != before[0]


def stop_for_good() -> None:
    """Stop, and go on waiting when this engine is woken to end."""
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(60.0)


@pytest.mark.parametrize(
    "stick",
    [
        stop_for_good,
        lambda: hold_the_interpreter(60.0),
    ],
    ids=["stopped", "holding the interpreter"],
)
def test_an_engine_is_ended_when_patience_is(
    stick: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PATIENCE", SOON)
    with ipp.Cluster(n=1, silence=1.5) as client:
        before = client[0].apply_sync(os.getpid)

        error = client[0].apply_async(stick).exception(20)

        assert isinstance(error, ipp.EngineLost)
        assert error.cause.startswith("it did not respond for 1.5 s and was ended")
        assert client[0].apply_async(os.getpid).get(10) != before

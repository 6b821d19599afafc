"""Calls one after the other, which go straight to an engine, with real engines and hubs."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started
from tests.support.gates import Gate
from tests.support.takeovers import hub_of
from tests.support.waiting import wait_until

PATIENCE = 30.0


def double(x: int) -> int:
    return 2 * x


def where(x: int) -> tuple[int, int]:
    return x, os.getpid()


def shout(x: int) -> int:
    print("shout", x)  # noqa: T201 - what a task prints is what this is about
    return x


def fail(x: int) -> int:
    raise ValueError(f"not {x}")


def large(x: int) -> bytes:
    return bytes(x)


def note_and_wait(log: Path, gate: Path) -> str:
    with log.open("a") as file:
        file.write(f"{os.getpid()}\n")
    while not gate.exists():
        time.sleep(0.005)
    return "waited"


def converse(lv: ipp.LoadBalancedView) -> None:
    """Call until calls go the short way."""
    express = lv.client.connection.express
    wait_until(lambda: lv.apply_sync(double, 1) == 2 and express.hands)


@pytest.fixture
def lv(started: Started) -> ipp.LoadBalancedView:
    view = started.client.load_balanced_view()
    converse(view)
    return view


class TestCallsOneAfterTheOther:
    def test_are_answered_and_remembered(self, started: Started, lv: ipp.LoadBalancedView) -> None:
        assert [lv.apply_sync(double, x) for x in range(300)] == [2 * x for x in range(300)]

        with started.cluster.connect_client_sync() as other:
            records = [other.get_result(task).get() for task in lv.history[-300:]]
        assert records == [2 * x for x in range(300)]
        kept = started.client.db_query({"msg_id": lv.history[-1]}, ["completed", "engine_uuid"])
        assert kept[0]["completed"] is not None

    def test_show_what_they_print(self, started: Started, lv: ipp.LoadBalancedView) -> None:
        for x in range(20):
            answer = lv.apply(shout, x) if x % 2 else lv.apply_async(shout, x)
            assert (answer if isinstance(answer, int) else answer.get(PATIENCE)) == x
        flagged = lv.options(block=True)
        for x in range(20):
            assert flagged.apply(shout, x) == x
        results = [started.client.get_result(task) for task in lv.history[-20:]]
        assert all(result.get(PATIENCE) == x for x, result in enumerate(results))

    def test_raise_what_is_raised(self, lv: ipp.LoadBalancedView) -> None:
        for x in range(5):
            with pytest.raises(ValueError, match=f"not {x}"):
                lv.apply_sync(fail, x)
        assert lv.apply_sync(double, 4) == 8

    def test_may_return_much(self, lv: ipp.LoadBalancedView) -> None:
        for nbytes in (10, 30_000, 100_000, 3_000_000):
            assert len(lv.apply_sync(large, nbytes)) == nbytes

    def test_may_call_functions_that_no_engine_knows(self, lv: ipp.LoadBalancedView) -> None:
        def make(n: int) -> Callable[[int], int]:
            return lambda x: x + n

        assert [lv.apply_sync(make(n), 1) for n in range(40)] == list(range(1, 41))

    def test_come_after_what_was_set_up_before(
        self, started: Started, lv: ipp.LoadBalancedView
    ) -> None:
        dv = started.client[:]
        for value in range(10):
            dv.push({"shared": value}, block=True)
            assert [lv.apply_sync(double, ipp.Reference("shared")) for _ in range(12)] == [
                2 * value
            ] * 12

    def test_are_answered_on_several_threads(self, lv: ipp.LoadBalancedView) -> None:
        found: dict[int, list[int]] = {}

        def call(base: int) -> None:
            found[base] = [lv.apply_sync(double, base + x) for x in range(200)]

        threads = [threading.Thread(target=call, args=(1000 * n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert found == {b: [2 * (b + x) for x in range(200)] for b in (0, 1000, 2000)}


class TestALongCallAmongShortOnes:
    def test_is_seen_and_can_be_interrupted(
        self, started: Started, lv: ipp.LoadBalancedView, tmp_path: Path, gate: Gate
    ) -> None:
        log = tmp_path / "log"
        raised: list[BaseException] = []

        def call() -> None:
            try:
                lv.apply_sync(note_and_wait, log, gate.path)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is what is told
                raised.append(error)

        caller = threading.Thread(target=call)
        caller.start()
        wait_until(log.exists, PATIENCE)
        with started.cluster.connect_client_sync() as other:
            wait_until(lambda: sum(q["tasks"] for q in _queues(other)) == 1, PATIENCE)
        started.client.get_result(lv.history[-1]).interrupt()
        caller.join(PATIENCE)

        assert [getattr(error, "ename", "") for error in raised] == ["KeyboardInterrupt"]
        assert lv.apply_sync(double, 3) == 6


def _queues(client: ipp.Client) -> list[dict[str, int]]:
    status = client.queue_status()
    return [value for key, value in status.items() if isinstance(key, int)]


class TestWhoDies:
    def test_an_engine_in_the_midst_of_a_call(
        self, lv: ipp.LoadBalancedView, tmp_path: Path, gate: Gate
    ) -> None:
        log = tmp_path / "log"
        killer = threading.Thread(target=_kill_first, args=(log,))
        killer.start()
        with pytest.raises(ipp.EngineLost):
            lv.apply_sync(note_and_wait, log, gate.path)
        killer.join(PATIENCE)

        assert len(log.read_text().split()) == 1
        assert [lv.apply_sync(double, x) for x in range(50)] == [2 * x for x in range(50)]

    def test_engines_while_calls_go_on(self, started: Started, lv: ipp.LoadBalancedView) -> None:
        flagged = lv.options(retries=20)
        done = 0
        for _ in range(4):
            victim = flagged.apply_sync(where, 0)[1]
            os.kill(victim, signal.SIGKILL)
            for x in range(60):
                assert flagged.apply_sync(double, x) == 2 * x
                done += 1
        assert done == 240

    def test_the_hub_and_calls_go_on(self, started: Started, lv: ipp.LoadBalancedView) -> None:
        before = started.client.hub_pid
        hub_of(started.client).kill()
        answers = [lv.apply_sync(double, x) for x in range(500)]
        assert answers == [2 * x for x in range(500)]
        wait_until(lambda: lv.apply_sync(double, 1) == 2 and started.client.hub_pid != before, 30)

        with started.cluster.connect_client_sync() as other:
            kept = [other.get_result(task).get(PATIENCE) for task in lv.history[8:508]]
        assert len(kept) == 500

    def test_nobody_when_engines_are_let_go(
        self, started: Started, lv: ipp.LoadBalancedView
    ) -> None:
        stop = threading.Event()
        answers: list[int] = []

        def call() -> None:
            while not stop.is_set():
                answers.append(lv.apply_sync(double, 5))

        caller = threading.Thread(target=call)
        caller.start()
        for count in (1, 3, 1, 2):
            started.cluster.scale_sync(count)
            wait_until(lambda count=count: len(started.client.ids) == count, PATIENCE)  # type: ignore[misc]
        stop.set()
        caller.join(PATIENCE)
        assert set(answers) == {10}


def _kill_first(log: Path) -> None:
    wait_until(lambda: log.exists() and log.read_text().strip(), PATIENCE)
    psutil.Process(int(log.read_text().split()[0])).kill()


def test_no_socket_is_left_of_an_engine_that_is_gone(
    started: Started, lv: ipp.LoadBalancedView
) -> None:
    folder = Path(started.cluster.connection_file).parent
    wait_until(lambda: len(list(folder.glob("x*"))) == 2)
    started.cluster.stop_engine_sync(0)
    wait_until(lambda: [path.name for path in folder.glob("x*")] == ["x1"])
    wait_until(lambda: started.client.ids == [1])

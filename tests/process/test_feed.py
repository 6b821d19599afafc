"""The status feed of a real cluster: what is shown is what is."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import ipcluster_ext as ipp
from ipcluster_ext.client.feed import StatusFeed
from ipcluster_ext.client.picture import ClusterStatus
from ipcluster_ext.engine.streams import KEPT_PER_TASK
from ipcluster_ext.protocol.feed import WorkRow
from ipcluster_ext.protocol.ids import EngineId
from tests.support.clusters import Started
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until

PATIENCE = 30.0


@pytest.fixture
def feed(rc: ipp.Client) -> Iterator[StatusFeed]:
    with rc.status_feed() as feed:
        feed.wait(timeout=PATIENCE)
        yield feed


def states(status: ClusterStatus) -> list[str]:
    return [engine.state for engine in status.engines]


def row(feed: StatusFeed, title: str) -> WorkRow | None:
    return next((row for row in reversed(feed.latest.work) if row.title == title), None)


def raise_if(number: int, bad: int) -> int:
    if number == bad:
        raise ValueError(f"not {bad}")
    return number


def flood(gate: Path) -> None:
    """Print more than is passed on while a task runs, and go on when the test says so."""
    for number in range(KEPT_PER_TASK // 20):
        sys.stdout.write(f"{number:->30}\n")
    sys.stdout.write("\x1b[1mthe last\x1b[0m of it\n")
    pass_through(gate)


class TestLines:
    def test_are_what_engines_wrote_last_in_tasks_and_cells(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        rc[0].execute("print('before'); print('anybody looked')").get(PATIENCE)
        with rc.status_feed(parts=["lines"]) as feed:
            assert feed.wait(timeout=PATIENCE).lines[EngineId(0)] == "anybody looked"
            tasks = [rc[1].apply_async(print, "in", "a task"), rc[3].apply_async(flood, gate.path)]
            wait_until(lambda: feed.latest.lines.get(EngineId(1)) == "in a task")
            wait_until(lambda: feed.latest.lines.get(EngineId(3)) == "the last of it")
            assert feed.latest.engines == ()
        gate.open()
        for task in tasks:
            task.get(PATIENCE)
        assert tasks[1].stdout.endswith("the last\x1b[0m of it\n")


class TestEngines:
    def test_that_are_idle_are_shown_with_their_processes(
        self, rc: ipp.Client, feed: StatusFeed
    ) -> None:
        pids = rc[:].apply_sync(os.getpid)

        wait_until(lambda: states(feed.latest) == ["idle"] * 4)
        assert [(engine.id, engine.pid) for engine in feed.latest.engines] == list(enumerate(pids))

    def test_that_are_busy_are_shown_with_what_they_do_and_since_when(
        self, rc: ipp.Client, feed: StatusFeed, gate: Gate
    ) -> None:
        before = time.time() - 1.0
        task = (
            rc.load_balanced_view(targets=[2]).options(label="wait").submit(pass_through, gate.path)
        )

        wait_until(lambda: states(feed.latest) == ["idle", "idle", "busy", "idle"])
        engine = feed.latest.engine(2)
        assert engine is not None
        assert engine.label == "wait"
        assert before < engine.since < time.time() + 1.0
        gate.open()
        task.get(PATIENCE)
        wait_until(lambda: states(feed.latest) == ["idle"] * 4)

    def test_use_memory_of_which_there_is_so_much(self, feed: StatusFeed) -> None:
        wait_until(lambda: all(engine.nbytes for engine in feed.latest.engines))

        for engine in feed.latest.engines:
            assert engine.nbytes is not None
            used = psutil.Process(engine.pid).memory_info().rss
            assert abs(used - engine.nbytes) < 64 << 20
            assert used < engine.limit

    def test_use_processors_while_they_compute(
        self, rc: ipp.Client, feed: StatusFeed, gate: Gate
    ) -> None:
        def spin(path: Path) -> None:
            while not path.exists():
                sum(range(10_000))

        task = rc[1].apply_async(spin, gate.path)

        def computes() -> bool:
            engine = feed.latest.engine(1)
            return engine is not None and engine.cpu is not None and engine.cpu > 0.1

        wait_until(computes, PATIENCE)
        gate.open()
        task.get(PATIENCE)

    def test_that_do_not_respond_are_shown_as_such(self, rc: ipp.Client, feed: StatusFeed) -> None:
        pid = rc[3].apply_sync(os.getpid)
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: states(feed.latest)[3] == "unresponsive", PATIENCE)
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: states(feed.latest)[3] == "idle", PATIENCE)


class TestWork:
    def test_a_map_is_followed_to_its_end(
        self, rc: ipp.Client, feed: StatusFeed, gate: Gate
    ) -> None:
        view = rc.load_balanced_view().options(label="fit")
        answer = view.map_async(pass_through, [gate.path] * 10, chunksize=1)

        wait_until(lambda: (seen := row(feed, "fit")) is not None and seen.running == 4)
        seen = row(feed, "fit")
        assert seen is not None
        assert (seen.done, seen.queued, seen.total) == (0, 6, 10)
        assert (seen.name, seen.kind, seen.session) == ("pass_through", "map", rc.session)
        gate.open()
        answer.wait(PATIENCE)
        wait_until(lambda: (seen := row(feed, "fit")) is not None and seen.done == 10)
        seen = row(feed, "fit")
        assert seen is not None
        assert seen.ended > seen.began

    def test_the_first_failure_is_told(self, rc: ipp.Client, feed: StatusFeed) -> None:
        view = rc.load_balanced_view().options(label="odd")
        answer = view.map_async(raise_if, range(8), [5] * 8, chunksize=1)
        answer.wait(PATIENCE)

        wait_until(lambda: (seen := row(feed, "odd")) is not None and seen.over == 8)

        seen = row(feed, "odd")
        assert seen is not None
        assert (seen.done, seen.failed, seen.error) == (7, 1, "ValueError: not 5")

    def test_the_sums_are_told(self, rc: ipp.Client, feed: StatusFeed, gate: Gate) -> None:
        answer = rc.load_balanced_view().map_async(pass_through, [gate.path] * 7, chunksize=1)

        def sums() -> tuple[int, ...]:
            totals = feed.latest.totals
            assert totals is not None
            return totals.ready, totals.busy, totals.running, totals.queued

        wait_until(lambda: sums() == (4, 4, 4, 3))
        gate.open()
        answer.wait(PATIENCE)
        wait_until(lambda: sums() == (4, 0, 0, 0))


class TestLoad:
    def test_there_are_few_news_of_many_tasks(self, rc: ipp.Client) -> None:
        with rc.status_feed() as feed:
            first = feed.wait(timeout=PATIENCE)
            began = time.monotonic()
            rc.load_balanced_view().map_sync(abs, range(20_000), chunksize=1)
            took = time.monotonic() - began
            wait_until(lambda: not feed.latest.totals or feed.latest.totals.queued == 0)

            assert feed.latest.number - first.number <= 10 * (took + 1.0) + 2

    def test_several_clients_may_watch(self, rc: ipp.Client) -> None:
        with (
            ipp.Client(rc.connection_file) as other,
            other.status_feed(parts=["engines"]) as theirs,
            rc.status_feed(parts=["totals"]) as ours,
        ):
            assert states(theirs.wait(timeout=PATIENCE)) == ["idle"] * 4
            assert ours.wait(timeout=PATIENCE).engines == ()
            wait_until(lambda: ours.latest.totals is not None and ours.latest.totals.clients == 2)


class TestAnotherHub:
    def test_goes_on_with_the_feed(self, started: Started, gate: Gate) -> None:
        client = started.client
        with client.status_feed() as feed:
            view = client.load_balanced_view().options(label="long")
            answer = view.map_async(pass_through, [gate.path] * 6, chunksize=1)
            wait_until(lambda: (seen := row(feed, "long")) is not None and seen.running == 2)
            before, known = client.hub_pid, feed.latest

            os.kill(before, signal.SIGKILL)
            wait_until(lambda: client.hub_pid != before, PATIENCE)

            def goes_on() -> bool:
                seen = row(feed, "long")
                return (
                    feed.latest.number > known.number
                    and states(feed.latest) == ["busy", "busy"]
                    and seen is not None
                    and (seen.running, seen.queued) == (2, 4)
                )

            wait_until(goes_on, PATIENCE)
            gate.open()
            answer.wait(PATIENCE)
            wait_until(lambda: (seen := row(feed, "long")) is not None and seen.done == 6)
            wait_until(lambda: all(engine.nbytes for engine in feed.latest.engines), PATIENCE)

"""The hub is killed, and nothing is lost: what goes on goes on, and nobody who waits is told."""

import asyncio
import itertools
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started, python
from tests.support.gates import Gate, pass_through
from tests.support.takeovers import hub_of, kill_hub, wait_for_another
from tests.support.waiting import wait_until

PATIENCE = 60.0


def note(log: Path, word: object) -> None:
    """Note that a task runs."""
    fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, f"{word}\n".encode())
    os.close(fd)


def noted(log: Path) -> Counter[str]:
    return Counter(log.read_text().split()) if log.exists() else Counter()


def work(number: int, log: Path, seconds: float = 0.02) -> int:
    """Take a while, and note it."""
    note(log, number)
    time.sleep(seconds)
    return number * number


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def rc(started: Started) -> ipp.Client:
    return started.client


def once(count: int) -> Counter[str]:
    return Counter(map(str, range(count)))


class TestAMap:
    @pytest.mark.parametrize("ended", [0, 1, 60, 119])
    @pytest.mark.parametrize("chunksize", [1, 7])
    def test_is_complete_and_every_task_has_run_once(
        self, rc: ipp.Client, log: Path, ended: int, chunksize: int
    ) -> None:
        numbers = range(120)
        answer = rc.load_balanced_view().map_async(
            work, numbers, itertools.repeat(log, 120), chunksize=chunksize
        )
        wait_until(lambda: answer.progress * chunksize >= ended)

        kill_hub(rc)

        assert answer.get(PATIENCE) == [number**2 for number in numbers]
        assert noted(log) == once(120)

    def test_of_short_tasks_is(self, rc: ipp.Client, log: Path) -> None:
        answer = rc.load_balanced_view().map_async(
            work, range(3000), itertools.repeat(log, 3000), itertools.repeat(0, 3000), chunksize=1
        )
        wait_until(lambda: answer.progress >= 500)

        kill_hub(rc)

        assert answer.get(PATIENCE) == [number**2 for number in range(3000)]
        assert noted(log) == once(3000)

    def test_survives_several_deaths_in_a_row(self, rc: ipp.Client, log: Path) -> None:
        answer = rc.load_balanced_view().map_async(
            work, range(100), itertools.repeat(log, 100), chunksize=1
        )
        wait_until(lambda: answer.progress >= 5)

        first = kill_hub(rc)
        second = kill_hub(rc)
        third = kill_hub(rc)

        assert len({first, second, third}) == 3
        assert answer.get(PATIENCE) == [number**2 for number in range(100)]
        assert noted(log) == once(100)

    def test_survives_a_death_that_follows_on_the_reunion(self, rc: ipp.Client, log: Path) -> None:
        answer = rc.load_balanced_view().map_async(
            work, range(100), itertools.repeat(log, 100), chunksize=1
        )
        wait_until(lambda: answer.progress >= 5)

        wait_for_another(rc, kill_hub(rc))
        kill_hub(rc)

        assert answer.get(PATIENCE) == [number**2 for number in range(100)]
        assert noted(log) == once(100)

    def test_that_fails_says_so(self, rc: ipp.Client, gate: Gate) -> None:
        answer = rc.load_balanced_view().map_async(divide_later, [1, 0], [gate.path] * 2)
        wait_until(lambda: answer.running())

        kill_hub(rc)
        gate.open()

        with pytest.raises(ZeroDivisionError):
            answer.get(PATIENCE)


def divide_later(divisor: int, gate: Path) -> float:
    pass_through(gate)
    return 1 / divisor


class TestWhatIsSubmitted:
    def test_while_there_is_no_hub_runs_when_there_is(self, rc: ipp.Client, log: Path) -> None:
        view = rc.load_balanced_view()
        kill_hub(rc)

        answers = [view.apply_async(work, number, log, 0) for number in range(100)]
        mapped = view.map_async(work, range(100, 200), [log] * 100, [0] * 100)

        assert [answer.get(PATIENCE) for answer in answers] == [n**2 for n in range(100)]
        assert mapped.get(PATIENCE) == [n**2 for n in range(100, 200)]
        assert noted(log) == once(200)

    def test_at_the_very_moment_runs_once(self, rc: ipp.Client, log: Path) -> None:
        view = rc.load_balanced_view()
        done = threading.Event()
        answers: list[ipp.AsyncResult] = []

        def submit() -> None:
            while not done.is_set():
                answers.append(view.apply_async(work, len(answers), log, 0))

        with ThreadPoolExecutor() as pool:
            submitting = pool.submit(submit)
            wait_until(lambda: len(answers) > 200)
            before = kill_hub(rc)
            wait_for_another(rc, before)
            done.set()
            submitting.result(PATIENCE)

        assert [answer.get(PATIENCE) for answer in answers] == [n**2 for n in range(len(answers))]
        assert noted(log) == once(len(answers))

    def test_to_each_engine_runs_there(self, rc: ipp.Client, gate: Gate) -> None:
        waiting = rc[:].apply_async(pass_through, gate.path, "there")
        queued = rc[:].apply_async(pow, 2, 3)
        kill_hub(rc)
        pushed = rc[:].push({"a": 7}, block=False)
        gate.open()

        assert waiting.get(PATIENCE) == ["there", "there"]
        assert queued.get(PATIENCE) == [8, 8]
        pushed.get(PATIENCE)
        assert rc[:].pull("a", block=False).get(PATIENCE) == [7, 7]

    def test_with_large_arrays_arrives_whole(self, rc: ipp.Client, gate: Gate) -> None:
        data = np.arange(500_000, dtype=np.float64)
        view = rc.load_balanced_view()
        answers = [view.apply_async(scaled_later, data, n, gate.path) for n in range(6)]
        wait_until(lambda: any(answer.running() for answer in answers))

        kill_hub(rc)
        gate.open()

        for factor, answer in enumerate(answers):
            np.testing.assert_array_equal(answer.get(PATIENCE), data * factor)

    def test_with_answers_as_arguments_gets_their_values(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view()
        done = view.apply_async(pow, 2, 3)
        assert done.get(PATIENCE) == 8
        first = view.apply_async(pass_through, gate.path, 5)
        large = view.apply_async(np.ones, 300_000)
        last = view.apply_async(total, [done, first, large])
        wait_until(first.running)

        kill_hub(rc)
        later = view.apply_async(total, [first, last])
        gate.open()

        assert last.get(PATIENCE) == 300_013
        assert later.get(PATIENCE) == 300_018

    def test_after_others_waits_for_them(self, rc: ipp.Client, gate: Gate, log: Path) -> None:
        view = rc.load_balanced_view()
        first = view.apply_async(pass_and_note, gate.path, log, "first")
        second = view.options(after=first).apply_async(note, log, "second")
        third = view.options(follow=second).apply_async(note, log, "third")
        wait_until(first.running)

        kill_hub(rc)
        gate.open()

        third.get(PATIENCE)
        assert log.read_text().split() == ["first", "second", "third"]
        assert third.engine_id == second.engine_id

    def test_is_tried_again_as_often_as_before(self, rc: ipp.Client, log: Path) -> None:
        answer = rc.load_balanced_view(retries=5).apply_async(fail_three_times, log)
        wait_until(lambda: noted(log)["tried"] >= 1)

        kill_hub(rc)

        assert answer.get(PATIENCE) == "at last"
        assert noted(log) == Counter({"tried": 4})


def scaled_later(data: npt.NDArray[np.float64], factor: int, gate: Path) -> npt.NDArray[np.float64]:
    pass_through(gate)
    return data * factor


def total(values: list[npt.ArrayLike]) -> float:
    return float(np.sum([np.sum(value) for value in values]))


def pass_and_note(gate: Path, log: Path, word: str) -> None:
    pass_through(gate)
    note(log, word)


def fail_three_times(log: Path) -> str:
    note(log, "tried")
    time.sleep(0.1)
    if noted(log)["tried"] < 4:
        raise OSError
    return "at last"


class TestWhoeverAsks:
    @pytest.mark.parametrize(
        "ask",
        [
            lambda rc: rc.queue_status(),
            lambda rc: rc.history(),
            lambda rc: rc.hub_history(),
            lambda rc: rc.send_signal("SIGCONT", block=True).result(),
        ],
    )
    def test_is_answered_by_the_next_hub(
        self, rc: ipp.Client, ask: Callable[[ipp.Client], object]
    ) -> None:
        kill_hub(rc)

        ask(rc)

    def test_for_engines_gets_them_once(self, rc: ipp.Client) -> None:
        kill_hub(rc)

        more = rc.start_engines(1)
        rc.wait_for_engines(3, timeout=PATIENCE)
        assert len(more) == 1
        assert sorted(rc.ids) == [0, 1, *more]
        assert rc[:].apply_async(pow, 2, 3).get(PATIENCE) == [8] * 3

    def test_for_an_interrupt_has_it(self, rc: ipp.Client) -> None:
        answer = rc.load_balanced_view().apply_async(time.sleep, 1000)
        wait_until(answer.running)

        kill_hub(rc)
        answer.interrupt()

        with pytest.raises(ipp.RemoteError, match="KeyboardInterrupt"):
            answer.get(PATIENCE)
        assert rc[:].apply_async(pow, 2, 3).get(PATIENCE) == [8, 8]

    def test_to_cancel_does(self, rc: ipp.Client, gate: Gate, log: Path) -> None:
        running = rc[:].apply_async(pass_through, gate.path)
        wait_until(running.running)
        waiting = rc.load_balanced_view().map_async(work, range(10), [log] * 10, chunksize=1)

        kill_hub(rc)
        waiting.abort()
        gate.open()

        running.get(PATIENCE)
        assert waiting.wait(PATIENCE)
        assert not noted(log)


class TestATaskThatTalks:
    def test_streams_every_item_once_and_in_order(self, rc: ipp.Client) -> None:
        items = rc.load_balanced_view().stream(count_slowly, 300)
        first = list(itertools.islice(items, 40))

        kill_hub(rc)

        assert first + list(items) == list(range(300))

    def test_streams_as_fast_as_it_is_read(self, rc: ipp.Client) -> None:
        items = rc.load_balanced_view().stream(range, 2000)
        first = list(itertools.islice(items, 10))  # by now it is put aside

        kill_hub(rc)

        assert first + list(items) == list(range(2000))

    def test_streams_from_a_coroutine(self, rc: ipp.Client) -> None:
        items = rc.load_balanced_view().stream(count_asynchronously, 200)
        first = list(itertools.islice(items, 20))

        kill_hub(rc)

        assert first + list(items) == list(range(200))

    def test_is_heard_to_the_end(self, rc: ipp.Client, gate: Gate) -> None:
        answer = rc.load_balanced_view().apply_async(talk, gate.path)
        wait_until(lambda: "before" in answer.stdout)

        kill_hub(rc)
        gate.open()

        answer.get(PATIENCE)
        assert answer.stdout == "before\nafter\n"
        assert answer.data == {"heard": True}

    def test_is_heard_while_there_is_no_hub(self, rc: ipp.Client, gate: Gate) -> None:
        answer = rc.load_balanced_view().apply_async(talk, gate.path)
        wait_until(lambda: "before" in answer.stdout)

        gate.open()
        kill_hub(rc)

        answer.get(PATIENCE)
        assert answer.stdout == "before\nafter\n"


def count_slowly(count: int) -> Iterator[int]:
    for number in range(count):
        time.sleep(0.005)
        yield number


async def count_asynchronously(count: int) -> "object":
    for number in range(count):
        await asyncio.sleep(0.005)
        yield number


def talk(gate: Path) -> None:
    sys.stdout.write("before\n")
    pass_through(gate)
    sys.stdout.write("after\n")
    ipp.publish(heard=True)


class TestATaskThatWaits:
    def test_for_tasks_of_its_own_gets_their_values(self, rc: ipp.Client, log: Path) -> None:
        view = rc.load_balanced_view()
        answers = [view.apply_async(sum_of, range(10), log) for _ in range(4)]
        wait_until(lambda: noted(log).total() >= 5)

        kill_hub(rc)

        assert [answer.get(PATIENCE) for answer in answers] == [285] * 4
        assert noted(log) == Counter({str(number): 4 for number in range(10)})

    def test_for_nothing_in_particular_is_not_begun_twice(self, rc: ipp.Client, log: Path) -> None:
        answers = rc.load_balanced_view().map_async(
            rest, range(100), itertools.repeat(log, 100), chunksize=1
        )
        wait_until(lambda: noted(log).total() >= 50)

        kill_hub(rc)

        assert answers.get(PATIENCE) == list(range(100))
        assert noted(log) == once(100)


def sum_of(numbers: range, log: Path) -> int:
    view = ipp.get_client().load_balanced_view()
    return sum(view.map_async(work, numbers, [log] * len(numbers), chunksize=1).get())


async def rest(number: int, log: Path) -> int:
    note(log, number)
    await asyncio.sleep(1.0)
    return number


class TestEngines:
    def test_keep_what_they_have(self, rc: ipp.Client) -> None:
        rc[0]["a"], rc[1]["a"] = 5, [6]
        before = rc[:].apply_sync(os.getpid)

        wait_for_another(rc, kill_hub(rc))

        assert rc.ids == [0, 1]
        assert rc[:].apply_sync(os.getpid) == before
        assert rc[:]["a"] == [5, [6]]

    def test_are_prepared_once(self, rc: ipp.Client, log: Path) -> None:
        rc.on_engine_start(note, log, "prepared")
        assert noted(log) == Counter({"prepared": 2})

        kill_hub(rc)
        rc.restart_engines([1])
        wait_until(lambda: noted(log)["prepared"] == 3, PATIENCE)

        assert rc[:].apply_async(pow, 2, 3).get(PATIENCE) == [8, 8]
        assert noted(log) == Counter({"prepared": 3})

    def test_that_die_meanwhile_come_back(self, rc: ipp.Client, gate: Gate, log: Path) -> None:
        pids = rc[:].apply_sync(os.getpid)
        lost = rc[0].apply_async(pass_through, gate.path)
        waiting = rc[0].apply_async(work, 3, log)
        wait_until(lost.running)

        hub = hub_of(rc)
        hub.suspend()
        os.kill(pids[0], signal.SIGKILL)
        hub.kill()

        with pytest.raises(ipp.EngineLost):
            lost.get(PATIENCE)
        assert waiting.get(PATIENCE) == 9
        assert noted(log) == Counter({"3": 1})
        rc.wait_for_engines(2, timeout=PATIENCE)
        assert rc.ids == [0, 1]

    def test_that_are_restarted_come_back(self, rc: ipp.Client) -> None:
        before = rc[:].apply_sync(os.getpid)
        with ThreadPoolExecutor() as pool:
            restarting = pool.submit(rc.shutdown, [0], restart=True, block=True)
            kill_hub(rc)
            restarting.result(PATIENCE)

        after = rc[:].apply_async(os.getpid).get(PATIENCE)
        assert (after[0] == before[0], after[1] == before[1]) == (False, True)


class TestOtherClients:
    def test_go_on_as_well(self, started: Started, log: Path) -> None:
        with ipp.Client(started.client.connection_file) as other:
            answers = [
                client.load_balanced_view().map_async(
                    work, numbers, itertools.repeat(log, 50), chunksize=1
                )
                for client, numbers in ((started.client, range(50)), (other, range(50, 100)))
            ]
            wait_until(lambda: all(answer.progress >= 3 for answer in answers))

            kill_hub(started.client)

            values = [answer.get(PATIENCE) for answer in answers]
        assert values == [[n**2 for n in range(50)], [n**2 for n in range(50, 100)]]
        assert noted(log) == once(100)

    def test_that_wait_for_tasks_of_this_one_get_their_values(
        self, started: Started, gate: Gate
    ) -> None:
        answer = started.client.load_balanced_view().apply_async(pass_through, gate.path, "value")
        wait_until(answer.running)
        with ipp.Client(started.client.connection_file) as other:
            watched = other.get_result(answer.msg_ids[0], block=False)

            kill_hub(started.client)
            gate.open()

            assert (watched.get(PATIENCE), answer.get(PATIENCE)) == ("value", "value")

    def test_find_what_one_that_died_had_submitted(
        self, started: Started, gate: Gate, log: Path
    ) -> None:
        script = f"""
            import pathlib, time
            import ipcluster_ext as ipp

            def work(number):
                with open({str(log)!r}, "a") as log:
                    log.write(f"{{number}}\\n")
                return number**2

            def wait_and_return(value):
                while not pathlib.Path({str(gate.path)!r}).exists():
                    time.sleep(0.002)
                return value

            rc = ipp.Client({str(started.client.connection_file)!r})
            view = rc.load_balanced_view()
            done = view.map(work, range(3), block=True, chunksize=1)
            late = view.map_async(wait_and_return, "abc", chunksize=1)
            while not late.running():
                time.sleep(0.002)
            print(done, rc.session, flush=True)
            input()
        """
        process = python(script)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "[0, 1, 4] -c\n"
            kill_hub(started.client)
        finally:
            process.kill()
            process.communicate()
        gate.open()

        records = started.client.history(session="-c")
        answers = started.client.get_result(records, block=False)

        assert answers.get(PATIENCE) == [[0], [1], [4], ["a"], ["b"], ["c"]]
        assert noted(log) == once(3)


class TestAnIdleClient:
    def test_finds_the_next_hub(self, rc: ipp.Client) -> None:
        wait_for_another(rc, kill_hub(rc))

        assert rc.ids == [0, 1]
        assert rc[:].apply_sync(pow, 2, 3) == [8, 8]

    def test_that_is_closed_meanwhile_leaves_nothing(self, started: Started) -> None:
        other = ipp.Client(started.client.connection_file)
        kill_hub(started.client)
        other.close()

        assert started.client[:].apply_async(pow, 2, 3).get(PATIENCE) == [8, 8]

"""Tasks by id: waiting for them, aborting them, getting and running them again."""

import operator
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until


def square(x: int) -> int:
    return x * x


@pytest.fixture
def other(rc: ipp.Client) -> Iterator[ipp.Client]:
    """Connect another client."""
    with ipp.Client(rc.connection_file) as client:
        yield client


class TestWaiting:
    def test_takes_answers_ids_places_in_the_history_and_collections(self, rc: ipp.Client) -> None:
        one = rc[0].apply_async(square, 3)
        several = rc[:].apply_async(square, 3)

        assert rc.wait(one, timeout=10)
        assert rc.wait(several.msg_ids, timeout=10)
        assert rc.wait(-1, timeout=10)
        assert rc.wait([one, several.msg_ids[0], -2], timeout=10)
        assert rc.wait(timeout=10)

    def test_takes_futures_of_others(self, rc: ipp.Client, gate: Gate) -> None:
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(pass_through, gate.path)
            assert not rc.wait(future, timeout=0.05)
            gate.open()
            assert rc.wait([future, rc[0].apply_async(square, 2)], timeout=10)

    def test_ends_when_the_time_is_up(self, rc: ipp.Client, gate: Gate) -> None:
        waits = rc[0].apply_async(pass_through, gate.path)

        assert not rc.wait(waits, timeout=0.05)
        assert not rc.wait(waits.msg_ids[0], timeout=0.05)
        assert not rc.wait(timeout=0.05)
        gate.open()
        assert rc.wait(timeout=10)

    def test_of_one_task_does_not_wait_for_the_others_of_its_call(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        busy = rc[0].apply_async(pass_through, gate.path)
        both = rc[[0, 1]].apply_async(square, 3)

        assert rc.wait(both.msg_ids[1], timeout=10)
        assert not both.done()
        gate.open()
        assert rc.wait([busy, both], timeout=10)

    def test_names_an_id_that_is_none(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.UnknownTask, match="'nonsense' is not a task id"):
            rc.wait("nonsense")
        with pytest.raises(ipp.UnknownTask, match="0000ffff-1: nothing is known"):
            rc.wait("0000ffff-1")
        with pytest.raises(IndexError):
            rc.wait(-100_000)

    def test_can_show_a_bar(self, rc: ipp.Client, capsys: pytest.CaptureFixture[str]) -> None:
        answers = [rc[:].apply_async(square, 3), rc[0].apply_async(square, 4)]

        assert rc.wait_interactive(answers, interval=0.05, timeout=10)
        assert rc.wait_interactive(timeout=10)
        assert "5 of 5 done" in capsys.readouterr().err


class TestAborting:
    def test_cancels_what_has_not_begun(self, rc: ipp.Client, gate: Gate) -> None:
        running = rc[0].apply_async(pass_through, gate.path, "ran")
        queued = rc[0].apply_async(square, 2)
        wait_until(running.running)

        assert rc.abort([running, queued], block=True).result() == queued.msg_ids

        gate.open()
        assert running.get(10) == "ran"
        with pytest.raises(ipp.TaskAborted):
            queued.get(10)

    def test_without_jobs_means_all_and_may_go_on_meanwhile(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        running = rc[:].apply_async(pass_through, gate.path)
        queued = [rc[:].apply_async(square, 2) for _ in range(3)]
        wait_until(running.running)

        aborted = rc.abort()

        assert isinstance(aborted, Future)
        gate.open()
        rc.wait(timeout=10)
        assert set(aborted.result(10)) <= {task for answer in queued for task in answer.msg_ids}

    def test_can_be_restricted_to_engines(self, rc: ipp.Client, gate: Gate) -> None:
        running = rc[:].apply_async(pass_through, gate.path)
        queued = rc[:].apply_async(square, 2)
        wait_until(running.running)

        rc.abort(targets=1, block=True)

        gate.open()
        rc.wait(timeout=10)
        assert [part.cancelled() for part in queued.split()] == [False, True, False, False]

    def test_refuses_engines_that_do_not_exist(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.NoSuchEngine):
            rc.abort(targets=99)


class TestResults:
    def test_are_had_by_id_and_by_place(self, rc: ipp.Client) -> None:
        one, several = rc[0].apply_async(square, 3), rc[:].apply_async(square, 4)

        assert rc.get_result(one.msg_ids[0]).get(10) == 9
        assert rc.get_result([-5, -1]).get(10) == [9, 16]
        assert rc.get_result().get(10) == 16
        assert rc.get_result(several.msg_ids, block=True).get() == [16] * 4
        assert rc.get_result(one).get(10) == [9]

    def test_are_those_that_are_here(self, rc: ipp.Client) -> None:
        array = rc[0].apply_async(list, "ab")

        assert rc.get_result(array.msg_ids[0]).get() is array.get()
        assert rc.results[array.msg_ids[0]] is array.get()

    def test_of_another_client_are_fetched(self, rc: ipp.Client, other: ipp.Client) -> None:
        ended = rc[:].apply_async(square, 3)
        ended.get(10)

        fetched = other.get_result(ended.msg_ids)

        assert isinstance(fetched, ipp.AsyncHubResult)
        assert (fetched.get(10), fetched.owner, fetched.engine_id) == ([9] * 4, False, [0, 1, 2, 3])
        assert fetched.msg_ids == ended.msg_ids

    def test_of_another_client_come_when_they_are_there(
        self, rc: ipp.Client, other: ipp.Client, gate: Gate
    ) -> None:
        waits = rc[0].apply_async(pass_through, gate.path, "through")
        wait_until(waits.running)

        fetched = [other.get_result(waits.msg_ids[0]) for _ in range(2)]
        assert not fetched[0].wait(0.05)
        gate.open()

        assert [answer.get(10) for answer in fetched] == ["through"] * 2

    def test_of_a_client_that_is_gone_are_kept(self, rc: ipp.Client, gate: Gate) -> None:
        import numpy as np

        with ipp.Client(rc.connection_file) as gone:
            ended = gone[0].apply_async(square, 3)
            ended.get(10)
            large = gone[1].apply_async(_after, gate.path, 300_000)
            wait_until(large.running)
        gate.open()
        ids = [*ended.msg_ids, *large.msg_ids]

        nine, array = rc.get_result(ids).get(10)

        assert nine == 9
        assert np.array_equal(array, np.arange(300_000))

    def test_are_errors_as_well(self, rc: ipp.Client, other: ipp.Client) -> None:
        failed = rc[0].apply_async(operator.truediv, 1, 0)
        failed.wait(10)

        with pytest.raises(ZeroDivisionError):
            other.get_result(failed.msg_ids[0]).get(10)

    def test_of_cells_can_be_shown(self, rc: ipp.Client, other: ipp.Client) -> None:
        cell = rc[0].execute("6 * 7", silent=False)
        cell.get(10)

        reply = other.get_result(cell.msg_ids[0]).get(10)

        assert isinstance(reply, ipp.ExecuteReply)
        assert reply.data["text/plain"] == "42"

    def test_that_nobody_holds_come_from_the_hub(self, rc: ipp.Client) -> None:
        task = rc[0].apply_async(square, 3).msg_ids[0]
        rc.wait(task, timeout=10)

        assert rc.get_result(task).get(10) == 9
        assert rc.results[task] == 9
        assert rc.metadata[task].engine_id == 0
        assert rc.metadata[task].status == "ok"

    def test_of_tasks_that_nobody_knows_are_refused(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.UnknownTask, match="task 0000ffff-7: nothing is known of it"):
            rc.get_result("0000ffff-7")
        with pytest.raises(KeyError):
            rc.results["0000ffff-7"]
        with pytest.raises(ValueError, match="at least one task"):
            rc.get_result([])

    def test_that_were_forgotten_are_refused(self, rc: ipp.Client) -> None:
        answer = rc[0].apply_async(square, 3)
        answer.get(10)
        rc.purge_results(answer)
        task = answer.msg_ids[0]
        del answer

        with pytest.raises(ipp.UnknownTask, match=task):
            rc.get_result(task)


def _after(gate: Path, count: int) -> object:
    import numpy as np

    pass_through(gate)
    return np.arange(count)


class TestStatus:
    def test_tells_which_tasks_have_ended(
        self, rc: ipp.Client, other: ipp.Client, gate: Gate
    ) -> None:
        ended = rc[1].apply_async(square, 3)
        failed = rc[2].apply_async(operator.truediv, 1, 0)
        rc.wait([ended, failed], timeout=10)
        running = rc[0].apply_async(pass_through, gate.path)
        ids = [*ended.msg_ids, *running.msg_ids, *failed.msg_ids]

        for client in (rc, other):
            assert client.result_status(ids) == {
                "pending": running.msg_ids,
                "completed": [*ended.msg_ids, *failed.msg_ids],
            }
            status = client.result_status(ids, status_only=False)
            assert status[ended.msg_ids[0]] == 9
            assert isinstance(status[failed.msg_ids[0]], ZeroDivisionError)
        gate.open()

    def test_names_an_unknown_task(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.UnknownTask, match="0000ffff-7"):
            rc.result_status("0000ffff-7")


class TestResubmitting:
    def test_runs_tasks_once_more(self, rc: ipp.Client) -> None:
        first = rc.load_balanced_view().apply_async(os.urandom, 8)
        first.get(10)

        second = rc.resubmit(first.msg_ids[0])
        second.wait(10)
        third = rc.resubmit(second.msg_ids, block=True)

        assert len({first.get(), second.get(10), *third.get()}) == 3
        [record] = rc.history(msg_id=first.msg_ids[0])
        assert record.resubmitted == second.msg_ids[0]

    def test_runs_direct_tasks_where_they_were(self, rc: ipp.Client) -> None:
        first = rc[2].apply_async(os.getpid)

        assert rc.resubmit([first.msg_ids[0]] if first.get(10) else []).get(10) == [first.get()]

    def test_runs_tasks_of_others(self, rc: ipp.Client, other: ipp.Client) -> None:
        first = other.load_balanced_view().apply_async(square, 5)
        first.get(10)
        other.close()

        assert rc.resubmit(first.msg_ids[0]).get(10) == 25

    def test_runs_cells_as_cells(self, rc: ipp.Client) -> None:
        rc[0].execute("n = 0", block=True)
        cell = rc[0].execute("n = n + 1", block=False)
        cell.get(10)

        rc.resubmit(cell.msg_ids[0], block=True)

        assert rc[0]["n"] == 2

    def test_is_refused_while_the_task_runs(self, rc: ipp.Client, gate: Gate) -> None:
        running = rc[0].apply_async(pass_through, gate.path)

        with pytest.raises(ipp.UnknownTask, match=r"it has not ended; rc\.history"):
            rc.resubmit(running.msg_ids)
        gate.open()

    def test_takes_no_changes(self, rc: ipp.Client) -> None:
        with pytest.raises(TypeError, match="submit them anew"):
            rc.resubmit(-1, metadata={"retries": 3})


def test_eight_threads_may_use_one_client(rc: ipp.Client) -> None:
    view = rc.load_balanced_view()

    def work(number: int) -> int:
        kept = [view.apply_async(square, i) for i in range(20)]
        withdrawn = [rc[number % 4].apply_async(square, i) for i in range(5)]
        for answer in withdrawn:
            answer.cancel()
        mapped = view.map_sync(square, range(50))
        assert mapped == [i * i for i in range(50)]
        assert rc[number % 4].apply_sync(square, number) == number * number
        rc.abort(withdrawn, block=True)
        assert set(rc.queue_status()) == {0, 1, 2, 3, "unassigned"}
        assert rc.wait([*kept, *withdrawn], timeout=30)
        fetched = rc.get_result([answer.msg_ids[0] for answer in kept])
        return sum(fetched.get(10))

    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(work, range(8), timeout=60))

    assert sums == [sum(i * i for i in range(20))] * 8
    assert rc.outstanding == set()


def test_a_long_session_does_not_fill_the_memory(rc: ipp.Client) -> None:
    view = rc.load_balanced_view()

    def run(count: int) -> tuple[int, int]:
        for _ in range(count // 10_000):
            assert len(view.map_sync(square, range(10_000), chunksize=1)) == 10_000
        assert len(rc.history) == 10_000
        return _resident(os.getpid()), _resident(rc.hub_pid)

    before = run(40_000)
    after = run(60_000)

    grown = [b - a for a, b in zip(before, after, strict=True)]
    assert max(grown) < 5_000_000, f"client and hub grew by {grown} bytes"


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

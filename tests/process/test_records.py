"""The history: what the hub tells of tasks, and what is forgotten."""

import operator
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import ipcluster_ext as ipp
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until


def square(x: int) -> int:
    return x * x


@pytest.fixture(autouse=True)
def _clean(rc: ipp.Client) -> Iterator[None]:
    rc.purge_everything()
    yield
    rc.wait(timeout=10)


def run(rc: ipp.Client, label: str, function: Any = square, *args: Any) -> str:
    """Run a task; return its id."""
    answer = rc.load_balanced_view(label=label).apply_async(function, *(args or (3,)))
    answer.wait(10)
    return answer.msg_ids[0]


class TestTheClientsHistory:
    def test_is_a_list_of_ids(self, rc: ipp.Client) -> None:
        one = rc[0].apply_async(square, 3)
        several = rc[:].apply_async(square, 3)

        assert rc.history == one.msg_ids + several.msg_ids
        assert rc.history[-1] == several.msg_ids[-1]
        assert isinstance(rc.history, list)

    def test_can_be_asked_for_records(self, rc: ipp.Client) -> None:
        first = run(rc, "fit 1")
        second = run(rc, "fit 2", operator.truediv, 1, 0)
        run(rc, "predict")

        records = rc.history(label="fit*")

        assert [record.msg_id for record in records] == [first, second]
        assert [record.status for record in records] == ["done", "failed"]
        assert (records[1].ename, records[1].evalue) == ("ZeroDivisionError", "division by zero")
        assert records[0].kept
        assert records[0].session != ""

    @pytest.mark.parametrize(
        ("facts", "expected"),
        [
            ({"status": "failed"}, ["fit 2"]),
            ({"status": ["failed", "lost"]}, ["fit 2"]),
            ({"label": "predict"}, ["predict"]),
            ({"function": "squ*"}, ["fit 1", "predict"]),
            ({"label": "fit*", "status": "done"}, ["fit 1"]),
            ({"kind": "apply", "label": {"$ne": "predict"}}, ["fit 1", "fit 2"]),
            ({"limit": 1}, ["predict"]),
            ({"since": timedelta(hours=1)}, ["fit 1", "fit 2", "predict"]),
            ({"since": datetime(2000, 1, 1, tzinfo=UTC)}, ["fit 1", "fit 2", "predict"]),
            ({"since": datetime(9000, 1, 1, tzinfo=UTC)}, []),
        ],
    )
    def test_finds_tasks_by_facts(
        self, facts: dict[str, Any], expected: list[str], rc: ipp.Client
    ) -> None:
        run(rc, "fit 1")
        run(rc, "fit 2", operator.truediv, 1, 0)
        run(rc, "predict")

        assert [record.label for record in rc.history(**facts)] == expected

    def test_names_a_fact_that_does_not_exist(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.ClientError, match=r"there is no key 'lable'; keys: .*label"):
            rc.history(lable="fit")

    def test_holds_tasks_of_every_view_and_client(self, rc: ipp.Client) -> None:
        with ipp.Client(rc.connection_file) as other:
            theirs = other.broadcast_view().apply_async(square, 3)
            theirs.get(10)
        mine = rc[0].execute("a = 1")
        mine.get(10)

        records = rc.history()

        assert [record.msg_id for record in records] == theirs.msg_ids + mine.msg_ids
        assert [record.kind for record in records] == ["apply"] * 4 + ["execute"]
        assert [record.balanced for record in records] == [False] * 5


class TestQueries:
    def test_return_dicts_with_times(self, rc: ipp.Client) -> None:
        before = datetime.now(UTC)
        task = run(rc, "fit")

        [found] = rc.db_query({"msg_id": task}, keys=["completed", "engine_id", "submitted"])

        assert set(found) == {"msg_id", "completed", "engine_id", "submitted"}
        assert before <= found["submitted"] <= found["completed"] <= datetime.now(UTC)
        assert rc.db_query({"completed": {"$lt": before}}) == []
        assert [r["msg_id"] for r in rc.db_query({"submitted": {"$gte": before}})] == [task]

    def test_find_what_has_not_been_completed(self, rc: ipp.Client, gate: Gate) -> None:
        waits = rc[0].apply_async(pass_through, gate.path)
        wait_until(waits.running)

        [found] = rc.db_query({"completed": None})

        assert (found["msg_id"], found["status"]) == (waits.msg_ids[0], "running")
        gate.open()

    def test_that_are_none_are_refused(self, rc: ipp.Client) -> None:
        run(rc, "fit")

        with pytest.raises(ipp.ClientError, match=r"no operator '\$near'"):
            rc.db_query({"label": {"$near": 1}})
        with pytest.raises(KeyError, match="no key 'buffers'"):
            rc.db_query({}, keys=["buffers"])
        with pytest.raises(TypeError, match="cannot hold"):
            rc.db_query({"label": object()})

    def test_name_all_tasks_of_the_hub(self, rc: ipp.Client) -> None:
        tasks = [run(rc, "a"), run(rc, "b")]

        assert rc.hub_history() == tasks


class TestQueues:
    def test_tell_numbers_and_ids(self, rc: ipp.Client, gate: Gate) -> None:
        ended = rc.queue_status(0)["completed"]
        running = rc[0].apply_async(pass_through, gate.path)
        queued = rc[0].apply_async(square, 3)
        wait_until(running.running)

        assert rc.queue_status(0) == {"queue": 2, "tasks": 0, "completed": ended}
        assert set(rc.queue_status([0, 2])) == {0, 2, "unassigned"}
        assert rc.queue_status(0, verbose=True) == {
            "queue": running.msg_ids + queued.msg_ids,
            "tasks": [],
            "completed": [],
        }
        gate.open()
        queued.get(10)
        assert rc.queue_status(0) == {"queue": 0, "tasks": 0, "completed": ended + 2}

    def test_tell_what_no_engine_has(self, rc: ipp.Client, gate: Gate) -> None:
        running = rc[:].apply_async(pass_through, gate.path)
        view = rc.load_balanced_view()
        waiting = [view.apply_async(pass_through, gate.path) for _ in range(12)]
        wait_until(running.running)

        status = rc.queue_status()
        named = rc.queue_status(verbose=True)

        given = sum(status[engine]["tasks"] for engine in range(4))
        assert status["unassigned"] + given == 12
        everywhere = named["unassigned"] + [t for e in range(4) for t in named[e]["tasks"]]
        assert sorted(everywhere) == sorted(a.msg_ids[0] for a in waiting)
        gate.open()


class TestPurging:
    def test_forgets_tasks_here_and_in_the_hub(self, rc: ipp.Client) -> None:
        kept, gone = run(rc, "kept"), run(rc, "gone")

        rc.purge_results([gone])

        assert (rc.history, rc.hub_history()) == ([kept], [kept])

    def test_here_leaves_the_hub_alone(self, rc: ipp.Client) -> None:
        task = run(rc, "fit")

        rc.purge_local_results("all")

        assert (rc.history, rc.hub_history()) == ([], [task])

    def test_in_the_hub_leaves_this_client_alone(self, rc: ipp.Client) -> None:
        task = run(rc, "fit")

        rc.purge_hub_results(task)

        assert (rc.history, rc.hub_history()) == ([task], [])

    def test_takes_engines(self, rc: ipp.Client) -> None:
        answer = rc[:].apply_async(square, 3)
        answer.get(10)

        rc.purge_results(targets=[1, 3])

        assert rc.hub_history() == [answer.msg_ids[0], answer.msg_ids[2]]
        assert rc.history == rc.hub_history()

    @pytest.mark.parametrize("how", ["purge_local_results", "purge_hub_results", "purge_results"])
    def test_is_refused_while_tasks_run(self, how: str, rc: ipp.Client, gate: Gate) -> None:
        ended = rc[1].apply_async(square, 3)
        ended.get(10)
        running = rc[0].apply_async(pass_through, gate.path)

        with pytest.raises(RuntimeError, match="1 of the tasks have not ended"):
            getattr(rc, how)(ended.msg_ids + running.msg_ids)

        assert rc.history == ended.msg_ids + running.msg_ids
        assert set(rc.hub_history()) == set(rc.history)
        gate.open()

    def test_of_everything_leaves_nothing(self, rc: ipp.Client) -> None:
        rc[:].apply_async(square, 3).get(10)

        rc.purge_everything()

        assert (rc.history, rc.hub_history(), len(rc.results)) == ([], [], 0)

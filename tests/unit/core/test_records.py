"""What clients are told of tasks, of their own and of others', and what runs once more."""

import json
from typing import Any

import pytest

from ipcluster_ext.core.facts import KEYS
from ipcluster_ext.protocol.ids import EngineId, TaskId, task_text
from ipcluster_ext.protocol.messages import (
    Fetched,
    HistoryQuery,
    Purge,
    Purged,
    Ran,
    Records,
    Resubmit,
    Submit,
)
from ipcluster_ext.protocol.parts import (
    Blob,
    Dependency,
    Options,
    Record,
    ResultItem,
    TaskItem,
    TaskSpec,
)
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.scripted import PICKLED, PLACE, Client, Stage

DONE, FAILED, QUEUED, ASSIGNED = (
    TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.QUEUED, TaskStatus.ASSIGNED,
)  # fmt: skip


def ask(client: Client, query: dict[str, Any] | None = None, limit: int = 0) -> list[Record]:
    """Ask for records."""
    client.forget()
    client.say(HistoryQuery(1, json.dumps(query or {}).encode(), limit))
    [answer] = client.of(Records)
    assert answer.refused == ""
    return answer.records


def purge(client: Client, query: dict[str, Any]) -> Purged:
    """Ask for tasks to be forgotten."""
    client.forget()
    client.say(Purge(2, json.dumps(query).encode()))
    [answer] = client.of(Purged)
    return answer


def resubmit(client: Client, *tasks: TaskId) -> tuple[list[TaskId], dict[TaskId, str]]:
    """Ask for tasks to run once more; return the new ones, and those that cannot."""
    client.forget()
    new = client.next_ids(len(tasks))
    client.say(Resubmit(3, list(tasks), new[0]))
    [answer] = client.of(Fetched)
    return new, answer.missing


class TestRecords:
    def test_tell_of_tasks_in_every_state(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        client.submit(3)
        engine.finish(seconds=2.0)
        stage.turn(5.0)

        records = ask(client)

        assert [(record.status, record.engine) for record in records] == [
            (DONE, 0),
            (ASSIGNED, 0),
            (QUEUED, None),
        ]
        assert [record.kept for record in records] == [True, False, False]

    def test_tell_times_by_the_calendar(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        stage.turn(10.0)
        client.submit(1)
        stage.turn(5.0)
        engine.finish(seconds=2.0)

        [record] = ask(client)

        assert record.submitted == PLACE.epoch + 110.0
        assert record.ended == PLACE.epoch + 115.0
        assert (record.started, record.completed) == (1000.0, 1002.0)

    def test_tell_why_a_task_failed(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(1)
        engine = agent.start(EngineId(0))
        [task] = client.submit(1)
        engine.die(began=task)

        [record] = ask(client)

        assert (record.status, record.ename) == (TaskStatus.LOST, "EngineLost")
        assert record.evalue == "killed by SIGKILL"

    def test_tell_of_an_engine_s_tasks_that_only_the_first_runs(
        self, stage: Stage, client: Client
    ) -> None:
        stage.engines(1)
        client.submit_each([0])
        client.submit_each([0])

        assert [(record.status, record.engine) for record in ask(client)] == [
            (ASSIGNED, 0),
            (QUEUED, 0),
        ]

    def test_are_found_by_another_client(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        [task] = client.submit(1)
        engine.finish()
        client.leave()

        records = ask(stage.client())

        assert [(record.id, record.client) for record in records] == [(task, client.number)]

    def test_come_oldest_first_and_the_latest_of_them_if_there_are_too_many(
        self, stage: Stage, client: Client
    ) -> None:
        stage.engines(1)
        ids = client.submit(5)

        assert [record.id for record in ask(client, limit=2)] == ids[-2:]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"status": "done"}, [0]),
            ({"status": "running"}, [1]),
            ({"status": {"$in": ["queued", "running"]}}, [1, 2]),
            ({"completed": None}, [1, 2]),
            ({"engine_id": 0, "completed": {"$exists": True}}, [0]),
            ({"started": {"$gte": 1000}}, [0]),
            ({"kind": "apply", "label": {"$glob": "fit*"}}, []),
        ],
    )
    def test_are_found_by_what_is_known(
        self, query: dict[str, Any], expected: list[int], stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        ids = client.submit(3)
        engine.finish()

        assert [ids.index(record.id) for record in ask(client, query)] == expected

    def test_every_key_can_be_asked_for(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        client.submit(2)
        engine.finish()

        for key in KEYS:
            known = ask(client, {key: {"$exists": True}})
            unknown = ask(client, {key: {"$exists": False}})
            assert len(known) + len(unknown) == 2

    def test_a_query_that_is_none_is_refused(self, client: Client) -> None:
        client.say(HistoryQuery(7, b'{"lable": 1}'))

        [answer] = client.of(Records)
        assert (answer.request, answer.records) == (7, [])
        assert answer.refused.startswith("there is no key 'lable'")

    def test_of_one_client_come_as_it_numbered_them_whatever_an_engine_s_clock_says(
        self, stage: Stage, client: Client
    ) -> None:
        stage.engines(1)
        stage.turn(5.0)
        first = client.submit(1)
        [second] = client.next_ids(1)
        began = PLACE.epoch + 104.9
        outcome = ResultItem(second, DONE, began, began + 0.1, PICKLED)
        client.say(Ran(TaskSpec(Kind.APPLY), [TaskItem(second, b"")], [outcome], EngineId(0)))

        records = ask(client)

        assert [record.id for record in records] == [*first, second]
        assert [record.submitted for record in records] == [PLACE.epoch + 105.0, began]


class TestPurging:
    def test_forgets_what_is_found(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        one, other = client.submit(2)
        engine.finish()
        engine.finish()

        assert purge(client, {"msg_id": task_text(one)}) == Purged(2, 1)

        assert [record.id for record in ask(client)] == [other]

    def test_is_refused_where_something_has_not_ended(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        done, running = client.submit(2)
        engine.finish()

        answer = purge(client, {})

        assert answer.refused == (
            f"1 of the tasks have not ended ({task_text(running)}); wait for them first"
        )
        assert [record.id for record in ask(client)] == [done, running]

    def test_of_a_query_that_is_none_is_refused(self, client: Client) -> None:
        assert "no operator" in purge(client, {"label": {"$x": 1}}).refused


class TestResubmitting:
    def test_runs_a_task_once_more_as_a_new_one(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        [task] = client.submit(1, buffers=(3,), frames=[b"abc"])
        engine.finish()

        [new], missing = resubmit(client, task)

        assert (missing, engine.ids) == ({}, [new])
        assert engine.todo[0] == TaskItem(new, b"in", (3,))
        assert engine.frames[new] == [b"abc"]
        engine.finish()
        assert [record.resubmitted for record in ask(client)] == [new, 0]

    def test_runs_a_task_for_one_engine_there(self, stage: Stage, client: Client) -> None:
        engines = stage.engines(2)
        [task] = client.submit_each([1])
        engines[1].finish()

        [new], _ = resubmit(client, task)

        assert [engine.ids for engine in engines] == [[], [new]]

    def test_runs_chains(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        [task] = client.submit(1)
        engine.finish()
        [second], _ = resubmit(client, task)
        engine.finish()

        [third], missing = resubmit(client, second)

        assert (missing, engine.ids) == ({}, [third])

    def test_leaves_what_the_task_had_to_wait_for(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        [first] = client.submit(1)
        engine.finish()
        options = Options(after=Dependency((first,)), key="once", priority=3)
        [task] = client.next_ids(1)
        client.say(Submit(TaskSpec(Kind.APPLY, options=options), [TaskItem(task, b"in")]))
        engine.finish()

        [new], missing = resubmit(client, task)

        assert (missing, engine.ids) == ({}, [new])
        assert engine.specs[new].options == Options(priority=3)

    def test_of_several_runs_all_or_none(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        done, running = client.submit(2)
        engine.finish()
        unknown = TaskId(running + 1)

        _, missing = resubmit(client, done, running, unknown)

        assert missing == {running: "it has not ended", unknown: "nothing is known of it"}
        assert engine.ids == [running]

    def test_needs_what_the_task_was_called_with(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        [task] = client.submit(1, buffers=(Blob("c1-1", 5_000_000),))
        engine.finish()

        _, missing = resubmit(client, task)

        assert missing == {task: "what it was called with is not kept any more"}

    def test_needs_the_function(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        other = stage.client()
        client.define(b"f")
        [task] = client.submit(1, function=b"f")
        engine.finish()
        stage.hub.state.library.get(b"f").pickled = None

        for asking in (client, other):
            _, missing = resubmit(asking, task)
            assert missing == {task: "its function is not kept any more"}

        client.define(b"f", PICKLED)
        [new], missing = resubmit(other, task)
        assert (missing, engine.ids) == ({}, [new])

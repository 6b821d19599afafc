"""Tasks that are no work of anybody's: by them front ends of one host enter engines of another."""

import pytest

from ipcluster_ext.protocol.feed import Status, Watch
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    HistoryQuery,
    Purge,
    Purged,
    QueueQuery,
    QueueReply,
    Records,
    StopEngines,
)
from ipcluster_ext.protocol.parts import Bounds, Options
from ipcluster_ext.protocol.status import TaskStatus
from tests.support.comebacks import have_hub_follow
from tests.support.scripted import Agent, Client, Engine, Stage

ASIDE = Options(awaits=True, aside=True)


@pytest.fixture
def agent(stage: Stage) -> Agent:
    return stage.agent(2)


@pytest.fixture
def console(stage: Stage, engines: list[Engine]) -> Client:
    """Have a front end open on the first engine, which listens and says nothing."""
    client = stage.client()
    client.submit(engines=[engines[0].number], options=ASIDE)
    return client


def status(watcher: Client) -> Status:
    """Return all that is shown."""
    watcher.forget()
    watcher.say(Watch(1, 0.1, ("engines", "work", "totals")))
    watcher.acknowledge()
    return watcher.of(Status)[-1]


def stopped(agent: Agent) -> list[int]:
    return [engine for order in agent.of(StopEngines) for engine in order.engines]


def test_are_not_shown_as_work(console: Client, watcher: Client, engines: list[Engine]) -> None:
    shown = status(watcher)
    watcher.say(QueueQuery(2))

    assert shown.work == []
    assert [(row.state, row.label, row.queued) for row in shown.engines] == [("idle", "", 0)] * 2
    assert shown.totals is not None
    assert (shown.totals.busy, shown.totals.running, shown.totals.queued) == (0, 0, 0)
    assert watcher.of(QueueReply)[-1].engines == {EngineId(0): 0, EngineId(1): 0}
    assert (console.results, len(engines[0].todo)) == ({}, 1)


def test_leave_what_is_work_as_it_is(
    console: Client, client: Client, watcher: Client, engines: list[Engine]
) -> None:
    [task] = client.submit_each([0])
    client.submit_each([0])

    shown = status(watcher)

    assert [(row.state, row.task, row.queued) for row in shown.engines] == [
        ("busy", task, 1),
        ("idle", TaskId(0), 0),
    ]
    assert [(row.running, row.queued) for row in shown.work] == [(1, 1)]
    assert shown.totals is not None
    assert (shown.totals.busy, shown.totals.running, shown.totals.queued) == (1, 1, 1)
    assert console.results == {}
    assert len(engines[0].todo) == 3


def test_count_as_nothing_when_they_have_ended(
    console: Client, watcher: Client, engines: list[Engine]
) -> None:
    engines[0].finish()
    console.submit(engines=[0], options=ASIDE)
    engines[0].fail()

    shown = status(watcher)
    watcher.say(HistoryQuery(2, b"{}"), Purge(3, b"{}"))

    assert shown.work == []
    assert shown.totals is not None
    assert (shown.totals.ended, shown.totals.failed) == (0, 0)
    assert [(row.ended, row.failed) for row in shown.engines] == [(0, 0)] * 2
    assert watcher.of(Records)[-1].records == []
    assert watcher.of(Purged) == [Purged(3, 0)]
    assert list(console.statuses.values()) == [TaskStatus.DONE, TaskStatus.FAILED]


def test_do_not_have_to_end_before_what_has_ended_is_forgotten(
    console: Client, client: Client, engines: list[Engine]
) -> None:
    client.submit_each([1])
    engines[1].finish()

    client.say(Purge(3, b"{}"))

    assert client.of(Purged) == [Purged(3, 1)]
    assert console.results == {}


def test_keep_no_engine_from_going(console: Client, client: Client, agent: Agent) -> None:
    client.steer("retire", [0])

    assert stopped(agent) == [0]
    assert console.results == {}


def test_keep_no_engine_from_going_when_it_has_finished_its_work(
    console: Client, client: Client, agent: Agent, engines: list[Engine]
) -> None:
    [task] = client.submit_each([0])
    client.steer("retire", [0])
    before = stopped(agent)

    engines[0].todo.pop(0)
    engines[0].finish()

    assert (before, stopped(agent)) == ([], [0])
    assert client.statuses == {task: TaskStatus.DONE}
    assert console.results == {}


def test_keep_no_engine_from_being_idle_for_long(
    stage: Stage, console: Client, client: Client, agent: Agent, engines: list[Engine]
) -> None:
    client.adapt(Bounds(1, 2, 10.0))
    for _ in range(4):
        stage.turn(4.0)
        engines[0].finish()
        console.submit(engines=[0], options=ASIDE)

    assert stopped(agent) == [1]
    client.adapt(Bounds(0, 2, 10.0))
    stage.turn(11.0)
    assert stopped(agent) == [1, 0]


def test_are_none_if_others_have_to_wait_for_them(
    client: Client, watcher: Client, engines: list[Engine]
) -> None:
    client.submit(engines=[0], options=Options(aside=True))

    assert [row.state for row in status(watcher).engines] == ["busy", "idle"]
    assert len(engines[0].todo) == 1


def test_are_known_to_the_next_hub(
    stage: Stage, client: Client, watcher: Client, agent: Agent, engines: list[Engine]
) -> None:
    client.submit(engines=[0], options=ASIDE)

    have_hub_follow(agent, engines[0])
    stage.turn(20.0)

    assert status(stage.client()).engines[0].state == "idle"
    assert watcher.results == {}

"""A task that two engines run, as nobody could tell that the first had begun it."""

import pytest

from ipcluster_ext.core.absent import PEEK_WITHIN
from ipcluster_ext.core.recovery import PATIENCE
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import Drop, Halt, Interrupt
from ipcluster_ext.protocol.status import TaskStatus
from tests.support.comebacks import return_agent, return_client, return_engine
from tests.support.scripted import Client, Engine, Stage


@pytest.fixture
def task(client: Client, engine: Engine) -> TaskId:
    """Send a task to an engine, which begins it."""
    [task] = client.submit()
    assert engine.ids == [task]
    return task


@pytest.fixture
def other(stage: Stage, client: Client, engine: Engine, task: TaskId) -> Engine:
    """Have the next hub wait in vain for that engine, and give the task to another."""
    stage.crash()
    return_agent(engine.agent, [engine])
    return_client(client, waits=[task])
    stage.turn(PATIENCE)
    stage.turn(PEEK_WITHIN)
    [other] = stage.engines(1)
    assert other.ids == [task]
    engine.forget()
    return other


def test_it_is_stopped_on_the_first_once_the_other_has_done_it(
    client: Client, engine: Engine, other: Engine, task: TaskId
) -> None:
    return_engine(engine, [task])
    before = [message for message in engine.heard if isinstance(message, Drop | Halt)]

    other.finish()

    assert before == [Drop([task])]
    assert engine.of(Halt) == [Halt([task])]
    assert client.statuses == {task: TaskStatus.DONE}


def test_it_is_stopped_on_both_when_it_is_interrupted(
    client: Client, engine: Engine, other: Engine, task: TaskId
) -> None:
    return_engine(engine, [task])

    client.say(Interrupt([task], 1))
    other.fail()

    assert other.of(Halt) == [Halt([task])]
    assert engine.of(Halt) == [Halt([task])]
    assert client.statuses == {task: TaskStatus.FAILED}


def test_nobody_is_told_to_stop_it_who_is_gone(
    client: Client, engine: Engine, other: Engine, task: TaskId
) -> None:
    return_engine(engine, [task])
    engine.die()

    other.finish()

    assert engine.of(Halt) == []
    assert client.statuses == {task: TaskStatus.DONE}

"""What comes at a bad moment while a hub takes over, or just after it has."""

from ipcluster_ext.core.absent import RECOVERING
from ipcluster_ext.core.effects import Send
from ipcluster_ext.core.events import Said
from ipcluster_ext.core.recovery import PATIENCE
from ipcluster_ext.protocol.ids import EngineId, TaskId, client_owner
from ipcluster_ext.protocol.messages import (
    EngineExited,
    Peeked,
    Steer,
    StopEngines,
    Submit,
    SweepBlobs,
)
from ipcluster_ext.protocol.parts import Dependency, Options, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.comebacks import return_agent, return_client, return_engine
from tests.support.scripted import Agent, Client, Engine, Stage

LOST = TaskStatus.LOST
NONE = TaskId(0)


def test_a_task_whose_client_has_left_waits_for_nobody_any_more(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    before, needed, task = client.next_ids(3)
    spec = TaskSpec(Kind.APPLY, options=Options(after=Dependency((before,))))

    stage.crash()
    return_client(client, Submit(spec, [TaskItem(task, b"in", (), (needed,))]), waits=[task])
    client.leave()
    return_agent(agent, [engine])
    return_engine(engine)

    assert (stage.hub.state.awaiting, stage.hub.state.dependents) == ({}, {})


def test_what_an_engine_has_once_more_is_behind_what_it_had(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    [again] = client.submit_each([0], retries=1)
    [other] = client.submit_each([0])

    stage.crash()
    return_client(client, waits=[again, other])
    return_agent(agent, [engine])
    return_engine(engine)
    engine.fail()
    engine.die(began=again)

    assert client.statuses == {again: LOST, other: LOST}


def test_a_silent_engine_dies_although_its_next_life_greets_first(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    [task] = client.submit()

    stage.crash()
    return_client(client, waits=[task])
    return_agent(agent, [engine])
    stage.turn(PATIENCE)
    agent.say(Peeked(engine.number, engine.boot, RECOVERING, task, [], [task]))
    agent.start(EngineId(0))
    agent.say(EngineExited(engine.number, engine.boot, "killed", task, True, [], [task]))

    assert client.statuses == {task: LOST}


def test_what_a_client_leaves_in_shared_memory_before_an_agent_comes_is_swept_up_by_it(
    stage: Stage,
) -> None:
    client = stage.client()
    client.leave()

    assert stage.agent(1).of(SweepBlobs) == [SweepBlobs(client_owner(client.number), [])]


def test_an_idle_engine_is_told_to_stop_when_it_is_written_that_it_retires(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    wish = Said(client.id, [Steer(1, "retire", [engine.number])], ())

    [order] = [
        (effect.peer, effect.patient)
        for effect in stage.hub.handle([wish], now=stage.now)
        if isinstance(effect, Send) and any(isinstance(m, StopEngines) for m in effect.messages)
    ]

    assert order == (agent.id, True)

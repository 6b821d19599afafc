import pytest

from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import Forget, Lack, Values
from ipcluster_ext.protocol.parts import Blob
from ipcluster_ext.protocol.status import TaskStatus
from tests.support.comebacks import return_agent, return_client, return_engine
from tests.support.scripted import Agent, Client, Engine, Stage

DONE = TaskStatus.DONE
LARGE = (Blob("e0-1-1", 2_000_000),)


@pytest.fixture
def behind(stage: Stage, client: Client, agent: Agent, engine: Engine) -> TaskId:
    """Have an engine come back to another hub, with a task that needs the value of one before."""
    [first] = client.submit()
    engine.finish()
    [behind] = client.submit(needs=[first], retries=1)
    stage.crash()
    return_agent(agent, [engine])
    return_engine(engine)
    return_client(client, waits=[behind])
    return behind


class TestATaskFromTheTimeBefore:
    def test_that_runs_again_after_its_engine_died_gets_what_it_needs(
        self, client: Client, agent: Agent, engine: Engine, behind: TaskId
    ) -> None:
        agent.say(engine.exited(began=behind))
        follower = agent.start(engine.number)

        assert follower.ids == [behind]
        assert len(follower.of(Values)) == 1
        follower.finish()
        assert client.statuses[behind] is DONE

    def test_that_its_engine_had_not_begun_gets_what_it_needs(
        self, client: Client, agent: Agent, engine: Engine, behind: TaskId
    ) -> None:
        agent.say(engine.exited())
        follower = agent.start(engine.number)

        assert follower.ids == [behind]
        follower.finish()
        assert client.statuses[behind] is DONE


class TestAValueThatATaskOfTheTimeBeforeNeeds:
    @pytest.mark.parametrize("late", [False, True], ids=["asked for before", "asked for after"])
    def test_is_there_although_its_client_has_let_go_of_it(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine, late: bool
    ) -> None:
        [first] = client.submit()
        if late:
            engine.finish(buffers=LARGE)
            client.acknowledge()
        [gate] = client.submit()
        [behind] = client.submit(needs=[first, gate])
        if not late:
            engine.finish(buffers=LARGE)
            client.acknowledge()

        stage.crash()
        return_agent(agent, [engine])
        return_engine(engine)
        return_client(client, waits=[gate, behind])
        engine.finish()
        engine.finish()

        assert client.statuses[behind] is DONE
        assert client.of(Lack) == []


def test_a_value_is_kept_for_a_task_that_nobody_has_named(
    stage: Stage, client: Client, engine: Engine, agent: Agent
) -> None:
    for _ in range(3):  # so short that the engine gets several at a time
        [first] = client.submit()
        engine.finish(seconds=1e-5)
    [named] = client.submit(needs=[first])
    [unnamed] = client.submit(needs=[first])
    stage.crash(unwritten=1)
    return_agent(agent, [engine])
    return_engine(engine)

    engine.finish()

    assert engine.ids == [unnamed]
    assert engine.of(Forget) == []
    assert named not in stage.hub.state.tasks

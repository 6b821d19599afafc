"""As many engines as there is work for, between bounds."""

import pytest

from ipcluster_ext.core.adapting import wanted
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Keep,
    Launched,
    LaunchMore,
    Signalled,
    StartEngines,
    Steered,
    StopEngines,
)
from ipcluster_ext.protocol.parts import Bounds, Options
from ipcluster_ext.protocol.status import TaskStatus
from tests.support.scripted import Agent, Client, Engine, Stage

BOUNDS = Bounds(1, 6, 10.0)


def asked_for(agent: Agent) -> int:
    """Return how many engines the agent was told to start, in all."""
    return sum(len(order.engines) for order in agent.of(StartEngines))


def stopped(agent: Agent) -> list[int]:
    return [engine for order in agent.of(StopEngines) for engine in order.engines]


class TestHowMany:
    @pytest.mark.parametrize(
        ("engines", "load", "rate", "most", "count"),
        [
            (2, 2, 0.0, 9, 2),  # each has its own
            (2, 5, 0.0, 9, 5),  # nothing is known of how long they take
            (2, 50, 0.0, 9, 9),
            (0, 3, 0.0, 9, 3),
            (2, 50, 10.0, 9, 2),  # done in 5 s
            (2, 100, 10.0, 9, 4),  # in 10 s: with twice as many, in 5
            (2, 6, 0.1, 99, 6),  # in a minute; not more engines than tasks
            (12, 50, 0.0, 9, 12),  # more than there may be are left alone here
        ],
    )
    def test_follows_from_what_is_to_be_done_and_was_done_lately(
        self, engines: int, load: int, rate: float, most: int, count: int
    ) -> None:
        assert wanted(engines, load, rate, most) == count


class TestMore:
    def test_are_started_when_tasks_have_waited_for_a_moment(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.adapt(BOUNDS)
        client.submit(4)
        stage.turn(0.5)
        stage.turn(0.5)
        before = asked_for(agent)

        stage.turn(0.5)

        assert before == 1
        assert asked_for(agent) == 4
        assert engine.ids

    def test_are_not_more_than_there_may_be(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        del engine
        client.adapt(BOUNDS)
        client.submit(40)
        for _ in range(100):
            stage.turn(0.5)

        assert asked_for(agent) == 6

    def test_are_not_started_for_what_will_be_done_soon(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.adapt(BOUNDS)
        client.submit(60)
        for _ in range(20):
            stage.turn(0.5)
            for _ in range(10):
                engine.finish()
            client.submit(10)

        assert asked_for(agent) == 1

    def test_are_not_started_for_tasks_of_one_engine(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        del engine
        client.adapt(BOUNDS)
        for _ in range(5):
            client.submit_each([0])
        for _ in range(5):
            stage.turn(0.5)

        assert asked_for(agent) == 1

    def test_are_not_started_for_coroutines(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        del engine
        client.adapt(BOUNDS)
        client.submit(5, options=Options(awaits=True))
        for _ in range(5):
            stage.turn(0.5)

        assert asked_for(agent) == 1

    def test_come_at_once_where_there_is_none(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(0)
        client.adapt(Bounds(0, 6, 10.0))
        [task] = client.submit()
        stage.turn(0.5)

        engine = agent.start(agent.to_start[0])

        assert engine.ids == [task]
        assert client.statuses == {}

    def test_are_started_up_to_the_least_without_any_work(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        del engine, stage

        client.adapt(Bounds(3, 6, 10.0))

        assert asked_for(agent) == 3

    def test_have_longer_and_longer_to_come_if_none_comes(self, stage: Stage) -> None:
        home = Agent(stage, 3000)
        home.say(AgentHello(3000, "here", 10, 0, sets={"batch": 0}, bounds=Bounds(1, 4, 9.0)))
        times = []
        for _ in range(120):
            stage.turn(0.5)
            if home.of(LaunchMore):
                times.append(stage.now - 100.0)
                home.forget()
                home.say(Launched("batch", "job 7", 1, "failed", "no such partition"))

        assert times[:4] == [0.5, 2.0, 6.0, 14.0]


class TestFewer:
    def test_are_there_once_some_have_had_nothing_to_do_for_long(
        self, stage: Stage, client: Client, agent: Agent
    ) -> None:
        agent = stage.agent(3)
        busy = [agent.start(engine) for engine in agent.to_start][1]
        client.submit_each([busy.number])
        client.adapt(BOUNDS)
        for _ in range(19):
            stage.turn(0.5)
        before = stopped(agent)

        stage.turn(0.5)

        assert before == []
        assert sorted(stopped(agent)) == [1, 3]

    def test_are_not_those_that_work_now_and_then(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.adapt(Bounds(0, 6, 2.0))
        for _ in range(10):
            stage.turn(1.0)
            client.submit()
            engine.finish()
        before = stopped(agent)

        stage.turn(1.0)
        stage.turn(1.0)

        assert (before, stopped(agent)) == ([], [0])

    def test_are_not_fewer_than_the_least(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(3)
        for engine in agent.to_start:
            agent.start(engine)
        client.adapt(Bounds(2, 6, 1.0))
        for _ in range(10):
            stage.turn(0.5)

        assert stopped(agent) == [2]

    def test_are_looked_for_when_one_may_be_due(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        del agent, engine
        client.adapt(Bounds(0, 6, 10.0))
        now = stage.now

        assert stage.hub.deadline == now + 10.0

    def test_nothing_is_looked_for_when_all_is_as_it_is_to_be(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        del agent, engine
        client.adapt(Bounds(1, 6, 10.0))

        assert stage.hub.deadline is None


class TestTheBounds:
    def test_are_kept_by_the_agent_for_the_next_hub(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        del engine
        client.adapt(BOUNDS)
        assert agent.of(Keep) == [Keep(BOUNDS, 1)]
        assert client.of(Steered) == []
        agent.say(Signalled(1))
        assert client.of(Steered) == [Steered(1, [EngineId(0)])]

        stage.crash()
        agent.come()
        agent.say(AgentHello(agent.number, "here", 10, 1, True, bounds=BOUNDS))

        assert stage.hub.state.bounds == BOUNDS

    def test_end_when_a_user_says_how_many_there_are_to_be(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        del engine
        client.adapt(Bounds(1, 6, 1.0))

        client.scale(3, force=False)
        for _ in range(10):
            stage.turn(0.5)

        assert agent.of(Keep)[-1] == Keep(None)
        assert stopped(agent) == []

    def test_end_without_any_change_when_that_is_asked_for(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        del engine
        client.adapt(Bounds(0, 6, 1.0))

        client.adapt(None)
        agent.say(Signalled(2))
        for _ in range(10):
            stage.turn(0.5)

        assert stopped(agent) == []
        assert list(client.of(Steered)[-1].engines) == [0]

    @pytest.mark.parametrize(
        "bounds", [Bounds(3, 2, 1.0), Bounds(-1, 2, 1.0), Bounds(0, 0, 1.0), Bounds(0, 10**6, 1.0)]
    )
    def test_have_to_be_possible(
        self, stage: Stage, client: Client, agent: Agent, bounds: Bounds
    ) -> None:
        client.adapt(bounds)

        assert client.of(Steered)[-1].refused.startswith("there cannot be ")
        assert (stage.hub.state.bounds, agent.of(Keep)) == (None, [])

    def test_keep_tasks_waiting_for_engines_that_will_come(
        self, stage: Stage, client: Client
    ) -> None:
        stage.agent(0)
        client.adapt(Bounds(0, 2, 1.0))

        client.submit()

        assert TaskStatus.FAILED not in client.statuses.values()

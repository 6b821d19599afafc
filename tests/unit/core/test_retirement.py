import pytest

from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import (
    AgentHello,
    ClientHello,
    EngineHello,
    Engines,
    Recall,
    StartEngines,
    Steered,
    StopEngines,
)
from ipcluster_ext.protocol.parts import Life
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus
from tests.support.scripted import Agent, Client, Engine, Stage

LOST = TaskStatus.LOST
DONE = TaskStatus.DONE


@pytest.fixture
def agent(stage: Stage) -> Agent:
    return stage.agent(3)


def stopped(agent: Agent) -> list[int]:
    """Return the engines that an agent was told to stop, in order."""
    return [engine for order in agent.of(StopEngines) for engine in order.engines]


def kept(client: Client) -> list[int]:
    """Return the engines that stay or come, as a client was told last."""
    return list(client.of(Steered)[-1].engines)


class TestRetiring:
    def test_an_idle_engine_is_stopped_at_once(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        del engines
        client.steer("retire", [1])

        assert stopped(agent) == [1]

    def test_a_busy_one_when_it_has_finished(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit_each([1])

        client.steer("retire", [1])
        before = stopped(agent)
        engines[1].finish()

        assert (before, stopped(agent)) == ([], [1])
        assert client.statuses == {task: DONE}

    def test_clients_are_told(self, client: Client, engines: list[Engine]) -> None:
        del engines
        client.submit_each([1])
        client.forget()

        client.steer("retire", [1])

        [told] = client.of(Engines)
        assert [(e.id, e.status) for e in told.engines] == [(1, EngineStatus.RETIRING)]

    def test_what_it_has_not_begun_goes_to_others(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        function = b"short"
        client.define(function)
        client.submit(60, function=function)
        for engine in engines:  # they are short, so that more travel ahead
            engine.finish(len(engine.ids))
        client.submit(6, function=function)
        held = len(engines[1].ids)

        client.steer("retire", [1])
        [recall] = [asked for asked in engines[1].asked if isinstance(asked, Recall)]
        back = engines[1].give_back()

        assert recall.count == held > 1
        assert len(engines[1].ids) == 1
        assert set(back) <= {*engines[0].ids, *engines[2].ids}

    def test_new_tasks_for_it_are_refused(self, client: Client, engines: list[Engine]) -> None:
        [before] = client.submit_each([1])
        client.steer("retire", [1])

        [after] = client.submit_each([1])

        assert client.why(after) == ("NoSuchEngine", "there is no engine 1; engines: 0, 2")
        assert engines[1].ids == [before]

    def test_balanced_tasks_go_to_others(self, client: Client, engines: list[Engine]) -> None:
        client.submit_each([1])
        client.steer("retire", [1])

        client.submit(2)

        assert [len(engine.ids) for engine in engines] == [1, 1, 1]

    def test_without_any_other_they_are_refused(
        self, client: Client, engines: list[Engine]
    ) -> None:
        client.submit_each([1])
        client.steer("retire", [0, 1, 2])

        [task] = client.submit()

        assert client.why(task)[0] == "NoEnginesRegistered"
        assert engines[1].ids

    def test_an_engine_that_is_not_up_is_stopped_unless_something_waits_for_it(
        self, client: Client, agent: Agent
    ) -> None:
        client.submit_each([1])

        client.steer("retire", [0, 1])
        before = stopped(agent)
        agent.start(EngineId(1)).finish()

        assert (before, stopped(agent)) == ([0], [0, 1])

    def test_one_that_dies_meanwhile_finishes_in_its_next_life(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        begun, unbegun = [*client.submit_each([1]), *client.submit_each([1])]
        client.steer("retire", [1])

        engines[1].die(began=begun)
        before = stopped(agent)
        agent.start(EngineId(1)).finish()

        assert (before, stopped(agent)) == ([], [1])
        assert client.statuses == {begun: LOST, unbegun: DONE}

    def test_and_is_stopped_in_it_if_nothing_is_left(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit_each([1])
        client.steer("retire", [1])

        engines[1].die(began=task)

        assert stopped(agent) == [1]

    def test_one_that_died_before_it_heard_that_it_is_to_stop_is_told_again(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        client.steer("retire", [1])

        engines[1].die()
        agent.start(EngineId(1))

        assert stopped(agent) == [1, 1]

    def test_a_retry_stays_with_its_engine(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit_each([1], retries=1)
        client.steer("retire", [1])

        engines[1].fail()
        before = stopped(agent)
        engines[1].finish()

        assert (before, stopped(agent)) == ([], [1])
        assert client.statuses == {task: DONE}

    def test_one_that_is_stopped_is_not_waited_for(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit_each([1])
        client.steer("retire", [1])

        client.steer("stop", [1])
        engines[1].die(began=task, again=False)

        assert stopped(agent) == [1]
        assert client.statuses == {task: LOST}

    def test_what_is_not_there_cannot_retire(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        del engines
        client.steer("retire", [0, 9])

        assert client.of(Steered)[-1].refused == "there is no engine 9"
        assert stopped(agent) == []


class TestScaling:
    def test_up_starts_engines(self, client: Client, agent: Agent, engines: list[Engine]) -> None:
        del engines
        agent.forget()

        client.steer("scale", count=5)

        assert agent.of(StartEngines) == [StartEngines([EngineId(3), EngineId(4)])]
        assert kept(client) == [0, 1, 2, 3, 4]

    def test_to_as_many_as_there_are_changes_nothing(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        del engines
        agent.forget()

        client.steer("scale", count=3)

        assert (agent.heard, kept(client)) == ([], [0, 1, 2])

    def test_down_stops_the_youngest_that_are_idle(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        client.submit_each([2])

        client.steer("scale", count=2)

        assert (stopped(agent), kept(client)) == ([1], [0, 2])
        assert engines[2].ids

    def test_and_then_has_others_finish(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        client.submit_each([1, 2])
        client.submit_each([2])

        client.steer("scale", count=1)
        before = stopped(agent)
        engines[1].finish()

        assert (before, stopped(agent), kept(client)) == ([0], [0, 1], [2])

    def test_those_that_are_not_up_go_first(self, client: Client, agent: Agent) -> None:
        agent.start(EngineId(2))

        client.steer("scale", count=1)

        assert (stopped(agent), kept(client)) == ([1, 0], [2])

    def test_with_force_nobody_finishes_anything(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        client.submit_each([0, 1, 2])
        client.steer("scale", count=2)
        before = stopped(agent)

        client.scale(1, force=True)

        assert (before, sorted(stopped(agent)), kept(client)) == ([], [1, 2], [0])
        assert engines[2].ids

    def test_up_again_takes_retirements_back_first(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        client.submit_each([0, 1, 2])
        client.steer("scale", count=1)
        agent.forget()

        client.steer("scale", count=4)
        for engine in engines:
            engine.finish()
        [task] = client.submit_each([2])

        assert agent.of(StartEngines) == [StartEngines([EngineId(3)])]
        assert (stopped(agent), kept(client)) == ([], [0, 1, 2, 3])
        assert engines[2].ids == [task]

    def test_of_those_the_busiest(self, client: Client, engines: list[Engine]) -> None:
        client.submit_each([0, 1, 2])
        client.submit_each([1])
        client.steer("retire", [1, 2])

        client.steer("scale", count=2)

        assert kept(client) == [0, 1]
        assert engines[2].ids

    def test_who_was_told_to_stop_does_not_come_back(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        del engines
        client.steer("scale", count=2)
        agent.forget()

        client.steer("scale", count=3)

        assert agent.of(StartEngines) == [StartEngines([EngineId(3)])]
        assert kept(client) == [0, 1, 3]

    def test_to_none_stops_all(self, client: Client, agent: Agent, engines: list[Engine]) -> None:
        del engines
        client.steer("scale", count=0)

        assert (stopped(agent), kept(client)) == ([2, 1, 0], [])

    @pytest.mark.parametrize("count", [-1, 10_001])
    def test_nobody_can_have_such_a_number(self, client: Client, agent: Agent, count: int) -> None:
        client.steer("scale", count=count)

        assert client.of(Steered)[-1].refused == (
            f"cannot have {count} engines; at most 10000 can be asked for"
        )
        assert stopped(agent) == []

    def test_nor_any_without_an_agent(self, client: Client) -> None:
        client.steer("scale", count=1)

        assert client.of(Steered)[-1].refused == "the cluster has no host agent"


class TestAnotherHub:
    def come_back(self, agent: Agent, engine: Engine, client: Client) -> None:
        """Have everybody come back to another hub."""
        lives = [Life(engine.number, engine.boot, up=True)]
        for peer in (agent, engine, client):
            peer.come()
            peer.forget()
        client.was_away = True
        agent.say(AgentHello(agent.number, "here", 10, 1, again=True, engines=lives))
        engine.say(
            EngineHello(
                engine.number, engine.boot, agent.number, "here", 100, again=True, held=engine.ids
            )
        )
        client.say(ClientHello(client.number, "here", 20, again=True))

    def test_waits_for_those_who_retire(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(1)
        engine = agent.start(EngineId(0))
        [task] = client.submit_each([0])
        client.steer("retire", [0])

        stage.crash()
        self.come_back(agent, engine, client)
        before = stopped(agent)
        engine.finish()

        assert (before, stopped(agent)) == ([], [0])
        assert client.statuses == {task: DONE}

    def test_does_not_wait_until_somebody_names_what_an_engine_has_ended(
        self, stage: Stage, client: Client
    ) -> None:
        agent = stage.agent(1)
        engine = agent.start(EngineId(0))
        client.submit_each([0])
        client.steer("retire", [0])
        stage.crash(unwritten=2)
        agent.come()
        engine.come()
        lives = [Life(engine.number, engine.boot, up=True)]
        agent.say(AgentHello(agent.number, "here", 10, 1, again=True, engines=lives))
        engine.say(
            EngineHello(
                engine.number, engine.boot, agent.number, "here", 1, again=True, held=engine.ids
            )
        )
        other = stage.client()
        other.steer("retire", [0])
        agent.forget()

        engine.finish()

        assert stopped(agent) == [0]

    def test_stops_those_that_had_finished(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(1)
        engine = agent.start(EngineId(0))
        client.steer("retire", [0])

        stage.crash()
        self.come_back(agent, engine, client)

        assert stopped(agent) == [0]

    def test_knows_of_retirements_that_were_taken_back(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(1)
        engine = agent.start(EngineId(0))
        client.submit_each([0])
        client.steer("scale", count=0)
        client.steer("scale", count=1)

        stage.crash()
        self.come_back(agent, engine, client)
        engine.finish()

        assert stopped(agent) == []
        assert client.submit_each([0]) == engine.ids

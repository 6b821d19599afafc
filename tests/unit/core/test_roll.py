import pytest

from ipcluster_ext.core.events import Left
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    Engines,
    Refused,
    SignalEngines,
    Signalled,
    StartEngines,
    Steered,
    StopEngines,
    Welcome,
)
from ipcluster_ext.protocol.parts import EngineInfo
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus
from tests.support.scripted import Agent, Client, Stage

STARTING, READY, STOPPED, *_ = EngineStatus
DONE, CANCELLED, LOST = TaskStatus.DONE, TaskStatus.CANCELLED, TaskStatus.LOST


class TestLives:
    @pytest.fixture
    def agent(self, stage: Stage) -> Agent:
        return stage.agent(1)

    def test_the_death_of_an_engine_is_told_to_clients_with_its_cause(
        self, client: Client, agent: Agent
    ) -> None:
        engine = agent.start(EngineId(0))
        client.forget()

        engine.die()

        dead = EngineInfo(EngineId(0), STARTING, "here", 100, "killed by SIGKILL")
        assert client.heard == [Engines([dead])]

    def test_an_engine_that_does_not_come_back_is_struck_off(
        self, stage: Stage, client: Client, agent: Agent
    ) -> None:
        engine = agent.start(EngineId(0))
        client.forget()

        engine.die(again=False)

        dead = EngineInfo(EngineId(0), STOPPED, "here", 100, "killed by SIGKILL")
        assert client.heard == [Engines([dead])]
        assert stage.hub.state.engines == {}
        assert stage.dismissed == [engine.id]

    def test_a_greeting_that_comes_before_the_news_of_the_death_takes_effect_after_it(
        self, client: Client, agent: Agent
    ) -> None:
        engine = agent.start(EngineId(0))
        begun, unbegun = client.submit_each([0, 0])
        successor = agent.start(EngineId(0))
        heard_before = list(successor.heard)

        engine.die(began=begun)

        assert heard_before == []
        assert type(successor.heard[0]) is Welcome
        assert successor.ids == [unbegun]

    def test_of_several_greetings_before_the_news_the_last_takes_effect(
        self, stage: Stage, client: Client, agent: Agent
    ) -> None:
        engine, second, third = (agent.start(EngineId(0)) for _ in range(3))

        engine.die()
        second.die()
        ids = client.submit(1)

        assert second.heard == []
        assert third.ids == ids
        assert set(stage.dismissed) == {engine.id, second.id}

    def test_a_successor_that_left_before_the_news_does_not_take_effect(
        self, stage: Stage, client: Client, agent: Agent
    ) -> None:
        engine, second = agent.start(EngineId(0)), agent.start(EngineId(0))

        second.leave()
        engine.die()
        second.die()
        third = agent.start(EngineId(0))
        ids = client.submit(1)

        assert third.ids == ids

    def test_an_earlier_life_whose_greeting_comes_late_succeeds_nobody(
        self, stage: Stage, agent: Agent
    ) -> None:
        engine = agent.start(EngineId(0))
        earlier = agent.start(EngineId(0))
        earlier.die()

        engine.die()
        successor = agent.start(EngineId(0))

        assert stage.hub.state.engines[EngineId(0)].boot == successor.boot
        assert type(successor.heard[0]) is Welcome

    def test_a_successor_is_refused_when_the_engine_does_not_come_back(
        self, stage: Stage, agent: Agent
    ) -> None:
        engine, successor = agent.start(EngineId(0)), agent.start(EngineId(0))

        engine.die(again=False)

        assert successor.heard == [Refused("engine 0 was struck off: killed by SIGKILL")]
        assert set(stage.dismissed) == {engine.id, successor.id}
        assert stage.hub.state.peers.keys() == {agent.id}

    def test_a_greeting_that_comes_after_the_news_of_the_death_is_refused(
        self, stage: Stage, client: Client, agent: Agent
    ) -> None:
        dead = agent.fork(EngineId(0))
        dead.die()

        dead.hello()
        alive = agent.start(EngineId(0))
        ids = client.submit(1)

        assert dead.heard == [Refused("engine 0 has died in this life")]
        assert alive.ids == ids

    def test_a_greeting_that_is_repeated_after_the_news_of_the_death_is_refused(
        self, stage: Stage, agent: Agent
    ) -> None:
        engine = agent.start(EngineId(0))
        engine.die()
        ghost = stage.peer()

        ghost.say(engine.greeting())

        assert ghost.heard == [Refused("engine 0 has died in this life")]
        assert stage.hub.state.engines[EngineId(0)].status is STARTING

    def test_the_death_of_a_life_that_was_never_seen_does_not_touch_the_next(
        self, client: Client, agent: Agent
    ) -> None:
        unseen = agent.fork(EngineId(0))
        engine = agent.start(EngineId(0))
        ids = client.submit(1)

        unseen.die()

        assert engine.ids == ids
        assert client.results == {}

    def test_an_engine_learns_its_functions_anew_in_its_next_life(
        self, client: Client, agent: Agent
    ) -> None:
        engine = agent.start(EngineId(0))
        client.define(b"f")
        client.submit(1, function=b"f")

        engine.die()
        successor = agent.start(EngineId(0))

        assert set(successor.functions) == {b"f"}

    def test_the_death_of_another_agents_engine_is_not_believed(
        self, stage: Stage, agent: Agent
    ) -> None:
        engine = agent.start(EngineId(0))
        other = stage.agent(0)

        other.say(engine.exited(again=False))

        assert stage.hub.state.engines[EngineId(0)].status is READY

    def test_an_engine_whose_connection_is_gone_keeps_its_tasks_until_the_news_comes(
        self, client: Client, agent: Agent
    ) -> None:
        engine = agent.start(EngineId(0))
        begun, unbegun = client.submit_each([0, 0])

        engine.leave()
        ended_before = dict(client.results)
        engine.die(began=begun)
        successor = agent.start(EngineId(0))

        assert ended_before == {}
        assert client.statuses == {begun: LOST}
        assert successor.ids == [unbegun]

    def test_a_cancel_is_answered_though_the_engines_connection_is_gone(
        self, client: Client, agent: Agent
    ) -> None:
        engine = agent.start(EngineId(0))
        begun, unbegun = client.submit_each([0, 0])

        engine.leave()
        client.cancel(begun, unbegun)
        engine.die(began=begun)

        assert client.statuses == {begun: LOST, unbegun: CANCELLED}


class TestAgentLeaves:
    def test_its_engines_are_struck_off_and_their_tasks_settled(
        self, stage: Stage, client: Client
    ) -> None:
        agent = stage.agent(2)
        agent.start(EngineId(0))
        others = stage.engines(1)
        first, second = client.submit_each([0, 0])
        balanced = client.submit(2)

        agent.leave()
        others[0].finish(seconds=1.0)

        assert set(stage.hub.state.engines) == {2}
        assert client.statuses[first] is LOST
        assert client.why(first) == ("EngineLost", "its host agent is gone: its connection broke")
        assert client.statuses[second] is LOST
        assert others[0].ids == balanced[1:]

    def test_all_that_its_engines_had_may_have_run(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(1)
        engine = agent.start(EngineId(0))
        stage.agent(1)
        client.submit(1)
        engine.finish()
        once, again = client.submit(3), client.submit(2, retries=1)

        agent.leave()

        assert [client.why(task)[0] for task in once] == ["EngineLost"] * 3
        assert set(stage.hub.state.tasks) == set(again)

    def test_everything_fails_when_it_was_the_last(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(1)
        agent.start(EngineId(0))
        running, queued = client.submit(2)

        agent.bye()

        assert client.why(running) == ("EngineLost", "its host agent is gone: it said goodbye")
        assert client.why(queued)[0] == "NoEnginesRegistered"
        assert stage.hub.state.engines == {}
        assert stage.hub.state.agents == {}

    def test_its_engines_are_dismissed(self, stage: Stage) -> None:
        agent = stage.agent(2)
        engine, successor = agent.start(EngineId(0)), agent.start(EngineId(0))

        agent.leave()

        assert set(stage.dismissed) == {agent.id, engine.id, successor.id}
        assert stage.hub.state.peers == {}
        assert stage.hub.state.lines == {}


class TestClientLeaves:
    def test_its_tasks_go_on(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        _, second = client.submit(2)

        client.leave()
        engine.finish(seconds=1.0)

        assert engine.ids == [second]

    def test_its_tasks_that_wait_for_a_function_end_as_nobody_else_can_send_it(
        self, stage: Stage, client: Client
    ) -> None:
        stage.engines(1)
        client.submit(2, function=b"late", buffers=())
        client.submit_each([0], function=b"late")

        client.leave()

        assert stage.hub.state.tasks == {}

    def test_tasks_of_others_that_wait_for_a_function_wait_on(self, stage: Stage) -> None:
        [engine] = stage.engines(1)
        one, other = stage.client(), stage.client()
        one.submit(1, function=b"late")
        ids = other.submit(1, function=b"late")

        one.leave()
        other.define(b"late")

        assert other.needed == [b"late"]
        assert engine.ids == ids


class TestSteering:
    def test_more_engines_are_started_by_an_agent(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(1)

        request = client.steer("start", count=2)

        assert agent.of(StartEngines)[1:] == [StartEngines([EngineId(1), EngineId(2)])]
        assert client.of(Steered) == [Steered(request, [EngineId(1), EngineId(2)])]

    def test_ids_of_engines_are_not_used_again(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(1)
        agent.start(EngineId(0)).die(again=False)

        client.steer("start", count=1)

        assert agent.to_start == [EngineId(0), EngineId(1)]

    def test_engines_are_stopped(self, stage: Stage, client: Client) -> None:
        engine, _ = stage.engines(2)

        request = client.steer("stop", [0])

        assert engine.agent.of(StopEngines) == [StopEngines([EngineId(0)], again=False)]
        assert client.of(Steered) == [Steered(request, [EngineId(0)])]

    def test_an_engine_that_is_being_stopped_gets_no_more_tasks(
        self, stage: Stage, client: Client
    ) -> None:
        stopping, other = stage.engines(2)
        client.steer("stop", [0])

        balanced = client.submit(1)
        [direct] = client.submit_each([0])

        assert stopping.ids == []
        assert other.ids == balanced
        assert client.why(direct) == ("NoSuchEngine", "there is no engine 0; engines: 1")

    def test_an_engine_that_is_being_stopped_ends_what_it_has(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        [task] = client.submit(1)

        client.steer("stop", [0])
        engine.finish()

        assert client.statuses == {task: DONE}

    def test_queued_tasks_fail_at_once_when_the_last_engines_are_stopped(
        self, stage: Stage, client: Client
    ) -> None:
        stage.engines(2)
        ids = client.submit(3)

        client.steer("stop", [0, 1])

        assert client.statuses == {ids[2]: LOST}
        assert client.why(ids[2])[0] == "NoEnginesRegistered"

    def test_engines_are_restarted(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)

        client.steer("restart", [0])

        assert engine.agent.of(StopEngines) == [StopEngines([EngineId(0)], again=True)]

    def test_tasks_wait_while_all_engines_are_restarted(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        running, queued = client.submit(2)

        client.steer("restart", [0])
        [balanced] = client.submit(1)
        [direct] = client.submit_each([0])
        engine.finish(seconds=1.0)
        given_meanwhile = engine.ids
        engine.die()
        successor = engine.agent.start(EngineId(0))
        successor.finish(seconds=1.0)

        assert given_meanwhile == []
        assert client.statuses == {running: DONE, direct: DONE}
        assert successor.ids == [queued]
        assert set(stage.hub.state.tasks) == {queued, balanced}

    def test_tasks_for_a_restarted_engine_that_does_not_come_back_fail(
        self, stage: Stage, client: Client
    ) -> None:
        engine, _ = stage.engines(2)
        client.steer("restart", [0])
        [direct] = client.submit_each([0])

        engine.die(again=False)

        assert client.why(direct) == ("EngineLost", "killed by SIGKILL")

    def test_an_engine_that_starts_anyway_gets_tasks_though_a_restart_was_asked_for(
        self, stage: Stage, client: Client
    ) -> None:
        agent = stage.agent(1)
        client.steer("restart", [0])

        engine = agent.start(EngineId(0))
        ids = client.submit(1)

        assert engine.ids == ids

    def test_engines_are_signalled(self, stage: Stage, client: Client) -> None:
        one, other = stage.engines(1), stage.engines(2)

        client.steer("signal", [0, 2], signum=2)

        assert one[0].agent.of(SignalEngines) == [SignalEngines([EngineId(0)], 2, 1)]
        assert other[0].agent.of(SignalEngines) == [SignalEngines([EngineId(2)], 2, 1)]

    def test_who_asked_for_a_signal_hears_when_every_agent_has_sent_it(
        self, stage: Stage, client: Client
    ) -> None:
        one, other = stage.engines(1), stage.engines(2)
        request = client.steer("signal", [0, 2], signum=2)

        one[0].agent.say(Signalled(1))
        early = client.of(Steered)
        other[0].agent.say(Signalled(1))

        assert early == []
        assert client.of(Steered) == [Steered(request, [EngineId(0), EngineId(2)])]

    def test_nobody_waits_for_the_signal_of_an_agent_that_is_gone(
        self, stage: Stage, client: Client
    ) -> None:
        one, other = stage.engines(1), stage.engines(1)
        request = client.steer("signal", [0, 1], signum=2)

        other[0].agent.say(Signalled(1))
        one[0].agent.leave()

        assert client.of(Steered) == [Steered(request, [EngineId(0), EngineId(1)])]

    def test_a_signal_that_nobody_sent_is_no_answer(self, stage: Stage, client: Client) -> None:
        (engine,) = stage.engines(1)

        engine.agent.say(Signalled(7))

        assert client.of(Steered) == []

    @pytest.mark.parametrize(
        ("action", "engines", "count", "refused"),
        [
            ("stop", [0, 7], 0, "there is no engine 7"),
            ("signal", [7], 0, "there is no engine 7"),
            ("start", [], 0, "cannot start 0 engines; at most 10000 can be asked for"),
            ("start", [], -1, "cannot start -1 engines; at most 10000 can be asked for"),
            ("start", [], 10_001, "cannot start 10001 engines; at most 10000 can be asked for"),
            ("explode", [], 0, "unknown action 'explode'"),
        ],
    )
    def test_what_cannot_be_done_is_refused_with_a_reason(
        self,
        action: str,
        engines: list[int],
        count: int,
        refused: str,
        stage: Stage,
        client: Client,
    ) -> None:
        [engine] = stage.engines(1)
        engine.agent.forget()

        client.steer(action, engines, count=count)

        [answer] = client.of(Steered)
        assert answer.refused == refused
        assert engine.agent.heard == []
        assert set(stage.hub.state.engines) == {0}

    def test_without_an_agent_nothing_is_started(self, client: Client) -> None:
        request = client.steer("start", count=1)

        assert client.of(Steered) == [Steered(request, [], "the cluster has no host agent")]


def test_a_peer_that_leaves_without_having_said_anything_changes_nothing(stage: Stage) -> None:
    stranger = stage.peer()

    stage.happen(Left(stranger.id))

    assert stage.dismissed == [stranger.id]


def test_nothing_is_left_when_everybody_has_gone(stage: Stage, client: Client) -> None:
    [engine] = stage.engines(1)
    client.define(b"f")
    client.submit(2, function=b"f", buffers=())
    engine.finish()
    engine.die(began=TaskId(1), again=False)
    engine.agent.leave()
    client.leave()

    state = stage.hub.state

    assert (state.tasks, state.engines, state.agents, state.clients) == ({}, {}, {}, {})
    assert (state.peers, state.lines, state.changed, len(state.queue)) == ({}, {}, set(), 0)

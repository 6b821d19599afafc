"""Hosts other than the hub's own: given up, taken back, and chosen for more engines."""

from collections.abc import Sequence

import pytest

from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.labour import mark_of
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Bye,
    Define,
    Done,
    Drop,
    EngineExited,
    Engines,
    FreeBlobs,
    Halt,
    Launched,
    LaunchMore,
    Message,
    Notice,
    Prepare,
    Returned,
    Run,
    StartEngines,
    Steered,
    SweepBlobs,
)
from ipcluster_ext.protocol.parts import Life, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.process import Patience
from ipcluster_ext.protocol.status import EngineStatus, Kind, TaskStatus
from tests.support.comebacks import return_agent, return_engine
from tests.support.scripted import Agent, Client, Engine, Stage

STARTING, READY, STOPPED, UNRESPONSIVE, *_ = EngineStatus
DONE, FAILED, LOST = TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.LOST
FAR = "far-0123456789ab"


@pytest.fixture
def stage() -> Stage:
    return Stage(Patience(host_silence=60.0))


@pytest.fixture
def home(stage: Stage) -> Agent:
    """Have the agent of the hub's host come, with engine 0."""
    agent = stage.agent(1)
    agent.start(EngineId(0))
    return agent


def host(
    stage: Stage, count: int, *, capacity: int = 0, first: int | None = None, named: str = ""
) -> Agent:
    """Have the agent of another host come."""
    agent = Agent(stage, len(stage.peers) + 2000)
    agent.say(
        AgentHello(
            agent.number, FAR, 10, count, far=True, set=named, capacity=capacity, first=first
        )
    )
    return agent


@pytest.fixture
def agent(home: Agent, stage: Stage) -> Agent:
    """Have the agent of another host come, with engine 1."""
    del home
    return host(stage, 1)


@pytest.fixture
def engine(agent: Agent) -> Engine:
    return agent.start(EngineId(1))


def vanish(stage: Stage, *peers: Agent | Engine) -> None:
    """Have peers not be heard until their host is given up."""
    for peer in peers:
        peer.fall_silent()
    stage.turn(56.0)


def return_host(agent: Agent, lives: Sequence[Life]) -> None:
    """Have the agent of a host greet once more."""
    agent.come()
    agent.forget()
    agent.say(AgentHello(agent.number, FAR, 10, 1, True, [*lives], far=True))


def life(engine: Engine, boot: int | None = None) -> Life:
    return Life(engine.number, engine.boot if boot is None else boot, True)


def statuses(client: Client, number: int) -> list[EngineStatus]:
    """Return what a client was told of an engine."""
    news = [info for message in client.of(Engines) for info in message.engines]
    return [info.status for info in news if info.id == number]


class TestAHostThatIsNotHeard:
    def test_is_given_up_after_a_while_with_its_engines(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit_each([1])
        client.forget()
        agent.fall_silent()
        engine.fall_silent()
        stage.turn(55.9)
        assert statuses(client, 1) == [UNRESPONSIVE]

        stage.turn(0.1)

        assert statuses(client, 1) == [UNRESPONSIVE, STOPPED]
        assert client.statuses == {task: LOST}
        assert client.why(task) == ("EngineLost", "host far has not been heard for 60 s")
        assert [notice.text for notice in client.of(Notice)] == [
            "host far has not been heard for 60 s and is given up; its engines: 1"
        ]
        assert {agent.id, engine.id} <= set(stage.dismissed)

    def test_is_waited_for_if_it_is_heard_meanwhile(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.forget()
        agent.fall_silent()
        stage.turn(50.0)
        agent.is_heard()

        stage.turn(50.0)

        assert statuses(client, 1) == []
        assert client.submit_each([1]) == engine.ids

    def test_has_its_begun_tasks_tried_again_elsewhere_if_they_may_be(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        zero = stage.hub.state.engines[EngineId(0)]
        [busy] = client.submit_each([0])
        [task] = client.submit(1, retries=1)
        assert engine.ids == [task]
        assert list(zero.unfinished) == [busy]

        vanish(stage, agent, engine)

        assert task in zero.unfinished or task in [t.id for t in stage.hub.state.queue]

    def test_is_waited_for_for_ever_if_it_is_to_be(self) -> None:
        stage = Stage(Patience(host_silence=0.0))
        stage.agent(0)
        agent = host(stage, 1)
        client = stage.client()
        agent.start(EngineId(0))
        client.forget()
        agent.fall_silent()

        stage.turn(100_000.0)

        assert statuses(client, 0) == []

    def test_that_is_the_hubs_own_is_waited_for(
        self, stage: Stage, client: Client, home: Agent
    ) -> None:
        client.forget()
        home.fall_silent()

        stage.turn(1_000.0)

        assert statuses(client, 0) == []


class TestItsReturn:
    def test_brings_its_engines_back_under_their_ids(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        vanish(stage, agent, engine)
        client.forget()

        return_host(agent, [life(engine)])
        return_engine(engine, [])
        tasks = client.submit_each([1])

        assert statuses(client, 1) == [STARTING, READY]
        assert engine.ids == tasks
        assert agent.of(StartEngines) == []
        assert [notice.text for notice in client.of(Notice)] == [
            "host far is heard again; its engines: 1"
        ]

    def test_may_begin_with_an_engine(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        vanish(stage, agent, engine)

        return_engine(engine, [])
        return_host(agent, [life(engine)])

        assert client.submit_each([1]) == engine.ids
        assert stage.hub.settled

    def test_may_be_waited_for_by_engines_that_are_to_start_there(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        vanish(stage, agent, engine)
        return_engine(engine, [])

        client.scale(4, force=False)
        return_host(agent, [life(engine)])

        assert agent.of(StartEngines) == [StartEngines([EngineId(3)])]
        assert client.of(Steered)[-1].engines == [0, 1, 2, 3]

    def test_has_what_was_given_away_dropped_and_stopped(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        tasks = client.submit_each([1])
        vanish(stage, agent, engine)
        engine.forget()

        return_host(agent, [life(engine)])
        return_engine(engine, tasks)
        later = client.submit_each([1])

        said = [each for each in engine.heard if isinstance(each, Drop | Halt)]
        assert said == [Drop(tasks), Halt(tasks)]
        assert engine.of(Run) == []  # it is sent nothing before it has answered
        engine.give_back(begun=0)
        assert [item.id for run in engine.of(Run) for item in run.items] == later

    def test_leaves_to_an_engine_what_it_is_to_run_first(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        spec, item = TaskSpec(Kind.APPLY, b"f"), TaskItem(client.next_ids(1)[0], b"in")
        client.say(Define(b"f", b"code"), Prepare("set-up", spec, item, []))
        [first] = engine.ids
        [task] = client.submit_each([1])
        vanish(stage, agent, engine)
        return_host(agent, [life(engine)])
        engine.forget()

        return_engine(engine, [first, task], prepared=[mark_of(spec, item)])

        assert engine.of(Drop) == [Drop([task])]
        assert engine.of(Halt) == [Halt([task])]

    def test_does_not_have_an_engine_begin_what_it_still_runs(
        self, stage: Stage, client: Client, home: Agent, agent: Agent, engine: Engine
    ) -> None:
        client.submit_each([0])
        [task] = client.submit(retries=1)
        assert engine.ids == [task]
        vanish(stage, agent, engine)
        return_host(agent, [life(engine)])
        return_engine(engine, [task])
        engine.forget()

        engine.say(Returned([]))
        assert engine.of(Run) == []
        engine.say(Done([ResultItem(task, FAILED, 1.0, 2.0, b"interrupted")]))

        assert [item.id for run in engine.of(Run) for item in run.items] == [task]
        assert client.statuses == {}

    @pytest.mark.parametrize("said_first", [False, True], ids=["answered first", "said first"])
    def test_has_an_engine_begin_again_once_all_is_over_that_it_had(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine, said_first: bool
    ) -> None:
        tasks = client.submit_each([1]) + client.submit_each([1]) + client.submit_each([1])
        vanish(stage, agent, engine)
        return_host(agent, [life(engine)])
        return_engine(engine, tasks)
        engine.forget()
        later = client.submit_each([1])

        words: list[Message] = [
            Returned(tasks[2:]),
            Done([ResultItem(task, FAILED, 1.0, 2.0, b"late") for task in tasks[:2]]),
        ]
        first, last = reversed(words) if said_first else words
        engine.say(first)
        before = engine.of(Run)
        engine.say(last)

        assert before == []
        assert [item.id for run in engine.of(Run) for item in run.items] == later

    def test_brings_outcomes_that_count_no_more(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit_each([1])
        vanish(stage, agent, engine)
        return_host(agent, [life(engine)])
        stale = stage.hub.state.stale

        outcome = ResultItem(task, DONE, 1.0, 2.0, b"late")
        return_engine(engine, [task], Done([outcome]))

        assert client.statuses == {task: LOST}
        assert stage.hub.state.stale == stale + 1

    def test_is_not_that_of_an_engine_that_died_there(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        vanish(stage, agent, engine)
        client.forget()

        agent.come()
        exited = EngineExited(EngineId(1), engine.boot, "exit code 1", TaskId(0), again=False)
        agent.say(AgentHello(agent.number, FAR, 10, 1, True, [], far=True), exited)

        assert statuses(client, 1) == []
        assert EngineId(1) not in stage.hub.state.engines

    def test_may_be_that_of_another_life(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        vanish(stage, agent, engine)
        agent.come()
        exited = EngineExited(EngineId(1), engine.boot, "exit code 1", TaskId(0), again=True)
        next_life = agent.fork(EngineId(1))

        agent.say(AgentHello(agent.number, FAR, 10, 1, True, [life(next_life)], far=True), exited)
        next_life.hello()

        assert client.submit_each([1]) == next_life.ids

    def test_is_expected_no_more_of_one_that_said_goodbye(
        self, stage: Stage, agent: Agent, engine: Engine
    ) -> None:
        agent.say(Bye())

        assert stage.hub.state.engines.keys() == {0}
        assert engine.id in stage.dismissed

    def test_to_a_hub_that_never_knew_it_begins_with_its_agent(
        self, stage: Stage, home: Agent
    ) -> None:
        stage.crash()
        return_agent(home, [])
        stage.turn(20.0)
        agent = Agent(stage, 2000)
        engine = agent.fork(EngineId(7))

        return_engine(engine, [])
        assert engine.heard == []
        assert stage.dismissed[-1] == engine.id
        return_host(agent, [life(engine)])
        return_engine(engine, [])

        assert stage.client().submit_each([7]) == engine.ids


class TestIds:
    def test_are_those_that_are_wished_for_if_they_are_free(self, stage: Stage) -> None:
        stage.agent(1)

        wished = [host(stage, 2, first=first).to_start for first in (4, 5, None)]

        assert wished == [[4, 5], [6, 7], [8, 9]]


class TestMoreEngines:
    def test_are_spread_over_hosts_by_how_many_they_have(
        self, stage: Stage, client: Client
    ) -> None:
        home, one, two = stage.agent(0), host(stage, 3), host(stage, 1)

        client.steer("start", count=4)

        assert (home.to_start, one.to_start, two.to_start) == ([], [0, 1, 2, 4], [3, 5, 6, 7])
        assert client.of(Steered)[-1].engines == [4, 5, 6, 7]

    def test_come_to_the_hubs_host_too_if_it_has_some(self, stage: Stage, client: Client) -> None:
        home, other = stage.agent(1), host(stage, 1)

        client.scale(4, force=False)

        assert (home.to_start, other.to_start) == ([0, 2], [1, 3])

    def test_are_no_more_than_there_is_room_for(self, stage: Stage, client: Client) -> None:
        stage.agent(0)
        host(stage, 1, capacity=2, named="a")

        client.steer("start", count=2)

        assert client.of(Steered)[-1].refused == "there is no room for 1 more engines on any host"

    def test_may_take_agents_that_are_to_be_started(self, stage: Stage, client: Client) -> None:
        home = Agent(stage, 3000)
        home.say(AgentHello(3000, "here", 10, 0, sets={"batch": 2}))
        host(stage, 2, capacity=2, named="batch")

        client.scale(5, force=False)
        client.scale(5, force=False)

        assert home.of(LaunchMore) == [LaunchMore("batch", 3)]

    def test_are_not_asked_for_twice_before_they_are_there(
        self, stage: Stage, client: Client
    ) -> None:
        home = Agent(stage, 3000)
        home.say(AgentHello(3000, "here", 10, 0, sets={"batch": 4}))

        client.scale(4, force=False)

        assert home.of(LaunchMore) == []

    def test_are_asked_for_again_once_some_have_failed(self, stage: Stage, client: Client) -> None:
        home = Agent(stage, 3000)
        home.say(AgentHello(3000, "here", 10, 0, sets={"batch": 4}))
        home.say(Launched("batch", "job 7", 4, "failed", "no such partition"))

        client.scale(4, force=False)

        assert home.of(LaunchMore) == [LaunchMore("batch", 4)]
        assert [notice.text for notice in client.of(Notice)] == ["job 7: no such partition"]


class TestEnginesThatAreToCome:
    def test_keep_tasks_waiting(self, stage: Stage, client: Client) -> None:
        home = Agent(stage, 3000)
        home.say(AgentHello(3000, "here", 10, 0, sets={"batch": 1}))
        [task] = client.submit()
        assert client.statuses == {}

        agent = host(stage, 1, named="batch")
        engine = agent.start(EngineId(0))

        assert engine.ids == [task]

    def test_keep_them_waiting_no_longer_once_they_have_failed(
        self, stage: Stage, client: Client
    ) -> None:
        home = Agent(stage, 3000)
        home.say(AgentHello(3000, "here", 10, 0, sets={"batch": 1}))
        [task] = client.submit()

        home.say(Launched("batch", "job 7", 1, "again", "no such partition", 1.0))
        assert client.statuses == {}
        home.say(Launched("batch", "job 7", 1, "failed", "no such partition"))

        assert client.why(task)[0] == "NoEnginesRegistered"

    def test_are_those_that_were_there_and_are_started_again(
        self, stage: Stage, client: Client
    ) -> None:
        home = Agent(stage, 3000)
        home.say(AgentHello(3000, "here", 10, 0, sets={"ssh": 1}))
        agent = host(stage, 1, named="ssh")
        home.say(Launched("ssh", "host n1", 1, "up"))
        home.say(Launched("ssh", "host n1", 1, "again", "Connection closed", 1.0))

        agent.say(Bye())
        client.submit()

        assert client.statuses == {}

    def test_are_none_when_a_connection_broke_and_the_agent_is_there_all_the_time(
        self, stage: Stage
    ) -> None:
        home = Agent(stage, 3000)
        home.say(AgentHello(3000, "here", 10, 0, sets={"ssh": 1}))
        host(stage, 1, named="ssh")
        home.say(Launched("ssh", "host n1", 1, "up"))
        home.say(Launched("ssh", "host n1", 1, "failed", "Connection closed", 1.0))

        home.say(Launched("ssh", "host n1", 1, "up"))

        assert stage.hub.state.on_their_way == 0

    def test_are_no_others_for_a_hub_that_takes_over(self, stage: Stage) -> None:
        stage.crash()
        agent = Agent(stage, 2000)
        agent.say(AgentHello(2000, FAR, 10, 2, True, far=True, set="batch"))
        home = Agent(stage, 3000)
        home.say(AgentHello(3000, "here", 10, 0, True, sets={"batch": 3}))

        assert stage.hub.state.on_their_way == 1


def test_only_the_hubs_host_has_blobs_to_look_after(
    stage: Stage, home: Agent, agent: Agent, engine: Engine
) -> None:
    engine.die()

    assert len(home.of(SweepBlobs)) == 1
    assert agent.of(SweepBlobs) == []
    assert agent.of(FreeBlobs) == []

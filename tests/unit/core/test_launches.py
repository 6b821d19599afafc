"""What the hub learns of how those fare that are to bring engines from other hosts."""

import pytest

from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Bye,
    Launched,
    LaunchMore,
    Notice,
    StartEngines,
    Steer,
    Steered,
)
from ipcluster_ext.protocol.parts import Bounds
from tests.support.scripted import Agent, Client, Engine, Stage

FAR = "far-0123456789ab"


def host(stage: Stage, number: int, *, named: str) -> Agent:
    """Have the agent of another host come, which starts one engine."""
    agent = Agent(stage, number)
    agent.say(AgentHello(number, FAR, 10, 1, far=True, set=named))
    return agent


@pytest.fixture
def home(stage: Stage) -> Agent:
    """Have the agent of the hub's host come, which has jobs for four engines started."""
    agent = Agent(stage, 3000)
    agent.say(AgentHello(3000, "here", 10, 0, sets={"batch": 4}))
    return agent


def test_a_job_whose_engines_were_told_to_end_is_nothing_to_speak_of(
    home: Agent, client: Client
) -> None:
    home.say(Launched("batch", "job 7", 1, "ended", "has ended"))

    client.scale(4, force=False)

    assert client.of(Notice) == []
    assert home.of(LaunchMore) == [LaunchMore("batch", 1)]


class TestAnOrderForMore:
    """That a hub recorded, and may have died before it said it."""

    @staticmethod
    def _comes_back(home: Agent, sets: dict[str, int], asked: dict[str, int]) -> None:
        home.come()
        home.forget()
        home.say(AgentHello(3000, "here", 10, 0, True, sets=sets, asked=asked))

    def test_is_said_by_the_next_hub_if_it_was_never_heard(
        self, home: Agent, client: Client, stage: Stage
    ) -> None:
        client.scale(7, force=False)
        stage.crash()

        self._comes_back(home, {"batch": 4}, {})

        assert home.of(LaunchMore) == [LaunchMore("batch", 3)]
        assert stage.hub.state.on_their_way == 7

    def test_is_not_said_twice(self, home: Agent, client: Client, stage: Stage) -> None:
        client.scale(7, force=False)
        stage.crash()

        self._comes_back(home, {"batch": 7}, {"batch": 3})

        assert home.of(LaunchMore) == []
        assert stage.hub.state.on_their_way == 7

    def test_is_said_as_far_as_it_was_not_heard(
        self, home: Agent, client: Client, stage: Stage
    ) -> None:
        client.scale(5, force=False)
        client.scale(7, force=False)
        stage.crash()

        self._comes_back(home, {"batch": 5}, {"batch": 1})

        assert home.of(LaunchMore) == [LaunchMore("batch", 2)]

    def test_is_said_by_whichever_hub_lives_long_enough(
        self, home: Agent, client: Client, stage: Stage
    ) -> None:
        client.scale(7, force=False)
        stage.crash()
        self._comes_back(home, {"batch": 4}, {})
        stage.crash()

        self._comes_back(home, {"batch": 4}, {})

        assert home.of(LaunchMore) == [LaunchMore("batch", 3)]

    def test_counts_for_the_next_one_although_its_engines_have_failed_by_now(
        self, home: Agent, client: Client, stage: Stage
    ) -> None:
        client.scale(7, force=False)
        home.say(Launched("batch", "job 8", 3, "failed", "no such partition"))
        stage.crash()

        self._comes_back(home, {"batch": 4}, {"batch": 3})

        assert home.of(LaunchMore) == []

    def test_is_nothing_if_it_was_not_recorded_and_is_asked_for_anew(
        self, home: Agent, client: Client, stage: Stage
    ) -> None:
        client.scale(7, force=False)
        stage.crash(unwritten=1)

        self._comes_back(home, {"batch": 4}, {})

        assert home.of(LaunchMore) == []

    def test_that_stands_on_a_damaged_page_does_not_hide_the_next_one(
        self, home: Agent, client: Client, stage: Stage
    ) -> None:
        client.scale(7, force=False)
        stage.crash(unwritten=1)
        self._comes_back(home, {"batch": 7}, {"batch": 3})
        stage.client().scale(9, force=False)
        stage.crash()

        self._comes_back(home, {"batch": 7}, {"batch": 3})

        assert home.of(LaunchMore) == [LaunchMore("batch", 2)]


class TestAnAgentThatWasKilled:
    def test_is_struck_off_when_another_one_comes_in_its_place(
        self, home: Agent, client: Client, stage: Stage
    ) -> None:
        del home
        old = host(stage, 2000, named="ssh")
        engine = old.start(EngineId(0))
        [task] = client.submit_each([0])
        old.fall_silent()

        new = Agent(stage, 2001)
        new.say(AgentHello(2001, FAR, 11, 1, far=True, set="ssh", instead_of=2000))

        assert client.why(task) == ("EngineLost", "the agent of host far was killed")
        assert {old.id, engine.id} <= set(stage.dismissed)
        assert [notice.text for notice in client.of(Notice)] == [
            "the agent of host far was killed; its engines: 0"
        ]
        assert new.of(StartEngines) == [StartEngines([EngineId(1)])]

    def test_is_nothing_to_a_hub_that_has_not_known_it(self, home: Agent, stage: Stage) -> None:
        del home

        new = Agent(stage, 2001)
        new.say(AgentHello(2001, FAR, 11, 1, far=True, set="ssh", instead_of=2000))

        assert new.of(StartEngines) == [StartEngines([EngineId(0)])]


class TestWhenAllIsOverThatWasStartedForASet:
    def test_its_agents_are_given_up_as_soon_as_they_are_not_heard(
        self, home: Agent, client: Client, stage: Stage
    ) -> None:
        agent = host(stage, 2000, named="batch")
        agent.start(EngineId(0))
        [task] = client.submit_each([0])
        home.say(Launched("batch", "job 7", 1, "failed", "was killed", 1.0, last=True))
        assert client.statuses == {}

        agent.fall_silent()

        assert client.why(task)[0] == "EngineLost"

    def test_those_that_are_silent_already_are_given_up_at_once(
        self, home: Agent, client: Client, stage: Stage
    ) -> None:
        agent = host(stage, 2000, named="batch")
        agent.start(EngineId(0))
        [task] = client.submit_each([0])
        agent.fall_silent()
        assert client.statuses == {}

        home.say(Launched("batch", "job 7", 1, "failed", "was killed", 1.0, last=True))

        assert client.why(task)[0] == "EngineLost"

    def test_those_of_other_sets_are_borne_as_before(
        self, home: Agent, client: Client, stage: Stage
    ) -> None:
        agent = host(stage, 2000, named="ssh")
        agent.start(EngineId(0))
        client.submit_each([0])
        home.say(Launched("batch", "job 7", 1, "failed", "was killed", 1.0, last=True))

        agent.fall_silent()

        assert client.statuses == {}

    def test_their_ids_are_free_for_those_who_wish_for_them(
        self, home: Agent, client: Client, stage: Stage
    ) -> None:
        old = host(stage, 2000, named="batch")
        old.start(EngineId(0))
        home.say(Launched("batch", "job 7", 1, "failed", "was killed", 1.0, last=True))

        new = Agent(stage, 2001)
        new.say(AgentHello(2001, FAR, 11, 1, far=True, set="batch", first=0))

        assert new.of(StartEngines) == [StartEngines([EngineId(0)])]
        assert old.of(Bye) == [Bye()]
        assert [notice.text for notice in client.of(Notice)] == [
            "all that was started for set 'batch' has ended; its engines: 0"
        ]


class TestASetThatCannotGrow:
    WHY = "its world has as many ranks as it was started with"

    @pytest.fixture
    def whole(self, stage: Stage) -> Agent:
        """Have the agent of the hub's host come, and say that the set is whole."""
        home = Agent(stage, 3000)
        home.say(AgentHello(3000, "here", 10, 0, sets={"mpi": 2}, fixed={"mpi": self.WHY}))
        return home

    @pytest.fixture
    def ranks(self, whole: Agent, stage: Stage) -> list[Engine]:
        """Have both of its engines come."""
        del whole
        ranks = []
        for rank in range(2):
            agent = Agent(stage, 2000 + rank)
            agent.say(AgentHello(agent.number, FAR, 10, 1, far=True, set="mpi", capacity=1))
            ranks.append(agent.start(EngineId(rank)))
        return ranks

    @pytest.mark.parametrize("named", ["", "mpi"])
    @pytest.mark.parametrize(("action", "count"), [("start", 2), ("scale", 4)])
    def test_gets_no_more_engines_and_says_why(
        self, whole: Agent, ranks: list[Engine], client: Client, named: str, action: str, count: int
    ) -> None:
        client.say(Steer(1, action, [], count, set=named))

        where = "in set 'mpi'" if named else "on any host"
        assert [reply.refused for reply in client.of(Steered)] == [
            f"there is no room for 2 more engines {where}: {self.WHY}"
        ]
        assert (whole.of(LaunchMore), whole.of(StartEngines)) == ([], [])
        assert len(ranks) == 2

    def test_may_have_others_beside_it(
        self, whole: Agent, ranks: list[Engine], client: Client
    ) -> None:
        client.say(Steer(1, "start", [], 1, set="local"))

        assert whole.of(StartEngines) == [StartEngines([EngineId(len(ranks))])]

    def test_says_so_once_where_there_is_work_for_more(
        self, ranks: list[Engine], client: Client, stage: Stage
    ) -> None:
        client.adapt(Bounds(2, 8, 60.0))
        client.submit(20)
        for _ in range(10):
            for rank in ranks:
                rank.is_heard()
            stage.turn(0.5)

        (notice,) = client.of(Notice)
        assert notice.text.startswith("there is work for more engines, but there is no room for ")
        assert notice.text.endswith(f" on any host: {self.WHY}")

    def test_is_started_anew_when_nothing_of_it_is_left(self, whole: Agent, client: Client) -> None:
        whole.say(Launched("mpi", "MPI program 7", 2, "ended", "has ended"))

        client.scale(3, force=False)

        assert whole.of(LaunchMore) == [LaunchMore("mpi", 3)]

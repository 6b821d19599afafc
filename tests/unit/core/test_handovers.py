"""What the hub makes of tasks that clients hand to engines by themselves."""

import pytest

from ipcluster_ext.core.handovers import MOST_UNNAMED
from ipcluster_ext.core.hub import Hub
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Define, Done, Drop, Need, Ran, Run, Submit, Took
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.comebacks import return_agent, return_client, return_engine
from tests.support.scripted import PICKLED, Agent, Client, Engine, Stage

DONE, FAILED, LOST = TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.LOST
DIGEST = b"f"


@pytest.fixture
def agent(stage: Stage) -> Agent:
    return stage.agent(2)


def hand(client: Client, engine: Engine, *, retries: int = 0, function: bytes = b"") -> TaskItem:
    """Have a client name a task that it has handed to an engine."""
    [task] = client.next_ids(1)
    item = TaskItem(task, b"in")
    spec = TaskSpec(Kind.APPLY, function, retries=retries)
    client.say(Submit(spec, [item], engine.number, engine.boot))
    engine.todo.append(item)
    return item


def outcome(task: TaskId, status: TaskStatus = DONE) -> ResultItem:
    """Make an outcome."""
    return ResultItem(task, status, 1000.0, 1000.1, b"out")


def ran(client: Client, count: int) -> list[TaskId]:
    """Have a client tell of calls that engine 0 has answered."""
    items = [TaskItem(task, b"in") for task in client.next_ids(count)]
    spec = TaskSpec(Kind.APPLY)
    client.say(Ran(spec, items, [outcome(item.id) for item in items], EngineId(0)))
    return [item.id for item in items]


class TestACallThatWasAnsweredAtOnce:
    def test_is_remembered_and_told_to_nobody(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        tasks = ran(client, 3)

        entries = [stage.hub.state.history.get(task) for task in tasks]
        assert [entry and entry.item.status for entry in entries] == [DONE] * 3
        assert [entry and entry.engine for entry in entries] == [0, 0, 0]
        assert client.results == {}
        assert not engines[0].of(Run)
        assert stage.hub.state.engines[EngineId(0)].ended == 3

    def test_is_remembered_by_the_next_hub(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = ran(client, 1)

        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)

        outcome = stage.hub.state.outcome(task)
        assert outcome is not None
        assert outcome.item.status is DONE

    def test_counts_once(self, stage: Stage, client: Client, engines: list[Engine]) -> None:
        [task] = ran(client, 1)
        client.count -= 1
        ran(client, 1)

        assert stage.hub.state.history.get(task) is not None
        assert stage.hub.state.engines[EngineId(0)].ended == 1

    def test_of_another_client_is_not_believed(
        self, stage: Stage, client: Client, watcher: Client, engines: list[Engine]
    ) -> None:
        [task] = client.next_ids(1)
        watcher.say(Ran(TaskSpec(Kind.APPLY), [TaskItem(task, b"")], [outcome(task)], EngineId(0)))

        assert stage.hub.state.history.get(task) is None

    def test_is_believed_although_its_engine_died_before_it_was_named(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        engines[0].die(others=[client.next_ids(1)[0]])
        client.count -= 1

        [task] = ran(client, 1)

        entry = stage.hub.state.history.get(task)
        assert entry is not None
        assert entry.item.status is DONE
        assert not stage.hub.state.claims

    def test_is_the_end_of_one_that_was_named_just_before(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        item = hand(client, engines[0])
        client.say(Ran(TaskSpec(Kind.APPLY), [item], [outcome(item.id)], EngineId(0)))
        engines[0].say(Done([outcome(item.id)], told=True))

        assert client.results == {}
        assert not stage.hub.state.tasks


class TestATaskThatIsNamed:
    def test_stays_where_it_is_and_its_end_is_told(
        self, client: Client, engines: list[Engine]
    ) -> None:
        item = hand(client, engines[1])
        engines[1].finish()

        assert not engines[0].of(Run)
        assert not engines[1].of(Run)
        assert client.statuses == {item.id: DONE}
        assert client.from_engine == {item.id: 1}

    def test_is_told_no_more_if_its_client_knows_its_end(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        item = hand(client, engines[0])
        engines[0].say(Done([outcome(item.id)], told=True))

        assert client.results == {}
        assert stage.hub.state.history.get(item.id) is not None

    def test_may_have_ended_before(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        [task] = client.next_ids(1)
        engines[0].say(Took([task]), Done([outcome(task)]))
        client.count -= 1
        hand(client, engines[0])

        assert client.statuses == {task: DONE}
        assert not stage.hub.state.tasks

    def test_gets_its_function(self, client: Client, engines: list[Engine]) -> None:
        client.define(DIGEST)
        hand(client, engines[0], function=DIGEST)

        assert engines[0].of(Define) == [Define(DIGEST, PICKLED)]

    def test_gets_its_function_when_that_comes(self, client: Client, engines: list[Engine]) -> None:
        hand(client, engines[0], function=DIGEST)
        assert client.of(Need) == [Need(DIGEST)]
        client.define(DIGEST)

        assert engines[0].of(Define) == [Define(DIGEST, PICKLED)]

    def test_does_not_wait_for_a_function_of_a_client_that_is_gone(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        item = hand(client, engines[0], function=DIGEST)
        client.leave()
        assert engines[0].of(Drop) == [Drop([item.id], handed=True)]
        engines[0].give_back(begun=0)

        assert not stage.hub.state.tasks

    def test_does_not_wait_behind_a_long_one_while_another_engine_is_idle(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        [long] = client.submit(engines=[0])
        item = hand(client, engines[0])
        stage.turn(1.0)
        assert Drop([item.id], handed=True) in engines[0].of(Drop)
        engines[0].asked = [ask for ask in engines[0].asked if isinstance(ask, Drop)]
        stage.hub.state.engines[EngineId(0)].asked.pop()
        engines[0].give_back()

        assert engines[0].ids == [long]
        assert engines[1].ids == [item.id]


class TestAnEngineThatDies:
    def test_loses_what_it_had_begun(self, client: Client, engines: list[Engine]) -> None:
        item = hand(client, engines[0])
        engines[0].die(others=[item.id])

        assert client.why(item.id)[0] == "EngineLost"

    def test_loses_what_it_had_begun_and_nobody_had_named(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [task] = client.next_ids(1)
        engines[0].die(others=[task])
        client.count -= 1
        hand(client, engines[0])

        assert client.why(task)[0] == "EngineLost"

    def test_has_others_do_what_it_had_not(self, client: Client, engines: list[Engine]) -> None:
        item = hand(client, engines[0])
        [later] = client.submit_each([0])
        engines[0].die(began=later)

        assert engines[1].ids == [item.id]
        assert client.why(later)[0] == "EngineLost"

    def test_has_others_do_what_it_had_not_and_nobody_had_named(
        self, client: Client, engines: list[Engine]
    ) -> None:
        engines[0].die()
        item = hand(client, engines[0])

        assert engines[1].ids == [item.id]

    def test_with_its_agent_loses_everything(
        self, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        item = hand(client, engines[0])
        agent.leave()

        assert client.why(item.id)[0] == "EngineLost"

    def test_with_its_agent_and_many_others_loses_what_is_named_after_that(
        self, stage: Stage, client: Client
    ) -> None:
        agent = stage.agent(40)
        engines = [agent.start(engine) for engine in agent.to_start]
        agent.leave()

        items = [hand(client, engine) for engine in engines]

        assert [client.why(item.id)[1] for item in items] == [
            "its host is gone; it may have run"
        ] * 40


class TestAHubThatTakesOver:
    def test_leaves_tasks_with_an_engine_that_says_that_it_has_them(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        item = hand(client, engines[0])

        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        return_client(client, waits=[item.id])
        engines[0].finish()

        assert client.statuses == {item.id: DONE}
        assert not engines[1].of(Run)

    def test_leaves_those_with_it_that_came_since_it_greeted(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        stage.crash()
        return_agent(agent, engines)
        return_client(client)
        item = hand(client, engines[0])
        for engine in engines:
            return_engine(engine, held=[])
        assert engines[0].of(Drop) == [Drop([item.id], handed=True)]  # if it has it
        engines[0].give_back()  # it does, and has begun it

        assert stage.hub.state.engines[EngineId(0)].unfinished.keys() == {item.id}

    def test_gives_out_those_that_turn_out_not_to_be_there(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        return_client(client)
        item = hand(client, engines[0])
        engines[0].give_back(begun=0)

        assert item.id in engines[0].ids + engines[1].ids
        assert sum(len(engine.of(Run)) for engine in engines) == 1


def test_of_tasks_that_nobody_names_not_all_are_kept(stage: Stage, engines: list[Engine]) -> None:
    engines[0].say(Took([TaskId(number) for number in range(1 << 40, (1 << 40) + 2000)]))

    assert len(stage.hub.state.claims) == MOST_UNNAMED


def test_only_where_the_least_loaded_engine_is_chosen_clients_may_choose_the_last() -> None:
    assert Hub().state.express
    assert not Hub(policy="plainrandom").state.express
    assert not Hub(hwm=1).state.express

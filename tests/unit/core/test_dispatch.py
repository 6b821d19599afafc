import pytest

from ipcluster_ext.core.dispatch import STALL
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import QueueQuery, QueueReply, Recall
from tests.support.scripted import Client, Engine, Stage


def loads(engines: list[Engine]) -> list[int]:
    return [len(engine.todo) for engine in engines]


def teach(engine: Engine, client: Client, *, seconds: float) -> None:
    """Have the hub learn how long tasks take."""
    client.submit(1)
    engine.finish(seconds=seconds)


def test_tasks_go_to_the_engines_with_the_fewest(stage: Stage, client: Client) -> None:
    engines = stage.engines(3)
    client.submit_each([0, 0, 2])

    client.submit(1)

    assert loads(engines) == [2, 1, 1]


def test_idle_engines_take_turns(stage: Stage, client: Client) -> None:
    engines = stage.engines(3)
    order = []

    for _ in range(6):
        client.submit(1)
        [busy] = [engine for engine in engines if engine.todo]
        order.append(busy.number)
        busy.finish(seconds=1.0)

    assert order == [0, 1, 2, 0, 1, 2]


def test_an_engine_gets_one_task_at_a_time_while_nobody_knows_how_long_they_take(
    stage: Stage, client: Client
) -> None:
    engines = stage.engines(2)

    client.submit(10)

    assert loads(engines) == [1, 1]


def test_an_engine_gets_one_long_task_at_a_time(stage: Stage, client: Client) -> None:
    engines = stage.engines(2)
    teach(engines[0], client, seconds=1.0)

    client.submit(10)

    assert loads(engines) == [1, 1]


def test_short_tasks_travel_ahead_up_to_the_horizon(stage: Stage, client: Client) -> None:
    [engine] = stage.engines(1)
    teach(engine, client, seconds=0.0005)

    client.submit(100)

    assert loads([engine]) == [9]


def test_the_shortest_tasks_travel_ahead_up_to_a_limit(stage: Stage, client: Client) -> None:
    [engine] = stage.engines(1)
    teach(engine, client, seconds=0.0)

    client.submit(1000)

    assert loads([engine]) == [512]


def test_a_share_is_dealt_fairly(stage: Stage, client: Client) -> None:
    engines = stage.engines(4)
    teach(engines[0], client, seconds=0.0)

    client.submit(100)

    assert loads(engines) == [25, 25, 25, 25]


def test_tasks_are_given_out_in_the_order_of_their_submission(stage: Stage, client: Client) -> None:
    [engine] = stage.engines(1)
    first, second = client.submit(2), client.submit(2)
    ran = []

    while engine.todo:
        ran += engine.ids
        engine.finish(len(engine.todo), seconds=1.0)

    assert ran == first + second


def test_functions_have_each_their_own_credit(stage: Stage, client: Client) -> None:
    [engine] = stage.engines(1)
    client.define(b"short")
    client.define(b"long")
    for function, seconds in ((b"short", 0.0005), (b"long", 1.0)):
        client.submit(1, function=function)
        engine.finish(seconds=seconds)

    short = client.submit(3, function=b"short")
    client.submit(3, function=b"long")

    assert engine.ids == short


def test_what_is_queued_and_where_is_told(stage: Stage, client: Client) -> None:
    stage.engines(2)
    client.submit(5)

    client.say(QueueQuery(8))

    none = {EngineId(0): 0, EngineId(1): 0}
    assert client.of(QueueReply) == [
        QueueReply(8, 3, {EngineId(0): 1, EngineId(1): 1}, direct=none, ended=none)
    ]


def test_what_engines_have_of_their_own_and_have_ended_is_told(
    stage: Stage, client: Client
) -> None:
    agent = stage.agent(2)
    engine = agent.start(EngineId(0))
    client.submit_each([0, 1])
    client.submit_each([0])
    engine.finish()

    client.say(QueueQuery(8))

    [reply] = client.of(QueueReply)
    assert (reply.direct, reply.ended) == ({0: 1, 1: 1}, {0: 1, 1: 0})


class TestRecall:
    """Engine 0 is stuck in its first task, engine 1 is idle, nothing is queued."""

    @pytest.fixture
    def engines(self, stage: Stage, client: Client) -> list[Engine]:
        engines = stage.engines(2)
        teach(engines[0], client, seconds=0.0001)
        client.submit(20)
        engines[1].finish(10)
        return engines

    def test_what_a_stuck_engine_has_not_begun_is_recalled_when_another_is_idle(
        self, stage: Stage, engines: list[Engine]
    ) -> None:
        stuck, _ = engines

        stage.turn(STALL)

        assert stuck.asked == [Recall(10)]

    def test_nothing_is_recalled_before_an_engine_counts_as_stuck(
        self, stage: Stage, engines: list[Engine]
    ) -> None:
        stuck, _ = engines

        stage.turn(STALL * 0.9)

        assert stuck.asked == []
        assert stage.hub.deadline == pytest.approx(100.0 + STALL)

    def test_the_hub_asks_to_be_woken_no_more_once_it_has_recalled(
        self, stage: Stage, engines: list[Engine]
    ) -> None:
        stage.turn(STALL)

        assert stage.hub.deadline is None

    def test_an_engine_is_asked_once(self, stage: Stage, engines: list[Engine]) -> None:
        stuck, _ = engines
        stage.turn(STALL)

        stage.turn(STALL)

        assert len(stuck.asked) == 1

    def test_nothing_is_recalled_while_tasks_are_queued(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        stuck, _ = engines
        client.submit(1000)

        stage.turn(STALL)

        assert stuck.asked == []

    def test_nothing_is_recalled_while_nobody_is_idle(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        stuck, idle = engines
        client.submit_each([idle.number])

        stage.turn(STALL)

        assert stuck.asked == []

    def test_direct_tasks_are_not_recalled(self, stage: Stage, client: Client) -> None:
        stuck, _ = stage.engines(2)
        client.submit_each([0, 0, 0])

        stage.turn(STALL)

        assert stuck.asked == []

    def test_returned_tasks_go_to_the_idle_engine_in_their_old_order(
        self, stage: Stage, engines: list[Engine]
    ) -> None:
        stuck, idle = engines
        had = stuck.ids
        stage.turn(STALL)

        stuck.give_back()

        assert stuck.ids == had[:1]
        assert idle.ids == had[1:]

    def test_returned_tasks_run_before_those_that_never_left_the_queue(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        stuck, idle = engines
        stage.turn(STALL)
        had = stuck.ids
        client.define(b"new")
        never_left = client.submit(3, function=b"new")
        first_of_new = idle.ids

        stuck.give_back()
        idle.finish(seconds=1.0)

        assert first_of_new == never_left[:1]
        assert idle.ids == had[1:]

    def test_a_stuck_engine_gets_nothing_until_it_ends_a_task(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        stuck, idle = engines
        stage.turn(STALL)
        stuck.give_back()
        idle.finish(9)

        client.submit(10)
        before = loads(engines)
        stuck.finish()
        idle.finish(10)
        client.submit(10)

        assert before == [1, 10]
        assert loads(engines) == [5, 5]

    def test_an_engine_that_gave_back_everything_gets_work_again(
        self, stage: Stage, engines: list[Engine]
    ) -> None:
        stuck, idle = engines
        stage.turn(STALL)

        stuck.give_back(begun=0)

        assert loads(engines) == [5, 5]

    def test_an_answer_without_tasks_changes_nothing(
        self, stage: Stage, engines: list[Engine]
    ) -> None:
        stuck, idle = engines
        stage.turn(STALL)

        stuck.give_back(begun=10)

        assert loads(engines) == [10, 0]

    def test_a_task_that_ended_before_the_recall_came_is_not_given_back(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        stuck, idle = engines
        stage.turn(STALL)
        had = stuck.ids

        stuck.finish(4)
        stuck.give_back()

        assert sorted(stuck.ids + idle.ids) == had[4:]
        assert set(had[:4]) <= set(client.results)


class TestRestriction:
    def test_a_restricted_task_goes_to_one_of_its_engines(
        self, stage: Stage, client: Client
    ) -> None:
        engines = stage.engines(3)

        client.submit(2, engines=[1, 2])

        assert loads(engines) == [0, 1, 1]

    def test_a_restricted_task_waits_for_its_engine_while_others_are_idle(
        self, stage: Stage, client: Client
    ) -> None:
        engines = stage.engines(2)
        client.submit_each([0])

        client.submit(1, engines=[0])

        assert loads(engines) == [1, 0]

    def test_a_restricted_task_that_waits_does_not_hold_up_others(
        self, stage: Stage, client: Client
    ) -> None:
        engines = stage.engines(2)
        client.submit(3, engines=[0])

        client.submit(1)

        assert loads(engines) == [1, 1]

    def test_restricted_tasks_are_served_before_those_that_may_run_anywhere(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        client.submit(1)
        client.submit(1)
        [restricted] = client.submit(1, engines=[0])

        engine.finish(seconds=1.0)

        assert engine.ids == [restricted]

    def test_a_task_restricted_to_an_engine_that_starts_waits_for_it(
        self, stage: Stage, client: Client
    ) -> None:
        agent = stage.agent(2)
        agent.start(EngineId(0))

        ids = client.submit(1, engines=[1])
        late = agent.start(EngineId(1))

        assert late.ids == ids

    @pytest.mark.parametrize("engines", [[5], [5, 6], []])
    def test_a_task_restricted_to_engines_that_are_not_there_fails_at_once(
        self, engines: list[int], stage: Stage, client: Client
    ) -> None:
        stage.engines(1)

        [task] = client.submit(1, engines=engines)

        assert client.why(task) == ("NoSuchEngine", f"none of the engines {engines} exists")

    def test_a_restricted_task_fails_when_the_last_of_its_engines_is_struck_off(
        self, stage: Stage, client: Client
    ) -> None:
        engines = stage.engines(3)
        client.submit_each([0, 1])
        [task] = client.submit(1, engines=[0, 1])

        engines[0].die(again=False)
        ended_after_first = task in client.results
        engines[1].die(again=False)

        assert not ended_after_first
        assert client.why(task) == ("NoSuchEngine", "none of the engines [0, 1] exists")

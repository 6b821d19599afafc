"""Tasks that came and ended so shortly before the hub died that it had recorded neither."""

from collections.abc import Sequence

from ipcluster_ext.core.absent import PEEK_WITHIN
from ipcluster_ext.core.recovery import LEARN_WITHIN, PATIENCE
from ipcluster_ext.protocol.frames import encode_failure
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    Done,
    Drop,
    Fetch,
    HistoryQuery,
    Over,
    Records,
    Resubmit,
)
from ipcluster_ext.protocol.parts import Failure, Record, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.comebacks import (
    have_hub_follow,
    return_agent,
    return_client,
    return_engine,
    submission,
)
from tests.support.scripted import Agent, Client, Engine, Stage

SPEC = TaskSpec(Kind.APPLY, b"")
DONE, FAILED = TaskStatus.DONE, TaskStatus.FAILED


def over(*tasks: TaskId, ends: Sequence[ResultItem] = (), inline: bytes = b"in") -> Over:
    items = [TaskItem(task, inline) for task in tasks]
    return Over(SPEC, items, list(ends), [EngineId(0)] * len(ends))


def end_of(task: TaskId, status: TaskStatus = DONE, inline: bytes = b"") -> ResultItem:
    return ResultItem(task, status, 50.0, 60.0, inline)


def records_of(stage: Stage) -> list[Record]:
    other = stage.client()
    other.say(HistoryQuery(1, b"{}"))
    [answer] = other.of(Records)
    return answer.records


class TestATask:
    """It came and ended, its client has the outcome, and nothing of it was written."""

    def test_is_in_the_history_with_what_its_engine_says(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        done = Done([engine.outcome(seconds=2.0)])

        stage.crash(unwritten=1)
        return_agent(agent, [engine])
        return_client(client, over(task))
        return_engine(engine, [task], done)

        [record] = records_of(stage)
        assert (record.id, record.status, record.engine) == (task, DONE, 0)
        assert (record.started, record.completed, record.kept) == (1000.0, 1002.0, True)
        assert record.submitted <= record.started
        assert engine.ids == []

    def test_can_be_fetched_and_done_once_more(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        done = Done([engine.outcome()])

        have_hub_follow(agent, engine, [task], done, unwritten=1)
        return_client(client, over(task))
        other = stage.client()
        [again] = other.next_ids(1)
        other.say(Fetch(1, [task]), Resubmit(2, [task], again))

        assert other.statuses == {task: DONE}
        assert engine.ids == [again]

    def test_whose_engine_has_died_is_in_the_history_with_what_its_client_says(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [first, second] = client.submit(2)
        why = encode_failure(Failure("OSError", "no disk", ""))
        ends = [end_of(first), end_of(second, FAILED, why)]

        stage.crash(unwritten=1)
        return_agent(agent, [])
        return_client(client, over(first, second, ends=ends))

        known = {record.id: record for record in records_of(stage)}
        assert [known[task].status for task in (first, second)] == [DONE, FAILED]
        assert (known[first].started, known[first].completed, known[first].engine) == (50, 60, 0)
        assert (known[second].ename, known[second].evalue) == ("OSError", "no disk")
        assert not known[first].kept

    def test_of_which_nobody_knows_how_it_ended_is_not(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()

        stage.crash(unwritten=1)
        return_agent(agent, [])
        return_client(client, over(task))

        assert records_of(stage) == []

    def test_never_runs_again(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        done = Done([engine.outcome()])

        stage.crash(unwritten=1)
        return_agent(agent, [engine])
        return_client(client, over(task, ends=[end_of(task)]))
        return_engine(engine, [task], done)
        client.say(submission(task))

        assert engine.ids == []
        assert client.results == {}

    def test_is_dropped_by_an_engine_that_comes_back_late(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()

        stage.crash(unwritten=1)
        return_agent(agent, [engine])
        return_client(client, over(task, ends=[end_of(task)]))
        stage.turn(PATIENCE)
        stage.turn(PEEK_WITHIN)
        return_engine(engine, [task])

        assert engine.asked == [Drop([task])]

    def test_is_known_to_the_hub_after_this_one_as_well(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [first, second] = client.submit(2)
        done = Done([engine.outcome()])

        have_hub_follow(agent, engine, [first], done, unwritten=1)
        return_client(client, over(first), over(second, ends=[end_of(second)], inline=b""))
        have_hub_follow(agent, engine, [])
        return_client(client)

        kept = {record.id: record.kept for record in records_of(stage)}
        assert kept == {first: True, second: False}
        assert engine.ids == []

    def test_is_in_the_history_although_its_end_was_acknowledged_by_a_hub_that_died_since(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        done = Done([engine.outcome(seconds=2.0)])

        have_hub_follow(agent, engine, [task], done, unwritten=1)
        have_hub_follow(agent, engine, [])
        return_client(client, over(task))

        [record] = records_of(stage)
        assert (record.id, record.completed, record.kept) == (task, 1002.0, True)

    def test_is_in_the_history_if_its_client_submits_it_again_to_a_hub_that_knows_only_its_end(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        done = Done([engine.outcome(seconds=2.0)])

        have_hub_follow(agent, engine, [task], done, unwritten=1)
        have_hub_follow(agent, engine, [])
        return_client(client, submission(task), waits=[task])

        [record] = records_of(stage)
        assert (record.id, record.completed, record.kept) == (task, 1002.0, True)
        assert client.statuses == {task: DONE}

    def test_is_waited_for_if_its_engine_has_greeted_and_no_longer_than_a_moment(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        first, second = client.submit(2)
        done = Done([engine.outcome(seconds=2.0)])
        other = stage.client()

        stage.crash(unwritten=2)
        return_agent(agent, [engine])
        return_client(client, over(first, second, ends=[end_of(first), end_of(second)]))
        return_engine(engine, [first, second])
        return_client(other, HistoryQuery(1, b"{}"))
        before = other.of(Records)
        engine.say(done)
        between = other.of(Records)
        stage.turn(LEARN_WITHIN)

        [answer] = other.of(Records)
        assert (before, between) == ([], [])
        assert {r.id: r.kept for r in answer.records} == {first: True, second: False}

    def test_that_was_recorded_after_all_is_there_once(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        engine.finish()

        have_hub_follow(agent, engine, [])
        return_client(client, over(task, ends=[end_of(task)]))

        [record] = records_of(stage)
        assert record.completed == 1000.0

    def test_of_another_client_is_none_of_its_business(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        other = stage.client()
        [task] = client.submit()

        stage.crash(unwritten=1)
        return_agent(agent, [])
        return_client(other, over(task, ends=[end_of(task)]))

        assert records_of(stage) == []

    def test_is_told_to_another_client_that_waits_for_it(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        other = stage.client()
        [task] = client.submit()
        other.say(Fetch(1, [task]))
        done = Done([engine.outcome()])

        stage.crash(unwritten=1)
        return_client(other, waits=[task])
        return_agent(agent, [engine])
        return_engine(engine, [task], done)
        return_client(client, over(task))

        assert other.statuses == {task: DONE}

import pytest

from ipcluster_ext.core.withdrawals import ANSWER_WITHIN
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    Cancelled,
    Done,
    Drop,
    Engines,
    Forget,
    Peek,
    Peeked,
    Run,
    StopEngines,
)
from ipcluster_ext.protocol.process import Patience
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus
from tests.support.scripted import NONE, Agent, Client, Engine, Stage

DONE, CANCELLED = TaskStatus.DONE, TaskStatus.CANCELLED
PATIENCE = Patience(quiet=4.0, lease=10.0, handover=12.0)


@pytest.fixture
def stage() -> Stage:
    return Stage(PATIENCE)


@pytest.fixture
def agent(stage: Stage) -> Agent:
    return stage.agent(2)


def busy(client: Client, engine: Engine, count: int = 5) -> list[TaskId]:
    """Give an engine several short tasks, the first of which it has begun."""
    client.submit()
    engine.finish(seconds=0.0001)
    return client.submit(count)


def peeked(agent: Agent, began: TaskId = NONE, *others: TaskId) -> None:
    """Have an agent answer the last question."""
    question = agent.of(Peek)[-1]
    agent.say(Peeked(question.engine, question.boot, question.mark, began, list(others)))


def told(client: Client) -> list[tuple[EngineId, EngineStatus]]:
    """Return what a client was told of engines."""
    return [(info.id, info.status) for news in client.of(Engines) for info in news.engines]


class TestAtFirst:
    def test_clients_are_told_and_told_when_it_is_over(
        self, client: Client, engine: Engine
    ) -> None:
        client.forget()

        engine.fall_silent()
        engine.is_heard()

        assert told(client) == [(0, EngineStatus.UNRESPONSIVE), (0, EngineStatus.READY)]

    def test_it_gets_no_more_work(self, client: Client, engine: Engine, agent: Agent) -> None:
        other = agent.start(EngineId(1))
        engine.fall_silent()

        ids = client.submit(2)

        assert (engine.ids, other.ids) == ([], ids[:1])

    def test_what_is_for_it_waits_until_it_is_heard(self, client: Client, engine: Engine) -> None:
        engine.fall_silent()
        ids = client.submit_each([0])
        before = engine.ids

        engine.is_heard()

        assert (before, engine.ids) == ([], ids)

    def test_work_waits_if_there_is_nobody_else(self, client: Client, engine: Engine) -> None:
        engine.fall_silent()
        ids = client.submit()
        before = engine.ids

        engine.is_heard()

        assert (before, engine.ids) == ([], ids)

    def test_it_keeps_what_it_has(
        self, stage: Stage, client: Client, engine: Engine, agent: Agent
    ) -> None:
        other = agent.start(EngineId(1))
        ids = client.submit(2)
        engine.fall_silent()

        stage.turn(7.9)
        engine.finish()

        assert agent.of(Peek) == []
        assert set(client.statuses) < set(ids)
        assert len(other.ids) == 1

    def test_nobody_is_told_of_a_stranger(self, stage: Stage, client: Client) -> None:
        client.forget()

        stage.peer().fall_silent()
        client.fall_silent()
        client.is_heard()

        assert told(client) == []


class TestTheHandover:
    def test_asks_the_agent_once_when_the_lease_is_over(
        self, stage: Stage, engine: Engine, agent: Agent
    ) -> None:
        engine.fall_silent(4.0)

        assert stage.hub.deadline == stage.now + 8.0
        stage.turn(8.0)
        stage.turn(100.0)

        assert agent.of(Peek) == [Peek(EngineId(0), engine.boot, 1)]

    def test_has_it_drop_tasks_before_it_forgets_what_they_need(
        self, stage: Stage, client: Client, engine: Engine, agent: Agent
    ) -> None:
        [need] = client.submit()
        large = engine.outcome(seconds=0.0001, buffers=(1,))
        engine.say(Done([large]), frames=[b"!"])
        [begun] = client.submit()
        client.submit(needs=[need])
        engine.forget()
        engine.fall_silent()
        stage.turn(8.0)

        peeked(agent, begun)

        assert [type(message) for message in engine.heard] == [Drop, Forget]

    def test_gives_others_what_has_not_begun(
        self, stage: Stage, client: Client, engine: Engine, agent: Agent
    ) -> None:
        begun, *rest = busy(client, engine)
        engine.fall_silent()
        other = agent.start(EngineId(1))
        stage.turn(8.0)

        peeked(agent, begun)
        other.finish(len(other.ids))

        assert set(client.statuses) >= set(rest)
        assert begun not in client.statuses
        assert engine.of(Drop) == [Drop(rest)]

    def test_leaves_what_is_for_this_engine(
        self, stage: Stage, client: Client, engine: Engine, agent: Agent
    ) -> None:
        agent.start(EngineId(1))
        [begun] = client.submit_each([0])
        [later] = client.submit_each([0])
        engine.fall_silent()
        stage.turn(8.0)

        peeked(agent, begun)
        engine.is_heard()
        engine.finish(2)

        assert client.statuses == {begun: DONE, later: DONE}
        assert engine.of(Drop) == []

    def test_leaves_what_was_begun_out_of_turn(
        self, stage: Stage, client: Client, engine: Engine, agent: Agent
    ) -> None:
        first, second, *rest = busy(client, engine)
        engine.fall_silent()
        stage.turn(8.0)

        peeked(agent, first, rest[1])

        assert engine.of(Drop) == [Drop([second, rest[0], *rest[2:]])]

    def test_does_not_happen_if_it_was_heard_meanwhile(
        self, stage: Stage, client: Client, engine: Engine, agent: Agent
    ) -> None:
        ids = busy(client, engine)
        engine.fall_silent()
        stage.turn(8.0)
        engine.is_heard()

        peeked(agent, ids[0])

        assert engine.of(Drop) == []
        assert engine.ids == ids

    def test_does_not_happen_by_an_answer_of_an_earlier_silence(
        self, stage: Stage, client: Client, engine: Engine, agent: Agent
    ) -> None:
        ids = busy(client, engine)
        engine.fall_silent()
        stage.turn(8.0)
        [question] = agent.of(Peek)
        engine.is_heard()
        engine.fall_silent(12.0)

        agent.say(Peeked(question.engine, question.boot, question.mark, ids[0]))

        assert engine.of(Drop) == []
        assert [peek.mark for peek in agent.of(Peek)] == [1, 2]

    def test_does_not_happen_to_another_life(
        self, stage: Stage, client: Client, engine: Engine, agent: Agent
    ) -> None:
        ids = busy(client, engine)
        engine.fall_silent()
        stage.turn(8.0)
        engine.die(began=ids[0])
        successor = agent.start(EngineId(0))

        peeked(agent, ids[0])

        assert successor.of(Drop) == []
        assert len(successor.ids) == 4

    def test_is_told_to_it_before_anything_else_when_it_is_back(
        self, stage: Stage, client: Client, engine: Engine, agent: Agent
    ) -> None:
        begun, *rest = busy(client, engine)
        engine.fall_silent()
        stage.turn(8.0)
        peeked(agent, begun)

        engine.is_heard()
        before = [*engine.of(Run)]
        engine.give_back()

        assert engine.of(Run)[: len(before)] == before
        assert engine.ids == [begun, *rest]
        engine.finish(5)
        assert client.statuses.items() >= dict.fromkeys([begun, *rest], DONE).items()

    def test_is_over_for_what_is_for_this_engine_too_once_that_has_answered(
        self, stage: Stage, client: Client, engine: Engine, agent: Agent
    ) -> None:
        begun, *_ = busy(client, engine)
        engine.fall_silent()
        stage.turn(8.0)
        peeked(agent, begun)
        engine.is_heard()
        [direct] = client.submit_each([0])
        before = direct in engine.ids

        engine.give_back()

        assert (before, direct in engine.ids) == (False, True)

    def test_makes_outcomes_of_what_was_given_away_worthless(
        self, stage: Stage, client: Client, engine: Engine, agent: Agent
    ) -> None:
        begun, given, *_ = busy(client, engine)
        engine.fall_silent()
        stage.turn(8.0)
        peeked(agent, begun)
        before = stage.hub.state.stale

        engine.is_heard()
        engine.todo.pop(0)
        engine.finish()

        assert given not in client.statuses
        assert stage.hub.state.stale == before + 1

    def test_cancels_what_a_client_waits_to_take_back(
        self, stage: Stage, client: Client, engine: Engine, agent: Agent
    ) -> None:
        begun, wanted, *_ = busy(client, engine)
        engine.fall_silent()
        request = client.cancel(wanted)
        stage.turn(8.0)

        peeked(agent, begun)
        cancelled = dict(client.statuses)
        engine.give_back()
        engine.give_back()

        assert cancelled.items() >= {wanted: CANCELLED}.items()
        assert client.of(Cancelled) == [Cancelled(request, [])]

    def test_of_nothing_is_nothing(
        self, stage: Stage, client: Client, engine: Engine, agent: Agent
    ) -> None:
        [task] = client.submit()
        engine.fall_silent()
        stage.turn(8.0)

        peeked(agent, task)

        assert engine.of(Drop) == []
        assert len(engine.of(Run)) == 1


class TestTheEndOfPatience:
    def test_never_comes_unless_it_was_asked_for(
        self, stage: Stage, engine: Engine, agent: Agent
    ) -> None:
        engine.fall_silent()

        stage.turn(100_000.0)

        assert agent.of(StopEngines) == []
        assert stage.hub.deadline is None

    def test_is_the_end_of_the_engine(self) -> None:
        stage = Stage(Patience(quiet=4.0, lease=10.0, handover=12.0, silence=30.0))
        client, agent = stage.client(), stage.agent(1)
        engine = agent.start(EngineId(0))
        [task] = client.submit()
        engine.fall_silent(4.0)

        stage.turn(25.9)
        before = agent.of(StopEngines)
        stage.turn(0.1)
        stage.turn(10.0)

        assert before == []
        [order] = agent.of(StopEngines)
        assert (order.engines, order.again) == ([0], True)
        assert order.reason == "it did not respond for 30 s and was ended"
        engine.die(began=task)
        assert client.why(task)[0] == "EngineLost"


class TestACancel:
    def test_does_not_wait_for_an_engine_that_does_not_answer(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        running, queued = busy(client, engine, 2)
        request = client.cancel(running, queued)
        before = client.of(Cancelled)

        stage.turn(ANSWER_WITHIN)
        answered = client.of(Cancelled)
        engine.give_back()

        assert before == []
        assert answered == [Cancelled(request, [])]
        assert client.statuses.items() >= {queued: CANCELLED}.items()
        assert running not in client.statuses
        assert client.of(Cancelled) == answered

    def test_that_was_answered_in_time_is_answered_once(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        _, queued = busy(client, engine, 2)
        request = client.cancel(queued)
        engine.give_back()

        stage.turn(ANSWER_WITHIN)

        assert client.of(Cancelled) == [Cancelled(request, [queued])]
        assert stage.hub.deadline is None

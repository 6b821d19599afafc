import pytest

from ipcluster_ext.core.limits import LOOK_AGAIN, OVERTIME
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    Cancelled,
    Done,
    Drop,
    Halt,
    Interrupt,
    StopEngines,
    SubmitEach,
)
from ipcluster_ext.protocol.parts import Options, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.scripted import Agent, Client, Engine, Stage

DONE, CANCELLED = TaskStatus.DONE, TaskStatus.CANCELLED


@pytest.fixture
def agent(stage: Stage) -> Agent:
    return stage.agent(2)


class TestWaiting:
    def test_a_task_that_has_not_begun_in_time_expires(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        client.submit()
        [late] = client.submit(options=Options(expires=3.0))
        before = dict(client.statuses)

        stage.turn(3.0)

        assert before == {}
        assert client.why(late)[0] == "TaskExpired"

    def test_a_task_that_was_given_out_does_not_expire(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit(options=Options(expires=3.0))

        stage.turn(3.0)
        engine.finish()

        assert client.statuses == {task: DONE}

    def test_no_engine_within_the_timeout_is_a_timeout(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        client.submit()
        [late] = client.submit(options=Options(patience=3.0))

        stage.turn(3.0)

        assert client.why(late)[0] == "TaskTimeout"


class TestRunning:
    def test_a_task_with_a_limit_is_the_only_one_its_engine_has(
        self, client: Client, engine: Engine
    ) -> None:
        client.submit()
        engine.finish()

        limited = client.submit(3, options=Options(time_limit=1.0))

        assert engine.ids == limited[:1]

    def test_an_engine_that_does_not_end_a_task_in_time_is_ended(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(options=Options(time_limit=1.0))

        stage.turn(1.0 + OVERTIME)
        engine.die(began=task)

        assert [(stop.engines, stop.again) for stop in agent.of(StopEngines)] == [([0], True)]
        assert client.why(task)[0] == "TaskTimeout"

    def test_a_task_that_ended_in_time_costs_no_engine(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit(options=Options(time_limit=1.0))
        engine.finish()

        stage.turn(1.0 + OVERTIME)

        assert agent.of(StopEngines) == []

    def test_a_task_that_had_to_wait_for_another_has_its_time_from_then_on(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit()
        spec = TaskSpec(Kind.APPLY, balanced=False, options=Options(time_limit=2.0))
        client.say(SubmitEach(spec, TaskItem(client.next_ids(1)[0], b"in"), [EngineId(0)]))
        stage.turn(10.0)
        engine.finish()

        stage.turn(1.0)
        before = agent.of(StopEngines)
        stage.turn(1.0 + OVERTIME)

        assert (before, len(agent.of(StopEngines))) == ([], 1)

    def test_the_limit_of_another_try_is_another_limit(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit(retries=1, options=Options(time_limit=1.0))
        stage.turn(0.9)
        engine.fail()

        stage.turn(0.1 + OVERTIME)
        stopped_before = agent.of(StopEngines)
        stage.turn(0.9)

        assert stopped_before == []
        assert len(agent.of(StopEngines)) == 1


class TestInterrupts:
    def test_what_runs_is_halted_and_what_does_not_is_taken_back(
        self, client: Client, engine: Engine
    ) -> None:
        client.submit()
        engine.finish(seconds=0.02)
        running, ahead, queued = client.submit(3)
        client.say(Interrupt([running, ahead, queued], 7))
        heard = engine.of(Drop) + engine.of(Halt)

        engine.give_back()

        assert heard == [Drop([running, ahead]), Halt([running, ahead])]
        assert client.statuses.items() >= {queued: CANCELLED, ahead: CANCELLED}.items()
        assert running not in client.statuses
        assert client.of(Cancelled) == [Cancelled(7, [queued])]

    def test_an_engine_whose_task_goes_on_is_ended(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        client.say(Interrupt([task], 1, [2.0, 3.0]))

        stage.turn(2.0)
        engine.die(began=task)

        assert agent.of(StopEngines) == [StopEngines([EngineId(0)], again=True, grace=3.0)]
        assert client.why(task)[0] == "TaskInterrupted"

    def test_without_graces_an_engine_is_never_ended(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        client.say(Interrupt([task], 1))

        stage.turn(100.0)

        assert agent.of(StopEngines) == []

    def test_a_task_that_stands_behind_another_does_not_cost_that_ones_engine(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit()
        engine.finish(seconds=0.02)
        first, second = client.submit(2)
        client.say(Interrupt([second], 1, [2.0]))

        stage.turn(2.0)
        stopped_before = agent.of(StopEngines)
        engine.say(Done([engine.outcome()]))
        stage.turn(LOOK_AGAIN)

        assert first in client.statuses
        assert stopped_before == []
        assert [stop.engines for stop in agent.of(StopEngines)] == [[0]]

    @pytest.mark.parametrize("status", [TaskStatus.FAILED, TaskStatus.AGAIN, TaskStatus.REFUSED])
    def test_a_task_that_was_interrupted_does_not_run_again_whatever_retries_it_has(
        self, client: Client, agent: Agent, engine: Engine, status: TaskStatus
    ) -> None:
        agent.start(EngineId(1))
        [task] = client.submit(retries=2)
        client.say(Interrupt([task], 1))

        engine.say(Done([engine.outcome(status)]))

        assert client.statuses == {task: TaskStatus.FAILED}

    def test_a_task_that_was_interrupted_does_not_run_again_when_its_engine_dies(
        self, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit(retries=2)
        client.say(Interrupt([task], 1))

        engine.die(began=task)

        assert client.why(task)[0] == "EngineLost"

    def test_nobody_can_interrupt_anothers_tasks(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()

        stage.client().say(Interrupt([task, TaskId(99)], 1))

        assert engine.of(Halt) == []

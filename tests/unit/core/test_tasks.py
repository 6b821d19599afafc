import pytest

from ipcluster_ext.core.dispatch import STALL
from ipcluster_ext.core.story import Chapter
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    Cancelled,
    Done,
    Output,
    Results,
    Started,
    Submit,
)
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.scripted import Client, Engine, Stage

WAITING, QUEUED, ASSIGNED, DONE, FAILED, CANCELLED, LOST, AGAIN, REFUSED = TaskStatus


def teach_short(engine: Engine, client: Client) -> None:
    """Have the hub learn that tasks are short, so that many travel ahead."""
    client.submit(1)
    engine.finish()
    client.results.clear()


class TestResults:
    def test_a_result_goes_to_the_client_that_asked(self, stage: Stage) -> None:
        one, other = stage.client(), stage.client()
        [engine] = stage.engines(1)

        [task] = one.submit(1)
        engine.finish()

        assert one.results == {task: ResultItem(task, DONE, 1000.0, 1000.0, b"out")}
        assert other.results == {}

    def test_results_of_one_engine_come_together(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        teach_short(engine, client)
        client.submit(5)
        client.forget()

        engine.finish(5)

        assert [len(results.items) for results in client.of(Results)] == [5]

    def test_payload_buffers_travel_with_task_and_result(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        teach_short(engine, client)

        one, other = client.submit(2, buffers=(3,), frames=[b"abc"])
        outcomes = [engine.outcome(buffers=(2,)) for _ in range(2)]
        engine.say(Done(outcomes), frames=[b"x1", b"x2"])

        assert engine.frames == {**engine.frames, one: [b"abc"], other: [b"abc"]}
        assert client.frames == {**client.frames, one: [b"x1"], other: [b"x2"]}

    def test_the_result_of_a_client_that_is_gone_is_dropped(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        client.submit(1)
        client.leave()

        engine.finish()

        assert stage.hub.state.tasks == {}

    def test_a_late_result_of_a_lost_engine_is_dropped_and_counted(
        self, stage: Stage, client: Client
    ) -> None:
        agent = stage.agent(1)
        engine = agent.start(EngineId(0))
        [task] = client.submit(1)
        late = engine.outcome()
        successor = agent.fork(EngineId(0))
        successor.hello()
        before = stage.hub.state.stale

        engine.die(began=task)
        engine.say(Done([late]))
        successor.say(Done([late]))

        assert client.statuses == {task: LOST}
        assert stage.hub.state.stale == before + 1

    @pytest.mark.parametrize("status", [WAITING, QUEUED, ASSIGNED])
    def test_an_outcome_that_is_none_loses_the_task_and_not_the_hub(
        self, status: TaskStatus, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        [task] = client.submit(1)

        engine.say(Done([engine.outcome(status)]))

        assert client.statuses == {task: LOST}
        assert client.why(task) == ("EngineLost", f"the engine said that it is {status.name}")

    def test_a_result_for_a_task_that_never_was_is_counted(self, stage: Stage) -> None:
        [engine] = stage.engines(1)
        before = stage.hub.state.stale

        engine.say(Done([ResultItem(TaskId(7), DONE, 0.0, 0.0, b"")]))

        assert stage.hub.state.stale == before + 1


class TestSubmission:
    def test_what_comes_twice_runs_once(self, stage: Stage, client: Client) -> None:
        stage.engines(1)
        [task] = client.submit(1)

        again = Submit(
            TaskSpec(Kind.APPLY), [TaskItem(task, b"in"), TaskItem(TaskId(task + 1), b"")]
        )
        client.say(again, again)

        assert set(stage.hub.state.tasks) == {task, task + 1}

    def test_tasks_are_queued_while_engines_start(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(1)

        ids = client.submit(1)
        engine = agent.start(EngineId(0))

        assert engine.ids == ids

    def test_tasks_fail_at_once_where_no_engine_is_or_will_be(self, client: Client) -> None:
        [task] = client.submit(1)

        assert client.statuses == {task: LOST}
        assert client.why(task)[0] == "NoEnginesRegistered"

    def test_queued_tasks_fail_when_the_last_engine_is_struck_off(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        running, queued = client.submit(2)

        engine.die(began=running, again=False)

        assert client.statuses == {running: LOST, queued: LOST}
        assert client.why(running) == ("EngineLost", "killed by SIGKILL")
        assert client.why(queued)[0] == "NoEnginesRegistered"

    def test_one_payload_goes_to_each_engine_under_consecutive_ids(
        self, stage: Stage, client: Client
    ) -> None:
        engines = stage.engines(3)

        ids = client.submit_each([2, 0, 1])

        assert [engine.ids for engine in engines] == [[ids[1]], [ids[2]], [ids[0]]]
        assert [engine.todo[0].inline for engine in engines] == [b"in"] * 3

    def test_of_three_engines_one_that_is_missing_fails_alone(
        self, stage: Stage, client: Client
    ) -> None:
        engines = stage.engines(2)

        ids = client.submit_each([0, 7, 1], buffers=(3,), frames=[b"abc"])

        assert client.statuses == {ids[1]: LOST}
        assert client.why(ids[1]) == ("NoSuchEngine", "there is no engine 7; engines: 0, 1")
        assert [engine.ids for engine in engines] == [[ids[0]], [ids[2]]]
        assert [engine.frames[engine.ids[0]] for engine in engines] == [[b"abc"], [b"abc"]]

    def test_a_direct_task_waits_for_its_engine_to_start(
        self, stage: Stage, client: Client
    ) -> None:
        agent = stage.agent(1)

        ids = client.submit_each([0]) + client.submit_each([0])
        engine = agent.start(EngineId(0))

        assert engine.ids == ids

    def test_a_direct_task_that_comes_twice_runs_once(self, stage: Stage, client: Client) -> None:
        [engine] = stage.engines(1)
        [task] = client.submit_each([0])
        client.count = 0

        client.submit_each([0])

        assert engine.ids == [task]


class TestRetries:
    def test_a_task_that_failed_runs_again_as_often_as_it_may(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        [task] = client.submit(1, retries=2)
        runs = 0

        while engine.todo:
            runs += 1
            engine.fail()

        assert runs == 3
        assert client.statuses == {task: FAILED}

    def test_a_task_that_fails_without_retries_has_failed(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        [task] = client.submit(1)

        engine.fail()

        assert client.statuses == {task: FAILED}

    def test_a_direct_task_runs_again_on_its_own_engine(self, stage: Stage, client: Client) -> None:
        engines = stage.engines(2)
        ids = client.submit_each([1], retries=1)

        engines[1].fail()

        assert [engine.ids for engine in engines] == [[], ids]


class TestEngineDeath:
    @pytest.fixture
    def engine(self, stage: Stage, client: Client) -> Engine:
        [engine] = stage.engines(1)
        teach_short(engine, client)
        return engine

    def test_the_task_it_had_begun_fails_and_the_others_go_back(
        self, client: Client, engine: Engine
    ) -> None:
        ids = client.submit(4)

        engine.die(began=ids[0])
        successor = engine.agent.start(EngineId(0))

        assert client.statuses == {ids[0]: LOST}
        assert client.why(ids[0]) == ("EngineLost", "killed by SIGKILL")
        assert successor.ids == ids[1:]

    def test_tasks_before_the_last_it_began_may_have_run_and_fail_too(
        self, client: Client, engine: Engine
    ) -> None:
        ids = client.submit(4)

        engine.die(began=ids[2])
        successor = engine.agent.start(EngineId(0))

        assert client.statuses == {ids[0]: LOST, ids[1]: LOST, ids[2]: LOST}
        assert successor.ids == ids[3:]

    def test_tasks_it_had_begun_out_of_turn_fail_too(self, client: Client, engine: Engine) -> None:
        ids = client.submit(5)

        engine.die(began=ids[0], others=[ids[2], ids[4]])
        successor = engine.agent.start(EngineId(0))

        assert client.statuses == {ids[0]: LOST, ids[2]: LOST, ids[4]: LOST}
        assert successor.ids == [ids[1], ids[3]]

    def test_without_a_begun_task_all_go_back_at_no_cost(
        self, client: Client, engine: Engine
    ) -> None:
        ids = client.submit(3)

        engine.die()
        successor = engine.agent.start(EngineId(0))

        assert client.statuses == {}
        assert successor.ids == ids

    def test_a_task_that_ended_before_counts_for_nothing(
        self, client: Client, engine: Engine
    ) -> None:
        ids = client.submit(3)
        engine.finish()

        engine.die(began=ids[0])
        successor = engine.agent.start(EngineId(0))

        assert client.statuses == {ids[0]: DONE}
        assert successor.ids == ids[1:]

    def test_a_begun_task_with_retries_runs_again_after_the_others(
        self, client: Client, engine: Engine
    ) -> None:
        ids = client.submit(3, retries=1)

        engine.die(began=ids[0])
        successor = engine.agent.start(EngineId(0))

        assert client.statuses == {}
        assert successor.ids == [*ids[1:], ids[0]]

    def test_a_task_that_kills_its_engine_each_time_runs_once_and_as_often_as_it_may(
        self, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit(1, retries=2)
        runs = 0

        while engine.todo:
            runs += 1
            engine.die(began=task)
            engine = engine.agent.start(EngineId(0))

        assert runs == 3
        assert client.statuses == {task: LOST}

    def test_going_back_costs_no_retry(self, client: Client, engine: Engine) -> None:
        [task] = client.submit(1, retries=1)
        for _ in range(3):
            engine.die()
            engine = engine.agent.start(EngineId(0))

        engine.fail()

        assert client.statuses == {}
        assert engine.ids == [task]

    def test_unbegun_tasks_run_before_those_that_never_left_the_queue(
        self, stage: Stage, client: Client
    ) -> None:
        engines = stage.engines(2)
        first, _, _ = client.submit(3)

        engines[0].die()
        engines[1].finish(seconds=1.0)

        assert engines[1].ids == [first]

    def test_unbegun_direct_tasks_wait_for_its_next_life(
        self, client: Client, engine: Engine
    ) -> None:
        ids = [*client.submit_each([0, 0]), *client.submit_each([0])]

        engine.die(began=ids[0])
        successor = engine.agent.start(EngineId(0))

        assert client.statuses == {ids[0]: LOST}
        assert successor.ids == ids[1:]

    def test_a_begun_direct_task_with_retries_runs_first_in_the_next_life(
        self, client: Client, engine: Engine
    ) -> None:
        ids = client.submit_each([0, 0], retries=1)

        engine.die(began=ids[0])
        successor = engine.agent.start(EngineId(0))

        assert successor.ids == ids

    def test_direct_tasks_fail_when_it_does_not_come_back(
        self, stage: Stage, client: Client
    ) -> None:
        engine, _ = stage.engines(2)
        ids = client.submit_each([0, 0])

        engine.die(again=False)

        assert client.statuses == dict.fromkeys(ids, LOST)
        assert client.why(ids[1]) == ("EngineLost", "killed by SIGKILL")

    def test_a_direct_task_for_an_engine_that_was_struck_off_fails(
        self, stage: Stage, client: Client
    ) -> None:
        engine, _ = stage.engines(2)
        engine.die(again=False)

        [task] = client.submit_each([0])

        assert client.why(task) == ("NoSuchEngine", "there is no engine 0; engines: 1")

    def test_the_error_names_the_engine(self, client: Client, engine: Engine) -> None:
        [task] = client.submit(1)

        engine.die(began=task)

        assert b"EngineLost" in client.results[task].inline
        assert client.from_engine[task] == -1


class TestCancel:
    @pytest.fixture
    def engine(self, stage: Stage, client: Client) -> Engine:
        [engine] = stage.engines(1)
        teach_short(engine, client)
        return engine

    def test_a_queued_task_is_cancelled_at_once(self, stage: Stage, client: Client) -> None:
        stage.agent(1)
        [task] = client.submit(1)

        request = client.cancel(task)

        assert client.of(Cancelled) == [Cancelled(request, [task])]
        assert client.statuses == {task: CANCELLED}
        assert client.why(task) == ("TaskAborted", "")

    def test_a_cancelled_task_is_not_given_out_later(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(1)
        first, second, third = client.submit(3)

        client.cancel(second)
        engine = agent.start(EngineId(0))
        engine.finish()

        assert engine.ids == [third]
        assert client.statuses == {second: CANCELLED, first: DONE}

    def test_a_direct_task_that_waits_for_its_engine_is_cancelled_at_once(
        self, stage: Stage, client: Client
    ) -> None:
        agent = stage.agent(1)
        one, other = client.submit_each([0, 0])

        request = client.cancel(one)

        assert client.of(Cancelled) == [Cancelled(request, [one])]
        assert agent.start(EngineId(0)).ids == [other]

    def test_a_task_that_waits_for_its_function_is_cancelled_at_once(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        [task] = client.submit(1, function=b"late")

        request = client.cancel(task)
        client.define(b"late")

        assert client.of(Cancelled) == [Cancelled(request, [task])]
        assert engine.ids == []

    def test_an_unbegun_task_is_cancelled_once_its_engine_gave_it_back(
        self, client: Client, engine: Engine
    ) -> None:
        ids = client.submit(3)

        request = client.cancel(*ids)
        answers_before = client.of(Cancelled)
        engine.give_back()

        assert answers_before == []
        assert client.of(Cancelled) == [Cancelled(request, ids[1:])]
        assert client.statuses == {ids[1]: CANCELLED, ids[2]: CANCELLED}

    def test_the_answer_waits_for_every_engine_and_comes_once(
        self, stage: Stage, client: Client
    ) -> None:
        engines = stage.engines(2)
        ids = client.submit_each([0, 0, 1, 1])

        request = client.cancel(*ids)
        engines[0].give_back()
        answers_before = client.of(Cancelled)
        engines[1].give_back()

        assert answers_before == []
        assert client.of(Cancelled) == [Cancelled(request, [ids[1], ids[3]])]

    def test_a_running_task_is_not_cancelled(self, client: Client, engine: Engine) -> None:
        [task] = client.submit(1)

        request = client.cancel(task)
        engine.give_back()

        assert client.of(Cancelled) == [Cancelled(request, [])]
        assert client.statuses == {}

    def test_a_task_that_has_ended_or_never_was_is_not_cancelled(
        self, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit(1)
        engine.finish()

        request = client.cancel(task, TaskId(task + 99))

        assert client.of(Cancelled) == [Cancelled(request, [])]
        assert client.statuses == {task: DONE}

    def test_a_task_that_ends_before_its_engine_answers_is_done(
        self, client: Client, engine: Engine
    ) -> None:
        ids = client.submit(2)

        request = client.cancel(ids[1])
        engine.finish(2)
        engine.give_back()

        assert client.of(Cancelled) == [Cancelled(request, [])]
        assert client.statuses == dict.fromkeys(ids, DONE)

    def test_the_task_of_another_client_is_not_cancelled(self, stage: Stage) -> None:
        stage.agent(1)
        one, other = stage.client(), stage.client()
        [task] = one.submit(1)

        request = other.cancel(task)

        assert other.of(Cancelled) == [Cancelled(request, [])]
        assert set(stage.hub.state.tasks) == {task}

    def test_the_task_of_another_client_survives_even_the_death_of_its_engine(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        other = stage.client()
        _, theirs = client.submit_each([0, 0])
        running, ours = other.submit_each([0, 0])

        other.cancel(theirs, running, ours)
        engine.die(began=engine.ids[0])
        successor = engine.agent.start(EngineId(0))

        assert successor.ids == [theirs]
        assert other.statuses == {running: CANCELLED, ours: CANCELLED}

    def test_a_task_that_is_named_twice_is_cancelled_once(
        self, stage: Stage, client: Client
    ) -> None:
        stage.agent(1)
        [task] = client.submit(1)

        request = client.cancel(task, task)

        assert client.of(Cancelled) == [Cancelled(request, [task])]

    def test_unbegun_tasks_of_an_engine_that_dies_before_it_answers_are_cancelled(
        self, client: Client, engine: Engine
    ) -> None:
        ids = client.submit(3)

        request = client.cancel(*ids)
        engine.die(began=ids[0])
        successor = engine.agent.start(EngineId(0))

        assert client.of(Cancelled) == [Cancelled(request, ids[1:])]
        assert client.statuses == {ids[0]: LOST, ids[1]: CANCELLED, ids[2]: CANCELLED}
        assert successor.ids == []

    def test_unbegun_direct_tasks_of_an_engine_that_dies_are_cancelled_alike(
        self, client: Client, engine: Engine
    ) -> None:
        ids = client.submit_each([0, 0])

        request = client.cancel(*ids)
        engine.die(began=ids[0])
        successor = engine.agent.start(EngineId(0))

        assert client.of(Cancelled) == [Cancelled(request, ids[1:])]
        assert successor.ids == []

    def test_a_begun_task_that_runs_again_was_not_cancelled(
        self, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit(1, retries=1)

        request = client.cancel(task)
        engine.die(began=task)
        successor = engine.agent.start(EngineId(0))

        assert client.of(Cancelled) == [Cancelled(request, [])]
        assert successor.ids == [task]

    def test_a_task_that_is_being_recalled_is_cancelled(self, stage: Stage, client: Client) -> None:
        stuck, idle = stage.engines(2)
        teach_short(stuck, client)
        ids = client.submit(4)
        idle.finish(2)
        had = stuck.ids
        stage.turn(STALL)

        request = client.cancel(*ids)
        stuck.give_back()
        stuck.give_back()

        assert client.of(Cancelled) == [Cancelled(request, had[1:])]
        assert idle.ids == []

    def test_a_client_that_is_gone_gets_no_answer(self, client: Client, engine: Engine) -> None:
        ids = client.submit(2)

        client.cancel(*ids)
        client.leave()
        engine.give_back()

        assert client.of(Cancelled) == []
        assert engine.ids == ids[:1]

    def test_what_was_cancelled_is_not_kept(self, stage: Stage, client: Client) -> None:
        agent = stage.agent(1)
        ids = client.submit(5) + client.submit(5, engines=[0])

        client.cancel(*ids)

        queue = stage.hub.state.queue
        assert [queue.length(lane) for lane in queue.lanes] == [0]
        assert agent.start(EngineId(0)).ids == []


class TestWordsAboutTasks:
    def test_output_of_a_running_task_goes_to_its_client(
        self, stage: Stage, client: Client
    ) -> None:
        [engine] = stage.engines(1)
        [task] = client.submit(1)

        engine.say(Output(task, "stdout", "hello"), Started([task]))

        assert client.heard[-2:] == [Output(task, "stdout", "hello"), Started([task])]

    def test_output_of_a_task_that_the_engine_does_not_have_is_dropped(
        self, stage: Stage, client: Client
    ) -> None:
        engines = stage.engines(2)
        [task] = client.submit_each([0])
        client.forget()

        engines[1].say(Output(task, "stdout", "hello"), Started([task]), Started([]))

        assert client.heard == []


def test_the_story_of_a_task_tells_its_steps(stage: Stage, client: Client) -> None:
    [engine] = stage.engines(1)
    _, task = client.submit(2)
    stage.now = 101.0
    engine.finish(seconds=1.0)
    stage.now = 102.0
    engine.finish(seconds=1.0)

    story = stage.hub.story(task)

    assert story == [
        Chapter(100.0, "submitted"),
        Chapter(101.0, "assigned to engine 0"),
        Chapter(102.0, "ended on engine 0"),
    ]


def test_the_story_of_a_direct_task_tells_that_it_was_given_back(
    stage: Stage, client: Client
) -> None:
    [engine] = stage.engines(1)
    _, task = client.submit_each([0, 0])
    client.cancel(task)

    engine.give_back()

    assert [chapter.what for chapter in stage.hub.story(task)] == [
        "submitted to each",
        "given back by engine 0",
    ]

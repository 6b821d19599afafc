import pytest
from msgspec import structs

from ipcluster_ext.core import recovery
from ipcluster_ext.core.absent import PEEK_WITHIN
from ipcluster_ext.core.recovery import FORGET_AFTER, PATIENCE
from ipcluster_ext.protocol.frames import decode_failure
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.labour import EngineExited, mark_of
from ipcluster_ext.protocol.messages import (
    Awaiting,
    ClientHello,
    Define,
    Done,
    Drop,
    Fetch,
    Forget,
    HistoryQuery,
    Lack,
    Peek,
    Prepare,
    Records,
    Refused,
    Returned,
    StartEngines,
    Steered,
    StopEngines,
    SubmitEach,
    Supply,
    Values,
    Welcome,
)
from ipcluster_ext.protocol.parts import (
    Blob,
    Dependency,
    Options,
    ResultItem,
    Retry,
    TaskItem,
    TaskSpec,
)
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.comebacks import return_agent, return_client, return_engine, submission
from tests.support.scripted import Agent, Client, Engine, Stage

DONE, FAILED, LOST = TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.LOST
ZERO = EngineId(0)


@pytest.fixture
def agent(stage: Stage) -> Agent:
    return stage.agent(2)


class TestTasks:
    def test_of_an_engine_stay_with_it(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        tasks = client.submit(2)

        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        return_client(client, waits=tasks)
        for engine in engines:
            engine.finish()

        assert client.statuses == dict.fromkeys(tasks, DONE)

    def test_that_were_queued_are_given_out_once_every_engine_is_back(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        first, second, third = client.submit(3)
        held = {task for engine in engines for task in engine.ids}

        stage.crash()
        return_agent(agent, engines)
        return_engine(engines[0])
        before = engines[0].ids
        return_engine(engines[1])
        for engine in engines:
            engine.finish(len(engine.ids))
        for engine in engines:
            engine.finish(len(engine.ids))
        return_client(client, waits=[first, second, third])

        assert set(before) <= held
        assert client.statuses == dict.fromkeys([first, second, third], DONE)

    def test_that_were_under_way_to_an_engine_are_given_out_anew(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        tasks = client.submit(2)

        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine, held=[])

        assert sorted(task for engine in engines for task in engine.ids) == sorted(tasks)

    def test_of_a_newcomer_wait_for_the_engines_although_nothing_was_recorded(
        self, stage: Stage, agent: Agent, engines: list[Engine]
    ) -> None:
        stage.pages.clear()

        stage.crash()
        newcomer = stage.client()
        [task] = newcomer.submit()
        assert not newcomer.of(Welcome)  # it would tell of a cluster without engines
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        engines[0].finish()

        assert newcomer.statuses == {task: DONE}
        [welcome] = newcomer.of(Welcome)
        assert [info.id for info in welcome.engines] == [0, 1]

    def test_that_nobody_had_recorded_come_from_their_client_and_stay_where_they_are(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)

        stage.crash(unwritten=1)
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        return_client(client, submission(task), waits=[task])

        assert [engine.ids for engine in engines if engine is not runner] == [[]]
        runner.finish()
        assert client.statuses == {task: DONE}

    def test_that_come_before_the_engine_that_has_them_stay_where_they_are(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        [*each] = client.submit_each([0, 1])

        stage.crash(unwritten=2)
        return_client(
            client,
            submission(task),
            SubmitEach(
                TaskSpec(Kind.APPLY, balanced=False), TaskItem(each[0], b"in"), [ZERO, EngineId(1)]
            ),
            waits=[task, *each],
        )
        held = [engine.ids for engine in engines]
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)

        assert [engine.ids for engine in engines] == held
        for engine in engines:
            engine.finish(len(engine.ids))
        assert client.statuses == dict.fromkeys([task, *each], DONE)

    def test_that_come_first_of_all_to_a_hub_without_a_journal_stay_where_they_are(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        held = [engine.ids for engine in engines]

        stage.crash(unwritten=len(stage.pages))
        return_client(client, submission(task), waits=[task])
        for engine in engines:
            return_engine(engine)
        return_agent(agent, engines)

        assert [engine.ids for engine in engines] == held

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_that_were_tried_in_vain_and_given_to_another_stay_with_that_one(
        self,
        stage: Stage,
        client: Client,
        agent: Agent,
        engines: list[Engine],
        order: tuple[int, int],
    ) -> None:
        [task] = client.submit(retries=1)
        [first] = [engine for engine in engines if engine.ids]
        client.submit_each([first.number])
        [second] = [engine for engine in engines if engine is not first]
        failed = Done([first.outcome(FAILED)])
        first.say(failed)

        stage.crash(unwritten=1)
        return_agent(agent, engines)
        for engine in [(first, second)[place] for place in order]:
            if engine is first:
                return_engine(first, [task, *first.ids], failed)
            else:
                return_engine(second)
        held = second.ids
        second.fail()
        return_client(client, waits=[task])

        assert held == [task]
        assert client.statuses[task] is FAILED
        assert task not in first.ids

    def test_that_one_engine_refused_and_another_failed_to_do_are_not_tried_again(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        [first] = [engine for engine in engines if engine.ids]
        [second] = [engine for engine in engines if engine is not first]
        refused = Done([first.outcome(TaskStatus.REFUSED)])
        first.say(refused)
        assert second.ids == [task]
        failed = Done([second.outcome(FAILED)])

        stage.crash(unwritten=1)
        return_agent(agent, engines)
        return_engine(first, [task])
        return_engine(second, [task])
        second.say(failed)
        first.say(refused)
        return_client(client, waits=[task])

        assert client.statuses == {task: FAILED}
        assert [engine.ids for engine in engines] == [[], []]

    def test_whose_end_comes_before_they_are_known_have_ended_when_they_are(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)
        outcome = runner.outcome()

        stage.crash(unwritten=1)
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine, [task] if engine is runner else [])
        runner.say(Done([outcome]))
        return_client(client, submission(task), waits=[task])

        assert client.statuses == {task: DONE}
        assert [engine.ids for engine in engines] == [[], []]

    def test_that_a_life_claims_stay_with_it_although_one_before_it_died(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)
        held = [engine.ids for engine in engines]

        stage.crash(unwritten=1)
        for engine in engines:
            return_engine(engine)
        before = structs.replace(died(runner, ran=[]), boot=runner.boot + 1000)
        return_agent(agent, engines, before)
        return_client(client, submission(task), waits=[task])

        assert [engine.ids for engine in engines] == held

    def test_that_were_tried_in_vain_are_not_told_of_as_if_they_had_ended(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)
        refused = structs.replace(runner.outcome(), status=TaskStatus.REFUSED)

        stage.crash(unwritten=1)
        other = stage.client()
        return_client(other, waits=[task])
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine, [task] if engine is runner else [])
        runner.say(Done([refused]))

        assert other.statuses == {}

    def test_that_an_engine_gives_back_before_their_client_names_them_go_to_another(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)

        stage.crash(unwritten=1)
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        runner.todo.clear()
        runner.say(Returned([task]))
        return_client(client, submission(task), waits=[task])

        assert [task for engine in engines for task in engine.ids] == [task]

    def test_whose_end_was_told_to_a_hub_that_died_before_it_knew_them_do_not_run_again(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)
        outcome = runner.outcome()

        stage.crash(unwritten=1)
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine, [task] if engine is runner else [])
        runner.say(Done([outcome]))
        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        return_client(client, submission(task), waits=[task])

        assert client.statuses == {task: DONE}
        assert [engine.ids for engine in engines] == [[], []]

    def test_wait_for_an_engine_that_is_slow_to_come_back_but_not_for_ever(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        tasks = client.submit(2)
        there = engines[1]

        stage.crash()
        return_agent(agent, engines)
        return_engine(there)
        before = there.ids
        stage.turn(PATIENCE)
        stage.turn(PEEK_WITHIN)
        there.finish()

        assert len(before) == 1
        assert there.ids == [task for task in tasks if task not in before]

    def test_that_others_have_by_now_are_not_begun_by_an_engine_that_comes_back_late(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        tasks = client.submit(2)
        late, other = engines
        mine = late.ids
        [direct] = client.submit_each([0])

        stage.crash()
        return_agent(agent, engines)
        return_engine(other)
        return_client(client, waits=tasks)
        stage.turn(PATIENCE)
        stage.turn(PEEK_WITHIN)
        for _ in tasks:
            other.finish(len(other.ids))
        return_engine(late)

        assert [drop.ids for drop in late.asked if isinstance(drop, Drop)] == [mine]
        assert late.give_back(begun=0) == mine
        assert set(tasks) <= set(client.statuses)
        assert late.ids == [direct]
        late.finish()
        assert client.statuses == dict.fromkeys([*tasks, direct], DONE)

    def test_go_on_if_even_the_journal_is_lost(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        tasks = client.submit(3)
        running = [engine.ids[0] for engine in engines]
        queued = [task for task in tasks if task not in running]

        stage.crash(unwritten=len(stage.pages))
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine, engine.ids[:1])
        return_client(client, waits=tasks)
        for engine in engines:
            engine.finish()

        assert {task: client.statuses[task] for task in running} == dict.fromkeys(running, DONE)
        assert [client.statuses[task] for task in queued] == [LOST] * len(queued)
        assert "may have run" in decode_failure(client.results[queued[0]].inline).evalue


class TestOutcomes:
    def test_that_a_client_has_not_received_come_again(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        next(engine for engine in engines if engine.ids).finish()
        client.results.clear()

        stage.crash()
        return_client(client, waits=[task])

        assert client.statuses == {task: DONE}

    def test_are_not_made_twice_if_a_submission_is_said_again(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        next(engine for engine in engines if engine.ids).finish()
        client.results.clear()

        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        return_client(client, submission(task), waits=[task])

        assert client.statuses == {task: DONE}
        assert [engine.ids for engine in engines] == [[], []]

    def test_stay_in_the_history(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        next(engine for engine in engines if engine.ids).finish()
        client.acknowledge()

        stage.crash()
        return_agent(agent, [])
        other = stage.client()
        other.say(HistoryQuery(1, b"{}"), Fetch(2, [task]))

        [records] = other.of(Records)
        assert len(records.records) == 1
        assert other.statuses == {task: DONE}

    def test_of_tasks_that_others_need_are_found(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        [runner] = [engine for engine in engines if engine.ids]
        [behind] = client.submit(needs=[first])
        runner.finish()
        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            engine.values.clear()
            return_engine(engine, [])

        assert [engine.ids for engine in engines if engine.ids] == [[behind]]


class TestLateClients:
    def test_do_not_have_a_task_run_twice_that_has_ended_before_they_are_back(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)

        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        runner.finish()
        return_client(client, submission(task), waits=[task])

        assert client.statuses == {task: DONE}
        assert [engine.ids for engine in engines] == [[], []]

    def test_are_not_told_that_a_task_is_lost_whose_outcome_they_were_told(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)
        outcome = runner.outcome(buffers=(Blob("e0-1", 5_000_000),))

        stage.crash(unwritten=1)
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine, [task] if engine is runner else [])
        runner.say(Done([outcome]))
        return_client(client, submission(task), waits=[task])

        assert client.statuses == {task: DONE}


class TestWishes:
    def test_to_start_an_engine_come_again_to_an_agent_that_is_very_late(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        stage.crash()
        for engine in engines:
            return_engine(engine)
        return_client(client)
        client.steer("start", count=1)
        stage.turn(PATIENCE)
        stage.turn(PEEK_WITHIN)
        return_agent(agent, engines)

        assert [start.engines for start in agent.of(StartEngines)] == [[EngineId(2)]]

    def test_to_end_an_engine_come_again_to_an_agent_that_is_very_late(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        client.submit(options=Options(time_limit=1.0))
        runner = next(engine for engine in engines if engine.ids)

        stage.crash()
        for engine in engines:
            return_engine(engine)
        stage.turn(PATIENCE)
        stage.turn(PEEK_WITHIN)
        stage.turn(5.0)
        return_agent(agent, engines)

        assert [stop.engines for stop in agent.of(StopEngines)] == [[runner.number]]

    def test_to_end_an_engine_in_time_wait_for_its_agent(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        client.submit(options=Options(time_limit=1.0))
        runner = next(engine for engine in engines if engine.ids)

        stage.crash()
        for engine in engines:
            return_engine(engine)
        stage.turn(5.0)
        return_agent(agent, engines)
        stage.turn(5.0)

        assert [stop.engines for stop in agent.of(StopEngines)] == [[runner.number]]

    def test_to_look_into_a_silent_engine_wait_as_well(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        stage.crash()
        return_engine(engines[0])
        engines[0].fall_silent(13.0)
        stage.turn(1.0)
        return_agent(agent, engines)
        return_engine(engines[1])
        stage.turn(1.0)

        assert [peek.engine for peek in agent.of(Peek)] == [ZERO]

    def test_to_stop_engines_wait_for_their_agent(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        stage.crash()
        for engine in engines:
            return_engine(engine)
        return_client(client)
        client.steer("stop", [0])
        return_agent(agent, engines)

        assert agent.of(StopEngines) == [StopEngines([ZERO])]

    def test_to_cancel_wait_until_it_is_known_what_has_begun(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        tasks = client.submit(3)
        running = {task for engine in engines for task in engine.ids[:1]}
        [queued] = [task for task in tasks if task not in running]

        stage.crash()
        return_client(client, waits=tasks)
        client.cancel(*tasks)
        before = dict(client.statuses)
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine, engine.ids[:1])

        assert before == {}
        assert client.statuses == {queued: TaskStatus.CANCELLED}

    def test_to_give_a_task_up_in_time_wait_as_well(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit(options=Options(expires=1.0))
        runner = next(engine for engine in engines if engine.ids)

        stage.crash()
        return_client(client, waits=[task])
        stage.turn(2.0)
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        stage.turn(1.0)
        runner.finish()

        assert client.statuses == {task: DONE}


class TestWatchers:
    def test_of_a_task_wait_for_its_client_to_say_what_it_is(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        other = stage.client()
        [task] = client.submit()

        stage.crash(unwritten=1)
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine, [])
        return_client(other, waits=[task])
        before = dict(other.statuses)
        return_client(client, submission(task), waits=[task])
        next(engine for engine in engines if engine.ids).finish()

        assert before == {}
        assert client.statuses == other.statuses == {task: DONE}


class TestSettling:
    def test_takes_until_everybody_is_back(
        self, stage: Stage, agent: Agent, engines: list[Engine]
    ) -> None:
        settled = [stage.hub.settled]
        stage.crash()
        settled.append(stage.hub.settled)
        return_agent(agent, engines)
        return_engine(engines[0])
        settled.append(stage.hub.settled)
        return_engine(engines[1])

        assert [*settled, stage.hub.settled] == [True, False, False, True]


class TestDeaths:
    def test_of_engines_that_the_hub_has_never_heard_of_count_as_well(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)
        other = next(engine for engine in engines if not engine.ids)

        stage.crash(unwritten=len(stage.pages))
        return_agent(agent, [other], structs.replace(died(runner, ran=[task]), again=False))
        return_engine(other)
        return_client(client, submission(task), waits=[task])

        assert client.statuses == {task: LOST}
        assert other.ids == []

    def test_that_nobody_heard_of_take_what_had_begun_with_them(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)
        other = next(engine for engine in engines if not engine.ids)

        stage.crash()
        return_client(client, waits=[task])
        return_agent(agent, [other], died(runner, ran=[task]))
        return_engine(other)

        assert client.statuses == {task: LOST}
        assert other.ids == []

    def test_are_waited_for_where_the_next_life_is_faster(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)
        other = next(engine for engine in engines if not engine.ids)

        stage.crash()
        return_client(client, waits=[task])
        return_agent(agent, engines)
        return_engine(other)
        successor = agent.start(runner.number)
        agent.say(died(runner, ran=[task], began=task))

        assert client.statuses == {task: LOST}
        assert successor.ids == other.ids == []

    def test_leave_the_next_life_nothing_to_forget(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        next(engine for engine in engines if engine.ids).finish(buffers=(Blob("e0-1", 5_000_000),))
        [task] = client.submit(needs=[first])
        runner = next(engine for engine in engines if engine.ids)
        other = next(engine for engine in engines if not engine.ids)

        stage.crash()
        return_agent(agent, [other], died(runner, ran=[task]))
        return_engine(other)
        successor = agent.start(runner.number)

        assert successor.of(Forget) == []

    def test_leave_an_engine_the_values_of_what_it_has_once_more(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        next(engine for engine in engines if engine.ids).finish(buffers=(Blob("e0-1", 5_000_000),))
        [task] = client.submit(needs=[first])
        runner = next(engine for engine in engines if engine.ids)
        other = next(engine for engine in engines if not engine.ids)
        failed = Done([ResultItem(task, FAILED, 1.0, 2.0, b"")])

        stage.crash()
        return_client(client, waits=[task])
        return_agent(agent, engines)
        return_engine(other)
        runner.forget()
        return_engine(runner, [task, task], failed)

        assert client.statuses[task] is FAILED
        assert runner.of(Forget) == []

    def test_take_what_had_begun_before_a_task_that_only_the_hub_before_knew(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)
        other = next(engine for engine in engines if not engine.ids)

        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        return_client(client, waits=[task])
        agent.say(died(runner, ran=[task, TaskId(1)], began=TaskId(1)))

        assert client.statuses == {task: LOST}
        assert other.ids == []

    def test_are_waited_for_also_where_the_next_life_comes_before_their_agent(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)
        other = next(engine for engine in engines if not engine.ids)

        stage.crash()
        return_client(client, waits=[task])
        successor = agent.start(runner.number)
        return_agent(agent, engines)
        return_engine(other)
        agent.say(died(runner, ran=[task], began=task))

        assert client.statuses == {task: LOST}
        assert successor.ids == other.ids == []

    def test_are_for_good_though_a_greeting_comes_late(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        stage.crash()
        gone = structs.replace(died(engines[0], ran=[]), again=False)
        return_agent(agent, engines[1:], gone)
        return_engine(engines[0])
        return_engine(engines[1])

        assert list(stage.hub.state.engines) == [EngineId(1)]

    def test_take_what_stood_first_on_the_engine_whoever_comes_back_first(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        other = stage.client()
        [first] = client.submit_each([0])
        [second] = other.submit_each([0])
        runner = engines[0]
        spec = TaskSpec(Kind.APPLY, balanced=False)

        stage.crash(unwritten=len(stage.pages))
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        return_client(other, SubmitEach(spec, TaskItem(second, b"in"), [ZERO]), waits=[second])
        return_client(client, SubmitEach(spec, TaskItem(first, b"in"), [ZERO]), waits=[first])
        agent.say(died(runner, ran=[first], began=first))

        assert (client.statuses, other.statuses) == ({first: LOST}, {})

    @pytest.mark.parametrize("unwritten", [0, 100])
    def test_count_each(
        self,
        stage: Stage,
        client: Client,
        agent: Agent,
        engines: list[Engine],
        unwritten: int,
    ) -> None:
        [task] = client.submit(retries=1)
        deaths = [died(engine, ran=[task], began=task) for engine in engines]

        stage.crash(unwritten=min(unwritten, len(stage.pages)))
        return_agent(agent, [], *deaths)
        successors = [agent.start(engine.number) for engine in engines]
        return_client(client, submission(task, retries=1), waits=[task])

        assert client.statuses == {task: LOST}
        assert [engine.ids for engine in successors] == [[], []]

    def test_take_what_had_begun_out_of_turn_as_well(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit(options=Options(awaits=True))
        runner = next(engine for engine in engines if engine.ids)
        other = next(engine for engine in engines if not engine.ids)

        stage.crash()
        return_client(client, waits=[task])
        exited = structs.replace(died(runner, ran=[]), others=[task])
        return_agent(agent, [other], exited)
        return_engine(other)

        assert client.statuses == {task: LOST}
        assert other.ids == []

    def test_leave_alone_what_had_not_begun(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)
        other = next(engine for engine in engines if not engine.ids)

        stage.crash()
        return_agent(agent, [other], died(runner, ran=[]))
        return_engine(other)

        assert other.ids == [task]

    def test_count_as_a_try(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit(retries=1)
        runner = next(engine for engine in engines if engine.ids)
        other = next(engine for engine in engines if not engine.ids)

        stage.crash()
        return_agent(agent, [other], died(runner, ran=[task]))
        return_engine(other)
        agent.say(died(other, ran=[task], began=task))
        return_client(client, waits=[task])

        assert client.statuses == {task: LOST}

    def test_are_remembered_for_tasks_that_a_client_names_later(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)
        other = next(engine for engine in engines if not engine.ids)

        stage.crash(unwritten=1)
        return_agent(agent, [other], died(runner, ran=[task]))
        return_engine(other)
        return_client(client, submission(task), waits=[task])

        assert client.statuses == {task: LOST}
        assert other.ids == []

    def test_before_the_hubs_are_not_forgotten(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        options = Options(retry=Retry(backoff=1000.0))
        [task] = client.submit(retries=1, options=options)
        runner = next(engine for engine in engines if engine.ids)
        runner.die(began=task)

        stage.crash()

        [again] = stage.hub.state.tasks.values()
        assert (again.retries, again.tries) == (0, 1)


def died(engine: Engine, *, ran: list[TaskId], began: TaskId | None = None) -> EngineExited:
    """Make what an agent says of an engine's death."""
    exited = engine.exited(began=TaskId(0) if began is None else began)
    return structs.replace(exited, ran=ran)


class TestEngines:
    def test_are_sent_values_again_that_they_may_have_dropped(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        next(engine for engine in engines if engine.ids).finish()
        client.submit(2, needs=[first])
        [behind] = client.submit(needs=[first])

        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            engine.values.clear()
            engine.forget()
            return_engine(engine, engine.ids[:1])
        runner = engines[0]
        runner.finish()

        assert [value.items[0].id for engine in engines for value in engine.of(Values)] == [first]
        assert behind in runner.ids

    def test_that_the_hub_before_had_not_welcomed_are_not_waited_for_any_longer(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        tasks = client.submit(3)

        stage.crash()
        return_agent(agent, engines)
        return_engine(engines[0])
        before = engines[0].ids
        engines[1].come()
        engines[1].hello()
        return_client(client, waits=tasks)

        assert engines[1].ids[-1] in set(tasks) - set(before)

    def test_can_forget_the_values_that_they_have_from_the_time_before(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        runner = next(engine for engine in engines if engine.ids)
        runner.finish()
        client.submit(needs=[first])
        runner = next(engine for engine in engines if engine.ids)

        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        runner.finish()

        assert stage.hub.state.engines[runner.number].values == {}

    def test_keep_their_ids_and_new_ones_get_others(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        return_client(client)
        client.steer("start", count=1)

        assert [start.engines for start in agent.of(StartEngines)] == [[EngineId(2)]]

    def test_may_come_back_before_their_agent(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        runner = next(engine for engine in engines if engine.ids)

        stage.crash()
        for engine in engines:
            return_engine(engine)
        return_agent(agent, engines)
        return_client(client, waits=[task])
        runner.finish()

        assert [engine.of(Refused) for engine in engines] == [[], []]
        assert client.statuses == {task: DONE}

    def test_that_an_agent_never_heard_of_are_started(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        client.steer("start", count=1)

        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)

        assert [start.engines for start in agent.of(StartEngines)] == [[EngineId(2)]]

    def test_that_were_struck_off_are_not_started_again(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        engines[1].die(again=False)

        stage.crash()
        return_agent(agent, engines[:1])
        return_engine(engines[0])

        assert agent.of(StartEngines) == []
        assert stage.hub.state.next_engine == 2

    def test_that_were_told_to_stop_are_told_again(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        request = client.steer("stop", [1])

        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        client.forget()
        return_client(client)
        client.steer("stop", [1], again=True)

        assert [stop.engines for stop in agent.of(StopEngines)] == [[EngineId(1)]]
        assert client.of(Steered) == [Steered(request, [EngineId(1)])]

    def test_are_told_to_clients_when_all_are_back(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        stage.crash()
        client.forget()
        return_client(client)
        before = client.of(Welcome)
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)

        [welcome] = client.of(Welcome)
        assert before == []
        assert [info.id for info in welcome.engines] == [0, 1]

    def test_run_what_every_engine_has_to_run_unless_they_have(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        spec = TaskSpec(Kind.APPLY, b"f", balanced=False)
        client.define(b"f")
        client.say(Prepare("p", spec, TaskItem(TaskId(0), b"in"), []))
        client.say(Prepare("q", spec, TaskItem(TaskId(0), b"other"), []))
        first, second = (mark_of(spec, TaskItem(TaskId(0), inline)) for inline in (b"in", b"other"))
        for engine in engines:
            engine.finish(2)

        stage.crash()
        return_agent(agent, engines)
        return_engine(engines[0], [], prepared=[first, second])
        return_engine(engines[1], [], prepared=[second])

        assert [[item.inline for item in engine.todo] for engine in engines] == [[], [b"in"]]

    def test_run_no_more_than_once_what_is_said_again(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        spec = TaskSpec(Kind.APPLY, b"f", balanced=False)
        prepare = Prepare("p", spec, TaskItem(TaskId(0), b"in"), [])
        client.define(b"f")
        stage.crash()
        return_agent(agent, engines)
        return_engine(engines[0], [], prepared=[mark_of(spec, prepare.item)])
        return_engine(engines[1], [])
        return_client(client, Define(b"f", b"pickled"), prepare)

        assert [len(engine.ids) for engine in engines] == [0, 1]

    def test_that_have_been_told_by_tasks_of_their_own_run_it_once(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        spec = TaskSpec(Kind.APPLY, b"f", balanced=False)
        client.define(b"f")
        client.say(Prepare("p", spec, TaskItem(TaskId(0), b"in"), [ZERO]))
        engines[1].finish()

        stage.crash()
        return_agent(agent, engines)
        return_engine(engines[0], [])
        return_engine(engines[1], [], prepared=[mark_of(spec, TaskItem(TaskId(0), b"in"))])
        before = [len(engine.ids) for engine in engines]
        engines[0].die()
        successor = agent.start(ZERO)

        assert (before, len(successor.ids)) == ([0, 0], 1)


class TestDependencies:
    def test_are_kept(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        [behind] = client.submit(options=Options(after=Dependency((first,))))
        runner = next(engine for engine in engines if engine.ids)

        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        waiting = [engine.ids for engine in engines]
        runner.finish()

        assert sorted(waiting) == [[], [first]]
        assert [task for engine in engines for task in engine.ids] == [behind]

    @pytest.mark.parametrize("early", [False, True])
    def test_on_what_only_their_client_knows_are_asked_for_when_it_is_back(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine], *, early: bool
    ) -> None:
        [first] = client.submit()
        [runner] = [engine for engine in engines if engine.ids]
        outcome = runner.outcome()
        runner.say(Done([outcome]))
        client.acknowledge()
        stage.hub.state.history.forget([first])
        stage.happen()
        [other] = client.submit()
        [needing] = client.submit(needs=[first, other])
        [behind] = client.submit(options=Options(after=Dependency((first, other))))
        client.forget()

        stage.crash()
        if early:
            return_client(client, waits=[other, needing, behind])
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        if not early:
            return_client(client, waits=[other, needing, behind])
        asked = client.of(Lack)
        client.say(Supply([outcome]))
        for engine in engines:
            engine.finish(len(engine.ids))

        assert [lack.ids for lack in asked] == [[first]] * len(asked)
        assert asked
        assert sorted(task for engine in engines for task in engine.ids) == [needing, behind]


class TestTheJournal:
    def test_shrinks_to_nothing_once_nobody_needs_what_it_says(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        before = len(stage.pages)
        for _ in range(5):
            client.submit(2)
            for engine in engines:
                engine.finish(len(engine.ids))
        client.acknowledge()
        history = stage.hub.state.history
        history.forget([entry.id for entry in history])
        stage.happen()

        assert len(stage.pages) == before

    def test_shrinks_also_after_a_crash(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        before = len(stage.pages)
        tasks = client.submit(4)
        for engine in engines:
            engine.finish(1)

        stage.crash()
        return_agent(agent, engines)
        for engine in engines:
            return_engine(engine)
        return_client(client, waits=[task for task in tasks if task not in client.results])
        for _ in range(4):
            for engine in engines:
                engine.finish(len(engine.ids))
        client.acknowledge()
        history = stage.hub.state.history
        history.forget([entry.id for entry in history])
        stage.turn(FORGET_AFTER + 1)

        assert set(client.statuses) == set(tasks)
        assert len(stage.pages) <= before

    def test_keeps_what_a_client_has_not_received_although_the_history_forgets_it(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit()
        next(engine for engine in engines if engine.ids).finish()
        history = stage.hub.state.history
        history.forget([entry.id for entry in history])
        stage.happen()
        client.results.clear()

        stage.crash()
        return_client(client, waits=[task])

        assert client.statuses == {task: DONE}

    @pytest.mark.parametrize("crashes", [1, 2])
    @pytest.mark.parametrize("large", [False, True])
    def test_knows_that_a_task_has_ended_as_long_as_it_knows_that_it_came(
        self,
        stage: Stage,
        client: Client,
        agent: Agent,
        engines: list[Engine],
        *,
        crashes: int,
        large: bool,
    ) -> None:
        tasks = client.submit(4)
        [first, other] = [engine.ids[0] for engine in engines]
        name = f"e0x{engines[0].boot:x}-1"
        engines[0].finish(buffers=(Blob(name, 1_000_000),) if large else ())
        client.acknowledge()

        for crash in range(crashes):
            if crash == crashes - 1:
                stage.hub.state.history.forget([first])
                stage.happen()
            stage.crash()
            return_agent(agent, engines)
            for engine in engines:
                return_engine(engine, [other] if engine is engines[1] else [])
            return_client(client, waits=[task for task in tasks if task != first])

        assert first not in stage.hub.state.tasks
        history = stage.hub.state.history
        for _ in range(4):
            for engine in engines:
                engine.finish(len(engine.ids))
        client.acknowledge()
        history.forget([entry.id for entry in history])
        stage.turn(FORGET_AFTER + 1)
        assert set(client.statuses) == set(tasks)
        assert [page for page in stage.pages.values() if b"in" in page[0]] == []

    def test_survives_a_second_crash(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        tasks = client.submit(3)
        for _ in range(3):
            stage.crash()
            return_agent(agent, engines)
            for engine in engines:
                return_engine(engine)
            return_client(client, waits=[task for task in tasks if task not in client.results])
        for _ in range(3):
            for engine in engines:
                engine.finish(len(engine.ids))

        assert client.statuses == dict.fromkeys(tasks, DONE)

    def test_counts_pages_that_cannot_be_read(self, stage: Stage, client: Client) -> None:
        client.submit()
        number = max(stage.pages)
        stage.pages[number] = [b"nonsense", *stage.pages[number][1:]]

        assert stage.crash() == 1

    def test_keeps_no_large_payload_that_was_received(
        self, stage: Stage, client: Client, agent: Agent, engines: list[Engine]
    ) -> None:
        [task] = client.submit(buffers=(100_000,), frames=[b"x" * 100_000])
        runner = next(engine for engine in engines if engine.ids)
        runner.say(Done([runner.outcome(buffers=(100_000,))]), frames=[b"y" * 100_000])
        before = sum(len(frame) for page in stage.pages.values() for frame in page)
        client.acknowledge()
        after = sum(len(frame) for page in stage.pages.values() for frame in page)

        stage.crash()

        assert before > 100_000 > 5_000 > after
        assert stage.hub.state.history.get(task) is not None


def test_a_client_cannot_make_the_hub_count_for_ever(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "MOST_AWAITED", 10)
    stage.crash()
    client.come()
    hello = ClientHello(client.number, "here", 20, again=True)

    client.say(hello, Awaiting([TaskId(1), TaskId(7), TaskId(9)], [3, -5, 2**62]))

    assert len(stage.hub.state.recovered.awaited) <= 10

"""What follows when something else happens just as the hub dies."""

import pytest
from msgspec import structs

from ipcluster_ext.core.absent import HEARD_WITHIN, PEEK_WITHIN, RECOVERING
from ipcluster_ext.core.recovery import FORGET_AFTER, PATIENCE
from ipcluster_ext.core.roll import WELCOME_WITHIN
from ipcluster_ext.core.state import TOLD_FOR
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    Cancelled,
    Done,
    Drop,
    EngineExited,
    Halt,
    Interrupt,
    Lack,
    Notice,
    Peek,
    Peeked,
    Returned,
    Run,
    StartEngines,
    Steer,
    Steered,
    StopEngines,
    SubmitEach,
    Supply,
    Waiting,
    Welcome,
)
from ipcluster_ext.protocol.parts import Dependency, Options, ResultItem, Retry, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.comebacks import (
    have_hub_follow,
    return_agent,
    return_client,
    return_engine,
    submission,
)
from tests.support.scripted import Agent, Client, Engine, Stage

DONE, FAILED, LOST = TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.LOST
CANCELLED = TaskStatus.CANCELLED


class TestATaskThatWasInterrupted:
    def test_is_interrupted_again_by_the_next_hub(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        client.say(Interrupt([task], 1))

        stage.crash()
        return_agent(agent, [engine])
        engine.forget()
        return_engine(engine)

        assert [m for m in engine.heard if isinstance(m, Drop | Halt)] == [
            Drop([task]),
            Halt([task]),
        ]

    def test_is_cancelled_if_no_engine_has_it(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        client.say(Interrupt([task], 1))

        have_hub_follow(agent, engine, held=[])
        return_client(client, waits=[task])

        assert client.statuses == {task: CANCELLED}

    def test_is_cancelled_if_its_engine_gives_it_back(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        client.say(Interrupt([task], 1))

        have_hub_follow(agent, engine)
        engine.todo.clear()
        engine.say(Returned([task]))
        return_client(client, waits=[task])

        assert client.statuses == {task: CANCELLED}

    def test_has_its_engine_ended_if_it_goes_on_after_its_graces(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        client.say(Interrupt([task], 1, [2.0, 3.0]))

        have_hub_follow(agent, engine)
        stage.turn(2.5)

        assert agent.of(StopEngines) == [StopEngines([EngineId(0)], again=True, grace=3.0)]


class TestATaskThatDependsOnOthers:
    def test_and_was_tried_in_vain_is_woken_by_what_its_client_says_of_them(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [before] = client.submit()
        engine.finish()
        client.acknowledge()
        stage.hub.state.history.forget([before])
        stage.turn(0.0)
        supply = Supply([ResultItem(before, DONE, 1.0, 2.0, b"out")])
        [task] = client.submit(retries=1, options=Options(after=Dependency((before,))))
        client.say(supply)
        engine.fail()
        client.forget()

        have_hub_follow(agent, engine, held=[])
        return_client(client, waits=[task])
        lacks = client.of(Lack)
        client.say(supply)

        assert lacks == [Lack([before])]
        assert engine.ids == [task]

    def test_is_judged_by_what_was_recorded_of_them_although_the_history_forgot_it(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        before, other = client.submit(2)
        both = Dependency((before, other))
        [task] = client.submit(options=Options(after=both))
        engine.finish()
        client.acknowledge()
        stage.hub.state.history.forget([before])
        stage.turn(0.0)

        have_hub_follow(agent, engine)
        return_client(client, waits=[task])
        engine.finish()

        assert client.of(Lack) == []
        assert engine.ids == [task]

    def test_and_died_with_its_engine_runs_again_where_they_ran(self, stage: Stage) -> None:
        client, agent = stage.client(), stage.agent(2)
        first, second = (agent.start(EngineId(number)) for number in range(2))
        [before] = client.submit(engines=[1])
        [task] = client.submit(
            retries=1, options=Options(follow=Dependency((before,))), engines=[0, 1]
        )
        second.finish()

        stage.crash()
        return_agent(agent, [first, second])
        return_engine(first)
        return_engine(second)
        second.die(began=task)
        third = agent.start(EngineId(1))

        assert first.ids == []
        assert third.ids == [task]


class TestAnEngine:
    def test_has_a_task_ended_that_runs_on_top_of_one_that_this_hub_did_not_know(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [waiting] = client.submit()
        [limited] = client.submit_each([0])
        options = Options(time_limit=1.0)
        each = SubmitEach(
            TaskSpec(Kind.APPLY, balanced=False, options=options),
            TaskItem(limited, b"in"),
            [EngineId(0)],
        )

        stage.crash(unwritten=2)
        return_engine(engine, None, Waiting(1))
        return_client(client, submission(waiting), each, waits=[waiting, limited])
        return_agent(agent, [engine])
        stage.turn(5.0)

        assert agent.of(StopEngines) == [StopEngines([EngineId(0)], again=True, grace=0.5)]


def notices(client: Client) -> list[str]:
    return [notice.text for notice in client.of(Notice)]


class TestWhatUsersShould:
    """Know: said to whoever comes if nobody was there when it happened."""

    def test_know_is_told_to_the_next_client_and_to_those_that_come_soon_after(
        self, stage: Stage
    ) -> None:
        stage.hub.announce("the disk is full")

        told = notices(stage.client())
        stage.turn(TOLD_FOR - 1)
        soon = notices(stage.client())
        stage.turn(2.0)
        late = notices(stage.client())

        assert (told, soon, late) == (["the disk is full"], ["the disk is full"], [])

    def test_know_is_told_once_where_somebody_was_there(self, stage: Stage, client: Client) -> None:
        stage.hub.announce("the disk is full")
        stage.happen()

        assert notices(client) == ["the disk is full"]
        assert notices(stage.client()) == []

    def test_know_comes_with_the_welcome_of_a_hub_that_took_over(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        stage.crash()
        stage.hub.announce("the journal is damaged")
        return_client(client)
        before = notices(client)
        return_agent(agent, [engine])
        return_engine(engine)

        assert (before, notices(client)) == ([], ["the journal is damaged"])

    def test_know_is_not_kept_without_end(self, stage: Stage) -> None:
        for number in range(100):
            stage.hub.announce(str(number))

        assert notices(stage.client()) == [str(number) for number in range(80, 100)]


class TestANewClient:
    def test_is_welcomed_soon_although_not_all_engines_are_back(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        stage.crash()
        return_agent(agent, [engine])
        return_client(client)
        client.forget()
        new = stage.client()
        before = new.of(Welcome)
        stage.turn(WELCOME_WITHIN)

        assert before == []
        assert [welcome.hub_pid for welcome in new.of(Welcome)] == [1]
        assert client.of(Welcome) == []

    def test_has_its_tasks_done_as_soon_as_all_are_back(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        stage.crash()
        new = stage.client()
        stage.turn(WELCOME_WITHIN)
        [task] = new.submit()
        return_agent(agent, [engine])
        return_engine(engine)

        assert engine.ids == [task]


def tried_in_vain(client: Client, both: tuple[Engine, Engine]) -> tuple[TaskId, Done]:
    """Have a task fail on the first of two engines, and the next hub hear it from both.

    Returns
    -------
    The task, and what the first engine said of it.
    """
    first, second = both
    [task] = client.submit(retries=1, engines=[0, 1])
    client.submit_each([0])
    failed = Done([first.outcome(FAILED)])
    first.say(failed)
    first.stage.crash(unwritten=1)
    return_agent(first.agent, both)
    return_engine(first, [task, *first.ids])
    return_engine(second)
    return task, failed


def test_what_is_over_is_dropped_and_stopped_where_it_still_is(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    over, running = client.submit(1) + client.submit_each([engine.number])
    engine.finish()
    stage.crash()
    return_agent(agent, [engine])

    return_engine(engine, [over, running])

    assert engine.of(Drop) == [Drop([over])]
    assert engine.of(Halt) == [Halt([over])]


class TestATaskThatIsQueuedAgainAlthoughAnEngineMayHaveBegunIt:
    """Nobody could say what the engine had begun; it is back before another has the task."""

    @staticmethod
    def queue_again(stage: Stage, client: Client, engine: Engine, tasks: list[TaskId]) -> None:
        """Have the next hub wait in vain for an engine, and for what its agent knows of it."""
        stage.crash()
        return_agent(engine.agent, [engine])
        return_client(client, waits=tasks)
        stage.turn(PATIENCE)
        stage.turn(PEEK_WITHIN)
        engine.forget()
        assert sorted(task.id for task in stage.hub.state.queue) == tasks

    def test_stays_with_the_engine(self, stage: Stage, client: Client, engine: Engine) -> None:
        [task] = client.submit()
        self.queue_again(stage, client, engine, [task])

        return_engine(engine, [task])
        sent = [message for message in engine.heard if isinstance(message, Run | Drop)]
        engine.finish()

        assert sent == []
        assert client.statuses == {task: DONE}

    def test_leaves_the_others_in_the_queue(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        tasks = client.submit(4)
        self.queue_again(stage, client, engine, tasks)

        return_engine(engine, [tasks[0]])
        engine.finish()
        for _ in tasks[1:]:
            engine.finish()

        assert list(client.statuses) == tasks
        assert client.statuses == dict.fromkeys(tasks, DONE)

    def test_stays_with_it_although_it_was_restricted(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        bound, plain = *client.submit(engines=[0]), *client.submit()
        self.queue_again(stage, client, engine, [bound, plain])

        return_engine(engine, [bound])

        assert engine.ids == [bound]
        assert (engine.of(Run), engine.of(Drop)) == ([], [])

    def test_is_lost_with_it(self, stage: Stage, client: Client, engine: Engine) -> None:
        [task] = client.submit()
        self.queue_again(stage, client, engine, [task])
        return_engine(engine, [task])

        engine.agent.say(engine.exited(began=task))

        assert client.statuses == {task: LOST}


class TestATaskThatTwoEnginesClaim:
    """One has tried it in vain, and the hub had given it to the other before it wrote that down."""

    @pytest.fixture
    def both(self, stage: Stage) -> tuple[Engine, Engine]:
        agent = stage.agent(2)
        return agent.start(EngineId(0)), agent.start(EngineId(1))

    def test_is_given_to_neither_if_both_have_refused_it(
        self, stage: Stage, client: Client, both: tuple[Engine, Engine]
    ) -> None:
        first, second = both
        [task] = client.submit()
        refused = Done([first.outcome(TaskStatus.REFUSED)])
        first.say(refused)
        assert second.ids == [task]
        stage.crash(unwritten=1)
        return_agent(first.agent, both)
        return_client(client, waits=[task])
        return_engine(second)
        stage.turn(PATIENCE)
        stage.turn(PEEK_WITHIN)  # its agent does not say what the first one has begun
        second.say(Done([second.outcome(TaskStatus.REFUSED)]))
        first.forget()

        return_engine(first, [task], refused)

        assert first.of(Run) == []
        assert client.why(task)[0] == "ImpossibleDependency"

    def test_is_dropped_by_one_once_the_other_has_done_it(
        self, stage: Stage, client: Client, both: tuple[Engine, Engine]
    ) -> None:
        first, second = both
        [task] = client.submit()
        stage.crash()
        return_agent(first.agent, both)
        return_client(client, waits=[task])
        return_engine(second)
        stage.turn(PATIENCE)
        stage.turn(PEEK_WITHIN)  # its agent does not say what the first one has begun
        assert second.ids == [task]
        second.forget()

        return_engine(first, [task], Done([ResultItem(task, DONE, 1.0, 2.0, b"out")]))

        assert client.statuses == {task: DONE}
        assert second.of(Drop) == [Drop([task])]
        second.give_back(begun=0)
        assert client.submit_each([second.number]) == second.ids

    def test_is_left_to_the_other(self, client: Client, both: tuple[Engine, Engine]) -> None:
        first, second = both
        task, failed = tried_in_vain(client, both)
        held = list(second.ids)
        first.say(failed)
        second.finish()
        return_client(client, waits=[task])

        assert held == [task]
        assert client.statuses[task] is DONE
        assert task not in first.ids

    def test_has_ended_if_the_other_says_so_first(
        self, client: Client, both: tuple[Engine, Engine]
    ) -> None:
        first, second = both
        task, failed = tried_in_vain(client, both)
        second.finish()
        first.say(failed)
        return_client(client, waits=[task])

        assert client.statuses[task] is DONE
        assert [task in engine.ids for engine in both] == [False, False]

    def test_does_not_pause_before_it_is_left_to_the_same_engine(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        options = Options(retry=Retry(backoff=0.01))
        [task] = client.submit(retries=1, options=options)
        failed = Done([engine.outcome(FAILED)])
        engine.say(failed)
        stage.turn(0.01)
        done = Done([engine.outcome(DONE)])

        stage.crash(unwritten=1)
        return_agent(agent, [engine])
        return_client(client, waits=[task])
        return_engine(engine, [task, task])
        engine.say(failed)
        stage.turn(0.01)
        engine.say(done)

        assert engine.ids == []
        assert client.statuses == {task: DONE}


class TestATaskThatNobodyNamedToOneHub:
    """An engine said how it ended there; that hub died before the client came back."""

    @staticmethod
    def tell_the_second_hub(
        stage: Stage, client: Client, engine: Engine, *, retries: int, status: TaskStatus
    ) -> TaskId:
        [task] = client.submit(retries=retries)
        done = Done([engine.outcome(status)])
        stage.crash(unwritten=len(stage.pages))
        return_agent(engine.agent, [engine])
        return_engine(engine, [task], done)
        stage.crash()
        return_agent(engine.agent, [engine])
        return_engine(engine)
        return task

    def test_has_failed_if_it_may_not_be_tried_again(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        task = self.tell_the_second_hub(stage, client, engine, retries=0, status=FAILED)

        return_client(client, submission(task), waits=[task])

        assert (client.statuses, engine.ids) == ({task: FAILED}, [])

    def test_costs_a_retry_if_it_has_one(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        task = self.tell_the_second_hub(stage, client, engine, retries=1, status=FAILED)

        return_client(client, submission(task, retries=1), waits=[task])
        held = list(engine.ids)
        engine.fail()

        assert (held, client.statuses) == ([task], {task: FAILED})

    def test_is_not_given_to_an_engine_that_has_refused_it(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        task = self.tell_the_second_hub(stage, client, engine, retries=0, status=TaskStatus.REFUSED)

        return_client(client, submission(task), waits=[task])

        assert client.why(task)[0] == "ImpossibleDependency"

    def test_has_failed_once_though_its_engine_says_so_to_both_hubs(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit(retries=1)
        failed = Done([engine.outcome(FAILED)])
        stage.crash(unwritten=len(stage.pages))
        for _ in range(2):
            return_agent(engine.agent, [engine])
            return_engine(engine, [task], failed)
            stage.crash()
        return_agent(engine.agent, [engine])
        return_engine(engine)

        return_client(client, submission(task, retries=1), waits=[task])
        engine.finish()

        assert client.statuses == {task: DONE}

    def test_is_forgotten_after_a_while(self, stage: Stage, client: Client, engine: Engine) -> None:
        self.tell_the_second_hub(stage, client, engine, retries=0, status=FAILED)

        stage.turn(FORGET_AFTER)

        assert stage.hub.state.recovered.tried == {}


class TestRequestsToStartEngines:
    def test_that_were_done_are_not_done_again_however_many_there_were(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.steer("start", count=1)
        client.steer("start", count=1)
        stage.crash()
        return_agent(agent, [engine, *(agent.fork(EngineId(number)) for number in (1, 2))])
        return_engine(engine)
        agent.forget()
        return_client(client, Steer(1, "start", [], 1), Steer(2, "start", [], 1))

        assert agent.of(StartEngines) == []
        assert client.of(Steered)[-2:] == [
            Steered(1, [EngineId(1)]),
            Steered(2, [EngineId(2)]),
        ]


class TestAnEngineThatIsStoppedWhileTheHubDies:
    """Its agent says what it has begun: that stays with it, and the rest goes on elsewhere."""

    @pytest.fixture
    def two(self, stage: Stage) -> tuple[Engine, Engine]:
        agent = stage.agent(2)
        return agent.start(EngineId(0)), agent.start(EngineId(1))

    def hang(self, stage: Stage, two: tuple[Engine, Engine], begun: TaskId) -> None:
        """Have the next hub wait in vain for the first engine, and its agent tell."""
        stopped, other = two
        stage.crash()
        return_agent(stopped.agent, two)
        return_engine(other)
        assert stopped.agent.of(Peek) == []
        stage.turn(HEARD_WITHIN)
        peek = Peek(stopped.number, stopped.boot, RECOVERING, hold=True)
        assert stopped.agent.of(Peek) == [peek]
        ran = [begun]
        stopped.agent.say(Peeked(stopped.number, stopped.boot, RECOVERING, begun, [], ran))

    def test_is_named_to_those_who_wait_meanwhile(
        self, stage: Stage, client: Client, two: tuple[Engine, Engine]
    ) -> None:
        [task] = client.submit(engines=[0])
        stage.crash()
        return_client(client, waits=[task])
        return_agent(two[0].agent, two)
        return_engine(two[1])
        stage.turn(PATIENCE)
        two[0].agent.say(Peeked(two[0].number, two[0].boot, RECOVERING, task, [], [task]))

        assert client.of(Notice) == [Notice("the hub that took over has waited 12 s for engine 0")]

    def test_is_asked_for_what_it_has_begun_no_more_once_it_is_back(
        self, stage: Stage, client: Client, two: tuple[Engine, Engine]
    ) -> None:
        stopped, other = two
        [task] = client.submit(engines=[0])
        stage.crash()
        return_agent(stopped.agent, two)
        return_engine(other)
        stage.turn(HEARD_WITHIN)
        return_engine(stopped, [task])
        stopped.agent.say(Peeked(stopped.number, stopped.boot, RECOVERING, TaskId(0), [], []))
        return_client(client, waits=[task])
        stopped.finish()

        assert client.statuses == {task: DONE}
        assert other.ids == []

    def test_and_dies_has_tried_as_often_as_its_black_box_says(
        self, stage: Stage, client: Client, two: tuple[Engine, Engine]
    ) -> None:
        stopped, other = two
        [task] = client.submit(retries=1, engines=[0])

        self.hang(stage, two, task)
        exited = stopped.exited(began=task, again=False)
        stopped.agent.say(structs.replace(exited, ran=[task, task]))
        return_client(client, waits=[task])

        assert client.statuses == {task: LOST}
        assert client.why(task)[0] == "EngineLost"
        assert other.ids == []

    def test_drops_what_another_has_done_since(
        self, stage: Stage, client: Client, two: tuple[Engine, Engine]
    ) -> None:
        stopped, other = two
        [task] = client.submit()
        holder, runner = (stopped, other) if stopped.ids else (other, stopped)

        stage.crash(unwritten=len(stage.pages))
        return_agent(holder.agent, two)
        return_engine(runner)
        return_client(client, submission(task), waits=[task])
        stage.turn(PATIENCE)
        holder.agent.say(Peeked(holder.number, holder.boot, RECOVERING, TaskId(0), [], []))
        runner.finish()
        holder.forget()
        return_engine(holder, [task])

        assert client.statuses == {task: DONE}
        assert holder.of(Drop) == [Drop([task])]

    def test_keeps_what_it_has_begun(
        self, stage: Stage, client: Client, two: tuple[Engine, Engine]
    ) -> None:
        stopped, other = two
        first, second = client.submit(2, engines=[0])
        other_tasks = other.ids

        self.hang(stage, two, first)
        return_client(client, waits=[first, second])
        stage.turn(FORGET_AFTER + 1)
        stage.turn(1.0)
        return_engine(stopped, [first])
        stopped.finish()

        assert client.statuses[first] is DONE
        assert other.ids == other_tasks

    def test_loses_what_it_has_not_begun(
        self, stage: Stage, client: Client, two: tuple[Engine, Engine]
    ) -> None:
        stopped, other = two
        [first] = client.submit(engines=[0])
        assert stopped.ids == [first]
        [second] = client.submit(engines=[0, 1])

        self.hang(stage, two, first)

        assert other.ids == [second]

    def test_takes_what_it_has_begun_along_when_it_dies(
        self, stage: Stage, client: Client, two: tuple[Engine, Engine]
    ) -> None:
        stopped, _ = two
        [first] = client.submit(engines=[0])

        self.hang(stage, two, first)
        return_client(client, waits=[first])
        stopped.die(began=first)

        assert client.statuses == {first: LOST}
        assert client.why(first) == ("EngineLost", "killed by SIGKILL")

    def test_keeps_what_a_client_names_later(
        self, stage: Stage, client: Client, two: tuple[Engine, Engine]
    ) -> None:
        stopped, other = two
        [first] = client.submit(engines=[0])
        number = max(stage.pages)
        del stage.pages[number]

        self.hang(stage, two, first)
        return_client(client, submission(first), waits=[first])
        before = other.ids
        return_engine(stopped, [first])
        stopped.finish()

        assert before == []
        assert client.statuses == {first: DONE}

    def test_has_what_it_does_not_hold_any_more_run_again(
        self, stage: Stage, client: Client, two: tuple[Engine, Engine]
    ) -> None:
        stopped, other = two
        [first] = client.submit(engines=[0, 1])
        runner = stopped if stopped.ids else other
        assert runner is stopped

        self.hang(stage, two, first)
        return_engine(stopped, [])

        assert [*stopped.ids, *other.ids] == [first]

    def test_cannot_be_asked_to_cancel_and_is_interrupted_when_it_is_back(
        self, stage: Stage, client: Client, two: tuple[Engine, Engine]
    ) -> None:
        stopped, _ = two
        [first] = client.submit(engines=[0])

        self.hang(stage, two, first)
        return_client(client, waits=[first])
        request = client.cancel(first)
        client.say(Interrupt([first], 99))
        cancelled = client.of(Cancelled)
        stopped.forget()
        return_engine(stopped, [first])

        assert cancelled == [Cancelled(request, []), Cancelled(99, [])]
        assert stopped.of(Halt) == [Halt([first])]
        assert client.statuses == {}


class TestATaskThatADeadEngineHadBegunTwice:
    def test_has_been_tried_twice(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(retries=1)
        ran = [task, task]
        exited = EngineExited(engine.number, engine.boot, "killed", task, again=True, ran=ran)

        stage.crash()
        successor = agent.fork(EngineId(0))
        return_agent(agent, [successor], exited)
        successor.hello()
        return_client(client, waits=[task])

        assert successor.ids == []
        assert client.statuses == {task: LOST}


class TestATaskThatNobodyHasNamed:
    """Its engine has died with it, and so does the hub that was told."""

    @pytest.mark.parametrize("settled", [True, False])
    def test_is_lost_although_a_further_hub_hears_of_neither(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine, settled: bool
    ) -> None:
        [task] = client.submit()

        stage.crash(unwritten=1)
        if settled:
            return_agent(agent, [engine])
            return_engine(engine)
            engine.die(began=task)
        else:
            exited = structs.replace(engine.exited(began=task), ran=[task])
            return_agent(agent, [], exited)
        stage.crash()
        return_agent(agent, [])
        return_client(client, submission(task), waits=[task])

        assert client.statuses == {task: TaskStatus.LOST}

    def test_is_tried_again_as_often_as_is_left(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(retries=1)

        have_hub_follow(agent, engine, unwritten=1)
        engine.die(began=task)
        stage.crash()
        another = agent.fork(EngineId(0))
        return_agent(agent, [another])
        another.hello()
        return_client(client, submission(task, retries=1), waits=[task])
        ran = another.ids
        another.die(began=task)

        assert (ran, client.statuses) == ([task], {task: TaskStatus.LOST})

    def test_leaves_no_page_behind_when_it_was_named(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()

        have_hub_follow(agent, engine, unwritten=1)
        before = set(stage.pages)
        engine.die(began=task)
        during = set(stage.pages) - before
        return_client(client, submission(task), waits=[task])
        stage.turn(0.0)

        assert len(during) == 1
        assert not during & set(stage.pages)

"""Other hosts that a hub which takes over does not hear: their tasks stay theirs."""

import pytest

from ipcluster_ext.core.absent import HEARD_WITHIN
from ipcluster_ext.core.recovery import PATIENCE
from ipcluster_ext.core.sent import Sent, decode, encode
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Done,
    EngineExited,
    Interrupt,
    Peeked,
    StartEngines,
    StopEngines,
)
from ipcluster_ext.protocol.parts import Life, ResultItem
from ipcluster_ext.protocol.process import Patience
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus
from tests.support.comebacks import return_agent, return_client, return_engine, submission
from tests.support.scripted import Agent, Client, Engine, Stage

DONE, FAILED, LOST = TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.LOST
FAR = "far-0123456789ab"
ONE, TWO = EngineId(1), EngineId(2)


@pytest.fixture
def stage() -> Stage:
    return Stage(Patience(host_silence=60.0))


@pytest.fixture
def home(stage: Stage) -> Agent:
    """Have the agent of the hub's host come, without engines."""
    return stage.agent(0)


@pytest.fixture
def agent(home: Agent, stage: Stage) -> Agent:
    """Have the agent of another host come, which starts engine 0."""
    del home
    agent = Agent(stage, 2000)
    agent.say(AgentHello(2000, FAR, 10, 1, far=True, set="ssh"))
    return agent


def take_over(stage: Stage, home: Agent, client: Client, *waits: TaskId) -> Engine:
    """Have another hub follow that hears only the home agent and the client; time is up then.

    Returns
    -------
    An engine of the hub's host, which could run whatever is queued.
    """
    stage.crash()
    return_agent(home, [])
    return_client(client, waits=waits)
    stage.turn(PATIENCE)
    client.scale(2, force=False)
    return home.start(home.to_start[-1])


def return_host(agent: Agent, *lives: Life, exits: tuple[EngineExited, ...] = ()) -> None:
    """Have the agent of the other host greet once more."""
    agent.come()
    agent.forget()
    agent.say(AgentHello(2000, FAR, 10, 1, True, list(lives), far=True, set="ssh"), *exits)


def life(engine: Engine) -> Life:
    return Life(engine.number, engine.boot, up=True)


def exited(engine: Engine, *ran: TaskId, again: bool = True) -> EngineExited:
    began = ran[-1] if ran else TaskId(0)
    return EngineExited(engine.number, engine.boot, "killed", began, again, ran=list(ran))


class TestWhatWasSentToAnEngineWhoseIdAnotherHasByNow:
    """The hub before had struck it off, and died before it recorded what became of its tasks."""

    @staticmethod
    def _take_over(stage: Stage, home: Agent, client: Client, task: TaskId) -> Engine:
        follower = Agent(stage, 4000)
        engine = follower.fork(EngineId(0))
        stage.crash()
        return_agent(home, [])
        lives = [Life(EngineId(0), engine.boot, True)]
        follower.say(AgentHello(4000, FAR, 10, 1, True, lives, far=True, set="ssh"))
        return_engine(engine, [])
        return_client(client, waits=[task])
        stage.turn(PATIENCE)
        return engine

    def test_may_have_run(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        assert engine.ids == [task]

        other = self._take_over(stage, home, client, task)

        assert other.ids == []
        assert client.why(task) == ("EngineLost", "its host is gone; it may have run")

    def test_runs_again_if_it_may(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(retries=1)
        assert engine.ids == [task]

        other = self._take_over(stage, home, client, task)

        assert other.ids == [task]
        assert stage.hub.state.tasks[task].retries == 0


class TestWhatAnotherEngineHadAfterOneOnAHostThatIsNotHeard:
    """So that one had tried it in vain, although nobody has recorded it."""

    @pytest.fixture
    def here(self, stage: Stage, engine: Engine) -> Engine:
        """Have an engine of the hub's host come, too."""
        del engine
        [here] = stage.engines(1)
        return here

    @staticmethod
    def _send(client: Client, engine: Engine, here: Engine) -> TaskId:
        """Have a task fail on the other host, and be sent to the engine here."""
        client.submit_each([here.number])
        [task] = client.submit(retries=1)
        assert engine.ids == [task]
        client.submit_each([engine.number])
        here.finish()
        engine.fail()
        assert here.ids == [task]
        return task

    @staticmethod
    def _crash(stage: Stage, home: Agent, client: Client, here: Engine, task: TaskId) -> None:
        """Have the hub die without its last page, and all come back but the other host."""
        stage.crash(unwritten=1)
        return_agent(home, [])
        return_agent(here.agent, [here])
        return_engine(here)
        return_client(client, waits=[task])

    def test_is_not_tried_too_often(
        self, stage: Stage, home: Agent, client: Client, engine: Engine, here: Engine
    ) -> None:
        task = self._send(client, engine, here)
        self._crash(stage, home, client, here, task)
        stage.turn(PATIENCE)

        here.fail()

        assert client.statuses[task] is FAILED
        assert here.ids == []

    def test_is_with_that_one_until_it_is_back_if_it_failed_here_as_well(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine, here: Engine
    ) -> None:
        task = self._send(client, engine, here)
        self._crash(stage, home, client, here, task)
        here.fail()
        stage.turn(PATIENCE)
        assert here.ids == []

        return_host(agent, life(engine))
        return_engine(engine, [task], Done([ResultItem(task, FAILED, 1.0, 2.0, b"out")]))

        assert client.statuses[task] is FAILED
        assert here.ids == []


class TestWhatWasSentToAHostThatIsNotHeard:
    def test_is_given_to_nobody_else(
        self, stage: Stage, home: Agent, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()
        assert engine.ids == [task]

        here = take_over(stage, home, client, task)

        assert here.ids == []
        assert client.statuses == {}

    def test_is_given_to_nobody_else_after_two_hubs_have_died(
        self, stage: Stage, home: Agent, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()
        stage.crash(unwritten=1)
        return_agent(home, [])
        stage.turn(1.0)
        stage.client()  # this hub records something, and nothing of the task
        stage.crash()
        return_agent(home, [])
        return_client(client, submission(task), waits=[task])
        stage.turn(PATIENCE)
        [here] = stage.engines(1)
        assert here.ids == []
        assert client.statuses == {}

        stage.turn(60.0 - PATIENCE)

        assert client.statuses == {task: LOST}

    def test_is_looked_for_no_more_once_it_is_known_that_it_is_not_there(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit()
        stage.crash(unwritten=1)
        return_agent(home, [])
        assert len(decode(stage.sent)) == 1

        return_host(agent, life(engine))
        return_engine(engine, [])

        assert decode(stage.sent) == {}

    def test_is_given_to_others_where_it_had_not_been_sent(
        self, stage: Stage, home: Agent, client: Client, engine: Engine
    ) -> None:
        begun, queued = client.submit(2)
        assert engine.ids == [begun]

        here = take_over(stage, home, client, begun, queued)

        assert here.ids == [queued]

    def test_goes_on_where_it_is_when_that_is_back(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        here = take_over(stage, home, client, task)

        return_host(agent, life(engine))
        return_engine(engine)
        engine.finish()

        assert client.statuses == {task: DONE}
        assert here.ids == []

    def test_goes_on_there_although_its_agent_is_not_back(
        self, stage: Stage, home: Agent, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()
        take_over(stage, home, client, task)

        return_engine(engine)
        engine.finish()

        assert client.statuses == {task: DONE}

    def test_runs_elsewhere_if_it_never_came_there(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        here = take_over(stage, home, client, task)

        return_host(agent, life(engine))
        return_engine(engine, [])

        assert task in here.ids + engine.ids

    def test_runs_elsewhere_if_its_engine_had_not_even_heard_the_hub(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        take_over(stage, home, client, task)
        return_host(agent, life(engine))
        engine.todo.clear()

        engine.come()
        engine.hello()

        assert stage.hub.state.recovered.pinned == {}

    def test_is_lost_when_the_host_is_given_up(
        self, stage: Stage, home: Agent, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()
        here = take_over(stage, home, client, task)

        stage.turn(60.0 - PATIENCE)

        assert engine.ids == [task]
        assert client.why(task) == ("EngineLost", "host far has not been heard for 60 s")
        assert here.ids == []

    def test_runs_elsewhere_then_if_it_may_run_twice(
        self, stage: Stage, home: Agent, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit(retries=1)
        here = take_over(stage, home, client, task)
        assert here.ids == []

        stage.turn(60.0 - PATIENCE)

        assert engine.ids == [task]
        assert here.ids == [task]

    def test_is_lost_as_soon_as_it_is_known_that_it_died_there(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        take_over(stage, home, client, task)

        return_host(agent, exits=(exited(engine, task),))

        assert client.statuses == {task: LOST}

    def test_runs_elsewhere_if_its_engine_died_without_having_begun_it(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        here = take_over(stage, home, client, task)

        return_host(agent, exits=(exited(engine),))

        assert here.ids == [task]

    def test_runs_elsewhere_if_a_hub_before_has_settled_the_death(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        del engine
        [task] = client.submit()
        here = take_over(stage, home, client, task)

        return_host(agent)

        assert here.ids == [task]

    def test_is_no_longer_there_once_it_was_given_back(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        for _ in range(3):  # so short that the engine gets several at a time
            client.submit()
            engine.finish(seconds=1e-5)
        client.submit(4)
        assert len(engine.ids) == 4

        client.steer("retire", [0])
        back = engine.give_back()

        assert len(back) == 3
        assert decode(stage.sent).keys() & {*back, *engine.ids} == {*engine.ids}

    def test_is_named_late_by_its_client_and_stays_there(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        stage.crash(unwritten=1)
        return_agent(home, [])
        stage.turn(PATIENCE)
        here = home.fork(EngineId(7))
        return_client(client, submission(task), waits=[task])
        assert here.ids == []
        assert client.statuses == {}

        return_host(agent, life(engine))
        return_engine(engine)
        engine.finish()

        assert client.statuses == {task: DONE}

    def test_is_with_an_engine_that_says_nothing_although_its_agent_is_back(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        stage.crash()
        return_agent(home, [])
        return_client(client, waits=[task])
        return_host(agent, life(engine))
        stage.turn(PATIENCE)
        stage.turn(PATIENCE)  # nor does its agent say what it has begun
        assert task in stage.hub.state.recovered.pinned

        agent.say(Peeked(engine.number, engine.boot, 0, TaskId(0)))

        assert task not in stage.hub.state.recovered.pinned

    def test_is_noted_again_as_sent_there_if_it_was_queued_before_that_came_back(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        stage.crash()
        return_agent(home, [])
        return_client(client, waits=[task])
        return_host(agent, life(engine))
        stage.turn(PATIENCE)
        agent.say(Peeked(engine.number, engine.boot, 0, TaskId(0)))
        assert [queued.id for queued in stage.hub.state.queue] == [task]
        stage.sent = b""

        return_engine(engine, [task])

        note = decode(stage.sent)[task]
        assert (note.engine, note.boot) == (engine.number, engine.boot)

    def test_and_begun_there_is_lost_if_the_host_leaves_that_has_told_so(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        begun, waiting = client.submit(2)
        stage.crash()
        return_agent(home, [])
        return_client(client, waits=[begun, waiting])
        return_host(agent, life(engine))
        stage.turn(HEARD_WITHIN)
        agent.say(Peeked(engine.number, engine.boot, 0, begun, [], [begun]))
        before = client.statuses

        agent.bye()

        assert before == {}
        assert client.why(begun) == ("EngineLost", "its host agent is gone: it said goodbye")
        assert client.why(waiting)[0] == "NoEnginesRegistered"

    def test_is_not_its_last_word_if_the_host_was_given_up(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        take_over(stage, home, client, task)
        stage.turn(60.0 - PATIENCE)

        return_host(agent, life(engine))
        return_engine(engine, [task], Done([ResultItem(task, DONE, 1.0, 2.0, b"late")]))

        assert client.statuses == {task: LOST}


class TestWhatWasSentToAHostThatLeavesDuringATakeover:
    def test_is_lost(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        stage.crash()
        return_agent(home, [])
        return_client(client, waits=[task])
        return_host(agent, life(engine))

        agent.bye()
        stage.turn(PATIENCE)

        assert client.why(task)[0] == "EngineLost"
        assert engine.number not in stage.hub.state.engines

    def test_is_lost_although_the_greeting_of_its_engine_comes_after_that(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        stage.crash()
        return_client(client, waits=[task])
        return_host(agent, life(engine))
        agent.bye()

        return_engine(engine, [task])
        return_agent(home, [])

        assert stage.hub.settled
        assert client.why(task)[0] == "EngineLost"
        assert engine.id in stage.dismissed

    def test_runs_elsewhere_if_its_death_was_told_and_it_had_not_begun(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        stage.crash()
        return_agent(home, [])
        return_client(client, waits=[task])
        return_host(agent, life(engine))
        stage.turn(PATIENCE)  # its agent is asked what it has begun, and does not say

        agent.say(exited(engine))
        follower = agent.start(engine.number)
        stage.turn(PATIENCE)

        assert follower.ids == [task]


class TestATakeover:
    def test_is_not_over_before_the_agent_of_the_hubs_host_is_back(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        stage.crash(unwritten=len(stage.pages))

        return_host(agent, life(engine))
        return_engine(engine)

        was_settled = stage.hub.settled
        return_agent(home, [])
        assert (was_settled, stage.hub.settled) == (False, True)
        assert client.statuses == {}

    def test_counts_tries_that_were_noted_and_not_recorded(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(retries=1)
        engine.fail()
        assert engine.ids == [task]
        stage.crash(unwritten=1)
        return_agent(home, [])
        return_client(client, waits=[task])

        return_host(agent, life(engine))
        return_engine(engine)
        engine.fail()

        assert client.statuses == {task: TaskStatus.FAILED}


class TestWhatIsInterruptedMeanwhile:
    def test_is_cancelled_if_it_never_came_to_the_host(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        take_over(stage, home, client, task)
        client.say(Interrupt([task], 77))
        assert client.statuses == {}

        return_host(agent, life(engine))
        return_engine(engine, [])

        assert client.statuses == {task: TaskStatus.CANCELLED}


class TestAHostThatIsNotBack:
    def test_has_its_engines_waited_for(
        self, stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
    ) -> None:
        del agent
        take_over(stage, home, client)
        [task] = client.submit_each([0])
        assert client.statuses == {}

        return_engine(engine)

        assert engine.ids == [task]

    def test_is_given_up_with_the_tasks_for_its_engines(
        self, stage: Stage, home: Agent, client: Client, engine: Engine
    ) -> None:
        take_over(stage, home, client)
        [task] = client.submit_each([engine.number])

        stage.turn(60.0 - PATIENCE)

        assert client.why(task)[0] == "EngineLost"
        assert engine.number not in stage.hub.state.engines

    def test_is_struck_off_if_it_was_killed_and_has_a_successor(
        self, stage: Stage, home: Agent, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()
        stage.crash()
        return_agent(home, [])
        return_client(client, waits=[task])

        new = Agent(stage, 2001)
        new.say(AgentHello(2001, FAR, 11, 1, far=True, set="ssh", instead_of=2000))
        assert client.statuses == {}
        stage.turn(PATIENCE)

        assert client.why(task) == ("EngineLost", "the agent of host far was killed")
        assert engine.number not in stage.hub.state.engines

    def test_keeps_its_engines_ids(self, stage: Stage, home: Agent, engine: Engine) -> None:
        stage.crash()
        return_agent(home, [])

        new = Agent(stage, 2001)
        new.say(AgentHello(2001, FAR, 11, 1, far=True, set="ssh", first=0))

        before = new.of(StartEngines)
        stage.turn(PATIENCE)

        assert engine.number == 0
        assert (before, new.of(StartEngines)) == ([], [StartEngines([ONE])])


def test_a_host_whose_engines_are_back_without_their_agent_is_given_up_once_more(
    stage: Stage, agent: Agent, engine: Engine
) -> None:
    agent.fall_silent()
    stage.turn(56.0)
    return_engine(engine, [])
    assert engine.number in stage.hub.state.engines

    stage.turn(60.0)

    assert engine.number not in stage.hub.state.engines


def test_an_agent_that_was_struck_off_is_not_taken_for_a_new_one(
    stage: Stage, agent: Agent, engine: Engine
) -> None:
    new = Agent(stage, 2001)
    new.say(AgentHello(2001, FAR, 11, 1, far=True, set="ssh", instead_of=2000))

    agent.come()
    agent.forget()
    agent.say(AgentHello(2000, FAR, 10, 1, far=True, set="ssh"))  # which was under way

    assert agent.heard == []
    assert engine.number not in stage.hub.state.engines


def test_an_agent_that_a_hub_had_told_nothing_is_told_by_the_next(
    stage: Stage, home: Agent
) -> None:
    agent = Agent(stage, 2000)
    agent.say(AgentHello(2000, FAR, 10, 1, far=True, set="ssh"))
    stage.crash(unwritten=1)
    return_agent(home, [])

    return_host(agent)

    assert agent.of(StartEngines) == [StartEngines([EngineId(0)])]


def test_an_agent_whose_engines_have_all_died_for_good_is_not_given_others(
    stage: Stage, home: Agent, agent: Agent, engine: Engine
) -> None:
    stage.crash(unwritten=len(stage.pages))
    return_agent(home, [], exited(home.fork(EngineId(7)), again=False))

    return_host(agent, exits=(exited(engine, again=False),))

    assert agent.of(StartEngines) == []


def test_engines_that_were_stopped_while_their_host_was_away_are_when_it_is_back(
    stage: Stage, home: Agent, client: Client, agent: Agent, engine: Engine
) -> None:
    stage.crash()
    return_agent(home, [])
    return_client(client)
    stage.turn(PATIENCE)
    client.scale(0, force=True)

    return_host(agent, life(engine))

    assert agent.of(StopEngines) == [StopEngines([engine.number])]


def test_an_engine_that_was_stopped_before_its_agent_was_back_is_when_that_is(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    agent.fall_silent()
    stage.turn(56.0)
    return_engine(engine, [])
    client.steer("stop", [0])

    return_host(agent, life(engine))

    assert agent.of(StopEngines) == [StopEngines([EngineId(0)])]


class TestAnIdThatAnotherEngineHasByNow:
    def test_is_not_given_back_to_an_engine_of_a_host_that_was_given_up(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        agent.fall_silent()
        stage.turn(56.0)
        new = Agent(stage, 2001)
        new.say(AgentHello(2001, FAR, 11, 1, far=True, set="ssh", first=0))
        other = new.start(EngineId(0))

        return_host(agent, life(engine))

        assert agent.of(StopEngines) == [StopEngines([EngineId(0)])]
        assert client.submit_each([0]) == other.ids
        assert stage.hub.state.engines[EngineId(0)].status is EngineStatus.READY

    def test_is_not_given_back_to_one_whose_hub_has_died(
        self, stage: Stage, home: Agent, agent: Agent, engine: Engine
    ) -> None:
        agent.fall_silent()
        stage.turn(56.0)
        new = Agent(stage, 2001)
        new.say(AgentHello(2001, FAR, 11, 1, far=True, set="ssh", first=0))
        other = new.start(EngineId(0))
        stage.crash()
        return_agent(home, [])
        new.come()
        new.say(AgentHello(2001, FAR, 11, 1, True, [life(other)], far=True, set="ssh"))

        return_host(agent, life(engine))

        assert agent.of(StopEngines) == [StopEngines([EngineId(0)])]


class TestNotes:
    def test_are_read_as_they_were_written(self) -> None:
        notes = [Sent(TaskId(7), ONE, 2**40, 3, 0, 1.5), Sent(TaskId(8), TWO, 5, 3, 1, 1.5)]

        assert list(decode(encode(notes)).values()) == notes

    def test_say_of_each_task_what_was_said_last(self) -> None:
        first = Sent(TaskId(7), ONE, 4, 3, 0, 1.5)
        last = Sent(TaskId(7), TWO, 5, 3, 1, 2.5)

        assert decode(encode([first, last])) == {7: last}

    def test_say_nothing_of_a_task_that_came_back(self) -> None:
        there = Sent(TaskId(7), ONE, 4, 3, 0, 1.5)

        assert decode(encode([there, there._replace(engine=EngineId(-1))])) == {}

    def test_may_end_in_the_middle_of_one(self) -> None:
        note = Sent(TaskId(7), ONE, 4, 3, 0, 1.5)

        assert decode(encode([note, note])[:-1]) == {7: note}

    def test_that_hold_still_are_those_of_tasks_that_have_not_ended(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        client.submit_each([0])
        engine.finish()
        [task] = client.submit_each([0])
        [note] = decode(stage.hub.all_sent()).values()

        assert len(decode(stage.sent)) == 2
        assert note[:4] == (task, engine.number, engine.boot, 2000)

import pytest
from msgspec import structs

from ipcluster_ext.protocol.frames import decode_failure
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import Done, Notice
from ipcluster_ext.protocol.parts import Options, Retry
from ipcluster_ext.protocol.status import TaskStatus
from tests.support.scripted import Agent, Client, Engine, Stage

FAILED, DONE = TaskStatus.FAILED, TaskStatus.DONE
AGAIN, REFUSED = TaskStatus.AGAIN, TaskStatus.REFUSED


@pytest.fixture
def agent(stage: Stage) -> Agent:
    return stage.agent(2)


def judged(**facts: float) -> Options:
    return Options(retry=Retry(judge=b"classes", **facts))  # type: ignore[arg-type]


def ends(engine: Engine, status: TaskStatus) -> None:
    engine.say(Done([engine.outcome(status)]))


class TestOfFailures:
    def test_a_task_is_tried_as_often_as_it_may(self, client: Client, engine: Engine) -> None:
        [task] = client.submit(retries=2)

        for _ in range(3):
            engine.fail()

        assert client.statuses == {task: FAILED}

    def test_a_failure_that_its_owner_does_not_want_tried_again_is_the_end(
        self, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit(retries=2, options=judged())

        ends(engine, FAILED)

        assert client.statuses == {task: FAILED}

    def test_a_failure_that_its_owner_wants_tried_again_is_not(
        self, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit(retries=1, options=judged())

        ends(engine, AGAIN)
        ends(engine, AGAIN)

        assert client.statuses == {task: FAILED}

    def test_pauses_double_up_to_a_limit(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        client.submit(retries=4, options=Options(retry=Retry(1.0, max_backoff=3.0)))
        pauses = []

        for _ in range(4):
            engine.fail()
            assert stage.hub.deadline is not None
            pauses.append(stage.hub.deadline - stage.now)
            stage.turn(pauses[-1])

        assert pauses == [1.0, 2.0, 3.0, 3.0]
        assert len(engine.ids) == 1

    def test_chance_makes_pauses_longer_by_a_share_at_most(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        client.submit(50, retries=1, options=Options(retry=Retry(1.0, jitter=0.5)))
        pauses = set()
        while engine.todo:
            engine.fail()
        for at, *_ in stage.hub.state.timers._heap:  # noqa: SLF001 - to see all of them at once
            pauses.add(at - stage.now)

        assert len(pauses) == 50
        assert all(1.0 <= pause <= 1.5 for pause in pauses)

    def test_a_task_that_pauses_can_be_cancelled(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit(retries=1, options=Options(retry=Retry(1.0)))
        engine.fail()

        client.cancel(task)
        stage.turn(1.0)

        assert client.statuses == {task: TaskStatus.CANCELLED}
        assert engine.todo == []


class TestOfDeaths:
    def test_a_task_that_kills_engines_fails_when_it_may_not_run_again(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(retries=1)

        engine.die(began=task)
        agent.start(EngineId(0)).die(began=task)

        ename, text = client.why(task)
        assert ename == "PoisonTask"
        assert "engines 0, 0" in text

    def test_a_death_need_not_count_as_a_failure_to_be_tried_again(
        self, client: Client, engine: Engine
    ) -> None:
        options = Options(retry=Retry(on_engine_lost=0))
        [task] = client.submit(retries=5, options=options)

        engine.die(began=task)

        assert client.why(task)[0] == "EngineLost"

    def test_what_three_engines_died_of_is_not_given_to_a_fourth(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(retries=50)

        engine.die(began=task)
        for _ in range(2):
            agent.start(EngineId(0)).die(began=task)

        assert client.why(task) == (
            "PoisonTask",
            "it has killed engines 0, 0, 0: killed by SIGKILL",
        )

    def test_its_owner_may_say_that_it_is(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(retries=50, options=Options(retry=Retry(on_engine_lost=3)))

        engine.die(began=task)
        for _ in range(2):
            agent.start(EngineId(0)).die(began=task)
        before = dict(client.statuses)
        agent.start(EngineId(0)).die(began=task)

        assert before == {}
        assert client.why(task)[0] == "PoisonTask"

    def test_a_death_that_was_asked_for_is_not_put_down_to_the_task(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(retries=50)
        for _ in range(5):
            agent.say(structs.replace(engine.exited(began=task), asked=True))
            engine = agent.start(EngineId(0))

        engine.finish()

        assert client.statuses == {task: DONE}

    def test_its_story_tells_what_the_engine_died_of(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(retries=1)

        engine.die(began=task)
        agent.start(EngineId(0)).finish()

        told = [chapter.what for chapter in stage.hub.story(task)]
        assert told == [
            "submitted",
            "assigned to engine 0",
            "lost with engine 0: killed by SIGKILL",
            "assigned to engine 0",
            "ended on engine 0",
        ]

    def test_a_death_tells_its_details(self, client: Client, agent: Agent, engine: Engine) -> None:
        [task] = client.submit()

        agent.say(structs.replace(engine.exited(began=task), details="it wrote this"))

        assert decode_failure(client.results[task].inline).traceback == "it wrote this"

    def test_a_warning_is_shown_to_every_client(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        other = stage.client()

        agent.say(structs.replace(engine.exited(), warning="engine 0 failed 4 times"))

        told = [Notice("engine 0 failed 4 times")]
        assert (client.of(Notice), other.of(Notice)) == (told, told)


class TestOfRefusals:
    def test_a_task_that_an_engine_refuses_goes_to_another(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        other = agent.start(EngineId(1))
        [task] = client.submit()
        first, second = (engine, other) if engine.todo else (other, engine)

        ends(first, REFUSED)

        assert second.ids == [task]

    def test_a_task_that_every_engine_refuses_is_impossible(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        other = agent.start(EngineId(1))
        [task] = client.submit()

        for refusing in (engine, other) if engine.todo else (other, engine):
            ends(refusing, REFUSED)

        assert client.why(task)[0] == "ImpossibleDependency"

    def test_a_task_that_is_for_one_engine_fails_if_that_refuses_it(
        self, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit_each([0])

        ends(engine, REFUSED)

        assert client.why(task)[0] == "ImpossibleDependency"

    def test_a_task_waits_for_an_engine_that_may_accept_it(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        ends(engine, REFUSED)

        assert client.statuses == {}
        assert agent.start(EngineId(1)).ids == [task]

    def test_what_only_an_engine_that_left_could_have_accepted_fails(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        other = agent.fork(EngineId(1))
        ends(engine, REFUSED)

        other.die(again=False)

        assert client.why(task)[0] == "ImpossibleDependency"

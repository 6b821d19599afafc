import pytest

from ipcluster_ext.core.dispatch import MOST_AWAITING, STALL
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    Fetch,
    Fetched,
    More,
    News,
    Prepare,
    Waiting,
)
from ipcluster_ext.protocol.parts import Options, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.scripted import PICKLED, Agent, Client, Engine, Stage

DONE, FAILED = TaskStatus.DONE, TaskStatus.FAILED


@pytest.fixture
def agent(stage: Stage) -> Agent:
    return stage.agent(2)


class TestPriorities:
    def test_the_higher_priority_goes_first(self, client: Client, engine: Engine) -> None:
        client.submit()
        [low] = client.submit(options=Options(priority=-1))
        [plain] = client.submit()
        [high] = client.submit(options=Options(priority=5))

        order = []
        while engine.todo:
            engine.finish(seconds=1.0)
            order += engine.ids

        assert order == [high, plain, low]


class TestResources:
    def test_a_task_goes_where_there_is_what_it_asks_for(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        rich = agent.start(EngineId(1), gpu=1.0)

        tasks = client.submit(3, options=Options(resources=(("gpu", 1.0),)))

        assert (engine.ids, rich.ids) == ([], tasks[:1])

    def test_a_task_waits_for_an_engine_that_may_have_it(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(options=Options(resources=(("gpu", 1.0),)))
        before = dict(client.statuses)

        rich = agent.start(EngineId(1), gpu=2.0)

        assert before == {}
        assert rich.ids == [task]

    def test_a_task_that_asks_for_what_nobody_has_fails(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        agent.start(EngineId(1), gpu=0.5)

        [task] = client.submit(options=Options(resources=(("gpu", 1.0),)))

        assert client.why(task) == (
            "NoSuchEngine",
            "no engine has what the task asks for (gpu: 1)",
        )


class TestCoroutines:
    def test_an_engine_has_many_at_once_and_one_other_task_beside_them(
        self, client: Client, engine: Engine
    ) -> None:
        many = client.submit(MOST_AWAITING + 5, options=Options(awaits=True))
        [plain] = client.submit()

        assert engine.ids == [*many[:MOST_AWAITING], plain]

    def test_they_are_spread_over_the_engines(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        other = agent.start(EngineId(1))

        client.submit(10, options=Options(awaits=True))

        assert (len(engine.ids), len(other.ids)) == (5, 5)


class TestNesting:
    def test_a_task_that_waits_for_its_own_leaves_room_for_them(
        self, client: Client, engine: Engine
    ) -> None:
        client.submit()
        [child] = client.submit()
        before = list(engine.ids)

        engine.say(Waiting(1))

        assert child not in before
        assert child in engine.ids

    def test_the_room_is_taken_back_when_it_waits_no_longer(
        self, client: Client, engine: Engine
    ) -> None:
        client.submit()
        engine.say(Waiting(1))
        engine.say(Waiting(0))

        [child] = client.submit()

        assert child not in engine.ids

    def test_an_engine_takes_only_what_its_waiting_tasks_let_it(
        self, client: Client, engine: Engine
    ) -> None:
        [parent] = client.submit(options=Options(priority=2))
        engine.say(Waiting(1, above=2))

        client.submit(options=Options(priority=2))
        [child] = client.submit(options=Options(priority=3))

        assert engine.ids == [parent, child]

    def test_an_engine_that_is_let_anything_again_takes_anything(
        self, client: Client, engine: Engine
    ) -> None:
        [parent] = client.submit(options=Options(priority=2))
        engine.say(Waiting(1, above=2))
        [other] = client.submit()
        before = list(engine.ids)

        engine.say(Waiting(1))

        assert (before, engine.ids) == ([parent], [parent, other])

    def test_tasks_that_it_is_not_let_do_take_no_room(self, client: Client, engine: Engine) -> None:
        client.submit()
        engine.finish()
        unsuited = client.submit(5)
        assert engine.ids == unsuited
        [child] = client.submit(options=Options(priority=1))
        client.submit_each([0] * 300)  # more than any credit
        before = list(engine.ids)

        engine.say(Waiting(1, above=0, unsuited=len(before) - 1))
        [late] = client.submit(options=Options(priority=1))

        assert late in engine.ids
        assert child in engine.ids

    def test_tasks_that_it_is_not_let_do_are_given_to_an_idle_engine(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit()
        engine.finish()
        parent, other = client.submit(2)
        engine.say(Waiting(1, above=0, unsuited=1))
        idle = agent.start(EngineId(1))

        stage.turn(2 * STALL)
        back = engine.give_back()

        assert back == [other]
        assert idle.ids == [other]
        assert engine.ids == [parent]

    def test_an_idle_engine_goes_before_one_that_waits_and_is_busy(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit()
        engine.say(Waiting(1, above=0))
        [inside] = client.submit(options=Options(priority=1))
        idle = agent.start(EngineId(1))

        [child] = client.submit(options=Options(priority=1))

        assert inside in engine.ids
        assert idle.ids == [child]

    def test_what_it_waited_for_dies_with_it(self, client: Client, engine: Engine) -> None:
        client.submit(options=Options(priority=2))
        engine.say(Waiting(1, above=2))
        engine.die()
        successor = engine.agent.start(EngineId(0))

        assert len(successor.ids) == 1

    def test_an_engine_that_was_stuck_takes_what_its_waiting_task_waits_for(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        other = agent.start(EngineId(1))
        client.submit()
        for warm in (engine, other):
            if warm.todo:
                warm.finish(seconds=0.02)
        first, second = client.submit(2, engines=[0])
        stage.turn(STALL)
        engine.give_back()
        before = list(engine.ids)

        engine.say(Waiting(1))

        assert (before, engine.ids) == ([first], [first, second])

    def test_no_engine_can_claim_more_than_it_has(self, client: Client, engine: Engine) -> None:
        engine.say(Waiting(1_000_000))

        client.submit(5)

        assert len(engine.ids) == 1


class TestKeys:
    def test_a_task_of_a_known_key_gets_the_outcome_of_the_one_before(
        self, client: Client, engine: Engine
    ) -> None:
        options = Options(key="fit")
        [first], [second] = client.submit(options=options), client.submit(options=options)

        engine.finish()
        [third] = client.submit(options=options)

        assert client.statuses == {first: DONE, second: DONE, third: DONE}
        assert engine.todo == []

    def test_a_task_whose_forerunner_failed_runs(self, client: Client, engine: Engine) -> None:
        options = Options(key="fit")
        client.submit(options=options)
        engine.fail()

        [second] = client.submit(options=options)

        assert engine.ids == [second]

    def test_the_failure_of_the_one_that_runs_is_shared(
        self, client: Client, engine: Engine
    ) -> None:
        options = Options(key="fit")
        [first], [second] = client.submit(options=options), client.submit(options=options)

        engine.fail()

        assert client.statuses == {first: FAILED, second: FAILED}

    def test_one_that_waits_can_be_cancelled(self, client: Client, engine: Engine) -> None:
        options = Options(key="fit")
        [first], [second] = client.submit(options=options), client.submit(options=options)

        client.cancel(second)
        engine.finish()

        assert client.statuses == {second: TaskStatus.CANCELLED, first: DONE}


class TestNews:
    def test_news_go_to_the_client_of_the_task_with_their_frames(
        self, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()

        engine.say(News(task, "data", b"x", (3,)), frames=[b"abc"])

        assert client.of(News) == [News(task, "data", b"x", (3,))]

    def test_news_of_another_engines_task_are_dropped(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        other = agent.start(EngineId(1))
        [task] = client.submit_each([0])

        other.say(News(task, "data", b"lie"))

        assert client.of(News) == []

    def test_a_readers_credit_goes_to_the_engine_that_has_the_task(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()

        client.say(More(task, 5))
        stage.client().say(More(task, 7))

        assert engine.of(More) == [More(task, 5)]


class TestFetching:
    def test_anybody_can_have_an_outcome_when_it_is_there(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        other = stage.client()
        [task] = client.submit()
        other.say(Fetch(1, [task]))
        before = dict(other.statuses)

        engine.finish()

        assert before == {}
        assert other.of(Fetched) == [Fetched(1, {})]
        assert other.statuses == {task: DONE}

    def test_anybody_can_have_an_outcome_of_the_past(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()
        engine.finish()
        client.leave()

        other = stage.client()
        other.say(Fetch(1, [task]))

        assert other.statuses == {task: DONE}
        assert other.from_engine == {task: 0}

    def test_what_nobody_knows_is_said_to_be_missing(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        client.say(Fetch(3, [TaskId(99)]))

        assert client.of(Fetched) == [Fetched(3, {TaskId(99): "nothing is known of it"})]


class TestPreparations:
    SPEC = TaskSpec(Kind.APPLY, b"f", label="set up", balanced=False)

    def prepare(self, client: Client, *engines: int) -> None:
        client.define(b"f")
        item = TaskItem(client.next_ids(1)[0], b"in")
        client.say(Prepare("mine", self.SPEC, item, [EngineId(e) for e in engines]))

    def test_an_engine_that_comes_later_runs_it_before_anything_else(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        self.prepare(client, 0)
        [task] = client.submit_each([1])

        later = agent.start(EngineId(1))

        assert (len(engine.ids), later.ids[1:]) == (0, [task])
        assert later.specs[later.ids[0]].label == "set up"

    def test_an_engine_runs_it_again_in_its_next_life(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        self.prepare(client, 0)

        engine.die()

        assert len(agent.start(EngineId(0)).ids) == 1

    def test_an_engine_that_was_not_told_runs_it_now(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        self.prepare(client)

        assert len(engine.ids) == 1

    def test_it_outlives_its_client(self, client: Client, agent: Agent, engine: Engine) -> None:
        self.prepare(client, 0)

        client.leave()

        assert len(agent.start(EngineId(1)).ids) == 1

    def test_without_a_function_it_is_dropped(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        self.prepare(client, 0)
        item = TaskItem(client.next_ids(1)[0], b"")

        client.say(Prepare("mine", TaskSpec(Kind.APPLY), item, []))

        assert agent.start(EngineId(1)).ids == []

    def test_one_whose_function_nobody_can_send_any_more_goes_with_its_client(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        item = TaskItem(client.next_ids(1)[0], b"in")
        client.say(Prepare("mine", self.SPEC, item, []))

        client.leave()

        assert stage.hub.state.tasks == {}
        assert stage.hub.state.preparations == {}

    def test_another_client_that_wants_the_same_is_asked_for_the_function(
        self, stage: Stage, client: Client, engine: Engine
    ) -> None:
        other = stage.client()
        for number, who in enumerate((client, other)):
            spec = TaskSpec(Kind.APPLY, b"f", label=str(number), balanced=False)
            who.say(Prepare(str(number), spec, TaskItem(who.next_ids(1)[0], b"in"), []))

        client.leave()
        asked = other.needed
        other.define(b"f")

        assert asked == [b"f"]
        assert len(engine.ids) == 2

    def test_an_engine_that_died_before_it_was_prepared_is_prepared_once(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        self.prepare(client)
        before = engine.ids

        engine.die()

        assert (len(before), len(agent.start(EngineId(0)).ids)) == (1, 1)

    def test_an_engine_that_dies_while_its_preparation_waits_is_prepared_once(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.say(Prepare("mine", self.SPEC, TaskItem(client.next_ids(1)[0], b"in"), []))

        engine.die()
        successor = agent.start(EngineId(0))
        client.define(b"f")

        assert len(successor.ids) == 1

    def test_a_task_that_is_taken_back_takes_no_function_from_what_every_engine_runs(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        item = TaskItem(client.next_ids(1)[0], b"in")
        client.say(Prepare("mine", self.SPEC, item, [EngineId(0)]))
        [task] = client.submit(function=b"f")

        client.cancel(task)
        client.define(b"f")

        assert agent.start(EngineId(1)).functions == {b"f": PICKLED}

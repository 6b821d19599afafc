"""What a hub that takes over learns of shared memory, and what it gives back."""

from ipcluster_ext.core.recovery import FORGET_AFTER, PATIENCE
from ipcluster_ext.protocol.ids import EngineId, TaskId, client_owner, engine_owner
from ipcluster_ext.protocol.messages import (
    Done,
    FreeBlobs,
    Holding,
    Lack,
    Lent,
    Release,
    SweepBlobs,
)
from ipcluster_ext.protocol.parts import Blob, ResultItem
from ipcluster_ext.protocol.status import TaskStatus
from tests.support.comebacks import have_hub_follow, return_agent, return_client, return_engine
from tests.support.scripted import Agent, Client, Engine, Stage

NBYTES = 5_000_000


def name_of(engine: Engine, number: int = 1) -> str:
    return f"{engine_owner(engine.number, engine.boot)}-{number}"


def value(task: TaskId, *buffers: Blob | int) -> ResultItem:
    return ResultItem(task, TaskStatus.DONE, 1000.0, 1000.0, b"out", buffers)


def computed(client: Client, engine: Engine) -> ResultItem:
    """Have a task return a blob, which its client gets."""
    [task] = client.submit()
    engine.finish(buffers=(Blob(name_of(engine), NBYTES),))
    client.acknowledge()
    return client.results[task]


def freed(engine: Engine) -> list[str]:
    return [name for message in engine.of(FreeBlobs) for name in message.names]


def test_what_a_client_holds_is_freed_when_it_says_that_it_does_not(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    item = computed(client, engine)

    have_hub_follow(agent, engine)
    return_client(client, Holding([item]))
    engine.say(Lent([name_of(engine)]))
    stage.turn(PATIENCE)
    before = freed(engine)
    client.say(Release([item.id]))

    assert (before, freed(engine)) == ([], [name_of(engine)])


def test_what_a_client_holds_is_sent_to_tasks_that_need_it(
    client: Client, agent: Agent, engine: Engine
) -> None:
    item = computed(client, engine)

    have_hub_follow(agent, engine)
    return_client(client, Holding([item]))
    [behind] = client.submit(needs=[item.id])

    assert (engine.ids, engine.values) == ([behind], {item.id: item})
    assert client.of(Lack) == []


def test_what_travels_beside_a_value_that_is_held_is_kept_as_well(
    client: Client, agent: Agent, engine: Engine
) -> None:
    computed(client, engine)
    item = value(TaskId(next(iter(client.results))), Blob(name_of(engine), NBYTES), 4)

    have_hub_follow(agent, engine)
    return_client(client)
    client.say(Holding([item]), frames=[b"here"])
    client.submit(needs=[item.id])

    assert engine.value_frames == {item.id: [b"here"]}


def test_a_blob_that_nobody_needs_is_given_back_once_all_are_back_and_not_before(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    computed(client, engine)
    mine = f"{client_owner(client.number)}-1"

    have_hub_follow(agent, engine)
    engine.say(Lent([name_of(engine), name_of(engine, 2)]))
    return_client(client, Lent([mine]))
    before = [*freed(engine), *client.of(FreeBlobs)]
    stage.turn(PATIENCE)

    assert before == []
    assert freed(engine) == [name_of(engine), name_of(engine, 2)]
    assert client.of(FreeBlobs) == [FreeBlobs([mine])]


def test_a_blob_among_the_arguments_of_a_task_is_not_given_back(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    mine = f"{client_owner(client.number)}-1"
    [task] = client.submit(buffers=(Blob(mine, NBYTES),))

    have_hub_follow(agent, engine)
    return_client(client, Lent([mine]), waits=[task])
    stage.turn(PATIENCE)
    before = client.of(FreeBlobs)
    engine.finish()

    assert (before, client.of(FreeBlobs)) == ([], [FreeBlobs([mine])])


def test_nobody_has_the_blobs_of_others_freed(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    have_hub_follow(agent, engine)
    return_client(client, Lent([name_of(engine)]))
    stage.turn(PATIENCE)

    assert freed(engine) == []


def test_nobody_holds_the_values_of_others(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    item = computed(client, engine)
    other = stage.client()

    have_hub_follow(agent, engine)
    return_client(other, Holding([item]))

    assert stage.hub.state.blobs.counts == {}


def test_what_was_given_back_meanwhile_cannot_be_held(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    item = computed(client, engine)

    have_hub_follow(agent, engine)
    engine.say(Lent([name_of(engine)]))
    stage.turn(PATIENCE)
    return_client(client, Holding([item]))
    client.submit(needs=[item.id])

    assert client.of(Lack) == [Lack([item.id])]


def test_what_was_swept_meanwhile_cannot_be_held(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    item = computed(client, engine)

    have_hub_follow(agent, engine)
    engine.die()
    return_client(client, Holding([item]))

    assert agent.of(SweepBlobs) == [SweepBlobs(engine_owner(engine.number, engine.boot), [])]
    assert stage.hub.state.blobs.counts == {}


def test_who_comes_back_when_nobody_is_expected_any_more_holds_nothing(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    item = computed(client, engine)

    have_hub_follow(agent, engine)
    stage.turn(FORGET_AFTER)
    return_client(client, Holding([item]))

    assert stage.hub.state.blobs.counts == {}


class TestAnOutcomeThatMayNotHaveArrived:
    """It is told again, and kept until it is certain that its client has had it."""

    def test_is_freed_when_its_client_says_that_it_has_it_no_more(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        engine.finish(buffers=(Blob(name_of(engine), NBYTES),))

        have_hub_follow(agent, engine)
        return_client(client, waits=[task])
        client.acknowledge()
        client.say(Release([task]))
        before = freed(engine)
        stage.turn(PATIENCE)

        assert (before, freed(engine)) == ([], [name_of(engine)])

    def test_is_freed_when_its_client_has_said_so_to_a_hub_that_died_since(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        engine.finish(buffers=(Blob(name_of(engine), NBYTES),))

        have_hub_follow(agent, engine)
        return_client(client, waits=[task])
        client.say(Release([task]))
        have_hub_follow(agent, engine)
        return_client(client)
        stage.turn(PATIENCE)

        assert freed(engine) == [name_of(engine)]

    def test_is_held_by_its_client_as_any_other(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        engine.finish(buffers=(Blob(name_of(engine), NBYTES),))

        have_hub_follow(agent, engine)
        return_client(client, waits=[task])
        stage.turn(FORGET_AFTER)
        [behind] = client.submit(needs=[task])

        assert (engine.ids, freed(engine)) == ([behind], [])

    def test_is_told_to_another_who_waits_for_it_although_its_client_has_dropped_it(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        other = stage.client()
        engine.finish(buffers=(Blob(name_of(engine), NBYTES),))

        have_hub_follow(agent, engine)
        return_client(client, Release([task]))
        return_client(other, waits=[task])

        assert other.statuses == {task: TaskStatus.DONE}

    def test_of_before_is_still_no_reason_to_run_its_task_again(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        done = Done([engine.outcome(buffers=(Blob(name_of(engine), NBYTES),))])
        engine.say(done)

        have_hub_follow(agent, engine)
        return_client(client, Release([task]))
        stage.turn(PATIENCE)
        return_engine(engine, [task], done)

        assert engine.ids == []

    def test_is_freed_although_nobody_has_named_its_task(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        done = Done([engine.outcome(buffers=(Blob(name_of(engine), NBYTES),))])

        have_hub_follow(agent, engine, [task], done, unwritten=1)
        return_client(client, Release([task]))
        stage.turn(PATIENCE)

        assert freed(engine) == [name_of(engine)]


class TestAMakerThatIsGone:
    def test_is_swept_up_after_by_an_agent_that_is_not_back_although_others_are(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        another = stage.agent(1)

        have_hub_follow(agent, engine)
        return_client(client)
        client.bye()
        return_agent(another, [])

        sweep = SweepBlobs(client_owner(client.number), [])
        assert (agent.of(SweepBlobs), another.of(SweepBlobs)) == ([sweep], [sweep])

    def test_is_swept_up_after_by_an_agent_of_which_only_its_engine_has_told(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        stage.crash()
        return_client(client)
        return_engine(engine)
        client.bye()
        return_agent(agent, [engine])

        assert agent.of(SweepBlobs) == [SweepBlobs(client_owner(client.number), [])]

    def test_has_what_others_needed_deleted_by_an_agent_that_comes_later(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        mine = f"{client_owner(client.number)}-1"
        [task] = client.submit(buffers=(Blob(mine, NBYTES),))

        stage.crash()
        return_client(client, waits=[task])
        client.bye()
        return_engine(engine)
        engine.finish()
        return_agent(agent, [engine])

        assert agent.freed == [mine] or agent.of(SweepBlobs) == [
            SweepBlobs(client_owner(client.number), [])
        ]


def test_what_an_engine_says_again_is_not_freed_before_its_client_can_say_that_it_has_it(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    item = computed(client, engine)

    have_hub_follow(agent, engine, [item.id], Done([item]), Lent([name_of(engine)]))
    return_client(client, Holding([item]))
    stage.turn(PATIENCE)

    assert freed(engine) == []


def test_a_dead_engines_blobs_are_swept_although_its_next_life_greets_before_that_is_told(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    computed(client, engine)

    stage.crash()
    agent.start(EngineId(0))
    return_agent(agent, [], engine.exited())

    assert agent.of(SweepBlobs) == [SweepBlobs(engine_owner(engine.number, engine.boot), [])]

"""What running tasks say reaches their clients, also over the death of a hub."""

from collections.abc import Sequence

import pytest
from msgspec import structs

from ipcluster_ext.core.recovery import FORGET_AFTER
from ipcluster_ext.core.talk import MOST
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Awaiting,
    ClientHello,
    InputReply,
    Message,
    More,
    News,
    Output,
    Started,
    Submit,
)
from ipcluster_ext.protocol.parts import Blob, Life, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind
from tests.support.scripted import Agent, Client, Engine, Stage


def return_engine(
    agent: Agent, engine: Engine, *also: Message, frames: Sequence[bytes] = ()
) -> None:
    """Have an agent come back with its engine, which goes on to say something."""
    agent.come()
    agent.say(
        AgentHello(agent.number, "here", 10, 1, True, [Life(engine.number, engine.boot, True)])
    )
    engine.come()
    greeting = structs.replace(engine.greeting(), again=True, held=engine.ids)
    engine.say(greeting, *also, frames=frames)


def return_client(client: Client, *unheard: Message) -> None:
    client.come()
    client.was_away = True
    client.forget()
    client.say(ClientHello(client.number, "here", 20, again=True), *unheard, Awaiting([], []))


def words_of(client: Client) -> list[Message]:
    return [m for m in client.heard if isinstance(m, Output | News | Started)]


def test_is_passed_on(client: Client, engine: Engine) -> None:
    [task] = client.submit()
    said: list[Message] = [
        Output(task, "stdout", "a", 1),
        News(task, "data", b"in", (), 2),
        Started([task]),
    ]

    engine.say(*said)

    assert words_of(client) == said


def test_of_a_task_that_the_engine_does_not_have_is_not(client: Client, engine: Engine) -> None:
    [task] = client.submit()
    engine.finish()
    client.forget()

    engine.say(Output(task, "stdout", "a"), News(task, "data", b""), Started([task]))

    assert words_of(client) == []


def test_is_kept_for_a_client_that_comes_back_later_than_the_engine(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    [task] = client.submit()
    said: list[Message] = [
        Output(task, "stdout", "a", 1),
        News(task, "item", b"", (3,), 2),
        Started([task]),
    ]

    stage.crash()
    return_engine(agent, engine, *said, frames=[b"abc"])
    return_client(client)

    assert words_of(client) == said


def test_of_a_task_that_only_its_client_can_name_is_kept_too(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    [task] = client.submit()
    said = Output(task, "stdout", "a", 1)

    stage.crash(unwritten=1)
    return_engine(agent, engine, said)
    return_client(client, Submit(TaskSpec(Kind.APPLY), [TaskItem(task, b"in")]))

    assert words_of(client) == [said]


def test_is_not_kept_for_clients_that_nobody_expects(client: Client, engine: Engine) -> None:
    stage = client.stage
    [task] = client.submit()
    client.bye()

    engine.say(Output(task, "stdout", "a", 1))

    assert stage.hub.state.recovered.words == []


def test_is_kept_within_bounds_and_not_for_ever(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    [task] = client.submit()
    stage.crash()
    return_engine(agent, engine, *[Output(task, "stdout", "a", n) for n in range(MOST + 5)])
    kept = len(stage.hub.state.recovered.words)

    stage.turn(FORGET_AFTER + 60)

    assert (kept, stage.hub.state.recovered.words) == (MOST, [])


def test_keeps_its_blobs_until_its_client_has_received_it(
    stage: Stage, client: Client, agent: Agent, engine: Engine
) -> None:
    [task] = client.submit()
    name = f"e{engine.number}x{engine.boot:x}-1"
    news = News(TaskId(task), "item", b"", (Blob(name, 10),), 1)
    stage.crash()
    return_engine(agent, engine, news)
    return_client(client)
    before = name in stage.hub.state.blobs.counts

    client.acknowledge()

    assert (before, name in stage.hub.state.blobs.counts) == (True, False)


@pytest.mark.parametrize("early", [False, True])
def test_how_far_a_stream_was_read_reaches_an_engine_that_comes_back(
    stage: Stage, client: Client, agent: Agent, engine: Engine, *, early: bool
) -> None:
    [task] = client.submit()
    stage.crash()
    if early:
        return_client(client, More(task, 32), More(task, 64))
        return_engine(agent, engine)
    else:
        return_engine(agent, engine)
        return_client(client, More(task, 64))

    assert engine.of(More) == [More(task, 64)]


class TestAQuestion:
    """What a task asks its user."""

    @staticmethod
    def question(task: TaskId) -> News:
        return News(task, "input", b"prompt", (), 1)

    def test_reaches_the_client_and_its_answer_the_engine(
        self, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()
        reply = InputReply(task, 1, "Ann")

        engine.say(self.question(task))
        client.say(reply)

        assert (words_of(client), engine.of(InputReply)) == ([self.question(task)], [reply])

    def test_is_answered_by_nobody_else(self, stage: Stage, client: Client, engine: Engine) -> None:
        [task] = client.submit()
        engine.say(self.question(task))

        stage.client().say(InputReply(task, 1, "Ann"))

        assert engine.of(InputReply) == []

    def test_that_was_not_asked_has_no_answer(self, client: Client, engine: Engine) -> None:
        [task] = client.submit()

        client.say(InputReply(task, 1, "Ann"), InputReply(TaskId(task + 1), 1, "Ann"))

        assert engine.of(InputReply) == []

    def test_of_a_task_that_has_ended_has_no_answer(self, client: Client, engine: Engine) -> None:
        [task] = client.submit()
        engine.say(self.question(task))
        engine.finish()

        client.say(InputReply(task, 1, "Ann"))

        assert [reply.text for reply in engine.of(InputReply)] == ["the task has ended"]
        assert client.stage.hub._talk.asking == {}  # noqa: SLF001 - a leak shows nowhere else

    def test_of_a_task_that_the_engine_does_not_have_is_refused(
        self, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()
        engine.finish()

        engine.say(self.question(task))

        [refusal] = engine.of(InputReply)
        assert (refusal.id, refusal.how, refusal.text) == (task, "refused", "the task has ended")

    @pytest.mark.parametrize("before", [False, True])
    def test_is_refused_when_the_client_is_gone(
        self, client: Client, engine: Engine, *, before: bool
    ) -> None:
        [task] = client.submit()
        if before:
            client.bye()
            engine.say(self.question(task))
        else:
            engine.say(self.question(task))
            client.bye()

        [refusal] = engine.of(InputReply)
        assert (refusal.number, refusal.how) == (0, "refused")
        assert "is gone" in refusal.text

    def test_waits_for_a_client_that_comes_back_later_than_the_engine(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        stage.crash()
        return_engine(agent, engine, self.question(task))
        return_client(client)
        reply = InputReply(task, 1, "Ann")

        client.say(reply)

        assert (words_of(client), engine.of(InputReply)) == ([self.question(task)], [reply])

    def test_is_refused_when_the_client_does_not_come_back(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit()
        stage.crash()
        return_engine(agent, engine, self.question(task))

        stage.turn(FORGET_AFTER + 60)

        assert [refusal.how for refusal in engine.of(InputReply)] == ["refused"]

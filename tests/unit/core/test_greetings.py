import pytest

from ipcluster_ext.core.events import Said
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Bye,
    ClientHello,
    Done,
    EngineHello,
    Engines,
    Message,
    QueueQuery,
    Refused,
    StartEngines,
    Submit,
    Welcome,
)
from ipcluster_ext.protocol.parts import (
    EngineInfo,
    ResultItem,
    TaskItem,
    TaskSpec,
)
from ipcluster_ext.protocol.status import EngineStatus, Kind, TaskStatus
from tests.support.scripted import Client, Stage

STARTING, READY, STOPPED, *_ = EngineStatus

ANYTHING: list[Message] = [
    QueueQuery(1),
    Submit(TaskSpec(Kind.APPLY), [TaskItem(TaskId(1), b"")]),
    Done([ResultItem(TaskId(1), TaskStatus.DONE, 0.0, 0.0, b"")]),
]


@pytest.mark.parametrize("message", ANYTHING, ids=lambda message: type(message).__name__)
def test_a_peer_that_does_not_greet_first_is_refused_and_dismissed(
    message: Message, stage: Stage
) -> None:
    stranger = stage.peer()

    stranger.say(message)

    assert stranger.heard == [Refused("the first message has to be a greeting")]
    assert stage.dismissed == [stranger.id]


def test_a_refused_peer_is_not_heard_again_in_the_same_batch(stage: Stage) -> None:
    stranger = stage.peer()
    hello = ClientHello(ClientId(5), "here", 1)

    stage.happen(stranger.said(QueueQuery(1), hello, QueueQuery(2)), stranger.said(QueueQuery(3)))

    assert stranger.heard == [Refused("the first message has to be a greeting")]
    assert stage.dismissed == [stranger.id]
    assert stage.hub.state.clients == {}


def test_a_client_is_told_where_the_hub_is_and_which_engines_there_are(stage: Stage) -> None:
    [engine] = stage.engines(1)

    client = stage.client()

    infos = [EngineInfo(engine.number, READY, "here", 100)]
    assert client.heard == [Welcome(1, "here", "/dev/shm/here", infos)]


def test_a_client_whose_number_is_taken_is_refused_and_the_first_one_stays(
    stage: Stage, client: Client
) -> None:
    impostor = stage.peer()

    impostor.say(ClientHello(client.number, "here", 1))
    client.forget()
    client.say(QueueQuery(1))

    assert impostor.heard == [Refused("the client number 1 is taken")]
    assert stage.dismissed == [impostor.id]
    assert len(client.heard) == 1


def test_a_number_is_free_again_once_its_client_has_left(stage: Stage, client: Client) -> None:
    client.leave()
    successor = stage.peer()

    successor.say(ClientHello(client.number, "here", 1))

    assert [type(message) for message in successor.heard] == [Welcome]


def test_a_client_that_says_goodbye_is_dismissed(stage: Stage, client: Client) -> None:
    client.say(Bye())

    assert stage.dismissed == [client.id]
    assert stage.hub.state.clients == {}
    assert stage.hub.state.lines == {}


def test_an_agent_is_asked_to_start_its_engines_under_new_ids(stage: Stage) -> None:
    first, second = stage.agent(2), stage.agent(3)

    assert first.of(StartEngines) == [StartEngines([EngineId(0), EngineId(1)])]
    assert second.of(StartEngines) == [StartEngines([EngineId(2), EngineId(3), EngineId(4)])]


def test_an_agent_that_greets_twice_starts_its_engines_once(stage: Stage) -> None:
    agent = stage.agent(2)

    agent.say(AgentHello(agent.number, "here", 10, 2))

    assert agent.to_start == [EngineId(0), EngineId(1)]
    assert len(stage.hub.state.engines) == 2


@pytest.mark.parametrize("count", [-1, 10_001])
def test_an_agent_with_an_absurd_number_of_engines_is_refused(count: int, stage: Stage) -> None:
    agent = stage.agent(count)

    assert agent.heard == [
        Refused(f"an agent cannot start {count} engines; at most 10000 can be asked for")
    ]
    assert stage.dismissed == [agent.id]
    assert stage.hub.state.next_engine == 0


def test_clients_are_told_of_engines_that_start_and_of_those_that_are_ready(
    stage: Stage, client: Client
) -> None:
    client.forget()

    agent = stage.agent(1)
    agent.start(EngineId(0))

    assert client.heard == [
        Engines([EngineInfo(EngineId(0), STARTING, "here")]),
        Engines([EngineInfo(EngineId(0), READY, "here", 100)]),
    ]


def test_an_engine_that_greets_is_welcomed(stage: Stage) -> None:
    [engine] = stage.engines(1)

    assert engine.heard == [Welcome(1, "here", "/dev/shm/here")]


def test_an_engine_that_repeats_its_greeting_keeps_its_place(stage: Stage, client: Client) -> None:
    [engine] = stage.engines(1)

    engine.hello()
    ids = client.submit(1)

    assert engine.ids == ids


@pytest.mark.parametrize(("engine", "agent"), [(7, 1000), (0, 55)])
def test_an_engine_that_no_agent_was_asked_to_start_is_refused(
    engine: int, agent: int, stage: Stage
) -> None:
    stage.agent(1, number=1000)
    impostor = stage.peer()

    impostor.say(EngineHello(EngineId(engine), 1, agent, "here", 1))

    assert impostor.heard == [Refused(f"no agent was asked to start engine {engine}")]
    assert stage.dismissed == [impostor.id]


def test_what_a_role_may_not_say_is_counted_and_has_no_effect(stage: Stage, client: Client) -> None:
    [engine] = stage.engines(1)
    before = stage.hub.state.stale

    client.say(Done([]))
    engine.say(QueueQuery(1))

    assert stage.hub.state.stale == before + 2
    assert engine.of(QueueQuery) == []


def test_one_peer_is_told_everything_of_a_batch_in_one_packet(stage: Stage) -> None:
    client = stage.client()
    query = Said(client.id, [QueueQuery(1), QueueQuery(2)])

    effects = stage.hub.handle([query, query], now=0.0)

    assert len(effects) == 1

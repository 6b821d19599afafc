"""Engines that have what their host's name says, and those that are nearly out of memory."""

import pytest
from msgspec import structs

from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.labour import Full
from ipcluster_ext.protocol.messages import EngineHello, Notice
from ipcluster_ext.protocol.parts import Options
from tests.support.scripted import Agent, Client, Engine, Stage

MIB = 1 << 20


@pytest.fixture
def agent(stage: Stage) -> Agent:
    return stage.agent(2)


class Guest(Engine):
    """An engine of another host."""

    def greeting(self) -> EngineHello:
        """Make its greeting, with that host's identity."""
        return structs.replace(super().greeting(), host="n1.example.org-0123456789ab")


@pytest.fixture
def guest(agent: Agent) -> Engine:
    agent.start(EngineId(0))
    guest = Guest(agent, EngineId(1), 77)
    guest.hello()
    return guest


@pytest.mark.parametrize("name", ["n1", "n1.example.org"])
def test_a_task_may_ask_for_a_host_by_its_name(client: Client, guest: Engine, name: str) -> None:
    [task] = client.submit(options=Options(resources=((name, 1.0),)))

    assert guest.ids == [task]


@pytest.mark.parametrize("wish", [("n2", 1.0), ("n1", 2.0)])
def test_there_is_one_of_each_host_only(
    client: Client, guest: Engine, wish: tuple[str, float]
) -> None:
    [task] = client.submit(options=Options(resources=(wish,)))

    assert client.why(task)[0] == "NoSuchEngine"
    assert guest.ids == []


class TestAnEngineThatIsNearlyOutOfMemory:
    def test_is_told_of_with_its_task(self, client: Client, agent: Agent) -> None:
        engine = agent.start(EngineId(0))
        client.submit()

        agent.say(Full(engine.number, engine.boot, 85 * MIB, 100 * MIB))

        assert client.of(Notice) == [
            Notice(
                "engine 0 uses 85.0 MiB of memory while it runs 'apply'; "
                "with more than 100.0 MiB it is killed"
            )
        ]

    def test_may_have_no_task(self, client: Client, agent: Agent) -> None:
        engine = agent.start(EngineId(0))

        agent.say(Full(engine.number, engine.boot, 85 * MIB, 100 * MIB))

        assert client.of(Notice) == [
            Notice("engine 0 uses 85.0 MiB of memory; with more than 100.0 MiB it is killed")
        ]

    def test_is_not_told_of_by_others_or_after_its_end(
        self, stage: Stage, client: Client, agent: Agent
    ) -> None:
        engine = agent.start(EngineId(0))
        other = stage.agent(1)

        other.say(Full(engine.number, engine.boot, 85 * MIB, 100 * MIB))
        agent.say(Full(engine.number, engine.boot + 1, 85 * MIB, 100 * MIB))
        agent.say(Full(EngineId(9), 1, 85 * MIB, 100 * MIB))

        assert client.of(Notice) == []

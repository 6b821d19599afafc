"""A hub among scripted peers, and those that most tests have there."""

import pytest

from ipcluster_ext.protocol.ids import EngineId
from tests.support.scripted import Agent, Client, Engine, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def client(stage: Stage) -> Client:
    return stage.client()


@pytest.fixture
def watcher(stage: Stage) -> Client:
    """Have another client join."""
    return stage.client()


@pytest.fixture
def agent(stage: Stage) -> Agent:
    """Have an agent join that is to start one engine; where there are to be more, say so."""
    return stage.agent(1)


@pytest.fixture
def engine(agent: Agent) -> Engine:
    """Have the first engine of the agent join."""
    return agent.start(EngineId(0))


@pytest.fixture
def engines(agent: Agent) -> list[Engine]:
    """Have all engines of the agent join."""
    return [agent.start(engine) for engine in agent.to_start]

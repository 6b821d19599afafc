"""An agent on another host has two pairs of keys: each opens one door, and both end with it."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster.keyring import admit_agent, turn_away_agents
from ipcluster_ext.protocol.keys import KeyPair
from ipcluster_ext.transport.files import ConnectionFile, to_json
from ipcluster_ext.transport.knocking import NOT_ADMITTED
from tests.security.guarded import Guarded
from tests.support.knocks import trouble_at


class Agent(NamedTuple):
    """What an agent on another host has, and the hub that it has it of."""

    guarded: Guarded
    keys: KeyPair
    for_clients: KeyPair

    def card(self, keys: KeyPair) -> dict[str, object]:
        """Make what a client is told."""
        address = msgspec.structs.replace(Guarded.tcp(self.guarded.own), keys=keys)
        info = ConnectionFile(
            cluster="", folder="", agent_pid=1, agent_started=1, host="far", tcp=address
        )
        content: dict[str, object] = msgspec.json.decode(to_json(info))
        return content

    def trouble_at_the_door_for_engines(self, keys: KeyPair) -> str:
        """Knock there; return why nobody is let in."""
        address = Guarded.tcp(self.guarded.engines)
        return trouble_at(msgspec.structs.replace(address, keys=keys))


@pytest.fixture
def agent(guarded: Guarded) -> Iterator[Agent]:
    keys, for_clients = admit_agent(guarded.cluster.folder)
    assert for_clients is not None
    agent = Agent(guarded, keys, for_clients)
    yield agent
    turn_away_agents(guarded.cluster.folder, [agent.keys.public])


def test_tasks_there_come_in_as_clients(agent: Agent) -> None:
    with ipp.Client(agent.card(agent.for_clients)) as client:
        assert client[:].apply_async(pow, 2, 3).get(20) == [8]


def test_the_engines_key_opens_no_door_for_clients(agent: Agent) -> None:
    assert agent.trouble_at_the_door_for_engines(agent.keys) == ""
    with pytest.raises(ipp.HubGone, match="does not admit the key"):
        ipp.Client(agent.card(agent.keys))


def test_the_clients_key_opens_no_door_for_engines(agent: Agent) -> None:
    assert agent.trouble_at_the_door_for_engines(agent.for_clients) == NOT_ADMITTED


def test_a_host_that_is_turned_away_can_submit_nothing_any_more(agent: Agent) -> None:
    other, _ = admit_agent(agent.guarded.cluster.folder)
    with ipp.Client(agent.card(agent.for_clients)) as client:
        assert client[:].apply_async(pow, 2, 3).get(20) == [8]

        turn_away_agents(agent.guarded.cluster.folder, [agent.keys.public])

        answer = client[:].apply_async(pow, 2, 5)
        with pytest.raises(TimeoutError):
            answer.get(1)
    with pytest.raises(ipp.HubGone, match="does not admit the key"):
        ipp.Client(agent.card(agent.for_clients))
    assert agent.trouble_at_the_door_for_engines(agent.keys) == NOT_ADMITTED
    assert agent.trouble_at_the_door_for_engines(other) == ""


def test_it_stays_a_client_when_the_keys_of_others_are_exchanged(agent: Agent) -> None:
    with ipp.Client(agent.card(agent.for_clients)) as client:
        agent.guarded.cluster.rotate_keys_sync()

        assert client[:].apply_async(pow, 2, 3).get(20) == [8]

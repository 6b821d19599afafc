"""How an agent on another host finds its hub."""

import socket

import pytest

from ipcluster_ext.agent.far import find
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.process import Reach
from ipcluster_ext.transport.keys import mint


def reach(port: int, *addresses: str) -> Reach:
    return Reach(
        addresses=[*addresses], port=port, server=mint().public, keys=mint(), search_for=0.0
    )


def test_it_takes_the_first_address_at_which_somebody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hub:
        port = hub.getsockname()[1]

        found = find(reach(port, "no-such-host.invalid", "127.0.0.2", "127.0.0.1"))

    assert found == "127.0.0.1"


def test_it_says_what_happened_at_each_if_nobody_does() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with pytest.raises(ClusterError) as caught:
            find(reach(port, "127.0.0.1", "127.0.0.2"))

    assert str(caught.value) == (
        f"{socket.gethostname()} cannot reach the hub (127.0.0.1:{port}: Connection refused; "
        f"127.0.0.2:{port}: Connection refused); look at firewalls, or choose another address or "
        "a tunnel"
    )


def test_it_says_so_if_it_was_given_none() -> None:
    with pytest.raises(ClusterError, match="no address was given"):
        find(reach(1))

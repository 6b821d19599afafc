"""The keys of a cluster: the hub's own, those whom it admits, and how they are made."""

import hashlib
from typing import Self

import msgspec

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.keys import KeyPair, Secret


class HubKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The hub's own keys, and the public ones of those whom it admits.

    Attributes
    ----------
    server
        Its own.
    clients, engines
        Whom it admits through the door for clients, and through that for engines and agents.
    agents
        Agents on other hosts that the cluster has started, whose engines come with the same keys;
        each with that of clients on its host, which is admitted as long as the agent is, empty if
        there are to be none.
    """

    server: KeyPair
    clients: list[str]
    engines: list[str]
    agents: dict[str, str] = {}

    @property
    def admitted(self) -> tuple[list[str], list[str]]:
        """The keys for each door."""
        submitting = filter(None, self.agents.values())
        return [*self.clients, *submitting], [*self.engines, *self.agents]

    def extends(self, before: Self) -> bool:
        """Tell whether everybody is still admitted who was before."""
        pairs = zip(self.admitted, before.admitted, strict=True)
        return self.server == before.server and all(set(old) <= set(now) for now, old in pairs)

    @property
    def digest(self) -> str:
        """Tells apart which keys are admitted."""
        clients, others = self.admitted
        text = " ".join([*sorted(clients), "|", *sorted(others)])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def mint() -> KeyPair:
    """Make a new pair of keys.

    Raises
    ------
    ClusterError
        This ZeroMQ cannot encrypt.
    """
    import zmq  # only those that leave the host need it

    check_encryption()
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), Secret(secret.decode()))


def check_encryption() -> None:
    """Refuse a ZeroMQ that was built without encryption.

    Raises
    ------
    ClusterError
        Says so.
    """
    import zmq

    if not zmq.has("curve"):
        msg = (
            "this pyzmq was built without CURVE, so nothing may listen on TCP; "
            "install pyzmq from a wheel"
        )
        raise ClusterError(msg)

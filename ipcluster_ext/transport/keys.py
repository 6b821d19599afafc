"""Keys for what crosses a network, and how they stay secret.

Every role, and later every engine, has a pair of its own: whoever gets hold of one can be turned
away without the others. A secret half shows itself as ``***`` wherever something is printed,
logged or traced, does not pickle, and goes to disk only through `transport.files`.
"""

import hashlib
import hmac
import re
from typing import NoReturn

import msgspec

from ipcluster_ext.errors import ClusterError

HIDDEN = "***"
KEY_LENGTH = 40
_KEY = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


class Secret:
    """The secret half of a pair of keys; only `reveal` shows it.

    Parameters
    ----------
    text
        40 characters of Z85, as ZeroMQ writes keys.

    Raises
    ------
    ValueError
        It is no key; the message does not repeat it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not _KEY.fullmatch(text):
            msg = "not a secret key"
            raise ValueError(msg)
        self._text = text

    def reveal(self) -> str:
        """Return the key itself."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text, other._text)

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        msg = "a secret key is neither pickled nor copied"
        raise TypeError(msg)


class KeyPair(msgspec.Struct, frozen=True):
    """Two keys that belong together; ``public`` names their owner to everybody."""

    public: str
    secret: Secret


class TcpAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a hub listens on TCP, how to be sure that it is that hub, and who one is there.

    Attributes
    ----------
    host, port
        Where.
    server
        The hub's public key: nobody else can answer for it.
    keys
        One's own.
    """

    host: str
    port: int
    server: str
    keys: KeyPair


class HubKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The hub's own keys, and the public ones of those whom it admits.

    Attributes
    ----------
    server
        Its own.
    clients, engines
        Whom it admits through the door for clients, and through that for engines and agents.
    """

    server: KeyPair
    clients: list[str]
    engines: list[str]

    @property
    def admitted(self) -> tuple[list[str], list[str]]:
        """The keys for each door."""
        return self.clients, self.engines

    @property
    def digest(self) -> str:
        """Tells apart which keys are admitted."""
        text = " ".join([*sorted(self.clients), "|", *sorted(self.engines)])
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

"""Keys for what crosses a network, and how they stay secret.

Every role, and every agent that comes from another host, has a pair of its own: whoever gets hold
of one can be turned away without the others. A secret half shows itself as ``***`` wherever
something is printed, logged or traced, does not pickle, and is written out only where somebody
says so (`key_as_text`): to files of mode 0600 and to pipes.
"""

import hmac
import re
from typing import NoReturn

import msgspec

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


def key_as_text(value: object) -> str:
    """Write a secret key into JSON: msgspec's ``enc_hook`` of what may hold one.

    Raises
    ------
    TypeError
        It is something else.
    """
    if isinstance(value, Secret):
        return value.reveal()
    msg = f"{type(value).__name__} is not written down"
    raise TypeError(msg)


def key_from_text(kind: type, text: object) -> Secret:
    """Read a secret key from JSON: msgspec's ``dec_hook`` of what may hold one.

    Raises
    ------
    TypeError
        Something else is asked for.
    ValueError
        It is no key.
    """
    if kind is Secret and isinstance(text, str):
        return Secret(text)
    msg = f"{kind.__name__} is not read from text"
    raise TypeError(msg)

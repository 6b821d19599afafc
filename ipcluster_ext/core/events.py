"""What can happen to the hub: somebody said something, left, or received what was sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NewType

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.messages import Message

PeerId = NewType("PeerId", int)
"""The shell's number for a peer, as long as the peer lives."""


@dataclass(slots=True)
class Said:
    """A peer said something, heard for the first time.

    Attributes
    ----------
    peer
        Who. The first message of a peer is its greeting.
    messages
        What, in order.
    frames
        The payload buffers of the messages, in order.
    """

    peer: PeerId
    messages: Sequence[Message]
    frames: Sequence[Frame] = ()


@dataclass(slots=True)
class Left:
    """A peer is gone and will not come back under this number."""

    peer: PeerId
    reason: str = "it left"


@dataclass(slots=True)
class Silent:
    """A peer has not been heard for a while; ``since`` is when it was, by the hub's clock."""

    peer: PeerId
    since: float


@dataclass(slots=True)
class Heard:
    """A peer that was silent is heard again; to be handled before whatever came with it."""

    peer: PeerId


@dataclass(slots=True)
class Lags:
    """Too much that a peer was told is under way to it."""

    peer: PeerId


@dataclass(slots=True)
class CaughtUp:
    """A peer that lagged behind has received most of what it was told."""

    peer: PeerId


@dataclass(slots=True)
class PageRead:
    """A page of the journal that was wanted was read, or could not be (None)."""

    number: int
    data: Sequence[Frame] | None


@dataclass(slots=True)
class Delivered:
    """A peer has received what was sent with this token, or never will."""

    token: Any


Event = Said | Left | Silent | Heard | Lags | CaughtUp | PageRead | Delivered

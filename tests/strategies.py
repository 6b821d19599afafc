"""Hypothesis strategies for everything that travels."""

import enum
import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from ipcluster_ext.protocol.ids import CLIENT_ID_LIMIT, COUNTER_BITS, ClientId, EngineId, TaskId
from ipcluster_ext.protocol.messages import PROTOCOL_VERSION, Message, Packet
from ipcluster_ext.protocol.parts import Blob

MESSAGES: tuple[type[Message], ...] = get_args(Message)
"""Every type of message there is."""

SIZES = st.integers(0, (1 << 63) - 1)
client_ids = st.integers(1, CLIENT_ID_LIMIT - 1).map(ClientId)
engine_ids = st.integers(-1, 1 << 20).map(EngineId)
task_ids = st.integers(0, (CLIENT_ID_LIMIT << COUNTER_BITS) - 1).map(TaskId)

LEAVES: Mapping[Any, st.SearchStrategy[Any]] = {
    ClientId: client_ids,
    EngineId: engine_ids,
    TaskId: task_ids,
    Blob: st.builds(Blob, st.from_regex(r"[a-z]{1,8}-[0-9]{1,4}", fullmatch=True), SIZES),
    type(None): st.none(),
    bool: st.booleans(),
    bytes: st.binary(max_size=40),
    float: st.floats(allow_nan=False),
    int: SIZES,
    str: st.text(max_size=20),
}
"""What the simplest parts of messages are."""


class Values:
    """Strategies for all types that may stand in a message.

    Parameters
    ----------
    leaves
        The strategies for the simplest of them.
    """

    def __init__(self, leaves: Mapping[Any, st.SearchStrategy[Any]]) -> None:
        self._known = dict(leaves)

    def of(self, kind: Any) -> st.SearchStrategy[Any]:
        """Make values of a type."""
        if kind not in self._known:
            self._known[kind] = self._make(kind)
        made: st.SearchStrategy[Any] = self._known[kind]
        return made

    def _make(self, kind: Any) -> st.SearchStrategy[Any]:
        if isinstance(kind, NewType):
            return self.of(kind.__supertype__)
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return st.sampled_from(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            fields = {field.name: self.of(field.type) for field in msgspec.structs.fields(kind)}
            return st.builds(kind, **fields)
        return self._generic(get_origin(kind), get_args(kind))

    def _generic(self, origin: Any, inner: tuple[Any, ...]) -> st.SearchStrategy[Any]:
        if origin is list:
            return st.lists(self.of(inner[0]), max_size=4)
        if origin is tuple and inner[-1] is not Ellipsis:
            return st.tuples(*map(self.of, inner))
        if origin is tuple:
            return st.lists(self.of(inner[0]), max_size=4).map(tuple)
        if origin is dict:
            return st.dictionaries(self.of(inner[0]), self.of(inner[1]), max_size=4)
        if origin is Annotated:
            return self.of(inner[0])
        if origin is Literal:
            return st.sampled_from(inner)
        if origin in {Union, types.UnionType}:
            return st.one_of(*map(self.of, inner))
        msg = f"no strategy for {origin}[{inner}]"
        raise TypeError(msg)


of = Values(LEAVES).of
messages: st.SearchStrategy[Message] = st.one_of(*map(of, MESSAGES))
packets: st.SearchStrategy[Packet] = st.builds(
    Packet,
    version=st.just(PROTOCOL_VERSION),
    boot=SIZES,
    to=SIZES,
    seq=SIZES,
    ack=SIZES,
    messages=st.lists(messages, max_size=4),
)

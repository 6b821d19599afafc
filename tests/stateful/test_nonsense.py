"""Peers that say whatever their role may say, whether it makes sense or not."""

from collections.abc import Sequence
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from ipcluster_ext.core.events import Event, Left, PeerId, Said
from ipcluster_ext.core.hub import Hub
from ipcluster_ext.core.invariants import check
from ipcluster_ext.core.library import Library
from ipcluster_ext.protocol.frames import frames_described
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, first_task
from ipcluster_ext.protocol.messages import (
    FROM_AGENT,
    FROM_CLIENT,
    FROM_ENGINE,
    AgentHello,
    ClientHello,
    EngineHello,
    Message,
)
from ipcluster_ext.protocol.parts import Blob
from tests.strategies import LEAVES, Values

CLIENTS = [ClientId(1), ClientId(2)]
DIGESTS = [b"", b"f", b"g"]

nearby = Values(
    {
        **LEAVES,
        ClientId: st.sampled_from(CLIENTS),
        EngineId: st.integers(-1, 3).map(EngineId),
        TaskId: st.builds(first_task, st.sampled_from(CLIENTS), st.integers(0, 5))
        | st.just(TaskId(0)),
        Blob: st.builds(Blob, st.sampled_from(["c1-1", "c1-2", "e0-1"]), st.just(9)),
        bytes: st.sampled_from(DIGESTS),
        float: st.floats(),
        int: st.integers(-2, 4),
        str: st.sampled_from(["start", "stop", "restart", "signal", ""]),
    }
)
peers = st.integers(1, 8).map(PeerId)


def words_of(*kinds: type[Message]) -> st.SearchStrategy[list[Message]]:
    return st.lists(st.one_of(*map(nearby.of, kinds)), min_size=1, max_size=4)


WORDS = {
    **{PeerId(peer): words_of(*FROM_CLIENT) for peer in (1, 2)},
    **{PeerId(peer): words_of(*FROM_ENGINE) for peer in (3, 4, 5, 6)},
    **{PeerId(peer): words_of(*FROM_AGENT) for peer in (7, 8)},
}
GREETINGS: dict[PeerId, Message] = {
    PeerId(7): AgentHello(1, "here", 1, 2),
    PeerId(8): AgentHello(2, "here", 1, 1),
    PeerId(1): ClientHello(ClientId(1), "here", 1),
    PeerId(2): ClientHello(ClientId(2), "here", 1),
    PeerId(3): EngineHello(EngineId(0), 1, 1, "here", 1),
    PeerId(4): EngineHello(EngineId(0), 2, 1, "here", 1),
    PeerId(5): EngineHello(EngineId(1), 3, 1, "here", 1),
    PeerId(6): EngineHello(EngineId(2), 4, 2, "here", 1),
}


def said(peer: PeerId, messages: Sequence[Message]) -> Said:
    return Said(peer, messages, [b"x"] * sum(map(frames_described, messages)))


talk = [words.map(partial(said, peer)) for peer, words in WORDS.items()]
events: st.SearchStrategy[Event] = st.one_of(
    *talk,
    *talk,
    peers.map(lambda peer: said(peer, [GREETINGS[peer]])),
    peers.map(Left),
)
batches = st.lists(st.lists(events, max_size=4), min_size=1, max_size=30)


@settings(max_examples=3 * settings().max_examples, deadline=None)
@given(batches, st.floats(0.0, 1.0))
def test_whatever_peers_say_the_hub_goes_on_and_its_tables_agree(
    batches: list[list[Event]], step: float
) -> None:
    hub = Hub()
    hub.state.library = Library(limit=1)
    hub.handle([said(peer, [hello]) for peer, hello in GREETINGS.items()], now=0.0)

    for number, batch in enumerate(batches):
        hub.handle(batch, now=number * step)
        check(hub)

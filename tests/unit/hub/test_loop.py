from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import pytest

from ipcluster_ext.core.effects import Effect, Send
from ipcluster_ext.core.events import Event, Left, PeerId
from ipcluster_ext.hub.loop import Loop
from ipcluster_ext.protocol.messages import Bye

if TYPE_CHECKING:
    from ipcluster_ext.core.hub import Hub
    from ipcluster_ext.hub.ports import Ports
    from ipcluster_ext.transport.journal import Journal
    from ipcluster_ext.transport.router import Router

PEER = PeerId(1)


class Scene:
    """A core, its ports and its journal in one, which note what the loop does with them."""

    deadline = None
    settled = True
    trouble = ""
    written = 0
    looking_up = False

    def __init__(self, *, patient: bool = False, gone: bool = False) -> None:
        self.said: list[str] = []
        self._effects: list[Effect] = [Send(PEER, [Bye()], [], patient=patient)]
        self._gone: list[Event] = [Left(PEER)] if gone else []

    def hear(self, now: float) -> list[Event]:
        del now
        return []

    def handle(self, events: Sequence[Event], *, now: float) -> list[Effect]:
        del now
        self.said.append(f"handle {len(events)}")
        effects, self._effects = self._effects, []
        return effects

    def may_carry_at_once(self, effects: Sequence[Effect]) -> bool:
        return not any(isinstance(effect, Send) and effect.patient for effect in effects)

    def carry(self, effects: Sequence[Effect]) -> list[Event]:
        self.said.append(f"carry {len(effects)}")
        gone, self._gone = self._gone, []
        return gone

    def take_pages(self) -> list[tuple[int, list[bytes]]]:
        return [(2, [b"page"])] if len(self.said) < 3 else []

    def append(self, number: int, data: list[bytes]) -> None:
        del data
        self.said.append(f"append {number}")

    def take_nothing(self) -> list[int]:
        return []

    take_unneeded_pages = take_wanted_pages = take_found = take_sent = take_nothing

    def give_way(self) -> None:
        return

    def settle(self, page: int | None, written: int) -> None:
        return

    def keep_up(self, now: float) -> list[Event]:
        del now
        return []

    def turn(self) -> list[str]:
        """Have the loop turn once; return what it did."""
        Loop(
            cast("Hub", self), cast("Ports", self), cast("Router", self), cast("Journal", self)
        ).turn()
        return self.said


def test_what_somebody_waits_for_leaves_before_the_batch_is_recorded() -> None:
    assert Scene().turn() == ["handle 0", "carry 1", "append 2"]


def test_what_must_not_be_done_twice_leaves_after_the_batch_is_recorded() -> None:
    assert Scene(patient=True).turn() == ["handle 0", "append 2", "carry 1"]


@pytest.mark.parametrize("patient", [False, True])
def test_a_batch_is_recorded_before_the_next_one_is_handled(patient: bool) -> None:
    done = Scene(patient=patient, gone=True).turn()

    assert sorted(done[:3]) == ["append 2", "carry 1", "handle 0"]
    assert done[3:] == ["handle 1", "carry 0"]

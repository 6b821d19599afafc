"""Bad lines between scripted processes and a hub: real ledgers, no sockets.

What ZeroMQ does to packets is done here on purpose: in order as long as a connection lives; what
is under way when it breaks is lost, or arrives late, after what the next connection brought.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from ipcluster_ext.core.effects import Dismiss, Effect, Send
from ipcluster_ext.core.events import Delivered, Event, Left, PeerId, Said
from ipcluster_ext.core.hub import Hub
from ipcluster_ext.core.invariants import check
from ipcluster_ext.protocol.frames import decode
from ipcluster_ext.protocol.ledger import Ledger, Wire
from ipcluster_ext.protocol.messages import Packet


def opened(wire: Wire) -> Packet:
    """Read a packet as it comes from the wire."""
    return decode(wire[0], frame_count=len(wire) - 1)


@dataclass(eq=False)
class Link:
    """A process's connections to the hub, one after another.

    Attributes
    ----------
    up, down
        What is under way to the hub and from it, in order.
    late
        What was under way to the hub when a connection broke, and may still arrive.
    gone
        The process has ended; the hub meets with this when it sends.
    """

    up: deque[Wire] = field(default_factory=deque)
    down: deque[Wire] = field(default_factory=deque)
    late: list[Wire] = field(default_factory=list)
    gone: bool = False

    def cut(self, chance: Random) -> None:
        """Break the connection; a part of what was under way to the hub still arrives."""
        kept = chance.randint(0, len(self.up))
        late = chance.randint(kept, len(self.up))
        self.late += list(self.up)[kept:late]
        self.up = deque(list(self.up)[:kept])
        self.down.clear()

    def end(self, chance: Random) -> None:
        """End with its process; what the hub has not heard comes late, as far as it comes."""
        self.cut(chance)
        self.late = [*self.late, *self.up]
        self.up.clear()
        self.gone = True

    def double(self) -> None:
        """Have what arrived late, or will, arrive twice."""
        self.late += self.late


@dataclass(eq=False)
class _Known:
    """A peer as the hub's shell knows it."""

    id: PeerId
    link: Link
    ledger: Ledger


class Shell:
    """Carries events to a hub and effects to links, as the hub's own shell does.

    Parameters
    ----------
    hub
        The core under test.
    before
        Called with each event before the hub hears of it.
    """

    def __init__(self, hub: Hub, before: Callable[[Event], None]) -> None:
        self.hub = hub
        self.links: list[Link] = []
        self._before = before
        self._known: dict[Link, _Known] = {}
        self._by_id: dict[PeerId, _Known] = {}
        self._next = 1
        self._heard: list[Event] = []

    def connect(self) -> Link:
        """Make a link for a new process."""
        link = Link()
        self.links.append(link)
        return link

    def hear(self, link: Link, wire: Wire) -> None:
        """Take a packet; what it says is handled with the next turn."""
        known = self._known.get(link)
        if known is None:
            known = _Known(PeerId(self._next), link, Ledger(0))
            self._next += 1
            self._known[link] = self._by_id[known.id] = known
        taken = known.ledger.take(opened(wire))
        self._heard += map(Delivered, taken.released)
        link.down.extend(taken.resend)
        if taken.messages:
            self._heard.append(Said(known.id, taken.messages, wire[1:]))

    def turn(self, now: float) -> None:
        """Have the hub handle what was heard."""
        events, self._heard = self._heard, []
        while True:
            for event in events:
                self._before(event)
            effects = self.hub.handle(events, now=now)
            check(self.hub)
            events = self._carry(effects)
            if not events:
                return

    def _carry(self, effects: Sequence[Effect]) -> list[Event]:
        consequences: list[Event] = []
        for effect in effects:
            known = self._by_id.get(effect.peer)
            if known is None:
                if isinstance(effect, Send) and effect.token is not None:
                    consequences.append(Delivered(effect.token))
                continue
            if isinstance(effect, Dismiss):
                consequences += [Delivered(t) for t in known.ledger.restart() if t is not None]
                del self._by_id[known.id], self._known[known.link]
                continue
            wire = known.ledger.say(effect.messages, effect.frames, token=effect.token)
            if known.link.gone:
                consequences.append(Left(known.id, "its connection is gone"))
            else:
                known.link.down.append(wire)
        return consequences

    def keep_up(self) -> None:
        """Acknowledge and ping; whoever is gone is noticed with the next turn."""
        for known in self._known.values():
            if known.link.gone:
                self._heard.append(Left(known.id, "its connection is gone"))
            else:
                known.link.down.append(known.ledger.ping())

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way or unacknowledged."""
        return not any(
            link.up or link.down or link.late for link in self.links if not link.gone
        ) and not any(known.ledger.unacked for known in self._known.values())

    @property
    def peers(self) -> set[Link]:
        """The links whose process the hub's shell knows."""
        return set(self._known)

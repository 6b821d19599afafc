"""Packets to events, effects to packets: who the peers are, and what each may say.

A peer's role follows from the door it came through and from its greeting. What its role may not
say is dropped here and counted, and so is what is no packet: a peer that breaks the protocol is
told so and forgotten.
"""

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ipcluster_ext.core.effects import Dismiss, Effect, Send
from ipcluster_ext.core.events import (
    CaughtUp,
    Delivered,
    Event,
    Heard,
    Lags,
    Left,
    PeerId,
    Said,
    Silent,
)
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.hub import freight
from ipcluster_ext.protocol.frames import decode
from ipcluster_ext.protocol.ledger import Ledger
from ipcluster_ext.protocol.messages import (
    FROM_AGENT,
    FROM_CLIENT,
    FROM_ENGINE,
    Bye,
    Message,
    Packet,
    Refused,
)
from ipcluster_ext.protocol.process import PATIENT
from ipcluster_ext.transport.router import Address, Arrival, Router

CLIENTS = 0
ENGINES = 1
PING_EVERY = 2.0
HURRY = 0.5
"""As often those are pinged who owe something while everybody waits for them: after a takeover."""
ACK_WITHIN = 0.02
BACKLOG = 64 * 1024 * 1024
"""Bytes that may be under way to a client before what follows waits on disk."""
AWAY = 5.0
"""A hub that did nothing for so long was stopped itself, and cannot say who was silent."""
_MOST_NAMES = 2**31 - 1
_MOST_FORGOTTEN = 10_000

_MAY_SAY = {
    CLIENTS: frozenset(FROM_CLIENT),
    ENGINES: frozenset(FROM_ENGINE) | frozenset(FROM_AGENT),
}

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Peer:
    """Somebody who has spoken to the hub.

    Attributes
    ----------
    boot
        Its incarnation; another one under the same address is another peer.
    heard_at
        When it was heard last.
    silent
        Whether the core was told that this was a while ago.
    waiting
        What it is to be told once a page of the journal is written, or enough of what was sent
        before has arrived, and what comes after that.
    outside
        Whether it may be on another host.
    """

    id: PeerId
    address: Address
    boot: int
    ledger: Ledger
    allowed: frozenset[type] = field(default_factory=frozenset)
    heard_at: float = 0.0
    silent: bool = False
    lags: bool = False
    waiting: deque[tuple[int, Send]] = field(default_factory=deque)
    outside: bool = False


class Ports:
    """The peers, and their conversations with the hub.

    Parameters
    ----------
    router
        The hub's sockets.
    boot
        The hub's incarnation.
    journal
        Whether what is heard is acknowledged only once `settle` says so.
    quiet
        How long, in seconds, an engine may not be heard before the core is told.
    backlog
        How many bytes may be under way to a client before the core is told that it lags behind.
    read
        Maps a blob of this host for those who are on others.
    """

    def __init__(
        self,
        router: Router,
        boot: int,
        *,
        journal: bool = False,
        quiet: float = PATIENT.quiet,
        backlog: int = BACKLOG,
        read: freight.Read | None = None,
    ) -> None:
        self._router = router
        self._boot = boot
        self._quiet = quiet
        self._backlog = backlog
        self._read = read
        self._outside: dict[Peer, None] = {}
        self._room: int | None = None
        self._ping_every = min(PING_EVERY, quiet / 2)
        self._now = self._look_at = self._looked_at = 0.0
        self._patient = journal
        self._page = self._written = 0
        self._waiting: dict[Peer, None] = {}
        self._unsettled: deque[tuple[int, list[tuple[Peer, int]]]] = deque()
        self._held_back: dict[Peer, int] = {}
        self._peers: dict[Address, Peer] = {}
        self._by_id: dict[PeerId, Peer] = {}
        self._forgotten: dict[tuple[Address, int], None] = {}
        self._next, self._names = 1, 0
        self._owing: dict[Peer, None] = {}  # in order, or chance would have a say
        self._heard: dict[Peer, None] = {}
        self._ack_at: float | None = None
        self._ping_at = self._hurry_at = self._hurry_until = 0.0
        self.malformed = 0
        self.forbidden = 0

    def hear(self, now: float) -> list[Event]:
        """Return what the peers said since the last time."""
        events: list[Event] = []
        self._now = now
        for arrival in self._router.receive():
            try:
                packet = decode(arrival.header, frame_count=len(arrival.frames))
            except ProtocolError as error:
                self._refuse(arrival.address, error)
            else:
                self._take(arrival, packet, events)
        if self._owing and self._ack_at is None:
            self._ack_at = now + ACK_WITHIN
        return events

    def _refuse(self, address: Address, error: ProtocolError) -> None:
        self.malformed += 1
        if self.malformed & (self.malformed - 1) == 0:
            log.warning("refused %d malformed packets so far, the last: %s", self.malformed, error)
        known = self._peers.get(address)
        ledger = known.ledger if known is not None else Ledger(self._boot)
        self._router.send(address, ledger.mention(Refused(str(error))))
        self._router.dismiss(address)

    def _take(self, arrival: Arrival, packet: Packet, events: list[Event]) -> None:
        peer = self._peers.get(arrival.address)
        if peer is not None and peer.boot != packet.boot:
            events.append(Left(peer.id, "another process took its place"))
            self._forget(peer)
            peer = None
        if peer is None:
            peer = self._meet(arrival.address, packet)
        peer.heard_at = self._now
        if peer.silent:
            peer.silent = False
            events.insert(0, Heard(peer.id))
        taken = peer.ledger.take(packet)
        if taken.released:
            self._delivered(peer, taken.released, events)
        for wire in taken.resend:
            self._router.send(peer.address, wire)
        if packet.seq:
            self._owing[peer] = None
            if self._patient:
                self._heard[peer] = None
        if taken.messages:
            said = self._permitted(peer, taken.messages)
            if said:
                events.append(Said(peer.id, said, arrival.frames))

    def _delivered(self, peer: Peer, tokens: Iterable[Any], events: list[Event]) -> None:
        events.extend(map(Delivered, tokens))
        if peer.lags and peer.ledger.unacked_nbytes < self._backlog // 4:
            peer.lags = False
            events.append(CaughtUp(peer.id))

    def _permitted(self, peer: Peer, messages: Sequence[Message]) -> list[Message]:
        """Drop what the peer's role may not say, and count it."""
        said = [message for message in messages if type(message) in peer.allowed]
        self.forbidden += len(messages) - len(said)
        return said

    def _meet(self, address: Address, packet: Packet) -> Peer:
        """Enter a peer that is not known.

        One that knows this hub was forgotten, and comes back: it has to begin anew, as with a hub
        that was started again. So this one goes by another name to it. One that was forgotten
        before it knew this hub may yet hear what it was told then: the same holds for it.
        """
        name = self._boot
        if packet.to == name or (address, packet.boot) in self._forgotten:
            self._names = self._names % (_MOST_NAMES - 1) + 1
            name = (self._boot + self._names - 1) % _MOST_NAMES + 1
        ledger = Ledger(name, other=packet.boot, patient=self._patient)
        peer = Peer(PeerId(self._next), address, packet.boot, ledger, _MAY_SAY[address.door])
        self._next += 1
        if address.outside:
            peer.outside = True
            self._outside[peer] = None
        self._peers[address] = self._by_id[peer.id] = peer
        return peer

    def _forget(self, peer: Peer) -> None:
        self._by_id.pop(peer.id, None)
        self._owing.pop(peer, None)
        self._waiting.pop(peer, None)
        self._outside.pop(peer, None)
        if self._peers.get(peer.address) is peer:
            del self._peers[peer.address]
        self._forgotten[peer.address, peer.boot] = None
        if len(self._forgotten) > _MOST_FORGOTTEN:
            del self._forgotten[next(iter(self._forgotten))]

    def may_carry_at_once(self, effects: Iterable[Effect]) -> bool:
        """Tell whether effects can be carried before it is said what they have to wait for."""
        if self._waiting:
            return False
        for effect in effects:  # noqa: SIM110 - a generator would cost more than all of this
            if type(effect) is not Send or effect.patient:
                return False
        return True

    def carry(self, effects: Iterable[Effect]) -> list[Event]:
        """Do what the core wants done.

        Returns
        -------
        The peers that turned out to be gone, to be handled at once.
        """
        gone: list[Event] = []
        self._room = None
        for who in list(self._waiting):
            self._release(who, gone)
        for effect in effects:
            peer = self._by_id.get(effect.peer)
            if peer is None:
                if isinstance(effect, Send) and effect.token is not None:
                    gone.append(Delivered(effect.token))
                continue
            if isinstance(effect, Dismiss):
                gone.extend(self._unreceived(peer))
                self._forget(peer)
                continue
            if (
                peer.waiting
                or (effect.patient and self._page > self._written)
                or (peer.outside and self._is_too_much(peer, effect))
            ):
                peer.waiting.append((self._page if effect.patient else 0, effect))
                self._waiting[peer] = None
            else:
                self._say(peer, effect, gone)
        if self._waiting and self._ack_at is None:
            self._ack_at = self._now + ACK_WITHIN  # or nobody would look
        return gone

    def _release(self, peer: Peer, gone: list[Event]) -> None:
        """Say what waited for a page that is written, or for others to arrive."""
        waiting = peer.waiting
        while waiting and waiting[0][0] <= self._written:
            if peer.outside and self._is_too_much(peer, waiting[0][1]):
                return
            self._say(peer, waiting.popleft()[1], gone)
        if not waiting:
            del self._waiting[peer]

    def _say(self, peer: Peer, send: Send, gone: list[Event]) -> None:
        self._owing.pop(peer, None)
        messages, frames = send.messages, send.frames
        if peer.outside and self._read is not None and freight.has_blobs(messages):
            messages, frames = freight.unload(messages, frames, self._read)
            self._room = None
        wire = peer.ledger.say(messages, frames, token=send.token)
        if not self._router.send(peer.address, wire):
            gone.append(Left(peer.id, "its connection is gone"))
        elif peer.ledger.unacked_nbytes > self._backlog and self._may_lag(peer):
            peer.lags = True
            gone.append(Lags(peer.id))

    def _is_too_much(self, peer: Peer, send: Send) -> bool:
        """Tell whether blobs have to wait until more of what is under way has arrived."""
        if self._read is None or not freight.has_blobs(send.messages):
            return False
        if self._room is None:
            under_way = sum(
                other.ledger.unacked_nbytes
                for other in self._outside
                if other.address.door == ENGINES and not other.silent
            )
            self._room = freight.MOST_FOR_ALL - under_way
        return self._room <= 0 or peer.ledger.unacked_nbytes > freight.MOST_FOR_ONE

    def _may_lag(self, peer: Peer) -> bool:
        """Tell whether the core is to be told that a peer lags behind: what it is owed is kept."""
        return self._patient and not peer.lags and peer.address.door == CLIENTS

    def _unreceived(self, peer: Peer) -> list[Event]:
        """Return the tokens that a peer that is gone will not receive."""
        tokens = [*peer.ledger.restart(), *(send.token for _, send in peer.waiting)]
        return [Delivered(token) for token in tokens if token is not None]

    def keep_up(self, now: float) -> list[Event]:
        """Acknowledge and ping what is due.

        Returns
        -------
        The peers that turned out to be gone.
        """
        if self._ack_at is not None and now >= self._ack_at:
            for peer in self._owing:
                if peer.ledger.owes_ack:
                    self._router.send(peer.address, peer.ledger.mention())
            self._owing.clear()
            self._ack_at = now + ACK_WITHIN if self._unsettled or self._waiting else None
        events: list[Event] = []
        if now >= self._look_at:
            self._look(now, events)
        if now >= self._ping_at:
            self._ping_at = now + self._ping_every
            self._hurry_at = now + HURRY
            self._ping(list(self._peers.values()), events)
        elif self._hurry_at <= now and self._hurry_at < self._hurry_until:
            self._hurry_at = now + HURRY
            self._ping([peer for peer in self._peers.values() if _owes(peer.ledger)], events)
        return events

    def _ping(self, peers: Iterable[Peer], events: list[Event]) -> None:
        """Find out what was lost between peers and this hub."""
        events += [
            Left(peer.id, "its connection is gone")
            for peer in peers
            if not self._router.send(peer.address, peer.ledger.ping())
        ]

    def _look(self, now: float, events: list[Event]) -> None:
        """Find out which engines have not been heard for a while."""
        was_away, self._looked_at = now - self._looked_at > AWAY + self._quiet, now
        soonest = now + self._quiet
        for peer in self._peers.values():
            if peer.address.door != ENGINES or peer.silent:
                continue
            if was_away:
                peer.heard_at = now
            if peer.heard_at + self._quiet <= now:
                peer.silent = True
                events.append(Silent(peer.id, peer.heard_at))
            else:
                soonest = min(soonest, peer.heard_at + self._quiet)
        self._look_at = soonest

    def settle(self, page: int | None, written: int) -> None:
        """Learn what of what was heard may be acknowledged.

        Parameters
        ----------
        page
            The last page of the journal that follows from what was heard up to now; None if it is
            not known yet what does.
        written
            The last that is written.
        """
        unsettled = self._unsettled
        self._page, self._written = page or self._page, written
        if page is None:
            self._hurry_until = self._now + self._ping_every
        if self._heard:
            self._held_back.update((peer, peer.ledger.received) for peer in self._heard)
            self._heard.clear()
        if self._held_back and page is not None:
            unsettled.append((page, list(self._held_back.items())))
            self._held_back.clear()
        while unsettled and unsettled[0][0] <= written:
            for peer, received in unsettled.popleft()[1]:
                if peer.id in self._by_id:  # else this hub may go by another name to it by now
                    peer.ledger.may_acknowledge(received)
                    self._owing[peer] = None
        if self._owing and self._ack_at is None:
            self._ack_at = self._now + ACK_WITHIN

    def farewell(self, agents: Iterable[PeerId] = ()) -> None:
        """Tell the clients that the hub ends, and agents on other hosts that they are to end."""
        others = frozenset(agents)
        for peer in self._peers.values():
            if peer.address.door == CLIENTS or peer.id in others:
                self._router.send(peer.address, peer.ledger.mention(Bye()))

    @property
    def deadline(self) -> float:
        """When `keep_up` wants to be called next."""
        soonest = min(self._ping_at, self._look_at)
        if self._hurry_at < self._hurry_until:
            soonest = min(soonest, self._hurry_at)
        return soonest if self._ack_at is None else min(soonest, self._ack_at)


def _owes(ledger: Ledger) -> bool:
    """Tell whether a peer has said nothing that counts, or not acknowledged what it was told."""
    return not ledger.received or bool(ledger.unacked)

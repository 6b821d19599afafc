"""Bad lines between scripted processes and a hub's real ports: real ledgers, no sockets.

Packets of one connection arrive in order, unless the history's faults say otherwise: each may be
lost, arrive twice, or late; and when a connection breaks, what was under way to the hub is lost,
or arrives when it will, and what was under way from it is lost.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

from ipcluster_ext.protocol.frames import Frame, decode
from ipcluster_ext.protocol.keys import KEY_LENGTH
from ipcluster_ext.protocol.ledger import Ledger, Wire
from ipcluster_ext.protocol.messages import Message
from ipcluster_ext.transport.router import Address, Arrival
from tests.simulation.agenda import Agenda
from tests.simulation.faults import Faults

Said: TypeAlias = tuple[Sequence[Message], Sequence[Frame]]
RECONNECT = 0.2
"""How long it takes, at most, to find the hub again."""
HERE, FAR = "here", "far"
"""The hub's host, and what other hosts are called."""
ENGINES = 1
"""The hub's door for engines and agents."""


def address_of(name: bytes, *, far: bool) -> Address:
    """Return how the hub tells an engine or an agent from others."""
    return Address(ENGINES, b"\0" + bytes(KEY_LENGTH) + name if far else name)


class Line:
    """A process's end of its conversation with the hub, as `transport.channel` keeps it.

    Parameters
    ----------
    network
        Carries what is said.
    address
        How the hub tells this peer from others.
    boot
        This process's incarnation.
    hear
        Called with what the hub says.
    reborn
        Called when the hub turns out to be another one; has to call `begin_again`.

    Attributes
    ----------
    epoch
        The number of the connection.
    gone
        Whether the process has ended.
    parted
        Whether nothing gets through at present.
    stopped
        What has come while the process stands still; None while it does not.
    heard
        The incarnation of the hub that was heard last.
    """

    def __init__(
        self,
        network: "Network",
        address: Address,
        boot: int,
        *,
        hear: Callable[[Sequence[Message], Sequence[Frame]], None],
        reborn: Callable[[], None],
    ) -> None:
        self.address = address
        self.ledger = Ledger(boot)
        self.epoch = 0
        self.gone = False
        self.parted = False
        self.stopped: list[Wire] | None = None
        self.up_at = self.down_at = 0.0
        self.heard = 0
        self._network = network
        self._hear = hear
        self._reborn = reborn
        self._unheard: list[Said] | None = None
        network.lines[address] = self

    @property
    def unacked(self) -> int:
        """How many packets the hub has not acknowledged."""
        return self.ledger.unacked + len(self._unheard or ())

    def say(self, *messages: Message, frames: Sequence[Frame] = ()) -> None:
        """Say something that will arrive."""
        if self._unheard is not None:
            self._unheard.append((messages, frames))
        else:
            self._network.up(self, self.ledger.say(list(messages), frames))

    def mention(self, *messages: Message) -> None:
        """Say something that may be lost."""
        if self._unheard is None:
            self._network.up(self, self.ledger.mention(*messages))

    def ping(self) -> None:
        """Find out whether anything was lost."""
        if self._unheard is None:
            self._network.up(self, self.ledger.ping(self._network.agenda.now))

    def take(self, wire: Wire) -> None:
        """Hear a packet, or keep it until the process goes on."""
        if self.stopped is not None:
            self.stopped.append(wire)
            return
        packet = decode(wire[0], frame_count=len(wire) - 1)
        self.heard = packet.boot
        taken = self.ledger.take(packet)
        for again in taken.resend:
            self._network.up(self, again)
        if taken.reborn:
            self._suspend(packet.boot)
            self._reborn()
        elif taken.messages:
            self._hear(taken.messages, wire[1:])

    def _suspend(self, hub: int) -> None:
        unheard: list[Said] = []
        for header, *frames in self.ledger.unheard:
            unheard.append((decode(header, frame_count=len(frames)).messages, frames))
        self.ledger.restart(hub)
        self._unheard = unheard

    def begin_again(self, make: Callable[[list[Said]], list[Said]]) -> None:
        """Say what a hub that knows nothing has to know: what `make` makes of what was unheard."""
        unheard, self._unheard = self._unheard or [], None
        for messages, frames in make(unheard):
            self.say(*messages, frames=frames)

    def end(self) -> None:
        """End with the process; what is under way to the hub arrives as far as it does."""
        self.gone = True
        self.epoch += 1
        del self._network.lines[self.address]


class Network:
    """Carries packets, well or badly; the hub's ports take it for their router.

    Parameters
    ----------
    agenda, random, faults
        Time, chance, and what goes wrong.
    deliver
        Called when packets have come for the hub.
    on_packet
        Called with each packet that is about to arrive, its direction first.

    Attributes
    ----------
    lines
        The processes that live.
    bad
        Whether faults happen at present.
    budget
        How many more packets the hub sends before it dies; None if it does not.
    hub
        The incarnation of the hub that can be reached.
    """

    def __init__(
        self,
        agenda: Agenda,
        random: Random,
        faults: Faults,
        *,
        deliver: Callable[[], None],
        on_packet: Callable[[str, Wire], None],
    ) -> None:
        self.agenda = agenda
        self.lines: dict[Address, Line] = {}
        self.bad = bool(faults.drop or faults.double or faults.delay)
        self.budget: int | None = None
        self._random = random
        self._faults = faults
        self._deliver = deliver
        self._on_packet = on_packet
        self._arrived: list[Arrival] = []
        self.hub = 0
        self._life = 0
        self._buried: set[Address] = set()
        self._open = False

    # ------------------------------------------------------------ as the hub's router

    def receive(self) -> list[Arrival]:
        """Return what has come for the hub."""
        arrived, self._arrived = self._arrived, []
        return arrived

    def send(self, address: Address, wire: Wire) -> bool:
        """Send a packet of the hub's, unless the receiver is gone, which is told."""
        line = self.lines.get(address)
        if line is None:
            if address.outside:
                return True  # that it is gone for good, nobody can see from here
            self._buried.add(address)  # nothing is read from a connection that is known to be gone
            return False
        if self.budget is not None:
            if self.budget <= 0:
                return True  # it is dead, and does not know it yet
            self.budget -= 1
        if line.parted:
            return True
        at = self._time_of(line.down_at)
        if at is not None:
            line.down_at = at
            self.agenda.at(at, self._come_down, (line, line.epoch, wire))
        return True

    # ------------------------------------------------------------ from processes

    def up(self, line: Line, wire: Wire) -> None:
        """Send a packet of a process's; while there is no hub it is lost."""
        if line.gone or line.parted or not self._open:
            return
        at = self._time_of(line.up_at)
        if at is not None:
            line.up_at = at
            self.agenda.at(at, self._come_up, (line, line.epoch, wire, self._life))

    def _time_of(self, before: float) -> float | None:
        """Return when a packet arrives; None if it never does."""
        chance, faults = self._random.random, self._faults
        at = self.agenda.now + faults.latency * (0.5 + chance())
        if self.bad:
            if chance() < faults.drop:
                return None
            if chance() < faults.delay:
                at += 0.3 * chance()
        return max(at, before)

    def _come_up(self, what: tuple[Line, int, Wire, int]) -> None:
        line, epoch, wire, life = what
        if life != self._life or line.address in self._buried:
            return
        chance = self._random.random
        if epoch != line.epoch and epoch >= 0:  # the connection broke meanwhile
            fate = chance()
            if fate < 0.4:
                return
            if fate < 0.7:
                self.agenda.after(chance() * 0.5, self._come_up, (line, -1, wire, life))
                return
        elif self.bad and chance() < self._faults.double:
            self.agenda.after(chance() * 0.3, self._come_up, (line, -1, wire, life))
        self._arrived.append(Arrival(line.address, wire[0], wire[1:]))
        self._on_packet("up", wire)
        self._deliver()

    def _come_down(self, what: tuple[Line, int, Wire]) -> None:
        line, epoch, wire = what
        if line.gone or (epoch != line.epoch and epoch >= 0):
            return
        if self.bad and self._random.random() < self._faults.double:
            self.agenda.after(
                0.3 * self._random.random(), self._come_down, (line, line.epoch, wire)
            )
        self._on_packet("down", wire)
        line.take(wire)

    # ------------------------------------------------------------ what happens to connections

    def cut(self, line: Line) -> None:
        """Break a connection; it is made anew at once."""
        line.epoch += 1
        self.agenda.after(self._faults.latency, self._ask, line)

    def part(self, line: Line) -> None:
        """Let nothing through between a process and the hub until they are joined."""
        line.parted = True
        line.epoch += 1

    def join(self, line: Line) -> None:
        """Let everything through once more."""
        if line.parted:
            line.parted = False
            self._ask(line)

    def _ask(self, line: Line) -> None:
        if not line.gone:
            line.ping()

    def hub_starts(self, boot: int) -> None:
        """Have processes find the hub."""
        self._life += 1
        self._open = True
        self.hub = boot
        self.budget = None
        self._arrived.clear()
        for line in self.lines.values():
            line.epoch += 1
            self.agenda.after(self._random.random() * RECONNECT, self._ask, line)

    def hub_ends(self) -> None:
        """Lose what was under way to the hub; what it had sent arrives, or not all of it."""
        self._open = False
        for line in self.lines.values():
            if self._random.random() < 0.5:
                line.epoch += 1

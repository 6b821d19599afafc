"""One end of a conversation in which every packet arrives, once and in order.

ZeroMQ delivers in order as long as a connection lives, and may lose what was under way when it
breaks. So packets are numbered, kept until the other side acknowledges them (in the header of
whatever it sends next), and sent again when it is certain that they were lost: a `Pong` answers
a `Ping` on the same connection, hence everything numbered before that `Ping` has arrived by
then, or never will. The same holds for what was numbered before the `Pong`, so either side's
question finds out what either has lost. Duplicates are dropped by number. Nothing is paid per task.

A process that died and was started again is another one, of another incarnation, and remembers
nothing. What was meant for the one before is not taken; the answer shows the new incarnation, and
whoever sees that begins the conversation anew.

Both ends use this class: client and hub, engine and hub, agent and hub.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from ipcluster_ext.protocol.frames import Frame, encode
from ipcluster_ext.protocol.messages import (
    PROTOCOL_VERSION,
    Message,
    Packet,
    Ping,
    Pong,
)

Wire = list[Frame]
MOST_LEFT = 16
"""So many incarnations of the other side are known not to be it any more."""


class Taken(msgspec.Struct):
    """What came of a packet.

    Attributes
    ----------
    messages
        What it said, empty if it had been heard before or came too early.
    released
        What had been kept with packets that are now acknowledged.
    resend
        Packets to send again, now.
    reborn
        Whether the other side is another process than it was; nothing else was taken.
    """

    messages: Sequence[Message] = ()
    released: list[Any] = []
    resend: list[Wire] = []
    reborn: bool = False


class _Kept(msgspec.Struct):
    seq: int
    wire: Wire
    token: Any
    nbytes: int


class Ledger:
    """Numbers what is said, keeps it until it was heard, and hears everything once.

    Parameters
    ----------
    boot
        The incarnation of this process; the other side forgets the numbers when it changes.
    other
        That of the other side, 0 until it is known.
    patient
        Whether what was received is acknowledged only as far as `may_acknowledge` says.

    Attributes
    ----------
    received
        The number of the last packet that was received in order.
    answered
        When the last `Ping` was sent that the other side has answered, and before whose answer
        it said nothing that was not received; 0.0 if there was none. The other side has been here
        since then.
    """

    def __init__(self, boot: int, *, other: int = 0, patient: bool = False) -> None:
        self.boot = boot
        self.other = other
        self.received = 0
        self.answered = 0.0
        self._patient = patient
        self._settled = 0
        self.unacked_nbytes = 0
        self._acked = 0
        self._last = 0
        self._gap_told = -1
        self._kept: deque[_Kept] = deque()
        self._left: deque[int] = deque(maxlen=MOST_LEFT)

    @property
    def mark(self) -> int:
        """The number of the last packet that was numbered."""
        return self._last

    @property
    def owes_ack(self) -> bool:
        """Whether something was heard that the other side has not been told of, and may be."""
        return self._ack > self._acked

    @property
    def _ack(self) -> int:
        return self._settled if self._patient else self.received

    def may_acknowledge(self, number: int) -> None:
        """Learn that nothing up to a received packet has to be said again, whatever happens."""
        self._settled = number

    @property
    def unacked(self) -> int:
        """How many packets the other side has not acknowledged."""
        return len(self._kept)

    def say(
        self, messages: list[Message], frames: Sequence[Frame] = (), *, token: object = None
    ) -> Wire:
        """Make a packet that will arrive.

        Parameters
        ----------
        messages
            What to say.
        frames
            The payload buffers of the messages, in order; they must not change until the
            packet is acknowledged.
        token
            Comes back in `Taken.released` when the packet is acknowledged.

        Returns
        -------
        The frames to send.

        Raises
        ------
        UnicodeEncodeError, OverflowError
            A message holds what the wire has no form for; nothing has changed.
        """
        seq = self._last + 1
        ack = self._settled if self._patient else self.received
        header = encode(Packet(PROTOCOL_VERSION, self.boot, self.other, seq, ack, messages))
        self._last = seq
        self._acked = ack
        wire: Wire = [header, *frames]
        nbytes = len(header)
        for frame in frames:
            nbytes += memoryview(frame).nbytes
        self.unacked_nbytes += nbytes
        self._kept.append(_Kept(seq, wire, token, nbytes))
        return wire

    def mention(self, *messages: Message) -> Wire:
        """Make a packet that need not arrive: a greeting, a ping, an acknowledgement alone."""
        ack = self._acked = self._ack
        return [encode(Packet(PROTOCOL_VERSION, self.boot, self.other, 0, ack, list(messages)))]

    def ping(self, at: float = 0.0) -> Wire:
        """Make the packet that finds out whether anything was lost; ``at`` is the time."""
        return self.mention(Ping(self._last, at))

    def take(self, packet: Packet) -> Taken:
        """Read a packet from the other side.

        Returns
        -------
        What it said and what is to be done; a `Ping` is answered among the packets to send.
        """
        taken = Taken()
        if packet.boot != self.other:
            if self.other:
                taken.reborn = packet.boot not in self._left  # else it is late, and nobody's
                return taken
            self.other = packet.boot
        if packet.to != self.boot and packet.to:
            taken.resend.append(self.mention())
            return taken
        kept = self._kept
        while kept and kept[0].seq <= packet.ack:
            entry = kept.popleft()
            self.unacked_nbytes -= entry.nbytes
            if entry.token is not None:
                taken.released.append(entry.token)
        if packet.seq == 0:
            taken.messages = self._control(packet, taken)
        elif packet.seq == self.received + 1:
            self.received = packet.seq
            taken.messages = packet.messages
        elif packet.seq > self.received:
            if self._gap_told == self.received:
                return taken
            self._gap_told = self.received
            taken.resend.append(self.mention(Pong(packet.seq)))
        else:
            self._acked = -1
        return taken

    def _control(self, packet: Packet, taken: Taken) -> list[Message]:
        rest: list[Message] = []
        for message in packet.messages:
            if isinstance(message, Ping):
                taken.resend.append(self.mention(Pong(message.mark, message.at, self._last)))
            elif isinstance(message, Pong):
                if message.said > self.received:
                    taken.resend.append(self.mention(Pong(message.said)))
                elif message.at > self.answered:
                    self.answered = message.at
                if self._kept and self._kept[0].seq <= message.mark:
                    taken.resend.extend(entry.wire for entry in self._kept)
            else:
                rest.append(message)
        return rest

    @property
    def unheard(self) -> list[Wire]:
        """The packets that the other side has not acknowledged, in order."""
        return [entry.wire for entry in self._kept]

    def restart(self, other: int = 0) -> list[Any]:
        """Begin the conversation anew, with a peer that remembers nothing.

        Parameters
        ----------
        other
            Its incarnation, 0 if that is not known.

        Returns
        -------
        The tokens of everything that was not acknowledged, in order.
        """
        tokens = [entry.token for entry in self._kept]
        self._kept.clear()
        if self.other not in {0, other}:
            self._left.append(self.other)
        self.other = other
        self.received = self._last = self._acked = self.unacked_nbytes = self._settled = 0
        self._gap_told = -1
        return tokens

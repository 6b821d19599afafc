"""One end of a conversation in which every packet arrives, once and in order.

ZeroMQ delivers in order as long as a connection lives, and may lose what was under way when it
breaks. So packets are numbered, kept until the other side acknowledges them (in the header of
whatever it sends next), and sent again when it is certain that they were lost: a `Pong` answers
a `Ping` on the same connection, hence everything numbered before that `Ping` has arrived by
then, or never will. Duplicates are dropped by number. Nothing is paid per task.

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
    """

    messages: Sequence[Message] = ()
    released: list[Any] = []
    resend: list[Wire] = []


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
    """

    def __init__(self, boot: int) -> None:
        self.boot = boot
        self.received = 0
        self.unacked_nbytes = 0
        self._acked = 0
        self._last = 0
        self._gap_told = -1
        self._kept: deque[_Kept] = deque()

    @property
    def mark(self) -> int:
        """The number of the last packet that was numbered."""
        return self._last

    @property
    def owes_ack(self) -> bool:
        """Whether something was heard that the other side has not been told of."""
        return self.received > self._acked

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
        header = encode(Packet(PROTOCOL_VERSION, self.boot, seq, self.received, messages))
        self._last = seq
        self._acked = self.received
        wire: Wire = [header, *frames]
        nbytes = len(header)
        for frame in frames:
            nbytes += memoryview(frame).nbytes
        self.unacked_nbytes += nbytes
        self._kept.append(_Kept(seq, wire, token, nbytes))
        return wire

    def mention(self, *messages: Message) -> Wire:
        """Make a packet that need not arrive: a greeting, a ping, an acknowledgement alone."""
        self._acked = self.received
        return [encode(Packet(PROTOCOL_VERSION, self.boot, 0, self.received, list(messages)))]

    def ping(self) -> Wire:
        """Make the packet that finds out whether anything was lost."""
        return self.mention(Ping(self._last))

    def take(self, packet: Packet) -> Taken:
        """Read a packet from the other side.

        Returns
        -------
        What it said and what is to be done; a `Ping` is answered among the packets to send.
        """
        taken = Taken()
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
                taken.resend.append(self.mention(Pong(message.mark)))
            elif isinstance(message, Pong):
                if self._kept and self._kept[0].seq <= message.mark:
                    taken.resend.extend(entry.wire for entry in self._kept)
            else:
                rest.append(message)
        return rest

    def restart(self) -> list[Any]:
        """Begin the conversation anew, with a peer that remembers nothing.

        Returns
        -------
        The tokens of everything that was not acknowledged, in order.
        """
        tokens = [entry.token for entry in self._kept]
        self._kept.clear()
        self.received = self._last = self._acked = self.unacked_nbytes = 0
        self._gap_told = -1
        return tokens

"""A peer's connection to the hub: packets out from any thread, packets in on one.

One socket behind a lock. Whoever has something to say sends it at once, on its own thread,
without a hand-over; one thread waits for what comes, and makes the connection anew when it broke.

A hub that was started again knows nothing of this peer. The channel notices, and from then on
keeps what is said until its owner has begun the conversation anew (`begin_again`).
"""

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame, decode
from ipcluster_ext.protocol.keys import TcpAddress
from ipcluster_ext.protocol.ledger import Ledger, Wire
from ipcluster_ext.protocol.messages import Message
from ipcluster_ext.transport.dealer import Dealer

LINGER = 0.2
ASK_AGAIN = 0.5
"""So often, in seconds, a hub is asked that was not heard since the connection was made."""
CLOCK = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
"""The clock of pings; it goes on while the machine sleeps."""

Said = tuple[Sequence[Message], Sequence[Frame]]
"""Messages and their frames."""


class AnyDealer(Protocol):
    """One peer's connection to a ROUTER, on a socket file or on TCP."""

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""

    @property
    def backlog(self) -> bool:
        """Whether something waits to be written to a connection that is there."""

    @property
    def trouble(self) -> str:
        """Why there is no connection, where that is known."""

    def reach(self, now: float) -> Any:  # noqa: ANN401 - what it is only `enter` needs to know
        """Return what to `enter`, or else seconds until the next attempt."""

    def enter(self, reached: Any, /, *, anew: bool = False) -> None:  # noqa: ANN401 - see `reach`
        """Use a connection that was reached."""

    def send(self, wire: Wire) -> None:
        """Send a message, or keep it until it can leave."""

    def flush(self) -> None:
        """Write what waits."""

    def receive(self) -> list[list[Frame]]:
        """Return messages that have come, without waiting."""

    def close(self, linger: float = 0.0) -> None:
        """Close the connection, giving what has not left so many seconds."""


class Channel:
    """A connection to the hub, through a socket file or by TCP.

    Parameters
    ----------
    path
        The hub's socket file, or its address on TCP; it need not be there yet.
    identity
        How the hub tells this peer from others.
    boot
        This process's incarnation.
    """

    def __init__(self, path: Path | TcpAddress, *, identity: bytes, boot: int) -> None:
        self._lock = threading.RLock()
        self._ledger = Ledger(boot)
        self._poll = select.poll()
        self._dealer = _make_dealer(path, identity, self._poll)
        self._waking = threading.RLock()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._wake_fd, select.POLLIN)
        self._arrived: deque[list[Frame]] = deque()
        self._closed = False
        self._waiting = False
        self._unheard: list[Said] | None = None
        self.malformed = 0
        self.heard_at = self.connected_at = self._asked_at = time.monotonic()

    @property
    def unacked(self) -> int:
        """How many packets the hub has not acknowledged."""
        return self._ledger.unacked + len(self._unheard or ())

    @property
    def said(self) -> int:
        """The number of the last packet that was said to this hub."""
        return self._ledger.mark

    @property
    def heeded(self) -> int:
        """The number of the last packet that this hub has acknowledged, all before it included."""
        return self._ledger.mark - self._ledger.unacked

    @property
    def reborn(self) -> bool:
        """Whether the hub is another process than it was, and waits for `begin_again`."""
        return self._unheard is not None

    @property
    def owes_ack(self) -> bool:
        """Whether something was received that the hub has not been told of."""
        return self._ledger.owes_ack

    @property
    def answered(self) -> float:
        """When the last ping was sent that the hub has answered, by `CLOCK`; 0.0 if none was.

        Whatever the hub had said before that answer has been received.
        """
        return self._ledger.answered

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known; `wait` makes one."""
        return self._dealer.connected

    @property
    def trouble(self) -> str:
        """Why there is no connection, where that is known."""
        return self._dealer.trouble

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def say(self, messages: list[Message], frames: Sequence[Frame] = ()) -> None:
        """Send messages that will arrive, from any thread; a closed channel says nothing."""
        with self._lock:
            if self._unheard is not None:
                self._unheard.append((messages, frames))
            elif not self._closed:
                self._send(self._ledger.say(messages, frames))

    def mention(self, *messages: Message) -> None:
        """Send messages that may be lost; without any, an acknowledgement alone."""
        with self._lock:
            if self._may_mention:
                self._send(self._ledger.mention(*messages))

    def ping(self) -> None:
        """Ask the hub for a sign of life; what was lost is sent again with its answer."""
        with self._lock:
            if self._may_mention:
                self._send(self._ledger.ping(CLOCK()))

    @property
    def _may_mention(self) -> bool:
        return not self._closed and self._unheard is None

    def _send(self, wire: Wire) -> None:
        dealer = self._dealer
        dealer.send(wire)
        if dealer.backlog and self._waiting:
            self.wake()  # to wait for the moment to write, too

    def wake(self) -> None:
        """Make `wait` return, from any thread, and from within a signal handler."""
        with self._waking:
            if self._wake_fd >= 0:
                with contextlib.suppress(BlockingIOError):  # it is awake already
                    os.eventfd_write(self._wake_fd, 1)

    def watch(self, fd: int) -> None:
        """Make `wait` return also when a file descriptor is readable or hung up."""
        self._poll.register(fd, select.POLLIN)

    def unwatch(self, fd: int) -> None:
        """Watch a file descriptor no longer."""
        self._poll.unregister(fd)

    def wait(self, timeout: float | None) -> list[int]:
        """Wait until something may have come, on the one thread that receives.

        Parameters
        ----------
        timeout
            In seconds; None for ever.

        Returns
        -------
        The watched file descriptors that are readable.
        """
        dealer = self._dealer
        if self._closed or self._arrived:
            timeout = 0.0
        elif not dealer.connected:
            timeout = self._connect(timeout)
        elif self.heard_at < self.connected_at:
            timeout = self._ask_again(timeout)
        with self._lock:
            self._waiting = True
        ready = self._poll.poll(None if timeout is None else max(0.0, timeout * 1000))
        self._waiting = False
        if dealer.backlog:
            with self._lock:
                dealer.flush()
        fds = [fd for fd, _ in ready]
        if self._wake_fd in fds:
            try:
                os.eventfd_read(self._wake_fd)
            except BlockingIOError:
                return fds
        return fds

    def _connect(self, timeout: float | None) -> float | None:
        """Try to connect, while others may say something; return how long to wait at most."""
        reached = self._dealer.reach(time.monotonic())
        if isinstance(reached, float):
            return reached if timeout is None else min(timeout, reached)
        with self._lock:
            if self._closed:
                reached.close()
                return 0.0
            self.connected_at = self._asked_at = time.monotonic()
            # The ledger has what was said; it is the answer that tells whether, and to whom, to say
            # it again.
            self._dealer.enter(reached, anew=self._ledger.other != 0)
            if self._may_mention:
                self._send(self._ledger.ping(CLOCK()))
        return ASK_AGAIN if timeout is None else min(timeout, ASK_AGAIN)

    def _ask_again(self, timeout: float | None) -> float:
        """Ask a hub that has not answered yet, if it is time to; return how long to wait at most.

        Nothing that gets lost while a connection is made costs more than that.
        """
        now = time.monotonic()
        if now - self._asked_at >= ASK_AGAIN:
            self._asked_at = now
            self.ping()
        left = self._asked_at + ASK_AGAIN - now
        return left if timeout is None else min(timeout, left)

    def receive(self) -> list[Said]:
        """Return what has come, in order, each packet's messages with their buffers.

        If the hub turns out to be another one, nothing more is returned before `begin_again`.

        Raises
        ------
        ProtocolError
            Something came that is no packet; what came after it is returned the next time.
        """
        heard: list[Said] = []
        with self._lock:
            arrived = self._arrived
            arrived.extend(self._dealer.receive())
            while arrived:
                header, *frames = arrived[0]
                try:
                    packet = decode(header, frame_count=len(frames))
                except ProtocolError:
                    if heard:
                        break  # refused the next time: what came before it counts
                    arrived.popleft()
                    self.malformed += 1
                    raise
                arrived.popleft()
                self.heard_at = time.monotonic()
                taken = self._ledger.take(packet)
                if taken.reborn:
                    self._suspend(packet.boot)
                for wire in taken.resend:
                    self._send(wire)
                if taken.messages:
                    heard.append((taken.messages, frames))
        return heard

    def acknowledge(self) -> None:
        """Tell the hub what was received, unless it was told already."""
        with self._lock:
            if self._ledger.owes_ack and self._may_mention:
                self._send(self._ledger.mention())

    def _suspend(self, hub: int) -> None:
        """Say nothing more to a hub that knows nothing, and keep what the one before missed."""
        unheard = self._unheard or []
        for header, *frames in self._ledger.unheard:
            unheard.append((decode(header, frame_count=len(frames)).messages, frames))
        self._ledger.restart(hub)
        self._unheard = unheard

    def begin_again(self, make: Callable[[list[Said]], list[Said]]) -> None:
        """Begin the conversation anew, with a hub that remembers nothing.

        Parameters
        ----------
        make
            Called with what the hub before may have missed, in order; returns what to say, the
            greeting first. Nobody else says anything meanwhile.
        """
        with self._lock:
            unheard = self._unheard
            if unheard is None or self._closed:
                return
            packets = make(unheard)
            self._unheard = None
            for messages, frames in packets:
                self._send(self._ledger.say(list(messages), frames))

    def close(self, *farewell: Message) -> None:
        """Close the connection; what the hub has not received stays unsaid.

        Parameters
        ----------
        farewell
            Last messages; they are given a moment to leave.
        """
        with self._lock:
            if self._closed:
                return
            if farewell and self._unheard is None:
                self._send(self._ledger.say(list(farewell)))
            self._closed = True
            self._dealer.close(linger=LINGER if farewell else 0.0)
        self.wake()

    def release(self) -> None:
        """Give up the last file descriptor, once nobody waits any more."""
        with self._waking:  # or somebody wakes whoever gets this descriptor next
            fd, self._wake_fd = self._wake_fd, -1
            if fd >= 0:
                os.close(fd)


def _make_dealer(path: Path | TcpAddress, identity: bytes, poll: select.poll) -> AnyDealer:
    if isinstance(path, Path):
        return Dealer(path, identity=identity, poll=poll)
    from ipcluster_ext.transport.tcpdealer import TcpDealer  # ZeroMQ takes a while to import

    return TcpDealer(path, identity=identity, poll=poll)

"""A peer's connection to the hub: packets out from any thread, packets in on one.

One ZeroMQ socket behind a lock. Whoever has something to say sends it at once, on its own
thread, without a hand-over; one thread waits for what comes. That thread does not wait inside
ZeroMQ (the socket is not its own) but on the socket's file descriptor, which is edge-triggered:
sending may swallow its signal. So a sender looks afterwards whether something has come and wakes
the thread that waits; while none waits, it leaves a note (`_unsure`) to look before waiting.
"""

import os
import select
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import zmq

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame, decode
from ipcluster_ext.protocol.ledger import Ledger, Wire
from ipcluster_ext.protocol.messages import Message, Packet
from ipcluster_ext.transport.sockets import (
    MORE_COMES,
    NOW,
    connect_dealer,
    descriptor_of,
    has_arrivals,
)

_MOST_PACKETS = 256
_COPY_BELOW = 64 * 1024

Received = tuple[Packet, list[Frame]]


class Channel:
    """A connection to the hub through a socket file.

    Parameters
    ----------
    path
        The hub's socket file; it need not be there yet.
    identity
        How the hub tells this peer from others.
    boot
        This process's incarnation.
    """

    def __init__(self, path: Path, *, identity: bytes, boot: int) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        self._socket = connect_dealer(self._context, path, identity=identity)
        self._lock = threading.RLock()
        self._ledger = Ledger(boot)
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(descriptor_of(self._socket), select.POLLIN)
        self._poll.register(self._wake_fd, select.POLLIN)
        self._closed = False
        self._waiting = False
        self._unsure = True
        self.malformed = 0
        self.heard_at = time.monotonic()

    @property
    def unacked(self) -> int:
        """How many packets the hub has not acknowledged."""
        return self._ledger.unacked

    @property
    def owes_ack(self) -> bool:
        """Whether something was received that the hub has not been told of."""
        return self._ledger.owes_ack

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def say(self, messages: list[Message], frames: Sequence[Frame] = ()) -> None:
        """Send messages that will arrive, from any thread; a closed channel says nothing."""
        with self._lock:
            if not self._closed:
                self._send(self._ledger.say(messages, frames))

    def mention(self, *messages: Message) -> None:
        """Send messages that may be lost; without any, an acknowledgement alone."""
        with self._lock:
            if not self._closed:
                self._send(self._ledger.mention(*messages))

    def ping(self) -> None:
        """Ask the hub for a sign of life; what was lost is sent again with its answer."""
        with self._lock:
            if not self._closed:
                self._send(self._ledger.ping())

    def _send(self, wire: Wire) -> None:
        try:
            if len(wire) == 1:
                self._socket.send(wire[0], NOW)
            else:
                self._socket.send_multipart(wire, NOW, copy=False)
        except zmq.Again:
            return  # kept in the ledger; a ping finds out that it was not sent
        if not self._waiting:
            self._unsure = True
        elif has_arrivals(self._socket):
            self.wake()

    def wake(self) -> None:
        """Make `wait` return, from any thread."""
        try:
            os.eventfd_write(self._wake_fd, 1)
        except (BlockingIOError, OSError):
            return  # awake already, or closed

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
        with self._lock:
            if self._closed or (self._unsure and has_arrivals(self._socket)):
                timeout = 0.0
            self._unsure = False
            self._waiting = True
        ready = self._poll.poll(None if timeout is None else max(0.0, timeout * 1000))
        self._waiting = False
        fds = [fd for fd, _ in ready]
        if self._wake_fd in fds:
            try:
                os.eventfd_read(self._wake_fd)
            except BlockingIOError:
                return fds
        return fds

    def receive(self) -> list[tuple[Sequence[Message], Sequence[Frame]]]:
        """Return what has come, in order, each packet's messages with their buffers."""
        heard: list[tuple[Sequence[Message], Sequence[Frame]]] = []
        with self._lock:
            for packet, frames in self._packets():
                taken = self._ledger.take(packet)
                for wire in taken.resend:
                    self._send(wire)
                if taken.messages:
                    heard.append((taken.messages, frames))
        return heard

    def acknowledge(self) -> None:
        """Tell the hub what was received, unless it was told already."""
        with self._lock:
            if self._ledger.owes_ack and not self._closed:
                self._send(self._ledger.mention())

    def _packets(self) -> list[Received]:
        packets: list[Received] = []
        try:
            while not self._closed and len(packets) < _MOST_PACKETS:
                header, frames = receive_frames(self._socket)
                packets.append((decode(header, frame_count=len(frames)), frames))
        except zmq.Again:
            self._unsure = False
        except ProtocolError:
            self.malformed += 1
            raise
        else:
            self._unsure = True
        if packets:
            self.heard_at = time.monotonic()
        return packets

    def restart(self) -> None:
        """Begin the conversation anew, with a hub that remembers nothing."""
        with self._lock:
            self._ledger.restart()

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
            if farewell:
                self._send(self._ledger.say(list(farewell)))
            self._closed = True
            self._poll.unregister(descriptor_of(self._socket))
            self._socket.close(linger=200 if farewell else 0)
        self.wake()
        self._context.term()

    def release(self) -> None:
        """Give up the last file descriptor, once nobody waits any more."""
        if self._wake_fd >= 0:
            os.close(self._wake_fd)
            self._wake_fd = -1


def receive_frames(socket: zmq.Socket[bytes]) -> tuple[bytes, list[Frame]]:
    """Take one packet's frames from a socket, without waiting.

    Raises
    ------
    zmq.Again
        Nothing has come.
    """
    header = socket.recv(NOW)
    frames: list[Frame] = []
    while socket.getsockopt(MORE_COMES):
        frame = socket.recv(copy=False)
        frames.append(frame.buffer if frame.buffer.nbytes >= _COPY_BELOW else frame.bytes)
    return header, frames

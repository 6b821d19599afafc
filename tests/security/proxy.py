"""Somebody between a peer and its hub, who reads everything and changes what he likes."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

_GREETING = 64
_LONG = 2

Meddle = Callable[[int, bytes], list[bytes]]
"""What becomes of the n-th frame that a peer sends: the frames that are sent instead."""


def honest(number: int, frame: bytes) -> list[bytes]:
    """Pass everything on."""
    del number
    return [frame]


class Proxy:
    """Passes on what goes to a port and comes from it, frame by frame.

    Parameters
    ----------
    port
        Where what comes goes to.

    Attributes
    ----------
    port
        Where to connect instead.
    seen
        Every byte that went either way.
    meddle
        What becomes of the frames that come from whoever connects.
    connections
        How many there were.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self.seen = bytearray()
        self.meddle: Meddle = honest
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self.connections += 1
            self._open += (near, far)
            self._start(self._pass_on, near, far)
            self._start(self._return, far, near)

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        """Pass on a greeting, and then frames, each as `meddle` says."""
        with near.makefile("rb") as reader, suppress(OSError):
            for _ in range(_GREETING):  # each end says more when it has heard a part
                self._write(far, reader.read(1))
            number = 0
            while head := reader.read(1):
                length = reader.read(8 if head[0] & _LONG else 1)
                frame = head + length + reader.read(int.from_bytes(length))
                self.seen += frame
                for each in self.meddle(number, frame):
                    far.sendall(each)
                number += 1
        _hang_up(far)

    def _return(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while data := far.recv(65536):
                self._write(near, data)
        _hang_up(near)

    def _write(self, peer: socket.socket, data: bytes) -> None:
        self.seen += data
        peer.sendall(data)

    def close(self) -> None:
        """Hang up on everybody."""
        _hang_up(self._door)
        self._door.close()
        for peer in self._open:
            _hang_up(peer)
        for thread in self._threads:
            thread.join(5)
        for peer in self._open:
            peer.close()


def _hang_up(peer: socket.socket) -> None:
    with suppress(OSError):
        peer.shutdown(socket.SHUT_RDWR)

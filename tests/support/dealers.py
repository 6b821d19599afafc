"""Bare ZeroMQ sockets of libzmq's own, for peers that do not behave."""

from pathlib import Path

import zmq


def connect_dealer(
    context: zmq.Context[zmq.Socket[bytes]], path: Path, *, identity: bytes
) -> zmq.Socket[bytes]:
    """Connect libzmq's DEALER to the hub's end of a socket file."""
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, 20_000)
    socket.setsockopt(zmq.RCVHWM, 20_000)
    socket.setsockopt(zmq.ROUTING_ID, identity)
    socket.connect(f"ipc://{path}")
    return socket

"""Sockets of libzmq's own, which our ends have to get on with."""

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


def bind_router(context: zmq.Context[zmq.Socket[bytes]], path: Path) -> zmq.Socket[bytes]:
    """Bind libzmq's ROUTER; it says when a peer cannot be reached."""
    socket = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.SNDHWM, 20_000)
    socket.setsockopt(zmq.RCVHWM, 20_000)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
    socket.bind(f"ipc://{path}")
    return socket

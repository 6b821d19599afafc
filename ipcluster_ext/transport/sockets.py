"""The hub's ZeroMQ sockets, with every option and limit in one place.

Only ``ipc://`` sockets in folders of ours are made here: who can open the file is the user.
"""

import os
import stat
from pathlib import Path

import zmq

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.frames import HEADER_LIMIT

HIGH_WATER_MARK = 20_000
BACKLOG = 4096
# Plain integers: combining ZeroMQ's enums costs more than sending a small message.
NOW = int(zmq.NOBLOCK)
MORE_NOW = int(zmq.NOBLOCK) | int(zmq.SNDMORE)
MORE_COMES = int(zmq.RCVMORE)
_EVENTS = int(zmq.EVENTS)
_POLLIN = int(zmq.POLLIN)

PATH_LIMIT = 100
"""Length of a socket's path, in bytes, that every system accepts (Linux allows 107)."""


def endpoint_of(path: Path) -> str:
    """Return the ZeroMQ address of a socket file.

    Raises
    ------
    ClusterError
        The path is too long for a socket.
    """
    text = str(path)
    if len(os.fsencode(text)) > PATH_LIMIT:
        msg = (
            f"{text!r} is too long for a socket ({PATH_LIMIT} bytes); set a shorter XDG_RUNTIME_DIR"
        )
        raise ClusterError(msg)
    return f"ipc://{text}"


def check_folder(folder: Path) -> None:
    """Refuse a folder that others could write to or that is not ours.

    Raises
    ------
    ClusterError
        Says what is wrong with it.
    """
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        msg = f"{folder} is not a folder of this user; refusing to use it"
        raise ClusterError(msg)
    if status.st_mode & 0o077:
        msg = f"{folder} is open to others (mode {status.st_mode & 0o777:o}); run chmod 700 on it"
        raise ClusterError(msg)


def descriptor_of(socket: zmq.Socket[bytes]) -> int:
    """Return the descriptor to wait on; it is edge-triggered, see `has_arrivals`."""
    return int(socket.getsockopt(zmq.FD))


def has_arrivals(socket: zmq.Socket[bytes]) -> bool:
    """Tell whether something can be received; resets the edge of the socket's descriptor."""
    return bool(int(socket.getsockopt(_EVENTS)) & _POLLIN)


def _limit(socket: zmq.Socket[bytes]) -> None:
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, HIGH_WATER_MARK)
    socket.setsockopt(zmq.RCVHWM, HIGH_WATER_MARK)
    socket.setsockopt(zmq.MAXMSGSIZE, HEADER_LIMIT)
    socket.setsockopt(zmq.HANDSHAKE_IVL, 2000)


def bind_router(context: zmq.Context[zmq.Socket[bytes]], path: Path) -> zmq.Socket[bytes]:
    """Bind the hub's end of a socket file; it says when a peer cannot be reached."""
    check_folder(path.parent)
    endpoint = endpoint_of(path)
    socket = context.socket(zmq.ROUTER)
    _limit(socket)
    socket.setsockopt(zmq.BACKLOG, BACKLOG)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
    try:
        socket.bind(endpoint)
        path.chmod(0o600)
    except (zmq.ZMQError, OSError):
        socket.close()
        raise
    return socket

"""The five sockets of a Jupyter kernel, as socket files, and the file that says where they are.

A kernel's front ends find it by a connection file. Ours names socket files in the cluster's folder
and a key of its own: no port is opened, and whoever cannot read the file has no key.
"""

import contextlib
import secrets
import threading
from pathlib import Path
from typing import Any

import msgspec
import zmq
from zmq.eventloop.zmqstream import ZMQStream

from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.transport.files import write_private
from ipcluster_ext.transport.kernelfiles import kernel_file, socket_files
from ipcluster_ext.transport.sockets import check_folder, check_path

LINGER = 1000
"""What has been said goes out for so many milliseconds after a socket is closed."""
_CHANNELS = ("shell", "control", "iopub", "stdin", "hb")

Socket = zmq.Socket[bytes]
Stream = ZMQStream


class KernelDoors:
    """A kernel's sockets, open; its heart beats.

    Parameters
    ----------
    folder
        The cluster's folder, of mode 0700.
    engine
        Whose kernel it is.

    Attributes
    ----------
    shell, control, iopub, stdin
        The sockets of these channels; each is used by one thread at a time.
    debugger
        A socket with which to connect to a debugger.
    key
        What front ends sign their messages with.
    path
        The connection file.

    Raises
    ------
    ClusterError
        The folder is open to others, or its path is too long.
    """

    def __init__(self, folder: Path, engine: EngineId) -> None:
        check_folder(folder)
        self._prefix = socket_files(folder, engine)
        self._context = zmq.Context()
        self.key = secrets.token_hex(32).encode()
        self.shell = self._open(zmq.ROUTER, "shell")
        self.control = self._open(zmq.ROUTER, "control")
        self.iopub = self._open(zmq.XPUB, "iopub")
        self.stdin = self._open(zmq.ROUTER, "stdin")
        self.debugger = self._context.socket(zmq.STREAM)
        self.debugger.linger = LINGER
        self._heart = Heart(Path(f"{self._prefix}-{_port('hb')}"))
        self.path = kernel_file(folder, engine)
        write_private(self.path, msgspec.json.encode(self._content()))

    def _open(self, kind: int, channel: str) -> Socket:
        return _bind(self._context.socket(kind), Path(f"{self._prefix}-{_port(channel)}"))

    def _content(self) -> dict[str, Any]:
        ports = {f"{channel}_port": _port(channel) for channel in _CHANNELS}
        return {
            "transport": "ipc",
            "ip": str(self._prefix),
            "signature_scheme": "hmac-sha256",
            "key": self.key.decode(),
            "kernel_name": "",
            **ports,
        }

    def delete(self) -> None:
        """Delete the files; who is connected stays so until this process ends."""
        self.path.unlink(missing_ok=True)
        for channel in _CHANNELS:
            Path(f"{self._prefix}-{_port(channel)}").unlink(missing_ok=True)


class Heart:
    """The heart of a kernel: it beats whatever else this process is busy with.

    Parameters
    ----------
    path
        Its socket file.

    Raises
    ------
    ClusterError
        The path is too long.
    """

    def __init__(self, path: Path) -> None:
        self._context = zmq.Context()
        self._socket: Socket = _bind(self._context.socket(zmq.ROUTER), path)
        threading.Thread(target=self._beat, name="Heartbeat", daemon=True).start()

    def _beat(self) -> None:
        """Send back what comes; that needs no interpreter, whatever a task does with its lock."""
        with contextlib.suppress(zmq.ContextTerminated):
            zmq.proxy(self._socket, self._socket)
        self._socket.close(linger=0)

    def close(self) -> None:
        """Stop it."""
        self._context.term()


def _bind(socket: Socket, path: Path) -> Socket:
    socket.linger = LINGER
    check_path(path)
    if socket.type == zmq.ROUTER:
        socket.router_handover = True  # a front end that comes back has its old name
    socket.bind(f"ipc://{path}")
    path.chmod(0o600)
    return socket


def _port(channel: str) -> int:
    """Return what stands for a port number in the name of a socket file."""
    return _CHANNELS.index(channel) + 1


def stream_of(socket: Socket) -> Stream:
    """Have the event loop of the calling thread receive from a socket, and send to it."""
    return ZMQStream(socket)

"""Raw pyzmq: what the wire itself costs, with no cluster, pickle or function around it.

Every task is one message that a worker process echoes; nothing is batched. `Brokered` has a
broker in the middle, as any cluster with a hub must; `Pair` joins client and worker directly.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import zmq

from tests.bench import functions
from tests.bench.systems.contract import FanOutMissing, NotOfferedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.process import BaseProcess

    from numpy.typing import NDArray

Argument = TypeVar("Argument")
Item = TypeVar("Item")
Result = TypeVar("Result")

_WINDOW = 1000
_RECEIVE_TIMEOUT = 30_000
_ECHO, _INCREMENT = b"echo", b"increment"


class _Raw(FanOutMissing):
    """The client's side: a socket in a directory of its own, and the processes it started."""

    def __init__(self) -> None:
        self._directory = ""
        self._processes: list[BaseProcess] = []
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None

    def stop(self) -> None:
        if self._context is not None:
            self._context.destroy(linger=0)
            self._context = None
        for process in self._processes:
            process.kill()
            process.join()
        self._processes.clear()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _address(self, name: str) -> str:
        self._directory = self._directory or tempfile.mkdtemp(prefix="wire-")
        return f"ipc://{self._directory}/{name}"

    def _spawn(self, target: Callable[..., None], *arguments: str) -> None:
        process = multiprocessing.Process(target=target, args=arguments, daemon=True)
        process.start()
        self._processes.append(process)

    def _connect(self, address: str) -> None:
        self._context = zmq.Context()
        self._socket = _open(self._context, zmq.DEALER)
        self._socket.rcvtimeo = _RECEIVE_TIMEOUT
        self._socket.connect(address)

    @property
    def _wire(self) -> zmq.Socket[bytes]:
        if self._socket is None:
            message = "the client has not been connected"
            raise RuntimeError(message)
        return self._socket


class Brokered(_Raw):
    """Client DEALER, broker ROUTER and DEALER (libzmq's own proxy), workers DEALER."""

    def start(self, count: int) -> None:
        front, back = self._address("front"), self._address("back")
        self._spawn(_broker, front, back)
        for _ in range(count):
            self._spawn(_echo, back)
        self._connect(front)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        replies: list[int] = []
        for sent, item in enumerate(items):
            self._wire.send(b"%d" % cast("int", item))
            if sent >= _WINDOW:
                replies.append(int(self._wire.recv()))
        replies += [int(self._wire.recv()) for _ in range(len(items) - len(replies))]
        return cast("list[Result]", sorted(replies))

    def submit(self, function: Callable[[int], int], item: int) -> object:
        self._wire.send(b"%d" % item)
        return item

    def gather(self, submitted: Sequence[object]) -> list[int]:
        return sorted(int(self._wire.recv()) for _ in submitted)

    def call(self, function: Callable[[Argument], Result], argument: Argument) -> Result:
        self._wire.send(b"%d" % cast("int", argument))
        return cast("Result", int(self._wire.recv()))

    def hub_pids(self) -> list[int]:
        return [pid for process in self._processes[:1] if (pid := process.pid) is not None]


class Pair(_Raw):
    """Client and one worker over ipc, arrays sent without copying."""

    def start(self, count: int) -> None:
        address = self._address("pair")
        self._spawn(_serve_arrays, address)
        self._connect(address)

    def call(self, function: Callable[[Argument], Result], argument: Argument) -> Result:
        order = _INCREMENT if cast("Any", function) is functions.increment else _ECHO
        array = cast("NDArray[np.float64]", argument)
        self._wire.send(order, zmq.SNDMORE)
        self._wire.send(array.data, copy=False)
        return cast("Result", _received_array(self._wire))

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        raise NotOfferedError

    def submit(self, function: Callable[[int], int], item: int) -> object:
        raise NotOfferedError

    def gather(self, submitted: Sequence[object]) -> list[int]:
        raise NotOfferedError


def _open(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    """Open a socket that neither drops nor blocks by a high-water mark."""
    socket = context.socket(kind)
    socket.set_hwm(0)
    return socket


def _received_array(wire: zmq.Socket[bytes]) -> NDArray[np.float64]:
    frame = wire.recv(copy=False)
    return np.frombuffer(frame.buffer, dtype=np.float64)


def _broker(front: str, back: str) -> None:
    context = zmq.Context()
    clients, workers = _open(context, zmq.ROUTER), _open(context, zmq.DEALER)
    clients.bind(front)
    workers.bind(back)
    zmq.proxy(clients, workers)


def _echo(back: str) -> None:
    wire = _open(zmq.Context(), zmq.DEALER)
    wire.connect(back)
    while True:
        wire.send_multipart(wire.recv_multipart())


def _serve_arrays(address: str) -> None:
    wire = _open(zmq.Context(), zmq.DEALER)
    wire.bind(address)
    while True:
        order = wire.recv()
        array = _received_array(wire)
        if order == _INCREMENT:
            array = functions.increment(array)
        wire.send(array.data, copy=False)

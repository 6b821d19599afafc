"""A thousand engines that come at once: scripted ones, on the real wire, to a real hub."""

import os
import select
import socket
import time
from pathlib import Path

import msgspec

from ipcluster_ext.protocol.frames import decode
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.ledger import Ledger
from ipcluster_ext.protocol.messages import AgentHello, EngineHello, Message, StartEngines, Welcome
from ipcluster_ext.protocol.process import HubConfig
from ipcluster_ext.transport import processes
from ipcluster_ext.transport.channel import Channel
from ipcluster_ext.transport.files import engine_socket
from ipcluster_ext.transport.zmtp import GREETING_NBYTES, framed, greeting, ready
from tests.chaos.report import Report
from tests.chaos.stage import runtime_folder

PATIENCE = 120.0
AGENT = 7


class _Engine:
    """An engine's end of a connection, as little as will do: it greets, and hears the welcome."""

    def __init__(self, path: Path, number: EngineId, poll: select.epoll) -> None:
        self.number = number
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.fd = self.socket.fileno()
        self.socket.connect(os.fspath(path))
        hello = EngineHello(number, 1000 + number, AGENT, "here", os.getpid())
        wire = Ledger(1000 + number).mention(hello)
        first = greeting() + ready(b"DEALER", b"e%d" % number)
        self.socket.sendall(first + b"".join(bytes(piece) for piece in framed(wire)))
        self.socket.setblocking(False)
        self._data = b""
        self.welcomed = False
        poll.register(self.socket, select.EPOLLIN)

    def hear(self) -> bool:
        """Take what has come; tell whether the connection is still there."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.socket.close()
            return False
        self._data += data
        self.welcomed = self.welcomed or any(
            isinstance(message, Welcome) for message in _messages(self._data[GREETING_NBYTES:])
        )
        return True


def _messages(data: bytes) -> list[Message]:
    """Return the messages in what came after a greeting, as far as it is complete."""
    found: list[Message] = []
    while len(data) >= 2:
        flags, size = data[0], data[1]
        head = 2
        if flags & 2:
            size, head = int.from_bytes(data[1:9], "big"), 9
        if len(data) < head + size:
            break
        body, data = data[head : head + size], data[head + size :]
        if not flags & 4:
            found.extend(decode(body, frame_count=0).messages)
    return found


def storm(count: int) -> Report:
    """Have so many engines greet a hub at once, and again after it was killed.

    Parameters
    ----------
    count
        How many.
    """
    report = Report(f"{count} engines greet at once", "all are registered")
    with runtime_folder() as runtime:
        folder = runtime / "storm"
        folder.mkdir(mode=0o700)
        config = msgspec.json.encode(HubConfig(cluster="storm", folder=str(folder), blobs=""))
        pid, lifeline = _start_hub(config + b"\n", folder)
        try:
            took, again = _greet(engine_socket(folder), count)
        finally:
            os.write(lifeline, b"end\n")
            os.close(lifeline)
            os.waitpid(pid, 0)
    report.figures |= {"engines": count, "turned away at first": again}
    report.limit("seconds until all are registered", took, 5.0 * count / 1000)
    return report


def _start_hub(config: bytes, folder: Path) -> tuple[int, int]:
    reader, lifeline = os.pipe()
    environment = {**os.environ, processes.CLUSTER_VARIABLE: str(folder)}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    pid = processes.start(
        "ipcluster_ext.hub", stdin=reader, stdout=2, stderr=2, environment=environment
    )
    os.close(reader)
    os.write(lifeline, config)
    return pid, lifeline


def _greet(path: Path, count: int) -> tuple[float, int]:
    """Be an agent and its engines; return how long these took, and how many were turned away."""
    agent = Channel(path, identity=b"agent", boot=AGENT)
    numbers = _ask_for_engines(agent, count)
    began = time.monotonic()
    poll = select.epoll()
    engines = {engine.fd: engine for engine in (_Engine(path, n, poll) for n in numbers)}
    unwelcomed, turned_away = set(numbers), 0
    while unwelcomed and time.monotonic() < began + PATIENCE:
        for fd, _ in poll.poll(0.1):
            engine = engines[fd]
            if not engine.hear():
                turned_away += 1
                del engines[fd]
                engine = _Engine(path, engine.number, poll)
                engines[engine.fd] = engine
            elif engine.welcomed:
                unwelcomed.discard(engine.number)
    took = time.monotonic() - began
    assert not unwelcomed, f"{len(unwelcomed)} were not registered after {PATIENCE} s"
    for engine in engines.values():
        engine.socket.close()
    poll.close()
    agent.close()
    agent.release()
    return took, turned_away


def _ask_for_engines(agent: Channel, count: int) -> list[EngineId]:
    """Be asked by the hub to start engines; return their numbers."""
    hello = AgentHello(AGENT, "here", os.getpid(), count)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        agent.mention(hello)
        agent.wait(0.1)
        for messages, _ in agent.receive():
            for message in messages:
                if isinstance(message, StartEngines):
                    return message.engines
    msg = f"the hub asked for no engines within {PATIENCE} s"
    raise AssertionError(msg)

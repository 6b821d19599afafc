"""A hub besieged for minutes: ``make soak ARGS="hostile 1000000 7"``, pieces and seed.

Nonsense at all four doors of a real hub, one connection for each piece, and by those who have
keys; the other role's keys, roles overstepped, other versions, giants, comers and goers; all the
time a thousand who stay and say nothing, and ordinary work. Who comes by a socket file is the same
user, so a piece of nonsense may greet properly by chance: what counts is what follows from it,
which is nothing.
"""

import random
import resource
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec
import zmq

import ipcluster_ext as ipp
from ipcluster_ext.protocol.buffers import dump
from ipcluster_ext.protocol.ids import ClientId, first_task
from ipcluster_ext.protocol.keys import KeyPair
from ipcluster_ext.protocol.messages import PROTOCOL_VERSION, ClientHello, Message, Submit
from ipcluster_ext.protocol.parts import TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind
from ipcluster_ext.transport.curve import make_dealer
from ipcluster_ext.transport.keys import mint
from ipcluster_ext.transport.pieces import Cutter
from ipcluster_ext.transport.zmtp import LONG, framed
from tests.chaos.report import Report
from tests.chaos.stage import runtime_folder
from tests.security.guarded import DOORS, MIB, PORTS, SOCKETS, Door, Guarded
from tests.security.intruder import Intruder
from tests.security.nonsense import HELLO, nonsense, packet

PIECES = 1_000_000
MAY_COST = 30 * MIB
IDLE = 1_000
AT_ONCE = 64
"""So many connections are open at a time before the oldest is closed."""
TCP_SHARE, KEYED_SHARE = 20, 20
"""One piece of so many goes to each port, and comes from one with a key: libzmq greets slowly."""
PER_KEYED = 20
REMEMBERED = 10_000
"""So many tasks the hub's history holds; it is full before memory is measured."""
WORK_EVERY = 0.01

Context = zmq.Context[zmq.Socket[bytes]]


class Work(threading.Thread):
    """Ordinary work that goes on, how long each piece takes, and how much memory the hub has."""

    def __init__(self, guarded: Guarded) -> None:
        super().__init__(name="work", daemon=True)
        self._guarded = guarded
        self._over = threading.Event()
        self.times: list[float] = []
        self.most = 0
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            while not self._over.wait(WORK_EVERY):
                began = time.monotonic()
                self._guarded.work()
                self.times.append(time.monotonic() - began)
                self.most = max(self.most, self._guarded.memory)
        except BaseException as error:  # noqa: BLE001 - it is told in the end
            self.error = error

    def stop(self) -> None:
        self._over.set()
        self.join()


def _say(door: Door, pieces: Iterator[bytes]) -> int:
    """Say each piece on a connection of its own, and leave a while later.

    Returns
    -------
    How many were said to their end; some are hung up on before.
    """
    there: deque[socket.socket] = deque()
    said = 0
    for piece in pieces:
        there.append(_knock(door))
        with suppress(OSError):
            there[-1].sendall(piece)
            said += 1
        if len(there) > AT_ONCE:
            _leave(there.popleft(), rudely=door.on_tcp and len(piece) % 2 == 0)
    for visitor in there:
        _leave(visitor, rudely=False)
    return said


def _knock(door: Door) -> socket.socket:
    """Connect, however many wait at the door already."""
    visitor = socket.socket(door.family, socket.SOCK_STREAM)
    visitor.connect(door.address)  # without a timeout: with one a full queue is an error
    visitor.settimeout(5.0)
    return visitor


def _leave(visitor: socket.socket, *, rudely: bool) -> None:
    """Hang up; rudely, without the pause in which the system keeps a port."""
    with visitor, suppress(OSError):
        if rudely:
            visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Siege:
    """What is done to a hub, each part from the same seed.

    Parameters
    ----------
    guarded, report
        The cluster, and where to note what must not be.
    count, seed
        How many pieces of nonsense, and what decides them.
    """

    def __init__(self, guarded: Guarded, report: Report, count: int, seed: int) -> None:
        self._guarded = guarded
        self._report = report
        self._count = count
        self._seed = seed
        self._few = max(10, count // 10_000)
        self._touched = guarded.cluster.folder.with_name("touched")

    @property
    def parts(self) -> list[Callable[[], None]]:
        """Each part of it."""
        return [
            self.nonsense_at_the_doors,
            self.nonsense_with_a_key,
            self.keys_of_the_other_role,
            self.roles_overstepped,
            self.other_versions,
            self.giants,
            self.comers_and_goers,
        ]

    def nonsense_at_the_doors(self) -> None:
        by_tcp = self._count // TCP_SHARE
        rest = self._count - len(PORTS) * by_tcp - self._count // KEYED_SHARE
        for place, name in enumerate(DOORS):
            count = by_tcp if name in PORTS else rest // len(SOCKETS)
            said = _say(self._guarded.door(name), nonsense(self._seed + place, count))
            self._report.figures[f"at the {name}"] = said

    def nonsense_with_a_key(self) -> None:
        chance = random.Random(self._seed)
        visits, hung_up = self._count // KEYED_SHARE // PER_KEYED, 0
        with _context() as context:
            for _ in range(visits):
                role = chance.choice([self._guarded.own, self._guarded.engines])
                address = self._guarded.tcp(role)
                with _dealer(context, address.keys, address.server, address.port) as dealer:
                    for _ in range(PER_KEYED):
                        dealer.send_multipart(_damaged(chance))
                    hung_up += bool(dealer.poll(1_000))
        self._report.never("not hung up on although they have a key", visits - hung_up)

    def keys_of_the_other_role(self) -> None:
        own = self._guarded.tcp(self._guarded.own)
        engines = self._guarded.tcp(self._guarded.engines)
        admitted = 0
        with _context() as context:
            for right, wrong in ((own, engines), (engines, own)):
                for keys in (wrong.keys, mint()):
                    admitted += sum(
                        _is_admitted(context, keys, right.server, right.port)
                        for _ in range(self._few)
                    )
                if not _is_admitted(context, right.keys, right.server, right.port):
                    self._report.never("not admitted with the right key", right.port)
        self._report.never("admitted with the other role's key, or none", admitted)

    def roles_overstepped(self) -> None:
        own = ClientId(0x5EC)
        code = {"code": f"open({str(self._touched)!r}, 'w').close()", "silent": True}
        evil = Submit(TaskSpec(Kind.EXECUTE), [TaskItem(first_task(own, 0), dump(code).stream)])
        said: list[Message] = [ClientHello(own, "here", 1, self._guarded.client.session), evil]
        engines = self._guarded.engines
        for reach in (self._guarded.tcp(engines), Path(engines.folder, "engines.sock")):
            for number in range(self._few):
                intruder = Intruder(reach, b"x%d" % number)
                intruder.say([*said])
                intruder.close()
        self._report.never("run for one with an engine's key", self._touched.exists())

    def other_versions(self) -> None:
        versions = [0, PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1, 1 << 40]
        for name in SOCKETS:
            untold = 0
            for number in range(10 * self._few):
                header = [versions[number % len(versions)], 1, 0, 0, 0, []]
                old = b"".join(map(bytes, framed([msgspec.msgpack.encode(header)])))
                untold += b"version" not in _answer(self._guarded.door(name), HELLO + old)
            self._report.never(f"not told of their version at the {name}", untold)

    def giants(self) -> None:
        for name in DOORS:
            for nbytes in (1 << 30, (1 << 64) - 1):
                for _ in range(self._few):
                    with _knock(self._guarded.door(name)) as visitor, suppress(OSError):
                        visitor.sendall(HELLO + struct.pack(">BQ", LONG, nbytes))
                        for _ in range(64):
                            visitor.sendall(bytes(MIB // 8))

    def comers_and_goers(self) -> None:
        for name in DOORS:
            for number in range(100 * self._few):
                with _knock(self._guarded.door(name)) as visitor, suppress(OSError):
                    visitor.sendall(HELLO[: (0, 10, 64, 200)[number % 4]])


@contextmanager
def _context() -> Iterator[Context]:
    context: Context = zmq.Context()
    try:
        yield context
    finally:
        context.destroy(linger=0)


@contextmanager
def _dealer(context: Context, keys: KeyPair, server: str, port: int) -> Iterator[zmq.Socket[bytes]]:
    dealer = make_dealer(context, keys, server)
    try:
        dealer.connect(f"tcp://127.0.0.1:{port}")
        yield dealer
    finally:
        dealer.close(linger=0)


def _is_admitted(context: Context, keys: KeyPair, server: str, port: int) -> bool:
    """Tell whether a handshake succeeds; it is known not to once it has failed."""
    dealer = make_dealer(context, keys, server)
    monitor = dealer.get_monitor_socket(
        zmq.EVENT_HANDSHAKE_SUCCEEDED
        | zmq.EVENT_HANDSHAKE_FAILED_AUTH
        | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
        | zmq.EVENT_DISCONNECTED
    )
    dealer.connect(f"tcp://127.0.0.1:{port}")
    try:
        if not monitor.poll(3_000):
            return False
        event, _ = struct.unpack("=hi", monitor.recv_multipart()[0])
        return bool(event == zmq.EVENT_HANDSHAKE_SUCCEEDED)
    finally:
        dealer.disable_monitor()
        monitor.close()
        dealer.close(linger=0)


def _damaged(chance: random.Random) -> list[bytes]:
    """Make the parts of a packet that is none, or none any more."""
    if chance.random() < 0.3:
        return [chance.randbytes(chance.randrange(300)) for _ in range(chance.randint(1, 4))]
    parts = Cutter(chance.randbytes(chance.randint(0, 70))).cut(
        [packet(chance, chance.randint(0, 9)), chance.randbytes(chance.randint(0, 100))]
    )
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(parts))
        match chance.randrange(3):
            case 0 if parts[place]:
                data = bytearray(parts[place])
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
                parts[place] = bytes(data)
            case 1 if len(parts) > 1:
                del parts[place]
            case _:
                parts.insert(place, chance.randbytes(chance.randrange(90)))
    return parts


def _answer(door: Door, said: bytes) -> bytes:
    """Say something; return everything that is answered until the hub hangs up."""
    answer = b""
    with _knock(door) as visitor, suppress(ConnectionError):
        visitor.sendall(said)
        while data := visitor.recv(4096):
            answer += data
    return answer


@contextmanager
def _crowd(guarded: Guarded) -> Iterator[None]:
    """Have a thousand there all the time who say nothing: greeted, admitted by key, or neither."""
    with ExitStack() as stack, _context() as context:
        for name in SOCKETS:
            for _ in range(IDLE // 4):
                stack.enter_context(_knock(guarded.door(name))).sendall(HELLO)
        for name in PORTS:
            for _ in range(IDLE // 8):
                stack.enter_context(_knock(guarded.door(name)))
        for role in (guarded.own, guarded.engines):
            address = guarded.tcp(role)
            for _ in range(IDLE // 8):
                stack.enter_context(_dealer(context, address.keys, address.server, address.port))
        yield


def siege(count: int, seed: int) -> Report:
    """Besiege a hub.

    Parameters
    ----------
    count, seed
        How many pieces of nonsense, and what decides them.
    """
    report = Report(
        f"{count:,} pieces of nonsense, wrong keys, roles and versions, giants, {IDLE:,} idle",
        "nothing accepted, work goes on, the hub's memory as before",
    )
    with runtime_folder(), ipp.Cluster(n=1, ip="127.0.0.1") as client:
        guarded = Guarded.of(client.cluster, client)
        client.load_balanced_view().map_sync(abs, range(REMEMBERED), chunksize=1)
        lives = _lives(client)
        for part in Siege(guarded, report, max(1_000, count // 50), seed).parts:
            part()  # what the first ones make the hub allocate and keep is not counted
        guarded.work()
        before, log_before = guarded.memory, guarded.log.stat().st_size
        work = Work(guarded)
        with _crowd(guarded):
            for part in Siege(guarded, report, count, seed + 1).parts:
                _timed(part, work, report)
        work.stop()
        guarded.work()
        _judge(report, guarded, work, lives)
        report.limit("MiB for good", (guarded.memory - before) / MIB, MAY_COST / MIB)
        report.figures["MiB at most"] = round((work.most - before) / MIB, 1)
        report.figures["MiB of log"] = round((guarded.log.stat().st_size - log_before) / MIB, 2)
    return report


def _timed(part: Callable[[], None], work: Work, report: Report) -> None:
    began, done = time.monotonic(), len(work.times)
    part()
    took, times = time.monotonic() - began, sorted(work.times[done:]) or [0.0]
    name = part.__name__.replace("_", " ")
    sys.stdout.write(
        f"{name}: {took:.0f} s; meanwhile {len(times)} calls, median "
        f"{times[len(times) // 2] * 1000:.1f} ms, longest {times[-1] * 1000:.0f} ms\n"
    )
    sys.stdout.flush()
    report.never(f"work failed during {name}", work.error and repr(work.error))


def _lives(client: ipp.Client) -> list[object]:
    """Return what tells whether the engines are the same as before."""
    return [client.hub_pid, client.ids, client[:].apply_sync(_pid)]


def _pid() -> int:
    import os  # runs on an engine

    return os.getpid()


def _judge(report: Report, guarded: Guarded, work: Work, lives: list[object]) -> None:
    report.never("another hub, or another engine", _lives(guarded.client) != lives)
    report.never("tasks of others", guarded.tasks_of_others)
    times = sorted(work.times)
    report.figures["calls meanwhile"] = len(times)
    report.figures["ms, median"] = round(times[len(times) // 2] * 1000, 1)
    report.limit("seconds, longest", times[-1], 3.0)


def main(arguments: Sequence[str]) -> int:
    """Besiege a hub with so many pieces, from a seed; return the exit code."""
    count, seed = (*map(int, arguments), *(PIECES, 0)[len(arguments) :])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        report = siege(count, seed)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    sys.stdout.write(report.row() + "\n")
    return 1 if report.broken() else 0

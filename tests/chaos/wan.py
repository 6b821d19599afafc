"""A long way between this network and another: what goes through is late, and some of it is lost.

``python -m tests.chaos.wan NETWORK HERE THERE DELAY JITTER LOSS SEED`` makes a virtual card on
either side and carries packets from one to the other until its standard input ends. It is a
process of its own because it changes the network that its thread is in.
"""

import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from random import Random
from typing import NamedTuple

READY = "ready"
_SET_INTERFACE = 0x400454CA
_TUN_WITHOUT_HEADERS = 0x0001 | 0x1000
_NEW_NETWORK = 0x40000000
_MOST_NBYTES = 65_536
_IN_A_TURN = 64


class Quality(NamedTuple):
    """What a way is like: seconds it takes, give or take so many, and which share is lost."""

    delay: float
    jitter: float
    loss: float


def enter(network: str) -> None:
    """Put this thread into a network of that name; the process's own one if it is empty."""
    path = Path("/run/netns", network) if network else Path("/proc/1/ns/net")
    there = os.open(path, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(there, _NEW_NETWORK):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(there)


def card(name: str, address: str, network: str) -> int:
    """Make a card in the network that this thread is in; return what it sends and is sent."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, _SET_INTERFACE, struct.pack("16sH", name.encode(), _TUN_WITHOUT_HEADERS))
    ip = ["ip", *(["-n", network] if network else [])]
    for words in (f"address add {address}/24 dev {name}", f"link set {name} up mtu 1400"):
        subprocess.run([*ip, *words.split()], check=True)
    return fd


class Way:
    """One direction: packets arrive late, in order, or not at all."""

    def __init__(self, target: int, quality: Quality, chance: Random) -> None:
        self._target = target
        self._quality = quality
        self._chance = chance
        self._packets: deque[tuple[float, bytes]] = deque()

    @property
    def due(self) -> float | None:
        """When the next packet arrives, None if none is under way."""
        return self._packets[0][0] if self._packets else None

    def send(self, packet: bytes, now: float) -> None:
        """Send a packet on its way."""
        if self._chance.random() < self._quality.loss:
            return
        spread = self._chance.uniform(-1, 1) * self._quality.jitter
        last = self._packets[-1][0] if self._packets else 0.0
        self._packets.append((max(last, now + self._quality.delay + spread), packet))

    def deliver(self, now: float) -> None:
        """Have those arrive that are due; a card that is full loses them, as others do."""
        while self._packets and self._packets[0][0] <= now:
            _, packet = self._packets.popleft()
            try:
                os.write(self._target, packet)
            except BlockingIOError:
                return


def carry(here: int, there: int, quality: Quality, chance: Random) -> None:
    """Carry packets both ways until standard input ends."""
    ways = {here: Way(there, quality, chance), there: Way(here, quality, chance)}
    poll = select.poll()
    for fd in (here, there, sys.stdin.fileno()):
        poll.register(fd, select.POLLIN)
    while True:
        due = min((way.due for way in ways.values() if way.due is not None), default=None)
        left = None if due is None else max(0.0, due - time.monotonic()) * 1000
        ready = {fd for fd, _ in poll.poll(left)}
        if sys.stdin.fileno() in ready:
            return
        now = time.monotonic()
        for fd in ready:
            _take(fd, ways[fd], now)
        for way in ways.values():
            way.deliver(now)


def _take(fd: int, way: Way, now: float) -> None:
    for _ in range(_IN_A_TURN):
        try:
            way.send(os.read(fd, _MOST_NBYTES), now)
        except BlockingIOError:
            return


def main(network: str, here: str, there: str, *numbers: str) -> None:
    """Make both cards, say so, and carry."""
    delay, jitter, loss, seed = map(float, numbers)
    name = f"wan{os.getpid() % 100_000}"
    near = card(name, here, "")
    enter(network)
    far = card(name, there, network)
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    carry(near, far, Quality(delay, jitter, loss), Random(seed))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Whatever bytes come, the parts of the wire that read them take them or refuse them.

Guided by what code a piece of nonsense reaches, where atheris is installed (``pip install
atheris``), and for as long as is wished::

    python -m tests.fuzz.decoder -max_total_time=300 [folder with pieces found before]

Without it, and in the test suite, pieces are made from a seed::

    python -m tests.fuzz.decoder 1000000 [seed]
"""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from random import Random
from typing import Any

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame, decode, encode, frames_described
from ipcluster_ext.transport.pieces import Cutter, put_together
from ipcluster_ext.transport.zmtp import AT_FIRST, Decoder, Welcoming, framed
from tests.security.nonsense import KINDS, packet

_MOST_CUTS = 2_000
CUTS = (1, 2, 7, 63, 250, 4096, 65536)


def read_stream(data: bytes) -> None:
    """Cut a connection's bytes into the same messages wherever they come cut, or refuse them."""
    whole = _messages(data, len(data) or 1)
    for size in CUTS[data[0] % len(CUTS) if data else 0 :][:2]:
        if len(data) > _MOST_CUTS * size:
            continue
        assert _messages(data, size) == whole, size


def _messages(data: bytes, size: int) -> list[list[bytes]] | None:
    decoder, messages = Decoder(), list[list[Frame]]()
    try:
        for start in range(0, len(data), size):
            _feed(decoder, data[start : start + size], messages)
    except ProtocolError:
        return None
    assert all(messages), "a message without a frame"
    return [[bytes(frame) for frame in message] for message in messages]


def _feed(decoder: Decoder, piece: bytes, messages: list[list[Frame]]) -> None:
    while piece:
        space = decoder.space
        if space is None:
            messages += decoder.feed(piece)
            return
        with space:
            assert 0 < len(space) <= max(AT_FIRST, 4 * len(piece), 1 << 27)
            nbytes = min(len(space), len(piece))
            space[:nbytes] = piece[:nbytes]
        piece = piece[nbytes:]
        if (message := decoder.filled(nbytes)) is not None:
            messages.append(message)


def read_greeting(data: bytes) -> None:
    """Find the name in a visitor's greeting, wait for more, or refuse it."""
    welcoming = Welcoming()
    half = len(data) // 2
    try:
        for piece in (data[:half], data[half:]):
            identity = welcoming.take(piece) if piece else None
            if identity is not None:
                assert len(identity) < 256
                return
    except ProtocolError:
        return
    assert len(welcoming.rest) < 64 + 2 + 256


def read_packet(data: bytes) -> None:
    """Read the header of a packet as one that can be written again, or refuse it."""
    count = data[-1] % 4 if data else 0
    try:
        read = decode(data[:-1], frame_count=count)
    except ProtocolError:
        return
    assert sum(frames_described(message) for message in read.messages) == count
    assert decode(encode(read), frame_count=count) == read


def read_parts(data: bytes) -> None:
    """Make the packet that was cut into these parts, or none."""
    parts = data.split(b"|")
    try:
        name, wire = put_together([memoryview(part) for part in parts])
    except ProtocolError:
        return
    again = put_together([memoryview(part) for part in Cutter(name).cut(wire)])
    assert again[0] == name
    assert [bytes(frame) for frame in again[1]] == [bytes(frame) for frame in wire]


TARGETS: list[Callable[[bytes], None]] = [read_stream, read_greeting, read_packet, read_parts]


def read(data: bytes) -> None:
    """Give a piece to the reader that its first byte chooses."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])


def piece(random: Random) -> bytes:
    """Make a piece of nonsense for one of the readers."""
    match random.randrange(6):
        case 0:
            inner = random.choice(KINDS)(random)
        case 1:
            inner = packet(random) + bytes((random.randrange(4),))
        case 2:
            cut = Cutter(b"me").cut([packet(random), random.randbytes(random.randrange(99))])
            inner = b"|".join(cut)
        case 3:
            frames = [random.randbytes(random.choice((0, 3, 255, 256, 70_000))) for _ in range(3)]
            inner = b"".join(map(bytes, framed(list(frames))))
        case _:
            inner = random.randbytes(random.randrange(120))
    damaged = bytearray(inner)
    for _ in range(random.choice((0, 1, 1, 3))):
        if damaged:
            damaged[random.randrange(len(damaged))] = random.randrange(256)
    return bytes((random.randrange(256),)) + bytes(damaged)


def run_random(count: int, seed: int) -> None:
    """Read so many pieces made from a seed."""
    random = Random(seed)
    for number in range(count):
        data = piece(random)
        try:
            read(data)
        except BaseException as error:
            error.add_note(f"piece {number} of seed {seed}: {data[:2000]!r}")
            raise


def main(arguments: list[str]) -> None:
    """Read pieces as the command line says."""
    if len(arguments) > 1 and arguments[1].isdecimal():
        seed = int(arguments[2]) if len(arguments) > 2 else int.from_bytes(os.urandom(4))
        sys.stdout.write(f"seed {seed}\n")
        run_random(int(arguments[1]), seed)
        return
    atheris: Any = import_module("atheris")
    atheris.instrument_all()
    atheris.Setup(arguments, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)

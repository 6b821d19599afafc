"""What peers may say that is not what the protocol says, made from a seed."""

import os
from collections.abc import Callable, Iterator
from random import Random

from ipcluster_ext.protocol.frames import encode
from ipcluster_ext.protocol.ids import ClientId
from ipcluster_ext.protocol.messages import PROTOCOL_VERSION, ClientHello, Packet
from ipcluster_ext.transport.zmtp import framed, greeting, ready

CASES = int(os.environ.get("IPCLUSTER_EXT_FUZZ_CASES", "20000"))
"""How many pieces of nonsense the decoders get; connections get a hundredth of them."""
SEED = int(os.environ.get("IPCLUSTER_EXT_FUZZ_SEED", "0")) or int.from_bytes(os.urandom(4))

HELLO = greeting() + ready(b"DEALER", b"stranger")
MECHANISMS = [b"NULL", b"PLAIN", b"CURVE", b"GSSAPI", b""]


def packet(random: Random, version: int = PROTOCOL_VERSION) -> bytes:
    """Make a packet that makes sense."""
    hello = ClientHello(ClientId(random.randint(1, 9)), "here", random.randint(1, 9), "session")
    return encode(Packet(version, random.randint(1, 9), 0, random.randint(0, 3), 0, [hello]))


def wire(random: Random) -> bytes:
    """Make what a peer writes that behaves, after the greeting."""
    frames = [packet(random), *(random.randbytes(random.randint(0, 400)) for _ in range(2))]
    return b"".join(map(bytes, framed(list(frames[: random.randint(1, 3)]))))


def bytes_at_random(random: Random) -> bytes:
    return random.randbytes(random.randint(0, 300))


def a_greeting_of_another(random: Random) -> bytes:
    version = random.choice([b"\x00", b"\x01\x05", b"\x02\x00", b"\x03\x00", b"\x03\x01", b"\x04"])
    mechanism = random.choice(MECHANISMS).ljust(20, b"\0")
    head = random.choice([b"\xff" + bytes(8) + b"\x7f", b"\xff" + random.randbytes(9), b"\x01\x00"])
    return (head + version + mechanism)[: random.randint(1, 64)].ljust(64, b"\0") + wire(random)


def a_stream_that_was_damaged(random: Random) -> bytes:
    data = bytearray(HELLO + wire(random) * random.randint(1, 3))
    for _ in range(random.randint(1, 5)):
        if not data:
            break
        place = random.randrange(len(data))
        match random.randrange(4):
            case 0:
                data[place] ^= 1 << random.randrange(8)
            case 1:
                del data[place : place + random.randint(1, 9)]
            case 2:
                data[place:place] = random.randbytes(random.randint(1, 9))
            case _:
                data = data[: place + 1]
    return bytes(data)


def frames_after_a_greeting(random: Random) -> bytes:
    kinds = random.choices([0, 1, 2, 3, 4, 5, 6, 7, 8, 255], k=random.randint(1, 6))
    said = [
        bytes((kind, random.randrange(256))) + random.randbytes(random.randint(0, 60))
        for kind in kinds
    ]
    return HELLO + b"".join(said)


def a_giant_that_is_announced(random: Random) -> bytes:
    nbytes = random.choice([1 << 26, 1 << 30, 1 << 40, (1 << 63) - 1, (1 << 64) - 1])
    return HELLO + bytes((random.choice([2, 3, 6]),)) + nbytes.to_bytes(8) + bytes(100)


def a_packet_that_is_none(random: Random) -> bytes:
    header = random.choice(
        [
            packet(random, version=random.randint(0, 9)),
            packet(random)[: random.randint(0, 20)],
            b"\x91" * random.randint(1, 3_000),
            random.randbytes(random.randint(0, 200)),
            packet(random) + b"\0",
        ]
    )
    return HELLO + b"".join(map(bytes, framed([header])))


KINDS: list[Callable[[Random], bytes]] = [
    bytes_at_random,
    a_greeting_of_another,
    a_stream_that_was_damaged,
    frames_after_a_greeting,
    a_giant_that_is_announced,
    a_packet_that_is_none,
]


def nonsense(seed: int, count: int) -> Iterator[bytes]:
    """Make so many pieces; the same ones from the same seed."""
    random = Random(seed)
    for _ in range(count):
        yield random.choice(KINDS)(random)

import itertools
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import FRAME_LIMIT, HEADER_LIMIT, Frame
from ipcluster_ext.transport.pieces import LONGEST_NAME, PIECE, Cutter, put_together

MARK = 8
frames = st.one_of(
    st.binary(max_size=300),
    st.builds(bytes, st.sampled_from([PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])),
)


def views(parts: list[bytes]) -> list[memoryview]:
    return [memoryview(part) for part in parts]


@given(
    st.lists(st.lists(frames, min_size=1, max_size=6), min_size=1, max_size=3),
    st.binary(max_size=LONGEST_NAME),
)
def test_what_was_cut_is_put_together_again(wires: list[list[Frame]], name: bytes) -> None:
    cutter = Cutter(name)
    for wire in wires:
        parts = cutter.cut(wire)
        who, again = put_together(views(parts))

        assert max(len(part) for part in parts) <= PIECE + MARK
        assert (who, [bytes(frame) for frame in again]) == (name, wire)


def test_what_was_cut_can_be_written_to_as_before() -> None:
    _, [_, long] = put_together(views(Cutter().cut([b"header", bytes(2 * PIECE)])))

    assert not memoryview(long).readonly


def test_no_choice_of_the_parts_of_two_packets_makes_a_third() -> None:
    cutter = Cutter(b"me")
    first = cutter.cut([b"one", b"a", bytes(PIECE + 1)])
    second = cutter.cut([b"two", b"b", bytes(PIECE + 1)])

    for count in range(1, 11):
        for some in itertools.combinations(first + second, count):
            if list(some) in (first, second):
                continue
            with pytest.raises(ProtocolError):
                put_together(views(list(some)))


def test_parts_in_another_order_make_no_packet() -> None:
    parts = Cutter().cut([b"header", b"a", b"b"])

    for some in itertools.permutations(parts):
        if list(some) != parts:
            with pytest.raises(ProtocolError):
                put_together(views(list(some)))


def marked(*contents: bytes) -> list[bytes]:
    return [struct.pack(">II", 7, place) + content for place, content in enumerate(contents)]


def envelope(*fields: object) -> bytes:
    return msgspec.msgpack.encode(fields)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b""],
        [b"1234567"],
        marked(envelope(b"me", 0, [])),
        marked(b"", b"header"),
        marked(b"\xc1", b"header"),
        marked(envelope(b"me"), b"header"),
        marked(envelope(3, 1, []), b"header"),
        marked(envelope(b"x" * (LONGEST_NAME + 1), 1, []), b"header"),
        marked(envelope(b"me", 2, []), b"header"),
        marked(envelope(b"me", 1, [2]), b"header"),
        marked(envelope(b"me", 1, [1, 1]), b"header"),
        marked(envelope(b"me", 1, [1, 0]), b"header"),
        marked(envelope(b"me", 2, [3, -1]), b"header", b"more"),
        marked(envelope(b"me", 1, [HEADER_LIMIT // PIECE + 1]), b"header"),
        marked(envelope(b"me", 1, [1, FRAME_LIMIT // PIECE + 1]), b"header"),
        marked(b"\x91" * 5_000, b"header"),
    ],
)
def test_parts_that_make_no_packet_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(ProtocolError):
        put_together(views(parts))


@given(st.lists(st.binary(max_size=40), max_size=5), st.booleans())
def test_whatever_comes_is_a_packet_or_refused(contents: list[bytes], marks: bool) -> None:
    parts = marked(*contents) if marks else contents
    try:
        _, wire = put_together(views(parts))
    except ProtocolError:
        return
    assert b"".join(bytes(frame) for frame in wire) == b"".join(contents[1:])

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import FRAME_LIMIT, HEADER_LIMIT, Frame
from ipcluster_ext.transport.pieces import LONGEST_NAME, PIECE, cut, put_together

frames = st.one_of(
    st.binary(max_size=300),
    st.builds(bytes, st.sampled_from([PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])),
)


@given(st.lists(frames, min_size=1, max_size=6), st.binary(max_size=LONGEST_NAME))
def test_what_was_cut_is_put_together_again(wire: list[Frame], name: bytes) -> None:
    parts = cut(wire, name)
    who, again = put_together(parts)

    assert max(len(part) for part in parts) <= PIECE
    assert (who, [bytes(frame) for frame in again]) == (name, wire)


def test_what_was_cut_can_be_written_to_as_before() -> None:
    _, [_, long] = put_together(cut([b"header", bytes(2 * PIECE)]))

    assert not memoryview(long).readonly


def envelope(*fields: object) -> bytes:
    return msgspec.msgpack.encode(fields)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [envelope(b"me", [])],
        [b"", b"header"],
        [b"\xc1", b"header"],
        [envelope(b"me"), b"header"],
        [envelope(3, []), b"header"],
        [envelope(b"x" * (LONGEST_NAME + 1), []), b"header"],
        [envelope(b"me", [2]), b"header"],
        [envelope(b"me", [1, 1]), b"header"],
        [envelope(b"me", [1, 0]), b"header"],
        [envelope(b"me", [3, -1]), b"header", b"more"],
        [envelope(b"me", [HEADER_LIMIT // PIECE + 1]), b"header"],
        [envelope(b"me", [1, FRAME_LIMIT // PIECE + 1]), b"header"],
        [b"\x91" * 5_000, b"header"],
    ],
)
def test_parts_that_make_no_packet_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(ProtocolError):
        put_together(parts)


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_whatever_comes_is_a_packet_or_refused(parts: list[bytes]) -> None:
    try:
        _, wire = put_together(parts)
    except ProtocolError:
        return
    assert b"".join(bytes(frame) for frame in wire) == b"".join(parts[1:])

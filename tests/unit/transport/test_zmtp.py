import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import HEADER_LIMIT, Frame
from ipcluster_ext.transport.zmtp import (
    COMMAND,
    LARGE,
    LONG,
    MORE,
    Decoder,
    Welcoming,
    check_greeting,
    framed,
    greeting,
    properties_of,
    ready,
)


def written(frames: list[Frame]) -> bytes:
    return b"".join(bytes(piece) for piece in framed(frames))


def read(data: bytes, sizes: list[int]) -> list[list[bytes]]:
    """Give bytes to a decoder in pieces of these sizes, the rest at once, as a socket would."""
    decoder = Decoder()
    messages: list[list[Frame]] = []
    for size in [*sizes, len(data)]:
        piece, data = data[:size], data[size:]
        while piece:
            space = decoder.space
            if space is None:
                messages += decoder.feed(piece)
                break
            nbytes = min(len(space), len(piece))
            space[:nbytes] = piece[:nbytes]
            piece = piece[nbytes:]
            if (message := decoder.filled(nbytes)) is not None:
                messages.append(message)
    return [[bytes(frame) for frame in message] for message in messages]


@pytest.mark.parametrize("nbytes", [0, 1, 255, 256, LARGE - 1, LARGE, 3 * LARGE])
def test_a_frame_is_written_with_its_length_before_it(nbytes: int) -> None:
    frame = bytes(nbytes)
    head = bytes((0, nbytes)) if nbytes < 256 else struct.pack(">BQ", LONG, nbytes)

    assert written([frame]) == head + frame


def test_all_frames_of_a_message_but_the_last_are_marked() -> None:
    assert written([b"a", b"", b"b"]) == b"\x01\x01a\x01\x00\x00\x01b"


frames = st.one_of(
    st.binary(max_size=300),
    st.builds(bytes, st.sampled_from([255, 256, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE])),
)


@given(
    st.lists(st.lists(frames, min_size=1, max_size=4), max_size=5),
    st.lists(st.integers(1, 70_000), max_size=20),
)
def test_messages_are_read_as_they_were_written_wherever_the_stream_is_cut(
    messages: list[list[bytes]], sizes: list[int]
) -> None:
    data = b"".join(written(list(message)) for message in messages)

    assert read(data, sizes) == messages


def test_commands_between_messages_are_passed_over() -> None:
    ping = bytes((COMMAND, 7)) + b"\x04PING\0\0"

    assert read(ping + written([b"a"]) + ping + written([b"b"]), [1, 3]) == [[b"a"], [b"b"]]


@pytest.mark.parametrize("flags", [LONG, LONG | MORE])
def test_a_frame_longer_than_any_packet_is_refused_before_memory_is_taken(flags: int) -> None:
    with pytest.raises(ProtocolError, match=f"a frame of {HEADER_LIMIT + 1} bytes"):
        Decoder().feed(struct.pack(">BQ", flags, HEADER_LIMIT + 1) + b"x")


@pytest.mark.parametrize("cut", [1, 10, 63, 64, 65, 66, 80])
def test_a_dealer_is_known_by_its_identity_wherever_its_greeting_is_cut(cut: int) -> None:
    welcoming = Welcoming()
    hello = greeting() + ready(b"DEALER", b"me") + b"\x00\x01x"

    answers = [welcoming.take(hello[:cut]), welcoming.take(hello[cut:])]

    assert answers == [None, b"me"]
    assert welcoming.rest == b"\x00\x01x"


@pytest.mark.parametrize(
    "hello",
    [
        b"GET / HTTP/1.1\r\n",
        greeting() + ready(b"PULL"),
        greeting() + b"\x04\x06\x05ERROR",
        greeting() + b"\x04\x09\x05READY\xff\xff\xff",
        bytes(1),
    ],
)
def test_whoever_is_no_dealer_is_refused(hello: bytes) -> None:
    with pytest.raises(ProtocolError):
        Welcoming().take(hello)


@pytest.mark.parametrize(
    "theirs",
    [
        bytes(64),
        b"HTTP/1.1 400 Bad Request".ljust(64),
        b"\xff" + bytes(8) + b"\x7f\x01".ljust(55, b"\0"),
        b"\xff" + bytes(8) + b"\x7f\x03\x01CURVE".ljust(55, b"\0"),
    ],
)
def test_the_greeting_of_another_protocol_is_refused(theirs: bytes) -> None:
    with pytest.raises(ProtocolError, match="does not speak ZMTP 3"):
        check_greeting(theirs)


@pytest.mark.parametrize(("flags", "body"), [(COMMAND, b"\x05ERROR\x00"), (0, b"\x05READY")])
def test_a_refusal_instead_of_ready_is_noticed(flags: int, body: bytes) -> None:
    with pytest.raises(ProtocolError, match="refused the connection"):
        properties_of(flags, body)

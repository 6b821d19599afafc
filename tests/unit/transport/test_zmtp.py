import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import FRAME_LIMIT, HEADER_LIMIT, Frame
from ipcluster_ext.transport import zmtp
from ipcluster_ext.transport.zmtp import (
    AT_FIRST,
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
            with space:
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


def test_only_the_first_frame_of_a_message_may_be_longer_than_a_payload() -> None:
    decoder = Decoder()
    long = struct.pack(">BQ", LONG, FRAME_LIMIT + 1)

    assert Decoder().feed(long) == []
    assert decoder.feed(b"\x01\x01x") == []
    with pytest.raises(ProtocolError, match=f"a frame of {FRAME_LIMIT + 1} bytes"):
        decoder.feed(long)


def test_memory_for_a_long_frame_is_taken_as_it_comes() -> None:
    decoder = Decoder()
    nbytes = 5 * AT_FIRST + 7
    content = os.urandom(nbytes)

    decoder.feed(struct.pack(">BQ", LONG, nbytes) + content[:3])
    spaces, at, message = [], 3, None
    while message is None:
        space = decoder.space
        assert space is not None
        with space:
            spaces.append(len(space))
            space[:] = content[at : at + len(space)]
        at += spaces[-1]
        message = decoder.filled(spaces[-1])

    assert message == [content]
    assert spaces == [AT_FIRST - 3, AT_FIRST, 2 * AT_FIRST, AT_FIRST + 7]


def test_a_message_of_too_many_frames_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zmtp, "MOST_FRAMES", 3)
    decoder = Decoder()

    decoder.feed(b"\x01\x00" * 3)

    with pytest.raises(ProtocolError, match="more than 3 frames"):
        decoder.feed(b"\x01\x00")


@pytest.mark.parametrize("flags", [5, 7, 8, 0x80, 0xFF])
def test_a_frame_of_no_known_kind_is_refused(flags: int) -> None:
    with pytest.raises(ProtocolError, match=f"a frame of the kind {flags}"):
        Decoder().feed(bytes((flags, 1)) + b"x")


def test_a_long_command_is_refused_before_it_has_come_and_a_short_one_passed_over() -> None:
    short = struct.pack(">BQ", COMMAND | LONG, 300) + bytes(300)

    with pytest.raises(ProtocolError, match="a command of"):
        Decoder().feed(struct.pack(">BQ", COMMAND | LONG, LARGE))
    assert read(short + written([b"a"]), [1, 2, 100]) == [[b"a"]]


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

import contextlib
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipcluster_ext.errors import ProtocolError, VersionMismatch
from ipcluster_ext.protocol import frames
from ipcluster_ext.protocol.frames import (
    Frame,
    decode,
    decode_failure,
    encode,
    encode_failure,
    frames_described,
    frames_of,
    join,
    split,
)
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    PROTOCOL_VERSION,
    Done,
    Message,
    Packet,
    Ping,
    Results,
    Run,
    Submit,
    SubmitEach,
)
from ipcluster_ext.protocol.parts import (
    Blob,
    Failure,
    ResultItem,
    TaskItem,
    TaskSpec,
)
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.strategies import MESSAGES, of, packets

SPEC = TaskSpec(Kind.APPLY)
TASK = TaskItem(TaskId(1), b"", (3, Blob("a-1", 9), 5))
RESULT = ResultItem(TaskId(1), TaskStatus.DONE, 0.0, 1.0, b"", (3,))


def described(packet: Packet) -> int:
    return sum(map(frames_described, packet.messages))


def packet_of(*messages: Message) -> Packet:
    return Packet(PROTOCOL_VERSION, 1, 0, 2, 3, list(messages))


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_every_message_survives_a_round_trip(kind: type[Message]) -> None:
    @settings(max_examples=15, deadline=None)
    @given(of(kind))
    def survives(message: Message) -> None:
        packet = packet_of(message)
        assert decode(encode(packet), frame_count=described(packet)) == packet

    survives()


@settings(max_examples=60, deadline=None)
@given(packets)
def test_a_packet_of_several_messages_survives_a_round_trip(packet: Packet) -> None:
    assert decode(encode(packet), frame_count=described(packet)) == packet


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 3))
def test_random_bytes_are_refused_as_malformed(header: bytes, frame_count: int) -> None:
    with pytest.raises(ProtocolError):
        decode(header, frame_count=frame_count)


@settings(max_examples=300, deadline=None)
@given(packets, st.data())
def test_a_packet_with_changed_bytes_is_read_or_refused_and_nothing_else(
    packet: Packet, data: st.DataObject
) -> None:
    header = bytearray(encode(packet))
    for _ in range(data.draw(st.integers(1, 3))):
        header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
    header = header[: data.draw(st.integers(0, len(header)))] or header

    with contextlib.suppress(ProtocolError):
        decode(bytes(header), frame_count=0)


def test_deep_nesting_is_refused_as_malformed() -> None:
    with pytest.raises(ProtocolError):
        decode(b"\x91" * 1_000_000, frame_count=0)


def test_a_header_above_the_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "HEADER_LIMIT", 4)

    with pytest.raises(ProtocolError, match="a header of 5 bytes; the limit is 4"):
        decode(b"12345", frame_count=0)


@pytest.mark.parametrize(
    "packet",
    [[9, 1, 1, 1, []], [9, 1, 1, 1, [["a message of tomorrow"]]], [9, "another", "shape"], [9]],
)
def test_another_version_is_refused_naming_both_whatever_else_has_changed(
    packet: list[object],
) -> None:
    with pytest.raises(VersionMismatch) as caught:
        decode(msgspec.msgpack.encode(packet), frame_count=0)

    assert (caught.value.ours, caught.value.theirs) == (PROTOCOL_VERSION, 9)
    assert f"protocol version {PROTOCOL_VERSION}, its peer 9" in str(caught.value)


@pytest.mark.parametrize("task", [-1, 2**63, 2**64 - 1])
def test_a_task_id_that_no_client_can_have_made_is_refused(task: int) -> None:
    header = encode(packet_of(Submit(SPEC, [TaskItem(TaskId(task), b"")])))

    with pytest.raises(ProtocolError):
        decode(header, frame_count=0)


@pytest.mark.parametrize(
    ("message", "count"),
    [
        (Ping(1), 0),
        (Submit(SPEC, [TASK, TASK]), 4),
        (SubmitEach(SPEC, TASK, [EngineId(0), EngineId(1)]), 2),
        (Run(SPEC, [TASK]), 2),
        (Done([RESULT, RESULT]), 2),
        (Results(EngineId(0), [RESULT]), 1),
    ],
)
def test_a_message_describes_the_frames_that_follow_it(message: Message, count: int) -> None:
    assert frames_described(message) == count


@pytest.mark.parametrize("received", [0, 1, 3])
def test_a_packet_is_refused_if_it_came_with_more_or_fewer_frames_than_it_describes(
    received: int,
) -> None:
    header = encode(packet_of(Run(SPEC, [TASK])))

    with pytest.raises(ProtocolError, match=f"2 frames described, {received} received"):
        decode(header, frame_count=received)


@pytest.mark.parametrize(
    ("buffers", "count"),
    [((), 0), ((0,), 1), ((16,), 1), ((17,), 2), ((160,), 10), ((1, Blob("a-1", 99), 1), 2)],
)
def test_a_buffer_takes_a_frame_for_each_begun_limit_and_a_blob_none(
    buffers: tuple[int | Blob, ...], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "FRAME_LIMIT", 16)

    assert frames_of(buffers) == count


@pytest.mark.parametrize(
    ("nbytes", "lengths"), [(0, [0]), (15, [15]), (16, [16]), (17, [16, 1]), (48, [16, 16, 16])]
)
def test_a_buffer_is_cut_into_frames_of_the_limit_and_comes_together_again(
    nbytes: int, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "FRAME_LIMIT", 16)
    buffer = bytes(range(nbytes))

    cut = list(split(memoryview(buffer)))

    assert [part.nbytes for part in cut] == lengths
    assert frames_of((nbytes,)) == len(lengths)
    assert join(iter(cut), nbytes) == buffer


def test_joining_takes_only_the_frames_of_its_own_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "FRAME_LIMIT", 2)
    rest = iter([b"ab", b"c", b"d"])

    joined = join(rest, 3)

    assert bytes(joined) == b"abc"
    assert list(rest) == [b"d"]


def test_a_buffer_that_came_as_one_frame_is_not_copied() -> None:
    frame = bytearray(b"abc")

    joined = join(iter([frame]), 3)
    frame[0] = ord("x")

    assert bytes(joined) == b"xbc"


@pytest.mark.parametrize(
    ("came", "nbytes"),
    [([b"ab"], 3), ([b"abcd"], 3), ([], 3), ([b"abcd"], -4)],
)
def test_frames_of_another_length_than_was_said_are_refused(
    came: Sequence[Frame], nbytes: int
) -> None:
    with pytest.raises(ProtocolError, match=f"a buffer of {nbytes} bytes came as frames"):
        join(iter(came), nbytes)


def test_a_failure_survives_a_round_trip() -> None:
    failure = Failure("ValueError", "no", "Traceback ...", b"pickle", EngineId(3))

    assert decode_failure(encode_failure(failure)) == failure


@given(st.binary(max_size=40))
def test_bytes_that_are_not_a_failure_are_refused(inline: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_failure(inline)

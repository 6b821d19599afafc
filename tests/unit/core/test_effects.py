import pytest

from ipcluster_ext.core.effects import Line
from ipcluster_ext.core.events import PeerId
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    Need,
    Results,
    Run,
    Undefine,
)
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus

SPEC, OTHER = TaskSpec(Kind.APPLY), TaskSpec(Kind.MAP)
ONE, TWO, THREE = (TaskItem(TaskId(number), b"") for number in (1, 2, 3))


def result(number: int) -> ResultItem:
    return ResultItem(TaskId(number), TaskStatus.DONE, 0.0, 0.0, b"")


@pytest.fixture
def open_lines() -> list[Line]:
    return []


@pytest.fixture
def line(open_lines: list[Line]) -> Line:
    return Line(PeerId(1), open_lines)


def test_tasks_of_one_submission_become_one_message(line: Line) -> None:
    for spec, item in ((SPEC, ONE), (SPEC, TWO), (OTHER, THREE)):
        line.run(spec, item, ())

    assert line.take().messages == [Run(SPEC, [ONE, TWO]), Run(OTHER, [THREE])]


def test_results_of_one_engine_become_one_message(line: Line) -> None:
    for engine, number in ((0, 1), (0, 2), (1, 3)):
        line.result(EngineId(engine), result(number), ())

    assert line.take().messages == [
        Results(EngineId(0), [result(1), result(2)]),
        Results(EngineId(1), [result(3)]),
    ]


def test_what_is_said_between_keeps_its_place(line: Line) -> None:
    line.run(SPEC, ONE, ())
    line.say(Need(b"f"))
    line.run(SPEC, TWO, ())

    assert line.take().messages == [Run(SPEC, [ONE]), Need(b"f"), Run(SPEC, [TWO])]


def test_buffers_are_in_the_order_of_their_messages(line: Line) -> None:
    line.run(SPEC, ONE, [b"a", b"b"])
    line.run(OTHER, TWO, [b"c"])
    line.result(EngineId(0), result(3), [b"d"])

    assert line.take().frames == [b"a", b"b", b"c", b"d"]


def test_the_token_names_every_blob(line: Line) -> None:
    line.say(Need(b"f"))
    line.token.extend(["a", "b"])

    assert line.take().token == (0, ["a", "b"])


def test_a_packet_without_blobs_has_no_token(line: Line) -> None:
    line.say(Need(b"f"))

    assert line.take().token is None


def test_a_line_is_empty_after_it_was_taken(line: Line) -> None:
    line.run(SPEC, ONE, [b"a"])
    line.token.append("a")
    line.take()
    line.run(SPEC, TWO, ())

    send = line.take()

    assert (send.messages, send.frames, send.token) == ([Run(SPEC, [TWO])], [], None)


def test_a_line_enters_itself_once_when_there_is_something_to_tell(
    line: Line, open_lines: list[Line]
) -> None:
    before = list(open_lines)

    line.run(SPEC, ONE, ())
    line.run(OTHER, TWO, ())
    line.result(EngineId(0), result(3), ())
    line.say(Undefine([]))

    assert (before, open_lines) == ([], [line])

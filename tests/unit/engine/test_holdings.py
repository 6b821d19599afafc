"""What an engine tells a hub that was started again."""

from typing import TYPE_CHECKING

import pytest

from ipcluster_ext.engine.holdings import Holdings
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.labour import mark_of
from ipcluster_ext.protocol.messages import (
    Done,
    EngineHello,
    Output,
    Returned,
    Started,
    Waiting,
)
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus

if TYPE_CHECKING:
    from ipcluster_ext.transport.channel import Said

FIRST = 1 << 32
SPEC = TaskSpec(Kind.APPLY, label="p")
HELLO = EngineHello(EngineId(0), 7, 1, "here", 10)


def task(number: int, *needs: int) -> TaskItem:
    return TaskItem(TaskId(FIRST + number), b"in", (), tuple(TaskId(n) for n in needs))


def result(number: int) -> ResultItem:
    return ResultItem(TaskId(FIRST + number), TaskStatus.DONE, 1.0, 2.0, b"out", (1,))


def ids(*numbers: int) -> list[TaskId]:
    return [TaskId(FIRST + number) for number in numbers]


def held(holdings: Holdings, unheard: "list[Said] | None" = None) -> list[TaskId]:
    [([hello], _), *_] = holdings.introduction(HELLO, unheard or [])
    assert isinstance(hello, EngineHello)
    assert hello.again
    return hello.held


@pytest.fixture
def holdings() -> Holdings:
    return Holdings()


def test_tasks_are_claimed_from_their_coming_until_their_end_is_said(holdings: Holdings) -> None:
    holdings.came(SPEC, [task(1), task(2)])
    holdings.came(SPEC, [task(3)])

    before = held(holdings)
    holdings.ended([result(2)])

    assert (before, held(holdings)) == (ids(1, 2, 3), ids(1, 3))


def test_tasks_whose_end_may_not_have_been_heard_are_claimed_first(holdings: Holdings) -> None:
    holdings.came(SPEC, [task(1), task(2), task(3)])
    holdings.ended([result(2), result(3)])

    assert held(holdings, [([Done([result(3)])], [b"x"])]) == ids(3, 1)


def test_tasks_that_were_given_back_are_not_claimed(holdings: Holdings) -> None:
    holdings.came(SPEC, [task(1), task(2)])
    holdings.given_back(ids(2))

    assert held(holdings) == ids(1)


def test_what_was_not_heard_is_said_again_but_for_what_only_that_hub_wanted(
    holdings: Holdings,
) -> None:
    output, started = Output(TaskId(FIRST), "stdout", "a"), Started(ids(1))
    unheard: list[Said] = [
        ([output, Returned(ids(5)), started], ()),
        ([HELLO], ()),
        ([Waiting(1)], ()),
        ([Done([result(3)])], [b"x"]),
    ]

    _, *said = holdings.introduction(HELLO, unheard)

    assert said == [([output, started], ()), ([Done([result(3)])], [b"x"])]


def test_preparations_are_told_apart(holdings: Holdings) -> None:
    first, second = TaskItem(TaskId(8), b"in"), TaskItem(TaskId(9), b"other")
    holdings.came(SPEC, [first])
    holdings.came(SPEC, [task(1)])
    holdings.came(SPEC, [second])
    holdings.ended([ResultItem(TaskId(8), TaskStatus.DONE, 1.0, 2.0, b"out")])

    [([hello], _)] = holdings.introduction(HELLO, [])

    assert isinstance(hello, EngineHello)
    assert hello.prepared == [mark_of(SPEC, first), mark_of(SPEC, second)]
    assert len(set(hello.prepared)) == 2
    assert hello.held == [*ids(1), TaskId(9)]


def test_values_are_needed_as_long_as_a_task_that_needs_them(holdings: Holdings) -> None:
    holdings.came(SPEC, [task(1, 30, 31), task(2, 31, 32)])
    holdings.ended([result(1)])

    assert holdings.needed == {31, 32}

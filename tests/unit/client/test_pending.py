"""Which tasks a client says that it waits for."""

import random

import pytest

from ipcluster_ext.client.pending import Pending, ranges
from ipcluster_ext.protocol.ids import ClientId, TaskId, first_task
from tests.support.owners import Owner

CLIENT = ClientId(5)


@pytest.fixture
def pending() -> Pending:
    return Pending(CLIENT)


def own(number: int) -> TaskId:
    return first_task(CLIENT, number)


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([], ([], [])),
        ([7], ([7], [1])),
        ([1, 2, 3, 5, 8, 9], ([1, 5, 8], [3, 1, 2])),
        (list(range(10, 1010)), ([10], [1000])),
    ],
)
def test_ids_are_written_as_ranges(
    tasks: list[TaskId], expected: tuple[list[TaskId], list[int]]
) -> None:
    assert ranges(tasks) == expected


def test_ranges_have_exactly_the_ids_that_were_given() -> None:
    chance = random.Random(1)
    for _ in range(200):
        tasks = sorted({TaskId(chance.randrange(40)) for _ in range(chance.randrange(40))})

        firsts, counts = ranges(tasks)

        pairs = zip(firsts, counts, strict=True)
        assert [first + n for first, count in pairs for n in range(count)] == tasks


def test_tasks_are_waited_for_once_they_were_submitted(pending: Pending) -> None:
    pending.reserve(2, Owner())
    first = pending.reserve(5, Owner())
    pending.said(first, 2)
    before = pending.said_ranges()
    pending.said(TaskId(first + 2), 3)
    pending.said(own(1), 2)

    assert before == ([own(3)], [2])
    assert pending.said_ranges() == ([own(1)], [7])
    assert not pending.unsaid


def test_tasks_whose_submission_failed_half_way_are_not(pending: Pending) -> None:
    first = pending.reserve(4, Owner())
    pending.said(first, 2)

    pending.forget([TaskId(first + n) for n in range(4)])

    assert pending.said_ranges() == ([], [])
    assert not pending.unsaid


def test_those_of_others_are_as_well(pending: Pending) -> None:
    pending.adopt([TaskId(9), TaskId(3)], Owner())

    assert pending.said_ranges() == ([3, 9], [1, 1])

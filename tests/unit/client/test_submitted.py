"""What a client remembers of its own calls."""

import gc
from collections.abc import Sequence

import pytest

from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.submitted import Submitted
from ipcluster_ext.protocol.ids import TaskId


class Waiter:
    """Somebody who has answers."""

    def deliver(self, outcomes: Sequence[Outcome]) -> None: ...

    def note_started(self, task: TaskId) -> None: ...

    def note_output(self, task: TaskId, stream: str, text: str) -> None: ...

    def note_news(self, task: TaskId, topic: str, value: object) -> None: ...

    def outcome(self, task: TaskId) -> Outcome | None: ...

    def fail(self, error: Exception) -> None: ...


@pytest.fixture
def waiter() -> Waiter:
    return Waiter()


def test_tasks_are_told_in_the_order_of_their_submission(waiter: Waiter) -> None:
    submitted = Submitted()
    submitted.add(TaskId(1), 1, waiter)
    submitted.add(TaskId(2), 3, waiter)

    assert submitted.tasks == [1, 2, 3, 4]


def test_only_the_latest_are_remembered(waiter: Waiter) -> None:
    submitted = Submitted(most=5)
    for first in range(1, 10):
        submitted.add(TaskId(first), 1, waiter)

    assert submitted.tasks == [5, 6, 7, 8, 9]


def test_of_a_call_with_too_many_only_the_last_are_told(waiter: Waiter) -> None:
    submitted = Submitted(most=5)
    submitted.add(TaskId(1), 2, waiter)
    submitted.add(TaskId(3), 1_000_000, waiter)
    submitted.add(TaskId(1_000_003), 2, waiter)

    assert submitted.tasks == list(range(1_000_000, 1_000_005))


def test_who_has_an_answer_is_known_as_long_as_he_lives(waiter: Waiter) -> None:
    submitted = Submitted()
    other = Waiter()
    submitted.add(TaskId(1), 2, waiter)
    submitted.add(TaskId(3), 1, other)

    assert submitted.owner(TaskId(2)) is waiter
    assert submitted.owner(TaskId(3)) is other
    del other
    gc.collect()
    assert submitted.owner(TaskId(3)) is None
    assert submitted.owner(TaskId(9)) is None


def test_what_is_forgotten_leaves_the_rest_of_its_call(waiter: Waiter) -> None:
    submitted = Submitted()
    submitted.add(TaskId(1), 6, waiter)
    submitted.add(TaskId(7), 1, waiter)

    submitted.forget([TaskId(1), TaskId(3), TaskId(4), TaskId(7)])

    assert submitted.tasks == [2, 5, 6]
    assert submitted.owner(TaskId(3)) is None
    assert submitted.owner(TaskId(5)) is waiter


def test_everything_can_be_forgotten(waiter: Waiter) -> None:
    submitted = Submitted()
    submitted.add(TaskId(1), 6, waiter)

    submitted.clear()

    assert submitted.tasks == []

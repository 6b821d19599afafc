"""What a task says is heard once, whatever hubs do meanwhile."""

import pytest

from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.words import Words
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import More, News, Output
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.protocol.status import TaskStatus

TASK, OTHER = TaskId(5), TaskId(6)
LIFE, NEXT_LIFE = 9 << 32, 3 << 32


@pytest.fixture
def words() -> Words:
    return Words()


def output(number: int, task: TaskId = TASK) -> Output:
    return Output(task, "stdout", "a", number)


def test_what_has_a_higher_number_is_new(words: Words) -> None:
    said: list[Output | News] = [
        output(LIFE + 1),
        News(TASK, "data", b"", (), LIFE + 2),
        output(LIFE + 7),
    ]

    assert [words.is_new(message) for message in said] == [True] * 3


def test_what_comes_again_is_not(words: Words) -> None:
    for number in (1, 2, 3):
        words.is_new(output(LIFE + number))

    again = [words.is_new(output(LIFE + number)) for number in (2, 3, 4)]

    assert again == [False, False, True]


def test_each_task_counts_for_itself(words: Words) -> None:
    words.is_new(output(LIFE + 5))

    assert words.is_new(output(LIFE + 4, OTHER))


def test_another_life_of_an_engine_begins_anew(words: Words) -> None:
    words.is_new(output(LIFE + 5))

    assert [words.is_new(output(NEXT_LIFE + n)) for n in (1, 1, 2)] == [True, False, True]


def test_what_has_no_number_is_new(words: Words) -> None:
    assert [words.is_new(output(0)) for _ in range(2)] == [True, True]


def test_nothing_is_kept_of_what_has_ended(words: Words) -> None:
    words.granted[TASK] = More(TASK, 32)
    words.is_new(output(LIFE + 5))

    words.ended([Outcome(EngineId(0), ResultItem(TASK, TaskStatus.DONE, 1.0, 2.0, b""), None)])

    assert not words.granted
    assert words.is_new(output(LIFE + 5))

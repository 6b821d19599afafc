"""Answers reach whoever asked, and nobody else."""

import pytest

from ipcluster_ext.client.requests import Requests, converted
from ipcluster_ext.errors import ClientClosed
from ipcluster_ext.protocol.messages import Purged, QueueQuery


@pytest.fixture
def requests() -> Requests:
    return Requests()


def test_an_answer_goes_to_its_question(requests: Requests) -> None:
    (one, _, first), (other, _, second) = requests.ask(QueueQuery), requests.ask(QueueQuery)

    requests.answered(Purged(other, 3))

    assert (one != other, first.done(), second.result()) == (True, False, Purged(other, 3))


def test_an_answer_that_comes_twice_or_to_nobody_is_dropped(requests: Requests) -> None:
    number, _, answer = requests.ask(QueueQuery)
    requests.answered(Purged(number, 1))

    requests.answered(Purged(number, 2))
    requests.answered(Purged(99, 3))

    assert answer.result() == Purged(number, 1)


def test_what_is_forgotten_is_not_waited_for(requests: Requests) -> None:
    number, _, answer = requests.ask(QueueQuery)

    requests.forget(number)
    requests.answered(Purged(number, 1))

    assert (len(requests), answer.done()) == (0, False)


def test_those_that_are_open_can_be_asked_again(requests: Requests) -> None:
    (answered, _, _), (forgotten, _, _) = requests.ask(QueueQuery), requests.ask(QueueQuery)
    number, question, _ = requests.ask(QueueQuery)

    requests.answered(Purged(answered, 1))
    requests.forget(forgotten)

    assert requests.open == [(number, question)] == [(3, QueueQuery(3))]


def test_all_questions_fail_when_nothing_more_is_heard(requests: Requests) -> None:
    (answered, _, first), (_, _, second) = requests.ask(QueueQuery), requests.ask(QueueQuery)
    requests.answered(Purged(answered, 1))

    requests.fail(ClientClosed("closed"))

    assert first.result() == Purged(answered, 1)
    with pytest.raises(ClientClosed):
        second.result()


def test_an_answer_can_be_read_as_something_else(requests: Requests) -> None:
    number, _, answer = requests.ask(QueueQuery)
    count = converted(answer, lambda purged: int(purged.count))

    requests.answered(Purged(number, 7))

    assert count.result() == 7


def test_what_reading_an_answer_raises_is_raised(requests: Requests) -> None:
    (number, _, answer), (_, _, lost) = requests.ask(QueueQuery), requests.ask(QueueQuery)
    count = converted(answer, lambda purged: 1 / purged.count)
    other = converted(lost, str)

    requests.answered(Purged(number, 0))
    requests.fail(ClientClosed("closed"))

    with pytest.raises(ZeroDivisionError):
        count.result()
    with pytest.raises(ClientClosed):
        other.result()

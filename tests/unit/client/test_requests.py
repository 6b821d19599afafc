"""Answers reach whoever asked, and nobody else."""

import pytest

from ipcluster_ext.client.requests import Requests, converted
from ipcluster_ext.errors import ClientClosed
from ipcluster_ext.protocol.messages import Purged


@pytest.fixture
def requests() -> Requests:
    return Requests()


def test_an_answer_goes_to_its_question(requests: Requests) -> None:
    (one, first), (other, second) = requests.ask(), requests.ask()

    requests.answered(Purged(other, 3))

    assert (one != other, first.done(), second.result()) == (True, False, Purged(other, 3))


def test_an_answer_that_comes_twice_or_to_nobody_is_dropped(requests: Requests) -> None:
    number, answer = requests.ask()
    requests.answered(Purged(number, 1))

    requests.answered(Purged(number, 2))
    requests.answered(Purged(99, 3))

    assert answer.result() == Purged(number, 1)


def test_what_is_forgotten_is_not_waited_for(requests: Requests) -> None:
    number, answer = requests.ask()

    requests.forget(number)
    requests.answered(Purged(number, 1))

    assert (len(requests), answer.done()) == (0, False)


def test_all_questions_fail_when_nothing_more_is_heard(requests: Requests) -> None:
    (answered, first), (_, second) = requests.ask(), requests.ask()
    requests.answered(Purged(answered, 1))

    requests.fail(ClientClosed("closed"))

    assert first.result() == Purged(answered, 1)
    with pytest.raises(ClientClosed):
        second.result()


def test_an_answer_can_be_read_as_something_else(requests: Requests) -> None:
    number, answer = requests.ask()
    count = converted(answer, lambda purged: int(purged.count))

    requests.answered(Purged(number, 7))

    assert count.result() == 7


def test_what_reading_an_answer_raises_is_raised(requests: Requests) -> None:
    (number, answer), (_, lost) = requests.ask(), requests.ask()
    count = converted(answer, lambda purged: 1 / purged.count)
    other = converted(lost, str)

    requests.answered(Purged(number, 0))
    requests.fail(ClientClosed("closed"))

    with pytest.raises(ZeroDivisionError):
        count.result()
    with pytest.raises(ClientClosed):
        other.result()

"""Questions to the hub that have not been answered."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from ipcluster_ext.protocol.messages import (
    Cancelled,
    Fetched,
    Message,
    Purged,
    QueueReply,
    Records,
    Redone,
    Steered,
)

T = TypeVar("T")
Answer = Cancelled | Fetched | Purged | QueueReply | Records | Redone | Steered


class Requests:
    """Numbers questions, and takes answers to those who asked. Used under its owner's lock."""

    def __init__(self) -> None:
        self._answers: dict[int, Future[Answer]] = {}
        self._questions: dict[int, Message] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def open(self) -> list[tuple[int, Message]]:
        """The questions that have not been answered, with their numbers, in order."""
        answers = self._answers
        return [(n, asked) for n, asked in self._questions.items() if not answers[n].done()]

    def ask(self, make: Callable[[int], Message]) -> tuple[int, Message, Future[Answer]]:
        """Make a question.

        Parameters
        ----------
        make
            Called with its number; returns the message.

        Returns
        -------
        The number, the message, and the answer to come.
        """
        self._last += 1
        number, answer = self._last, Future[Answer]()
        question = make(number)
        self._answers[number], self._questions[number] = answer, question
        return number, question, answer

    def answered(self, answer: Answer) -> None:
        """Take an answer; one that nobody waits for any more is dropped."""
        waiting = self._answers.get(answer.request)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def forget(self, number: int) -> None:
        """Wait for an answer no longer."""
        self._questions.pop(number, None)
        self._answers.pop(number, None)

    def fail(self, error: Exception) -> None:
        """Learn that nothing will be answered."""
        for answer in list(self._answers.values()):
            if not answer.done():
                answer.set_exception(error)


def converted(answer: "Future[Any]", convert: Callable[[Any], T]) -> "Future[T]":
    """Return a future of what an answer means.

    Parameters
    ----------
    answer
        The answer to come.
    convert
        Called with it, on the thread that receives; what it raises is the future's error.
    """
    meaning: Future[T] = Future()

    def settle(answered: "Future[Any]") -> None:
        try:
            meaning.set_result(convert(answered.result()))
        except Exception as error:  # noqa: BLE001 - it is the future's
            meaning.set_exception(error)

    answer.add_done_callback(settle)
    return meaning

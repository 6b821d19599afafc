"""Answers made of tasks that came with other answers: parts of one, or several put together.

Outcomes are passed on as they come; values are opened where they came first, so that they are the
same objects wherever they are asked for.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from ipcluster_ext.client.answer import Answer
from ipcluster_ext.client.hearers import Hearer
from ipcluster_ext.client.pending import Outcome

AnyAnswer = TypeVar("AnyAnswer", bound=Answer)
Source = tuple[Answer, int]
"""An answer, and the place of one of its tasks."""


def derive(
    kind: type[AnyAnswer], sources: Sequence[Source], *, single: bool = False, label: str = ""
) -> AnyAnswer:
    """Make an answer that stands for tasks of others.

    Parameters
    ----------
    kind
        Of which class.
    sources
        The tasks, at least one.
    single
        Whether the answer is the one task's value and not a list.
    label
        What the work is called.

    Returns
    -------
    The answer; it hears of nothing before `connect` is called.
    """
    roots = [answer.root(place) for answer, place in sources]
    tasks = [answer.task_at(place) for answer, place in roots]
    first = roots[0][0]
    derived = kind(first.connection, len(roots), single=single, label=label, tasks=tasks)
    derived.take_from(roots)
    return derived


def connect(answers: Iterable[Answer]) -> None:
    """Have answers that were derived hear of their tasks, of what has ended already to begin."""
    relays: dict[int, _Relay] = {}
    for answer in answers:
        for source, place in answer.sources:
            relay = relays.setdefault(id(source), _Relay(source))
            relay.targets.setdefault(source.task_at(place), []).append(answer)
    for relay in relays.values():
        relay.start()


class _Relay(Hearer):
    """Passes one answer's outcomes on to those that were derived from it."""

    def __init__(self, source: Answer) -> None:
        self._source = source
        self.targets: dict[int, list[Answer]] = {}

    def start(self) -> None:
        """Pass on what has come, and what will."""
        source = self._source
        self._source.listen(self)
        places = range(source.count_tasks())
        ended = [outcome for place in places if (outcome := source.outcome_at(place)) is not None]
        self.ended(ended, source.failure)

    def ended(self, outcomes: Sequence[Outcome], failure: Exception | None) -> None:
        """Pass them on."""
        for outcome in outcomes:
            for target in self.targets.get(outcome.item.id, ()):
                target.adopt([outcome])
        if failure is not None:
            for target in {id(t): t for group in self.targets.values() for t in group}.values():
                if not target.done():
                    target.fail(failure)

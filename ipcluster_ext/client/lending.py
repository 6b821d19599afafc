"""Answers that other tasks were given, and that the hub may ask for once more.

A task may depend on others whose end its client has not seen. Usually the hub knows how they
ended; where it has forgotten, it says what it lacks, and gets it from here: at once if the answer
is kept, when it arrives if it is under way, and otherwise as a failure, so that nothing waits for
ever.

The hub knows which answers lie in shared memory as long as somebody has them. A hub that was
started again does not, and is told.
"""

import weakref
from collections.abc import Callable, Iterable, Sequence

from ipcluster_ext.client.pending import Outcome, Owner, Pending
from ipcluster_ext.client.submitted import Submitted
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.buffers import Dumped
from ipcluster_ext.protocol.frames import Frame, encode_failure, split
from ipcluster_ext.protocol.ids import TaskId, task_text
from ipcluster_ext.protocol.messages import Holding, Supply
from ipcluster_ext.protocol.parts import Blob, Failure, ResultItem
from ipcluster_ext.protocol.status import TaskStatus
from ipcluster_ext.transport.blobs import Body

Place = Callable[[Dumped], Body]


class Lending:
    """Who has which answer.

    Parameters
    ----------
    pending
        What has not arrived.
    submitted
        Who has the answers of other tasks: a hub that was started again may ask for any that has
        ended lately.
    """

    def __init__(self, pending: Pending, submitted: Submitted) -> None:
        self._pending = pending
        self._submitted = submitted
        self._lent: weakref.WeakValueDictionary[TaskId, Owner] = weakref.WeakValueDictionary()
        self._held: weakref.WeakValueDictionary[TaskId, Owner] = weakref.WeakValueDictionary()
        self._awaited: set[TaskId] = set()

    def lend(self, tasks: Iterable[TaskId], owner: Owner) -> None:
        """Note who has, or will have, the answers of tasks that others depend on."""
        lent = self._lent
        for task in tasks:
            if lent.get(task) is not owner:
                lent[task] = owner

    def hold(self, task: TaskId, owner: Owner) -> None:
        """Note who has an answer that may lie in shared memory."""
        self._held[task] = owner

    def holds(self, task: TaskId) -> bool:
        """Tell whether anybody has such an answer."""
        return task in self._held

    @property
    def held(self) -> list[Outcome]:
        """The answers in shared memory that somebody has."""
        known = [owner.outcome(task) for task, owner in sorted(self._held.items())]
        return [outcome for outcome in known if outcome is not None and _is_shared(outcome.item)]

    def lacked(self, tasks: Iterable[TaskId]) -> list[tuple[TaskId, Outcome | None]]:
        """Learn what the hub lacks.

        Returns
        -------
        What can be said at once: the outcomes, None where there is none and never will be.
        """
        known: list[tuple[TaskId, Outcome | None]] = []
        for task in tasks:
            if self._pending.owner(task) is not None:
                self._awaited.add(task)
            else:
                owner = self._lent.get(task) or self._submitted.owner(task)
                known.append((task, None if owner is None else owner.outcome(task)))
        return known

    def arrived(self, outcomes: Sequence[Outcome]) -> list[tuple[TaskId, Outcome | None]]:
        """Return those of the outcomes that the hub lacks."""
        if not self._awaited:
            return []
        lacked = [outcome for outcome in outcomes if outcome.item.id in self._awaited]
        self._awaited.difference_update(outcome.item.id for outcome in lacked)
        return [(outcome.item.id, outcome) for outcome in lacked]


def supply(
    answers: Iterable[tuple[TaskId, Outcome | None]], place: Place
) -> tuple[Supply, list[Frame]]:
    """Make the message that gives the hub what it lacks.

    Parameters
    ----------
    answers
        The tasks, and how they ended.
    place
        Decides how large values travel.

    Returns
    -------
    The message, and its frames.
    """
    items: list[ResultItem] = []
    frames: list[Frame] = []
    for task, outcome in answers:
        item, own = _item(task, outcome, place)
        items.append(item)
        frames.extend(own)
    return Supply(items), frames


def holding(outcomes: Iterable[Outcome]) -> tuple[Holding, list[Frame]]:
    """Make the message that tells a hub which answers in shared memory somebody has.

    Parameters
    ----------
    outcomes
        The answers.

    Returns
    -------
    The message, and copies of what travels beside those values.
    """
    items: list[ResultItem] = []
    frames: list[Frame] = []
    for outcome in outcomes:
        if isinstance(outcome.payload, tuple):
            stream, buffers = outcome.payload
            parts = buffers if outcome.item.inline else [stream, *buffers]
            items.append(outcome.item)
            for described, part in zip(outcome.item.buffers, parts, strict=True):
                if isinstance(described, int):
                    frames.extend(split(memoryview(bytes(part))))
    return Holding(items), frames


def _is_shared(item: ResultItem) -> bool:
    return item.status is TaskStatus.DONE and any(isinstance(each, Blob) for each in item.buffers)


def _item(task: TaskId, outcome: Outcome | None, place: Place) -> tuple[ResultItem, list[Frame]]:
    if outcome is None or isinstance(outcome.payload, ProtocolError):
        text = f"the result of task {task_text(task)} is not kept anywhere any more"
        failure = encode_failure(Failure("UnknownTask", text, ""))
        return ResultItem(task, TaskStatus.LOST, 0.0, 0.0, failure), []
    item = outcome.item
    if outcome.payload is None:
        return item, []
    stream, buffers = outcome.payload
    body = place(Dumped(bytes(stream), buffers))
    whole = ResultItem(
        task, item.status, item.started, item.completed, body.inline, body.buffers
    )  # fmt: skip
    return whole, body.frames

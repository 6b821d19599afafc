"""What a client has submitted, as far as it remembers: the latest tasks, and who has their answers.

Calls are remembered and not tasks, so a map costs as much as a single task. Answers are not kept:
whoever holds one can be asked for it, and the hub has the others for a while.
"""

import weakref
from collections import deque
from collections.abc import Collection, Iterator
from typing import NamedTuple

from ipcluster_ext.client.pending import Owner
from ipcluster_ext.protocol.ids import TaskId

REMEMBERED = 10_000


class _Call(NamedTuple):
    first: TaskId
    length: int
    owner: "weakref.ref[Owner]"

    @property
    def tasks(self) -> range:
        """The ids of its tasks."""
        return range(self.first, self.first + self.length)


class Submitted:
    """The latest tasks. Used under its owner's lock.

    Parameters
    ----------
    most
        How many tasks are remembered.
    """

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._calls: deque[_Call] = deque()
        self._count = 0
        self._known: list[TaskId] | None = None

    def add(self, first: TaskId, count: int, owner: Owner) -> None:
        """Note the tasks of a call, whose answers go to an owner."""
        self._calls.append(_Call(first, count, weakref.ref(owner)))
        self._count += count
        self._known = None
        while self._count - self._calls[0].length >= self._most:
            self._count -= self._calls.popleft().length

    @property
    def tasks(self) -> list[TaskId]:
        """The tasks, the oldest first. Not to be changed."""
        if self._known is None:
            known: list[TaskId] = []
            for call in reversed(self._calls):
                left = self._most - len(known)
                known.extend(map(TaskId, reversed(call.tasks[-left:])))
            known.reverse()
            self._known = known
        return self._known

    def owner(self, task: TaskId) -> Owner | None:
        """Return who has the answer of a task; None if nobody has, or it is not remembered."""
        for call in reversed(self._calls):
            if call.first <= task:
                return call.owner() if task in call.tasks else None
        return None

    def forget(self, tasks: Collection[TaskId]) -> None:
        """Remember these tasks no longer."""
        gone = frozenset(tasks)
        kept = [part for call in self._calls for part in _without(call, gone)]
        self._calls = deque(kept)
        self._count = sum(call.length for call in kept)
        self._known = None

    def clear(self) -> None:
        """Remember nothing."""
        self._calls.clear()
        self._count, self._known = 0, None


def _without(call: _Call, gone: frozenset[TaskId]) -> Iterator[_Call]:
    """Yield what is left of a call, in pieces of consecutive ids."""
    if gone.isdisjoint(map(TaskId, call.tasks)):
        yield call
        return
    start: TaskId | None = None
    for task in map(TaskId, range(call.first, call.first + call.length + 1)):
        if task in call.tasks and task not in gone:
            start = task if start is None else start
        elif start is not None:
            yield _Call(start, task - start, call.owner)
            start = None

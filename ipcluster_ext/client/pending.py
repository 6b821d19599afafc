"""Which answers are owed to whom: every task of this client that has not ended."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, client_of, first_task
from ipcluster_ext.protocol.parts import ResultItem

Payload = tuple[bytes | memoryview, list[memoryview]] | ProtocolError


class Outcome(NamedTuple):
    """One task's end.

    Attributes
    ----------
    engine
        Who ran it; -1 if the hub ended it.
    item
        What came.
    payload
        Its stream and large buffers, None if all is in the item; or why they cannot be had.
    """

    engine: EngineId
    item: ResultItem
    payload: Payload | None


class Owner(Protocol):
    """Somebody who waits for tasks of consecutive ids."""

    def deliver(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes of its tasks."""

    def note_started(self, task: TaskId) -> None:
        """Learn that a task runs."""

    def note_output(self, task: TaskId, stream: str, text: str) -> None:
        """Take what a task wrote."""

    def note_news(self, task: TaskId, topic: str, value: Any) -> None:
        """Take what else a running task has to say (`client.news`)."""

    def outcome(self, task: TaskId) -> Outcome | None:
        """Return how one of its tasks ended, None if that is not known here."""

    def fail(self, error: Exception) -> None:
        """Learn that nothing more will come."""


class Pending:
    """The ledger of what is owed.

    Parameters
    ----------
    client
        The number that its task ids begin with.

    Attributes
    ----------
    unsaid
        Tasks that have an id and were not submitted: the first of consecutive ones, and the id
        behind the last.
    """

    def __init__(self, client: ClientId) -> None:
        self.unsaid: dict[TaskId, TaskId] = {}
        self._client = client
        self._last = 0
        self._owners: dict[TaskId, Owner] = {}

    def __len__(self) -> int:
        return len(self._owners)

    @property
    def outstanding(self) -> set[TaskId]:
        """The ids of the tasks that have not ended."""
        return set(self._owners)

    @property
    def owners(self) -> list[Owner]:
        """Those who wait, each once."""
        return list({id(owner): owner for owner in list(self._owners.values())}.values())

    @property
    def next(self) -> TaskId:
        """The id of the task that is submitted next."""
        return first_task(self._client, self._last + 1)

    def reserve(self, count: int, owner: Owner) -> TaskId:
        """Make ids for an owner's tasks.

        Returns
        -------
        The first of ``count`` consecutive ids.
        """
        first = first_task(self._client, self._last + 1)
        self._last += count
        self.unsaid[first] = TaskId(first + count)
        if count == 1:
            self._owners[first] = owner
        else:
            self._owners.update(dict.fromkeys(map(TaskId, range(first, first + count)), owner))
        return first

    def said(self, first: TaskId, count: int) -> None:
        """Note that tasks were submitted; those of a call are in the order of their ids."""
        end = self.unsaid.pop(first, None)
        if end is not None and first + count < end:
            self.unsaid[TaskId(first + count)] = end

    def said_ranges(self) -> tuple[list[TaskId], list[int]]:
        """Return the tasks that were submitted and have not ended, as ranges of ids.

        Returns
        -------
        The first of consecutive ids, and how many there are, for each range.
        """
        tasks = sorted(self._owners)
        for first, end in self.unsaid.items():
            del tasks[bisect_left(tasks, first) : bisect_left(tasks, end)]
        return ranges(tasks)

    def adopt(self, tasks: Iterable[TaskId], owner: Owner) -> None:
        """Have the results of tasks that somebody else submitted go to an owner."""
        self._owners.update(dict.fromkeys(tasks, owner))

    def forget(self, tasks: Iterable[TaskId]) -> None:
        """Cross out tasks that nobody waits for any more."""
        for task in tasks:
            self._owners.pop(task, None)
            self.unsaid.pop(task, None)

    def knows(self, task: TaskId) -> bool:
        """Tell whether there can be such a task: of other clients nothing is known here."""
        return client_of(task) != self._client or (
            first_task(self._client, 1) <= task <= first_task(self._client, self._last)
        )

    def owner(self, task: TaskId) -> Owner | None:
        """Return who waits for a task, None if it has ended."""
        return self._owners.get(task)

    def settle(self, outcomes: Iterable[Outcome]) -> list[tuple[Owner, list[Outcome]]]:
        """Cross out what has ended.

        Returns
        -------
        To whom to deliver what; an outcome that nobody waits for is dropped.
        """
        owners = self._owners
        deliveries: list[tuple[Owner, list[Outcome]]] = []
        group: list[Outcome] = []
        previous: Owner | None = None
        for outcome in outcomes:
            owner = owners.pop(outcome.item.id, None)
            if owner is None:
                continue
            if owner is not previous:
                group, previous = [], owner
                deliveries.append((owner, group))
            group.append(outcome)
        return deliveries

    def abandon(self) -> list[Owner]:
        """Cross out everything: nothing more will come.

        Returns
        -------
        Those who have to be told, each once.
        """
        owners = self.owners
        self._owners.clear()
        return owners


def ranges(tasks: Sequence[TaskId]) -> tuple[list[TaskId], list[int]]:
    """Return ids, which are in order, as ranges: the first of consecutive ones, and their number.

    A range of any length costs as much as looking for its end by halves.
    """
    firsts: list[TaskId] = []
    counts: list[int] = []
    start = 0
    while start < len(tasks):
        firsts.append(tasks[start])
        counts.append(_run(tasks, start))
        start += counts[-1]
    return firsts, counts


def _run(tasks: Sequence[TaskId], start: int) -> int:
    """Return how many consecutive ids there are from a place on."""
    first = tasks[start]
    places = range(len(tasks) - start)
    return bisect_left(places, 1, key=lambda place: tasks[start + place] > first + place)

"""Which answers are owed to whom: every task of this client that has not ended."""

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
    """

    def __init__(self, client: ClientId) -> None:
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

    def reserve(self, count: int, owner: Owner) -> TaskId:
        """Make ids for an owner's tasks.

        Returns
        -------
        The first of ``count`` consecutive ids.
        """
        first = first_task(self._client, self._last + 1)
        self._last += count
        if count == 1:
            self._owners[first] = owner
        else:
            self._owners.update(dict.fromkeys(map(TaskId, range(first, first + count)), owner))
        return first

    def adopt(self, tasks: Iterable[TaskId], owner: Owner) -> None:
        """Have the results of tasks that somebody else submitted go to an owner."""
        self._owners.update(dict.fromkeys(tasks, owner))

    def forget(self, tasks: Iterable[TaskId]) -> None:
        """Cross out tasks that nobody waits for any more."""
        for task in tasks:
            self._owners.pop(task, None)

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

"""What an engine has to tell a hub that was started again: which tasks it has.

Such a hub gives a task to somebody else unless an engine claims it. So every task counts from the
moment in which it came until its outcome is acknowledged, wherever in the engine it is meanwhile.
"""

from collections.abc import Iterable, Sequence

from msgspec import structs

from ipcluster_ext.protocol.ids import TaskId, client_of
from ipcluster_ext.protocol.labour import mark_of
from ipcluster_ext.protocol.messages import Done, EngineHello, Lent, Returned, Took, Waiting
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.transport.channel import Said

_THE_HUB = 0
"""Whose tasks preparations are."""
_VOID = (EngineHello, Took, Returned, Waiting, Lent)
"""What the hub before was told of itself; what is given back is not claimed, which says it all."""


class Holdings:
    """The tasks that came and whose end was not said, in the order in which they came.

    Tasks come on the one thread that receives; whoever says how they ended sees to it that nobody
    introduces the engine meanwhile.
    """

    def __init__(self) -> None:
        self._needs: dict[TaskId, tuple[TaskId, ...]] = {}
        self._prepared: list[bytes] = []

    @property
    def needed(self) -> set[TaskId]:
        """The tasks whose values stand among the arguments of these."""
        return {need for needs in self._needs.values() for need in needs}

    @property
    def of_clients(self) -> set[TaskId]:
        """Those of them that clients have submitted."""
        return {task for task in tuple(self._needs) if client_of(task) != _THE_HUB}

    def has(self, task: TaskId) -> bool:
        """Tell whether a task has come whose end was not said."""
        return task in self._needs

    def came(self, spec: TaskSpec, items: Sequence[TaskItem]) -> None:
        """Note tasks of one kind."""
        needs = self._needs
        for item in items:
            needs[item.id] = item.needs
        if items and client_of(items[0].id) == _THE_HUB:
            self._prepared += [mark_of(spec, item) for item in items]

    def ended(self, items: Iterable[ResultItem]) -> None:
        """Note that outcomes were said."""
        needs = self._needs
        for item in items:
            needs.pop(item.id, None)

    def given_back(self, tasks: Iterable[TaskId]) -> None:
        """Note that tasks were given back."""
        for task in tasks:
            self._needs.pop(task, None)

    def introduction(self, hello: EngineHello, unheard: Iterable[Said]) -> list[Said]:
        """Return what to say to a hub that knows nothing.

        Parameters
        ----------
        hello
            The engine's greeting.
        unheard
            What the hub before may have missed, in order.
        """
        said: list[Said] = []
        held: list[TaskId] = []
        for messages, frames in unheard:
            kept = [message for message in messages if not isinstance(message, _VOID)]
            for message in kept:
                if isinstance(message, Done):
                    held += [item.id for item in message.items]
            if kept:
                said.append((kept, frames))
        held += self._needs
        hello = structs.replace(hello, again=True, held=held, prepared=self._prepared)
        return [([hello], ()), *said]

"""Values that stay on engines: handles that stand for them among the arguments of tasks."""

import operator
from typing import Any, Protocol

from ipcluster_ext.client.arguments import Passable
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.standins import Reference, collected


class Held(Passable, Protocol):
    """An answer that is held."""

    def get(self, timeout: float | None = None) -> Any:
        """Return its value."""

    def __reduce__(self) -> Any: ...


class Namespace(Protocol):
    """An engine's names."""

    def pull(self, names: str, *, block: bool) -> Any:
        """Read a name."""


class RemoteValue:
    """The value of a task, where it is: passed to another task, it goes from engine to engine.

    Parameters
    ----------
    answer
        The answer whose value it is; it is kept as long as the handle is.

    Examples
    --------
    >>> there = lv.submit(pow, 2, 3).remote()
    >>> lv.apply_sync(sum, [there, 1])
    9
    >>> there.get()
    8
    """

    def __init__(self, answer: Held) -> None:
        self._answer = answer

    def __repr__(self) -> str:
        return f"<RemoteValue of {self._answer!r}>"

    def get(self, timeout: float | None = None) -> Any:
        """Fetch the value.

        Parameters
        ----------
        timeout
            How long to wait for it, in seconds; None for ever.

        Raises
        ------
        TimeoutError
            It is not there yet.
        BaseException
            What the task raised.
        """
        return self._answer.get(timeout)

    def __reduce__(self) -> Any:
        return self._answer.__reduce__()


class EngineReference(Reference):
    """A name in the namespace of one engine.

    Passed to a task on another engine, its value goes there directly, as it is when the task is
    submitted. On its own engine it stands for the very object, as any `Reference` does.

    Parameters
    ----------
    name
        The name, or an expression.
    view
        The view of the engine.
    engine
        The engine's id.

    Examples
    --------
    >>> rc[0].push({"a": [1, 2]}, block=True)
    >>> rc[1].apply_sync(sum, rc[0].ref("a"))
    3
    """

    def __init__(self, name: str, view: Namespace, engine: EngineId) -> None:
        super().__init__(name)
        self._view = view
        self.engine = engine

    def __repr__(self) -> str:
        return f"Reference({self.name!r} of engine {self.engine})"

    def get(self) -> Any:
        """Fetch the value.

        Raises
        ------
        NameError
            The engine does not have the name.
        """
        return self._view.pull(self.name, block=True)

    def __reduce__(self) -> tuple[Any, ...]:
        needs = collected()
        if set(needs.engines) == {self.engine}:
            return super().__reduce__()
        if needs.late:  # a task that reads the name would come after those that need its value
            return operator.itemgetter(0), ([self.get()],)
        reduced: tuple[Any, ...] = self._view.pull(self.name, block=False).__reduce__()
        return reduced

"""What stands for a value among the arguments of a task, and becomes that value on the engine.

An answer to come, or a name in an engine's namespace, may stand anywhere inside the arguments.
While the arguments are pickled each such thing puts a *stand-in* in its place; while they are
unpickled on the engine, the stand-in asks the `Resolver` in charge for the value. Who pickles
is told which tasks have to end first (`collecting`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from ipcluster_ext.protocol.ids import TaskId


class Resolver(Protocol):
    """Finds values on an engine."""

    def value(self, task: TaskId) -> Any:  # noqa: ANN401 - the user's own
        """Return what a task returned, made anew for each caller."""

    def name(self, expression: str) -> Any:  # noqa: ANN401 - the user's own
        """Return what an expression means in the engine's namespace."""


_needs: ContextVar[dict[TaskId, None] | None] = ContextVar("_needs", default=None)
_resolver: ContextVar[Resolver | None] = ContextVar("_resolver", default=None)


@contextmanager
def collecting() -> Iterator[dict[TaskId, None]]:
    """Note, while arguments are pickled on this thread, whose values they need.

    Yields
    ------
    The tasks, as the keys of a dict, in the order in which they were met.
    """
    needs: dict[TaskId, None] = {}
    token = _needs.set(needs)
    try:
        yield needs
    finally:
        _needs.reset(token)


@contextmanager
def resolving(resolver: Resolver) -> Iterator[None]:
    """Have a resolver answer for the stand-ins that are unpickled on this thread."""
    token = _resolver.set(resolver)
    try:
        yield
    finally:
        _resolver.reset(token)


def is_collecting() -> bool:
    """Tell whether arguments are being pickled on this thread."""
    return _needs.get() is not None


def need(task: TaskId) -> None:
    """Note that the value of a task is needed by what is being pickled.

    Raises
    ------
    LookupError
        Nothing is being pickled as an argument.
    """
    needs = _needs.get()
    if needs is None:
        msg = "an answer to come can be passed as an argument of a task, and not be pickled else"
        raise LookupError(msg)
    needs[task] = None


def value_of(task: TaskId) -> Any:  # noqa: ANN401 - the user's own
    """Stand for the value of a task; called by unpickling.

    Raises
    ------
    LookupError
        This is no engine.
    """
    resolver = _resolver.get()
    if resolver is None:
        msg = "the value of a task can only be had where a task's arguments are unpickled"
        raise LookupError(msg)
    return resolver.value(task)


def values_of(tasks: tuple[TaskId, ...], chunked: bool) -> list[Any]:  # noqa: FBT001 - called by unpickling
    """Stand for the values of several tasks; those of a map are lists, to be put together."""
    values = [value_of(task) for task in tasks]
    return [item for chunk in values for item in chunk] if chunked else values


class Reference:
    """A name in the engines' namespaces, or an expression over such names.

    Stands for its value wherever it is among the arguments of a task, or for the function itself.

    Parameters
    ----------
    name
        Evaluated on the engine that runs the task.

    Examples
    --------
    >>> dv.push({"a": 5}, block=True)
    [None, None]
    >>> dv.apply_sync(lambda x: x + 1, ipp.Reference("a"))
    [6, 6]
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Reference({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _named, (self.name,)


def _named(name: str) -> Any:  # noqa: ANN401 - the user's own
    resolver = _resolver.get()
    return Reference(name) if resolver is None else resolver.name(name)

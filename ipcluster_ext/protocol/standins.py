"""What stands for a value among the arguments of a task, and becomes that value on the engine.

An answer to come, or a name in an engine's namespace, may stand anywhere inside the arguments.
While the arguments are pickled each such thing puts a *stand-in* in its place; while they are
unpickled on the engine, the stand-in asks the `Resolver` in charge for the value. Who pickles
is told which tasks have to end first (`collecting`).
"""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, Protocol

from ipcluster_ext.errors import ForeignTask
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, client_of, task_text


class Resolver(Protocol):
    """Finds values on an engine."""

    def value(self, task: TaskId) -> Any:  # noqa: ANN401 - the user's own
        """Return what a task returned, made anew for each caller."""

    def name(self, expression: str) -> Any:  # noqa: ANN401 - the user's own
        """Return what an expression means in the engine's namespace."""


class Needs(dict[TaskId, None]):
    """The tasks whose values are needed by what is being pickled, in the order they were met.

    Attributes
    ----------
    client
        Who is going to submit it; None if that does not matter.
    engines
        Where it is going to be unpickled; empty if the hub chooses.
    late
        Whether its own tasks have their ids already, so that no new task can come before them.
    """

    __slots__ = ("client", "engines", "late")

    def __init__(
        self,
        client: ClientId | None = None,
        engines: tuple[EngineId, ...] = (),
        *,
        late: bool = False,
    ) -> None:
        self.client = client
        self.engines = engines
        self.late = late


class Unusable(BaseException):
    """An argument is an answer that will never be a value; no pickler mistakes it for its own.

    Parameters
    ----------
    error
        Why.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


_needs: ContextVar[Needs | None] = ContextVar("_needs", default=None)
_resolver: ContextVar[Resolver | None] = ContextVar("_resolver", default=None)


class collecting:  # noqa: N801 - used as a function is
    """Note, while arguments are pickled on this thread, whose values they need.

    Parameters
    ----------
    needs
        Where to; a new collection if not given.
    """

    def __init__(self, needs: Needs | None = None) -> None:
        self._needs = Needs() if needs is None else needs
        self._token: Token[Needs | None] | None = None

    def __enter__(self) -> Needs:
        self._token = _needs.set(self._needs)
        return self._needs

    def __exit__(self, *_raised: object) -> None:
        if self._token is not None:
            _needs.reset(self._token)


@contextmanager
def resolving(resolver: Resolver) -> Iterator[None]:
    """Have a resolver answer for the stand-ins that are unpickled on this thread."""
    token = _resolver.set(resolver)
    try:
        yield
    finally:
        _resolver.reset(token)


def collected() -> Needs:
    """Return what has been noted by those who pickle arguments on this thread.

    Raises
    ------
    LookupError
        Nothing is being pickled as an argument.
    """
    needs = _needs.get()
    if needs is None:
        msg = "an answer to come can be passed as an argument of a task, and not be pickled else"
        raise LookupError(msg)
    return needs


def need(task: TaskId) -> None:
    """Note that the value of a task is needed by what is being pickled.

    Raises
    ------
    LookupError
        Nothing is being pickled as an argument.
    Unusable
        The task is another client's.
    """
    needs = collected()
    if needs.client is not None and client_of(task) != needs.client:
        raise Unusable(ForeignTask(task_text(task)))
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


Part = TaskId | bytes | tuple[bytes, ...]
"""A task whose value is needed, or a pickled value itself, or its stream and what was beside it."""


def put_together(then: Callable[[list[Any]], Any], *parts: Part) -> Any:  # noqa: ANN401 - the user's own
    """Stand for what is made of the values of several tasks; called by unpickling."""
    return then([_value(part) for part in parts])


def _value(part: Part) -> Any:  # noqa: ANN401 - the user's own
    if isinstance(part, int):
        return value_of(part)
    if isinstance(part, tuple):
        stream, *buffers = part
        return pickle.loads(stream, buffers=buffers)
    return pickle.loads(part)


def the_one(values: list[Any]) -> Any:  # noqa: ANN401 - the user's own
    """Make the answer of one task."""
    return values[0]


def call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the user's own
    """Call what arrives as an argument: a function that only the engine has."""
    return function(*args, **kwargs)


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

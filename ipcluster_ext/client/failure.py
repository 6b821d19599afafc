"""Failures made into exceptions that are of the user's own type and a `RemoteError` as well."""

from typing import Any

from ipcluster_ext.errors import (
    ClientClosed,
    DependencyTimeout,
    EngineLost,
    ImpossibleDependency,
    InvalidDependency,
    IpclusterError,
    NoEnginesRegistered,
    NoSuchEngine,
    PoisonTask,
    RemoteError,
    TaskAborted,
    TaskExpired,
    TaskInterrupted,
    TaskRejectError,
    TaskTimeout,
    UnknownTask,
    UnmetDependency,
    remember_facts,
)
from ipcluster_ext.protocol.buffers import load
from ipcluster_ext.protocol.exceptions import Parts, Travelling, parts_of, remake
from ipcluster_ext.protocol.frames import decode_failure
from ipcluster_ext.protocol.parts import Failure, ResultItem
from ipcluster_ext.protocol.status import TaskStatus

_DIRECTIVES = (RemoteError, StopIteration, StopAsyncIteration)
"""Joined with none of these, nor with what is no `Exception`: whoever raises `SystemExit` or
`StopIteration` directs the process, the loop or the generator that it is raised in."""

_classes: dict[type[BaseException], type[RemoteError]] = {}


_SENTENCES: dict[str, type[IpclusterError]] = {
    kind.__name__: kind
    for kind in (
        ClientClosed, DependencyTimeout, ImpossibleDependency, InvalidDependency,
        NoEnginesRegistered, TaskAborted, TaskExpired, TaskInterrupted, TaskRejectError,
        TaskTimeout, UnknownTask, UnmetDependency,
    )
}  # fmt: skip
"""Errors of which the hub says the name, and a sentence unless ours will do."""


def error_of(item: ResultItem) -> BaseException:
    """Make the exception that a task's failure means at the client.

    Parameters
    ----------
    item
        The outcome of a task that did not return.

    Returns
    -------
    For a task that raised, an instance of `RemoteError` and of the class it raised, if that
    class can be had here and means nothing to the interpreter itself, as `SystemExit` does; for
    a task that was cancelled or lost, this package's own error.
    """
    failure = decode_failure(item.inline)
    if item.status is TaskStatus.FAILED:
        return raised(failure)
    if item.status is TaskStatus.CANCELLED:
        return TaskAborted(failure.evalue) if failure.evalue else TaskAborted()
    return _lost(failure)


def _lost(failure: Failure) -> BaseException:
    """Make the error that the hub means; what it has no word for is the engine's fault."""
    if (kind := _SENTENCES.get(failure.ename)) is not None:
        return kind(failure.evalue) if failure.evalue else kind()
    engine = -1 if failure.engine is None else int(failure.engine)
    if failure.ename == "NoSuchEngine":
        return NoSuchEngine(engine, (), failure.evalue)
    lost = PoisonTask if failure.ename == "PoisonTask" else EngineLost
    return lost(engine, failure.evalue, failure.traceback)


def raised(failure: Failure) -> RemoteError:
    """Make the exception that a task raised."""
    facts = (failure.ename, failure.evalue, failure.traceback, failure.engine)
    original: BaseException | None = None
    if failure.pickled:
        try:
            loaded = load(failure.pickled, ())
        except BaseException:  # noqa: BLE001 - unpickling an exception runs its author's code
            loaded = None
        original = loaded if isinstance(loaded, BaseException) else None
    return rebuild(original, facts)


def rebuild(original: BaseException | None, facts: tuple[str, str, str, int | None]) -> RemoteError:
    """Join an exception with what is known of its origin; also how such an error is unpickled."""
    while isinstance(original, RemoteError) and original.__cause__ is not None:
        original = original.__cause__  # it came from an engine, and was raised again on another
    try:
        error = RemoteError(*facts) if original is None else _join(original, facts)
    except Exception:  # noqa: BLE001 - classes with odd layouts cannot be joined
        error = RemoteError(*facts)
    error.__cause__ = original
    return error


def _join(original: BaseException, facts: tuple[str, str, str, int | None]) -> RemoteError:
    kind = type(original)
    if not issubclass(kind, Exception) or issubclass(kind, _DIRECTIVES):
        return RemoteError(*facts)
    parts = parts_of(original) or Parts(original.args, None)
    error: RemoteError = remake(_class_for(kind), parts)  # type: ignore[assignment]
    error.__dict__.update(original.__dict__)
    remember_facts(error, *facts)
    return error


def _class_for(kind: type[BaseException]) -> type[RemoteError]:
    """Return the class that is both a `RemoteError` and ``kind``."""
    joined = _classes.get(kind)
    if joined is None:
        body: dict[str, Any] = {
            "__module__": kind.__module__,
            "__qualname__": kind.__qualname__,
            "__doc__": kind.__doc__,
            "__reduce__": _reduce,
            "__reduce_ex__": _reduce_ex,
        }
        joined = _classes[kind] = type(kind.__name__, (RemoteError, kind), body)
    return joined


def _reduce(self: RemoteError) -> tuple[Any, ...]:
    facts = (self.ename, self.evalue, self.coloured, self.engine)
    return rebuild, (Travelling(self.__cause__), facts)


def _reduce_ex(self: RemoteError, protocol: int) -> tuple[Any, ...]:
    del protocol
    return _reduce(self)

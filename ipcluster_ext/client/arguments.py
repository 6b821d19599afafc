"""Arguments of calls, made to travel; answers to come among them become dependencies.

An answer may stand anywhere among the arguments, and is its value on the engine. A value that is
here already travels with the call, as the bytes that it came as; one that is still computed, or
lies in shared memory, is only named: it goes from engine to engine.
"""

import pickle
from collections.abc import Callable
from typing import Any, Protocol

from ipcluster_ext.client.failure import raised
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.buffers import Dumped, are_atoms, dump, dump_atoms
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.parts import Blob, Failure
from ipcluster_ext.protocol.standins import Needs, Unusable, collecting, need, put_together
from ipcluster_ext.protocol.status import TaskStatus

Needed = tuple[TaskId, ...]
_plain: set[type] = set()


class Passable(Protocol):
    """An answer, as far as passing it on goes."""

    def count_tasks(self) -> int:
        """Return how many tasks it stands for."""

    def task_at(self, place: int) -> TaskId:
        """Return one of them."""

    def outcome_at(self, place: int) -> Outcome | None:
        """Return how it ended, None if it has not."""

    def value_at(self, place: int) -> tuple[Any, BaseException | None]:
        """Return the value or the error of one that has ended."""


def dump_call(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    client: ClientId,
    engines: tuple[EngineId, ...] = (),
) -> tuple[Dumped, Needed]:
    """Pickle a call's arguments.

    Parameters
    ----------
    args, kwargs
        The arguments; answers to come may stand anywhere among them.
    client
        Who calls.
    engines
        Where; empty if the hub chooses.

    Returns
    -------
    The pickle, and the tasks whose values it needs.

    Raises
    ------
    SerializationError
        An argument cannot be pickled.
    ForeignTask
        An answer to come is another client's.
    BaseException
        An argument is an answer that is an error: that error.
    """
    if not kwargs and are_atoms(args):
        return dump_atoms((args, kwargs)), ()
    if not kwargs and all(type(value) in _plain or are_atoms((value,)) for value in args):
        return _dump_plainly((args, kwargs), Needs(client, engines))
    return _dump((args, kwargs), Needs(client, engines), "an argument")


def dump_chunk(
    items: list[Any], client: ClientId, engines: tuple[EngineId, ...] = (), *, late: bool = False
) -> tuple[Dumped, Needed]:
    """Pickle a chunk of a map's items, as `dump_call` does with arguments.

    ``late`` tells that the tasks of the map have their ids already.
    """
    if are_atoms(items):
        return dump_atoms(items), ()
    return _dump(items, Needs(client, engines, late=late), "an item of the map")


def dump_value(
    value: object, client: ClientId, engines: tuple[EngineId, ...] = (), what: str = "a value"
) -> tuple[Dumped, Needed]:
    """Pickle any payload, as `dump_call` does with arguments; ``what`` names it in errors."""
    return _dump(value, Needs(client, engines), what)


def _dump(value: object, needs: Needs, what: str) -> tuple[Dumped, Needed]:
    with collecting(needs):
        try:
            dumped = dump(value, what=what)
        except Unusable as unusable:
            raise unusable.error from None
    return dumped, tuple(needs) if needs else ()


def _dump_plainly(value: object, needs: Needs) -> tuple[Dumped, Needed]:
    """Pickle what consists of atoms and answers: that takes a third of the time."""
    with collecting(needs):
        try:
            dumped = dump_atoms(value)
        except Unusable as unusable:
            raise unusable.error from None
    return dumped, tuple(needs)


def passes_plainly(kind: type[Passable]) -> None:
    """Note a class of answers that the standard library's own pickler can pass on."""
    _plain.add(kind)


def stand_in(answer: Passable, then: Callable[[list[Any]], Any]) -> tuple[Any, ...]:
    """Return what pickles in an answer's place.

    Parameters
    ----------
    answer
        The answer.
    then
        What makes its value of the list of its tasks' values; found by its name on engines.

    Raises
    ------
    LookupError
        No arguments are being pickled: only as an argument an answer can travel.
    Unusable
        It is an error.
    """
    parts: list[Any] = []
    for place in range(answer.count_tasks()):
        outcome = answer.outcome_at(place)
        raw = None if outcome is None else _raw(answer, place, outcome)
        if raw is None:
            raw = answer.task_at(place)
            need(raw)
        parts.append(raw)
    return put_together, (then, *parts)


def _raw(answer: Passable, place: int, outcome: Outcome) -> Any:
    """Return the bytes of a value; None if they lie in shared memory."""
    item, payload = outcome.item, outcome.payload
    if item.status is not TaskStatus.DONE or isinstance(payload, ProtocolError):
        error = answer.value_at(place)[1]
        raise Unusable(error if error is not None else ValueError(f"task {item.id} has no value"))
    if payload is None:
        return item.inline
    if any(isinstance(buffer, Blob) for buffer in item.buffers):
        return None
    stream, buffers = payload
    return (bytes(stream), *map(pickle.PickleBuffer, buffers))


def chained(values: list[list[Any]]) -> list[Any]:
    """Make the answer of a map of the values of its chunks."""
    return [
        raised(value) if type(value) is Failure else value for chunk in values for value in chunk
    ]

"""The answer of a map: values of chunks, put together again.

A chunk ends at the first item that fails, unless the map was made with ``return_exceptions=True``:
then each of its items has a value or an error of its own. Of a chunk that has ended so, the items
before keep their values (where these are small: see `Failure.values`), and those after it have an
error that says that they were not computed.
"""

from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import cached_property, partial
from itertools import accumulate
from typing import Any

from ipcluster_ext.client.arguments import chained
from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.failure import raised
from ipcluster_ext.client.iteration import Values
from ipcluster_ext.client.opening import Value, decode
from ipcluster_ext.client.parts import Source, connect, derive
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.redone import taken_over
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.errors import TaskAborted
from ipcluster_ext.protocol.buffers import load
from ipcluster_ext.protocol.frames import decode_failure
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.parts import Failure
from ipcluster_ext.protocol.status import TaskStatus

Place = tuple[int, int]
"""Where an item is: the place of its task, and its own within the chunk."""


class AsyncMapResult(AsyncResult):
    """The answer of a map: a list with a value for each item, in the order of the items.

    Iterating yields values while others are still computed, in order or, if the map was made
    with ``ordered=False``, as they come; ``async for`` does so, too. An error is raised at its
    item's place, and the iterator can go on after it.

    Parameters
    ----------
    connection
        The client's wire.
    lengths
        How many items each task has.
    ordered
        Whether iteration follows the order of the items.
    label
        What the work is called.
    return_exceptions
        Whether exceptions stand among the values instead of being raised.
    tasks
        The tasks, if others have made their ids.

    Examples
    --------
    >>> amr = lv.map_async(abs, [-1, -2, -3])
    >>> list(amr), amr.get(), amr[1]
    ([1, 2, 3], [1, 2, 3], 2)
    """

    _inner = frozenset({"item", "trace", "values_of", "where"})

    def __init__(
        self,
        connection: Connection,
        lengths: Sequence[int],
        *,
        ordered: bool = True,
        label: str = "",
        return_exceptions: bool = False,
        tasks: Sequence[TaskId] | None = None,
    ) -> None:
        self._lengths = lengths
        self._items = sum(lengths)
        self._even = lengths[0] if lengths and len(set(lengths[:-1] or lengths)) == 1 else 0
        self._failed_in: dict[int, Container[int]] = {}
        self.ordered = ordered
        self.return_exceptions = return_exceptions
        super().__init__(connection, len(lengths), label=label, tasks=tasks)

    def __len__(self) -> int:
        return self._items

    @property
    def progress(self) -> int:
        """How many items have been computed.

        Examples
        --------
        >>> amr = lv.map_async(abs, range(10), chunksize=5)
        >>> amr.wait(), amr.progress
        (True, 10)
        """
        done = self.count_ended()
        if self._even:
            return min(done * self._even, self._items)
        return sum(
            length
            for length, outcome in zip(self._lengths, self._outcomes, strict=True)
            if outcome is not None
        )

    def weigh(self, task: TaskId) -> int:
        """Return how many items a task has."""
        return self._lengths[self.place_of(task)]

    # ------------------------------------------------------------ chunks

    def _decode(self, outcome: Outcome) -> Value:
        """Open a chunk: what its items returned, and errors in the places of the others."""
        place = outcome.item.id - self.first
        values, error = decode(outcome)
        if error is not None:
            return self._open_failed(place, outcome, error), error
        failed = {index for index, value in enumerate(values) if type(value) is Failure}
        if failed:
            self._failed_in[place] = failed
            values = [raised(value) if type(value) is Failure else value for value in values]
        return values, None

    def _open_failed(self, place: int, outcome: Outcome, error: BaseException) -> list[Any]:
        """Return what is left of a chunk that ended at an item that failed."""
        length = self._lengths[place]
        failure = decode_failure(outcome.item.inline)
        if not 0 <= failure.item < length or outcome.item.status is not TaskStatus.FAILED:
            self._failed_in[place] = range(length)
            return [error] * length
        number = self._start_of(place) + failure.item
        error.add_note(f"raised for item {number} of the map")
        before = _values_before(failure)
        self._failed_in[place] = range(failure.item if before is not None else 0, length)
        text = f"item {number} of the map failed; this one, of the same chunk, was not computed"
        rest = [TaskAborted(text)] * (length - failure.item - 1)
        return [*(before or [error] * failure.item), error, *rest]

    def values_of(self, place: int) -> tuple[list[Any], Container[int]]:
        """Return what a chunk's items returned or raised, and which of them raised."""
        values, error = self.value_at(place)
        if values is None:
            length = self._lengths[place]
            return [error] * length, range(length)
        return values, self._failed_in.get(place, ())

    def items(self, place: int) -> Iterable[Value]:
        """Return the values of a chunk's items; errors, where they are wanted, are values."""
        values, failed = self.values_of(place)
        if self.return_exceptions or self.value_at(place)[1] is None:
            return [(value, None) for value in values]
        return [
            (None, value) if index in failed else (value, None)
            for index, value in enumerate(values)
        ]

    def _answer(self, *, return_exceptions: bool) -> list[Any]:
        joined: list[Any] = []
        errors: list[BaseException] = []
        for place in range(len(self._outcomes)):
            values, error = self.value_at(place)
            if error is not None:
                errors.append(error)
                values, _ = self.values_of(place)
            joined.extend(values)
        if errors and not return_exceptions:
            raise self._combined(errors)
        return joined

    # ------------------------------------------------------------ items

    @cached_property
    def _ends(self) -> list[int]:
        """How many items there are up to the end of each chunk."""
        return list(accumulate(self._lengths))

    def _start_of(self, place: int) -> int:
        return self._ends[place] - self._lengths[place]

    def where(self, number: int) -> Place:
        """Return where an item is."""
        place = bisect_right(self._ends, number)
        return place, number - self._start_of(place)

    def trace(self, number: int) -> "tuple[AsyncMapResult, int, int]":
        """Return the map that an item came with, its chunk there, and its place in that."""
        return (self, *self.where(number))

    def item(self, number: int) -> Value:
        """Return what an item that has ended returned or raised."""
        place, index = self.where(number)
        values, failed = self.values_of(place)
        if index in failed:
            return None, values[index]
        return values[index], None

    def __iter__(self) -> Values:
        """Walk over the values, each as soon as it is there."""
        return Values(self, ordered=self.ordered)

    def __getitem__(self, key: int | slice | str) -> Any:
        """Return values by position, as soon as they are there; or a field of the metadata."""
        if isinstance(key, str | slice):
            return super().__getitem__(key)
        number = range(len(self))[key]
        place = self.where(number)[0]
        self.wait_until(lambda: self._outcomes[place] is not None)
        value, error = self.item(number)
        if error is not None and not self.return_exceptions:
            raise error
        return value if error is None else error

    def _maker(self) -> Callable[[list[Any]], Any]:
        return chained

    # ------------------------------------------------------------ parts

    def _failed(self) -> list[int]:
        """Return the numbers of the items that have failed so far."""
        failed: list[int] = []
        for place, outcome in enumerate(self._outcomes):
            if outcome is not None:
                start = self._start_of(place)
                wrong = self.values_of(place)[1]
                failed += [start + i for i in range(self._lengths[place]) if i in wrong]
        return failed

    def another(self, place: int, task: TaskId) -> "AsyncMapResult":
        """Return a map of one chunk, which is another try of one of its own."""
        chunk = AsyncMapResult(
            self.connection, [self._lengths[place]], label=self.label, tasks=[task]
        )
        chunk.return_exceptions = self.return_exceptions
        return chunk

    def _source(self, place: int) -> Source:
        return self.trace(place)[:2]

    def _taken_over(self, failed: list[int]) -> dict[int, Source]:
        """Return where the items stand whose chunks others have run again."""
        found = taken_over({number: self._source(number) for number in failed})
        return {number: (answer, self.trace(number)[2]) for number, answer in found.items()}

    def _with(self, instead: Mapping[int, Source]) -> AsyncResult:
        """Return a map with the items of others at some places."""
        parts: list[tuple[AsyncMapResult, int]] = [(self, n) for n in range(len(self))]
        for place, (answer, number) in instead.items():
            if not isinstance(answer, AsyncMapResult):
                return super()._with(instead)
            parts[place] = (answer, number)
        return joined(parts, label=self.label)

    @classmethod
    def join(cls, *results: AsyncResult) -> AsyncResult:
        """Return one answer for several: for maps, with the items of one after the other.

        Raises
        ------
        ValueError
            There is none.

        Examples
        --------
        >>> first, second = lv.map_async(abs, [-1, -2]), lv.map_async(abs, [-3])
        >>> ipp.AsyncMapResult.join(first, second).get()
        [1, 2, 3]
        """
        maps = [result for result in results if isinstance(result, AsyncMapResult)]
        if not maps or len(maps) < len(results):
            return super().join(*results)
        parts = [(amr, number) for amr in maps for number in range(len(amr))]
        return joined(parts, label=maps[0].label) if parts else maps[0]


def _values_before(failure: Failure) -> list[Any] | None:
    """Return what the items before the one that failed returned, None if it did not travel."""
    if not failure.item:
        return []
    if not failure.values:
        return None
    try:
        values: list[Any] = load(failure.values, ())
    except Exception:  # noqa: BLE001 - unpickling runs the user's code
        return None
    return values


class JoinedMap(AsyncMapResult):
    """A map whose items are those of others; made by `joined`, parameters as for `AsyncResult`."""

    def __init__(
        self,
        connection: Connection,
        count: int,
        *,
        single: bool = False,
        label: str = "",
        tasks: Sequence[TaskId] | None = None,
    ) -> None:
        del single
        self._plan: Sequence[Place] = ()
        self._chunks: Sequence[tuple[AsyncMapResult, int]] = ()
        super().__init__(connection, [0] * count, label=label, tasks=tasks)

    def arrange(self, chunks: Sequence[tuple[AsyncMapResult, int]], plan: Sequence[Place]) -> None:
        """Learn whose chunks its tasks are, and where among them its items."""
        self._chunks, self._plan = chunks, plan

    def __len__(self) -> int:
        return len(self._plan)

    @property
    def progress(self) -> int:
        """How many items have been computed."""
        return sum(self._outcomes[place] is not None for place, _ in self._plan)

    def weigh(self, task: TaskId) -> int:
        """Return how many of its items a task has."""
        place = self.place_of(task)
        return sum(place == other for other, _ in self._plan)

    def where(self, number: int) -> Place:
        """Return where an item is."""
        return self._plan[number]

    def trace(self, number: int) -> tuple[AsyncMapResult, int, int]:
        """Return the map that an item came with, its chunk there, and its place in that."""
        place, index = self._plan[number]
        return (*self._chunks[place], index)

    def values_of(self, place: int) -> tuple[list[Any], Container[int]]:
        """Return what a chunk's items returned or raised, and which of them raised."""
        source, chunk = self._chunks[place]
        return source.values_of(chunk)

    def count_steps(self) -> int:
        """Return how many steps there are in walking over the values: one for each item."""
        return len(self._plan)

    def has_come(self, step: int) -> bool:
        """Tell whether an item has been computed."""
        return self._outcomes[self._plan[step][0]] is not None

    def items(self, place: int) -> Iterable[Value]:
        """Return the value of an item."""
        value, error = self.item(place)
        wanted = self.return_exceptions or self.value_at(self._plan[place][0])[1] is None
        return [(value, error) if error is None or not wanted else (error, None)]

    def _answer(self, *, return_exceptions: bool) -> list[Any]:
        values: list[Any] = []
        errors: dict[int, BaseException] = {}
        for number, (place, _) in enumerate(self._plan):
            value, error = self.item(number)
            values.append(value if error is None else error)
            wrong = None if error is None else self.value_at(place)[1]
            if wrong is not None:
                errors.setdefault(id(wrong), wrong)
        if errors and not return_exceptions:
            raise self._combined(list(errors.values()))
        return values

    def _failed(self) -> list[int]:
        return [
            number
            for number, (place, _) in enumerate(self._plan)
            if self._outcomes[place] is not None and self.item(number)[1] is not None
        ]

    def _maker(self) -> Callable[[list[Any]], Any]:
        return partial(picked, tuple(self._plan))


def joined(parts: Sequence[tuple[AsyncMapResult, int]], *, label: str) -> JoinedMap:
    """Make a map of items of others.

    Parameters
    ----------
    parts
        Maps, and the numbers of items in them; at least one.
    label
        What the work is called.
    """
    places: dict[tuple[int, int], int] = {}
    chunks: list[tuple[AsyncMapResult, int]] = []
    plan: list[Place] = []
    for answer, number in parts:
        source, chunk, index = answer.trace(number)
        place = places.setdefault((id(source), chunk), len(chunks))
        if place == len(chunks):
            chunks.append((source, chunk))
        plan.append((place, index))
    result = derive(JoinedMap, chunks, label=label)
    result.arrange(chunks, plan)
    connect([result])
    return result


def picked(plan: Sequence[Place], values: list[list[Any]]) -> list[Any]:
    """Make the answer of a joined map of the values of its chunks, on an engine."""
    return [
        raised(value) if type(value := values[place][index]) is Failure else value
        for place, index in plan
    ]

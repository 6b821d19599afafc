"""Arrays that many tasks share: each engine gets them once, whoever sends them again and again.

A library that cuts its work into tasks passes the same large arrays to all of them. So an array
that is seen a second time is kept on the engines from then on, and its place in the tasks is
taken by a key. Arrays are told by identity, and only as long as one run lasts: what is changed
between two runs is sent anew. A task that finds no array for its key (its engine is new) fails
with `Gone`, and is sent again with everything in it.

This module is imported by engines, too; so it imports nothing that is slow.
"""

import io
import pickle
import secrets
import sys
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cloudpickle

from ipcluster_ext.errors import SerializationError
from ipcluster_ext.protocol.buffers import BESIDE_LIMIT, explain
from ipcluster_ext.protocol.picklers import PICKLE_PROTOCOL

MOST_RUNS = 8
"""Of how many runs an engine keeps arrays: those of a client that died are dropped in the end."""


class Gone(LookupError):
    """An engine does not have an array that a task refers to."""


class Shipment(NamedTuple):
    """A pickled value whose large buffers stand beside it, ready to be an argument."""

    stream: bytes
    buffers: list[pickle.PickleBuffer]

    def open(self) -> Any:  # noqa: ANN401 - the user's own
        """Unpickle the value.

        Raises
        ------
        Gone
            It refers to an array that is not kept here.
        """
        return pickle.loads(self.stream, buffers=self.buffers)


class _Known:
    """What is known of an array: itself, weakly, and its number if engines keep it."""

    def __init__(self, array: Any, forget: Callable[[Any], None]) -> None:  # noqa: ANN401 - numpy may not be installed
        self.reference = weakref.ref(array, forget)
        self.number: int | None = None


class SharedArrays:
    """The arrays of one run, as its sender knows them.

    Parameters
    ----------
    keep
        Called with a run, a number and an array: has every engine keep it.
    drop
        Called with a run and numbers: has every engine drop them; all of the run's if None.
    read_only_above
        Arrays of more bytes arrive read-only, so that tasks can share their memory; None if none
        of them do.
    """

    def __init__(
        self,
        keep: Callable[[str, int, Any], None],
        drop: Callable[[str, list[int] | None], None],
        *,
        read_only_above: int | None,
    ) -> None:
        self._run = secrets.token_hex(8)
        self._keep = keep
        self._drop = drop
        self._limit = read_only_above
        self._known: dict[int, _Known] = {}
        self._dead: deque[int] = deque()
        self._count = 0

    def ship(self, value: object, *, whole: bool = False) -> Shipment:
        """Pickle a value.

        Parameters
        ----------
        value
            Anything that cloudpickle can pickle.
        whole
            Whether everything it consists of goes along, whatever engines have.

        Raises
        ------
        SerializationError
            It cannot be pickled; the message names the part that is to blame.
        """
        self._drop_the_dead()
        buffers: list[pickle.PickleBuffer] = []
        with io.BytesIO() as file:
            pickler = _Pickler(file, buffers, self._seal if whole else self._replace)
            try:
                pickler.dump(value)
            except Exception as error:
                raise SerializationError("a task", explain(value, error)) from error
            return Shipment(file.getvalue(), buffers)

    def end(self) -> None:
        """Have engines drop what they keep."""
        if self._count:
            self._drop(self._run, None)
        self._count = 0
        self._known.clear()

    def _drop_the_dead(self) -> None:
        numbers = []
        while self._dead:
            numbers.append(self._dead.popleft())
        if numbers:
            self._drop(self._run, numbers)

    def _replace(self, array: Any) -> Any:  # noqa: ANN401 - numpy may not be installed
        """Reduce an array to its key, if it was seen before."""
        if array.nbytes < BESIDE_LIMIT or array.dtype.hasobject:
            return NotImplemented
        known = self._known.get(id(array))
        if known is None or known.reference() is not array:
            self._note(array)
            return self._seal(array)
        if known.number is None:
            known.number = self._count
            self._count += 1
            self._keep(self._run, known.number, _plain(array))
        return recall, (self._run, known.number, self._is_sealed(array))

    def _note(self, array: Any) -> None:  # noqa: ANN401 - numpy may not be installed
        place, known, dead = id(array), self._known, self._dead

        def forget(reference: Any) -> None:  # noqa: ANN401 - to an array
            gone = known.get(place)
            if gone is not None and gone.reference is reference:
                del known[place]
                if gone.number is not None:
                    dead.append(gone.number)

        known[place] = _Known(array, forget)

    def _is_sealed(self, array: Any) -> bool:  # noqa: ANN401 - numpy may not be installed
        return self._limit is not None and array.nbytes > self._limit

    def _seal(self, array: Any) -> Any:  # noqa: ANN401 - numpy may not be installed
        """Reduce an array to one that cannot be written to, if it is large enough for that."""
        if not self._is_sealed(array) or array.dtype.hasobject:
            return NotImplemented
        function, arguments, *_ = _plain(array).__reduce_ex__(PICKLE_PROTOCOL)
        return _sealed, (function, arguments)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles with large buffers beside, and arrays as it is told.

    Parameters
    ----------
    file
        What to write to.
    beside
        Where the large buffers go.
    reduce_array
        Reduces an array; `NotImplemented` for the usual way.
    """

    def __init__(
        self,
        file: io.BytesIO,
        beside: list[pickle.PickleBuffer],
        reduce_array: Callable[[Any], Any],
    ) -> None:
        super().__init__(file, PICKLE_PROTOCOL, buffer_callback=_beside(beside))
        self._reduce_array = reduce_array

    def reducer_override(self, value: Any) -> Any:  # noqa: ANN401 - the user's own
        """Reduce a value to what it is made of."""
        if type(value).__module__ == "numpy" and type(value).__name__ in {"ndarray", "memmap"}:
            reduced = self._reduce_array(value)
            if reduced is not NotImplemented:
                return reduced
        return super().reducer_override(value)


def _plain(array: Any) -> Any:  # noqa: ANN401 - numpy may not be installed
    """Return an array that is no map of a file."""
    return sys.modules["numpy"].asarray(array)


def _beside(buffers: list[pickle.PickleBuffer]) -> Callable[[pickle.PickleBuffer], bool]:
    """Make what puts large buffers beside the stream, and answers whether one belongs into it."""

    def decide(buffer: pickle.PickleBuffer) -> bool:
        try:
            large = buffer.raw().nbytes >= BESIDE_LIMIT
        except BufferError:
            return True
        if large:
            buffers.append(buffer)
        return not large

    return decide


# ---------------------------------------------------------------- on an engine

_kept: OrderedDict[str, dict[int, Any]] = OrderedDict()


def keep(run: str, number: int, array: Any) -> None:  # noqa: ANN401 - numpy may not be installed
    """Keep an array for the tasks of a run."""
    _kept.setdefault(run, {})[number] = array
    while len(_kept) > MOST_RUNS:
        _kept.popitem(last=False)


def drop(run: str, numbers: Sequence[int] | None) -> None:
    """Drop arrays of a run, all of them if None."""
    if numbers is None:
        _kept.pop(run, None)
        return
    for number in numbers:
        _kept.get(run, {}).pop(number, None)


def recall(run: str, number: int, sealed: bool) -> Any:  # noqa: ANN401, FBT001 - a pickle calls it
    """Return a kept array, or a copy that may be changed.

    Raises
    ------
    Gone
        It is not here.
    """
    array = _kept.get(run, {}).get(number)
    if array is None:
        msg = f"array {number} of run {run}"
        raise Gone(msg)
    if not sealed:
        return array.copy(order="K")
    view = array.view()
    view.flags.writeable = False
    return view


def _sealed(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401 - numpy may not be installed
    array = function(*arguments)
    array.flags.writeable = False
    return array

"""Objects to pickles with their large buffers beside them, and back, without copies.

Pickle protocol 5 (PEP 574): what an object exports as a `pickle.PickleBuffer` (numpy arrays,
Arrow tables, bytearrays wrapped by their owners) is handed out instead of being written into
the stream. Buffers below `BESIDE_LIMIT` stay in the stream, where a copy is cheaper than a frame.
"""

import io
import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import cloudpickle

from ipcluster_ext.errors import SerializationError
from ipcluster_ext.protocol.picklers import PICKLE_PROTOCOL, make_pickler

BESIDE_LIMIT = 32 * 1024

_ATOMS = frozenset({int, float, bool, complex, str, bytes, type(None)})


class Dumped(NamedTuple):
    """A pickled object: the stream, and the buffers that are not in it."""

    stream: bytes
    buffers: list[memoryview]


def _setting_aside(beside: list[memoryview]) -> Callable[[pickle.PickleBuffer], bool]:
    """Make what takes large buffers aside and answers whether a buffer belongs into the stream.

    It knows nothing of its pickler: tied to each other, the two would keep all that was pickled
    until the garbage collector comes.
    """

    def set_aside(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:
            return True
        if raw.nbytes < BESIDE_LIMIT:
            return True
        beside.append(raw)
        return False

    return set_aside


def dump(value: object, *, what: str = "the value") -> Dumped:
    """Pickle an object, by value where it is defined in ``__main__``.

    Parameters
    ----------
    value
        Anything that cloudpickle can pickle.
    what
        How an error message calls it.

    Returns
    -------
    The stream and the buffers beside it; these are views of the object's own memory.

    Raises
    ------
    SerializationError
        It cannot be pickled; the message names the part that is to blame.
    """
    if type(value) in _ATOMS:
        return Dumped(pickle.dumps(value, PICKLE_PROTOCOL), [])
    beside: list[memoryview] = []
    with io.BytesIO() as file:
        try:
            make_pickler(file, _setting_aside(beside)).dump(value)
        except Exception as error:
            raise SerializationError(what, explain(value, error)) from error
        return Dumped(file.getvalue(), beside)


def are_atoms(values: Iterable[object]) -> bool:
    """Tell whether `dump_atoms` can pickle a list or tuple of these values."""
    return all(type(value) in _ATOMS for value in values)


def dump_atoms(value: object) -> Dumped:
    """Pickle what consists of atoms, lists, tuples and dicts alone, the quickest way there is."""
    return Dumped(pickle.dumps(value, PICKLE_PROTOCOL), [])


def load(stream: bytes | memoryview, buffers: Iterable[memoryview]) -> Any:  # noqa: ANN401 - the user's own
    """Unpickle an object. Its arrays use the buffers as their memory.

    Raises
    ------
    Exception
        Whatever unpickling raises: this runs the sender's code.
    """
    return pickle.loads(stream, buffers=buffers)


def explain(value: object, error: BaseException) -> str:
    """Say why a value cannot be pickled, and which part of it is to blame."""
    try:
        reason = f"{type(error).__name__}: {error}"
        path = _culprit(value, depth=8)
    except Exception:  # noqa: BLE001 - user classes may raise anything when they are looked at
        return type(error).__name__
    return f"{reason} (in {path})" if path else reason


def _culprit(value: object, *, depth: int) -> str:
    """Find the innermost part that does not pickle, as ``['args'][0].lock``."""
    if depth == 0:
        return ""
    for step, part in _parts(value):
        try:
            cloudpickle.dumps(part, protocol=PICKLE_PROTOCOL)
        except Exception:  # noqa: BLE001 - user classes may raise anything while they are pickled
            return f"{step} of type {type(part).__name__}" + (
                f", {inner}" if (inner := _culprit(part, depth=depth - 1)) else ""
            )
    return ""


def _parts(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        yield from ((f"item {key!r}", part) for key, part in list(value.items())[:100])
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"item {index}", part) for index, part in enumerate(list(value)[:100]))
    else:
        yield from ((f"attribute {k!r}", part) for k, part in list(vars_of(value).items())[:100])


def vars_of(value: object) -> dict[str, object]:
    """Return an object's attributes, or none if it keeps none."""
    attributes = getattr(value, "__dict__", None)
    return attributes if isinstance(attributes, dict) else {}

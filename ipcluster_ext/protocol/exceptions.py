"""Exceptions that travel as what they are: class, arguments and attributes.

Python pickles an exception as a call of its class with its ``args``. Where a class's
``__init__`` takes something else than it passes on, that call fails or says something new. So
an exception is made again without its constructor, unless its class has a way of its own.
"""

import io
from typing import Any, NamedTuple

import cloudpickle

from ipcluster_ext.protocol.picklers import PICKLE_PROTOCOL

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class made by a class statement


class Parts(NamedTuple):
    """What an exception is made of, beside its class."""

    args: tuple[Any, ...]
    state: dict[str, Any] | None


def parts_of(error: BaseException) -> Parts | None:
    """Take an exception apart.

    Returns
    -------
    None if its class says itself how its instances are pickled.
    """
    kind = type(error)
    if any(_is_written(kind, name) for name in ("__reduce__", "__reduce_ex__", "__setstate__")):
        return None
    reduced: tuple[Any, ...] = error.__reduce__()  # type: ignore[assignment] # never a name
    _, args, *rest = reduced
    return Parts(args, rest[0] if rest else None)


def _is_written(kind: type, name: str) -> bool:
    """Tell whether a class has a method that is written in Python."""
    return not _is_native(next(base for base in kind.__mro__ if name in vars(base)))


def _is_native(kind: type) -> bool:
    return not kind.__flags__ & _HEAP_TYPE


def remake(kind: type[BaseException], parts: Parts) -> BaseException:
    """Make an exception of its parts, without calling what is written in Python."""
    layout: type[BaseException] = kind
    while not _is_native(layout):
        layout = layout.__base__  # type: ignore[assignment]
    error = layout.__new__(kind, *parts.args)
    native = next(base for base in kind.__mro__ if _is_native(base))
    native.__init__(error, *parts.args)  # type: ignore[misc] # sets errno, start, name and such
    if parts.state:
        error.__setstate__(parts.state)
    return error


class Travelling:
    """An exception, wrapped; unpickling gives the exception itself."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        parts = None if self.error is None else parts_of(self.error)
        return (_itself, (self.error,)) if parts is None else (remake, (type(self.error), parts))


def _itself(error: BaseException | None) -> BaseException | None:
    return error


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles exceptions by their parts, wherever they are."""

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - a reduced value or NotImplemented
        if isinstance(value, BaseException) and (parts := parts_of(value)) is not None:
            return remake, (type(value), parts)
        return super().reducer_override(value)


def dump_error(error: BaseException) -> bytes:
    """Pickle an exception.

    Raises
    ------
    Exception
        Whatever its author's code raises.
    """
    with io.BytesIO() as file:
        _Pickler(file, PICKLE_PROTOCOL).dump(error)
        return file.getvalue()

"""Which pickler makes pickles: cloudpickle, unless somebody chooses another for this process.

Whatever is chosen, arrays arrive so that they can be written to, and large buffers stay beside
the stream. Unpickling needs no choice.
"""

import copyreg
import io
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable
from importlib import import_module
from types import CodeType
from typing import Any, BinaryIO, ClassVar, Literal, Protocol

import cloudpickle

from ipcluster_ext.protocol.sources import code_from, source_of

PICKLE_PROTOCOL = 5

Name = Literal["cloudpickle", "pickle", "dill"]
SetAside = Callable[[pickle.PickleBuffer], bool]


class Pickler(Protocol):
    """What pickles."""

    def dump(self, value: Any, /) -> None:  # noqa: ANN401 - the user's own
        """Pickle an object."""


class _Choice:
    """The pickler that is chosen."""

    name: Name = "cloudpickle"
    array: type | None = None
    """numpy's, if it is there."""


def use_pickler(name: Name) -> None:
    """Choose the pickler of this process.

    Parameters
    ----------
    name
        'cloudpickle'; 'pickle', which knows values by reference only (functions are
        cloudpickle's even then); or 'dill'.

    Raises
    ------
    ImportError
        It is not installed.
    ValueError
        There is no such pickler.
    """
    if name not in {"cloudpickle", "pickle", "dill"}:
        msg = f"there is no pickler {name!r}; there are cloudpickle, pickle and dill"
        raise ValueError(msg)
    if name == "dill":
        _dill()
    _Choice.name = name


def pickler_in_use() -> Name:
    """Return the pickler of this process."""
    return _Choice.name


def make_pickler(file: BinaryIO, set_aside: SetAside) -> Pickler:
    """Return a pickler of the chosen kind.

    Parameters
    ----------
    file
        Where the stream goes.
    set_aside
        Takes a buffer aside, or answers that it belongs into the stream.
    """
    _meet_numpy()
    made: Any
    if _Choice.name == "cloudpickle":
        made = _CloudPickler(file, PICKLE_PROTOCOL, buffer_callback=set_aside)
    elif _Choice.name == "pickle":
        made = pickle.Pickler(file, PICKLE_PROTOCOL, buffer_callback=set_aside)
        made.dispatch_table = _plain_table
    else:
        made = _dill().Pickler(file, PICKLE_PROTOCOL, buffer_callback=set_aside)
        made.reducer_override = _reduce_if_array  # dill's own way copies them into the stream
    pickler: Pickler = made
    return pickler


def dump_function(function: Callable[..., Any]) -> bytes:
    """Pickle a function, with what it refers to.

    Raises
    ------
    Exception
        Whatever pickling raises.
    """
    if _Choice.name == "dill":
        return bytes(_dill().dumps(function, protocol=PICKLE_PROTOCOL, recurse=True))
    with io.BytesIO() as file:
        _CloudPickler(file, PICKLE_PROTOCOL).dump(function)
        return file.getvalue()


def _dill() -> Any:  # noqa: ANN401 - it may not be installed
    try:
        return import_module("dill")
    except ImportError:
        msg = "dill is not installed here; install it (pip install dill) wherever engines run"
        raise ImportError(msg) from None


_reduce_code_alone: Callable[[CodeType], tuple[Any, ...]]
_reduce_code_alone = cloudpickle.Pickler.dispatch_table[CodeType]


def _reduce_code(code: CodeType) -> tuple[Any, ...]:
    """Have the source go along with code of a notebook's cell."""
    made, facts = _reduce_code_alone(code)
    source = source_of(code)
    return (made, facts) if source is None else (code_from, (source, *facts))


class _CloudPickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles arrays so that they can be written to, and code so that it can be read."""

    dispatch_table: ClassVar[ChainMap[type, Callable[[Any], Any]]] = ChainMap(
        {CodeType: _reduce_code}, cloudpickle.Pickler.dispatch_table
    )


_plain_table: ChainMap[type, Callable[[Any], Any]] = ChainMap({}, copyreg.dispatch_table)


def _meet_numpy() -> None:
    """Treat arrays as they deserve, if there can be any."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and (array := getattr(numpy, "ndarray", None)) is not None:
        _Choice.array = array
        _CloudPickler.dispatch_table[array] = _plain_table[array] = _reduce_array


def _reduce_if_array(value: object) -> Any:  # noqa: ANN401 - as what it reduces
    kind = type(value)
    return _plain_table[kind](value) if kind is _Choice.array else NotImplemented


def _reduce_array(array: Any) -> Any:  # noqa: ANN401 - numpy may not be installed
    reduced = array.__reduce_ex__(PICKLE_PROTOCOL)
    return reduced if array.flags.writeable else (_writable, reduced[:2], *reduced[2:])


def _writable(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401
    """Unpickle an array that could not be written to where it came from."""
    array = function(*arguments)
    return array if array.flags.writeable else array.copy(order="K")

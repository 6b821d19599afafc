"""Functions made to travel: pickled once, called by their digest.

Pickling a function that is defined in a notebook costs more than running a short task, so its
pickle is kept as long as it cannot have changed: as long as its code, defaults, closure and the
globals that it refers to are the very same objects and none of them is mutable. A function
that refers to a list, a dict or an instance is pickled anew at each call, so what it sees on the
engine is what it would have seen here.
"""

import inspect
import sys
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from importlib.machinery import PathFinder
from operator import is_
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import cloudpickle

from ipcluster_ext.errors import SerializationError
from ipcluster_ext.protocol.buffers import explain
from ipcluster_ext.protocol.picklers import Name, dump_function, pickler_in_use
from ipcluster_ext.protocol.picklers import use_pickler as use_for_values
from ipcluster_ext.protocol.text import legible
from ipcluster_ext.protocol.wrappers import Wrapper

DIGEST_SIZE = 16
MOST_PICKLED = 32 * 1024 * 1024

_ATOMS = frozenset({int, float, bool, complex, str, bytes, type(None)})
_MAIN = frozenset({"__main__", "__mp_main__"})


class PackedFunction(NamedTuple):
    """A function as it travels, and what it is called.

    ``awaits`` tells whether what it returns has to be awaited.
    """

    digest: bytes
    pickled: bytes
    awaits: bool = False
    name: str = ""


class _Remembered(NamedTuple):
    fingerprint: tuple[object, ...]
    packed: PackedFunction


_remembered: weakref.WeakKeyDictionary[Callable[..., Any], _Remembered] = (
    weakref.WeakKeyDictionary()
)
_names_of_code: weakref.WeakKeyDictionary[CodeType, tuple[str, ...]] = weakref.WeakKeyDictionary()
_modules_elsewhere: dict[str, bool] = {}


def pack(function: object) -> PackedFunction:
    """Pickle a callable, or recall its pickle if it cannot have changed.

    Raises
    ------
    TypeError
        The object is not callable.
    SerializationError
        It cannot be pickled.
    """
    if not callable(function):
        msg = f"{function!r} is not callable"
        raise TypeError(msg)
    fingerprint = fingerprint_of(function)
    if fingerprint is None:
        return _pickle(function)
    known = _remembered.get(function)
    if known is not None and _same(known.fingerprint, fingerprint):
        return known.packed
    packed = _pickle(function)
    _remembered[function] = _Remembered(fingerprint, packed)
    return packed


def use_pickler(name: Name) -> None:
    """Choose the pickler of this process, for functions as well.

    Raises
    ------
    ImportError, ValueError
        As for `picklers.use_pickler`.
    """
    if name != pickler_in_use():
        use_for_values(name)
        _remembered.clear()


def _pickle(function: Callable[..., Any]) -> PackedFunction:
    _take_along(getattr(function, "__module__", None))
    try:
        pickled = dump_function(function)
    except Exception as error:
        name = getattr(function, "__qualname__", repr(function))
        raise SerializationError(f"the function {name!r}", explain(function, error)) from error
    if len(pickled) > MOST_PICKLED:
        name = getattr(function, "__qualname__", repr(function))
        raise SerializationError(f"the function {name!r}", _too_long(len(pickled)))
    digest = blake2b(pickled, digest_size=DIGEST_SIZE).digest()
    return PackedFunction(digest, pickled, is_coroutine_function(function), _name_of(function))


def _name_of(function: object) -> str:
    """Return what a function is called, in a history say."""
    while isinstance(function, Wrapper | partial):
        function = function.__wrapped__ if isinstance(function, Wrapper) else function.func
    name = getattr(function, "__qualname__", None)
    return legible(name if isinstance(name, str) else type(function).__qualname__)


def is_coroutine_function(function: object) -> bool:
    """Tell whether what a call makes needs an event loop: a coroutine, or such a generator."""
    while isinstance(function, Wrapper | partial):
        function = function.__wrapped__ if isinstance(function, Wrapper) else function.func
    if _needs_a_loop(function):
        return True
    return callable(function) and _needs_a_loop(type(function).__call__)


def _needs_a_loop(function: object) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _too_long(nbytes: int) -> str:
    return (
        f"with all that it refers to it has {nbytes:,} bytes, and {MOST_PICKLED:,} are allowed; "
        "send the data once with view.push and let the function name it, or pass it as an argument"
    )


def _take_along(module: object) -> None:
    """Have what is defined in a module travel by value, if an engine could not import it."""
    if not isinstance(module, str) or module in _MAIN or importable_elsewhere(module):
        return
    found = sys.modules.get(module)
    if found is not None:
        cloudpickle.register_pickle_by_value(found)


def importable_elsewhere(name: str) -> bool:
    """Tell whether another process with our ``sys.path`` could import a module by its name."""
    known = _modules_elsewhere.get(name)
    if known is None:
        known = _modules_elsewhere[name] = _importable(name)
    return known


def _importable(name: str) -> bool:
    if name in sys.builtin_module_names or name in sys.stdlib_module_names:
        return True
    path: list[str] | None = None
    parent = ""
    for part in name.split("."):
        parent = f"{parent}.{part}" if parent else part
        if (module := sys.modules.get(parent)) is None:
            return False
        spec = PathFinder.find_spec(parent, path)
        if spec is None or spec.origin != getattr(module, "__file__", spec.origin):
            return False
        path = list(getattr(module, "__path__", []))
    return True


def _same(before: tuple[object, ...], now: tuple[object, ...]) -> bool:
    return len(before) == len(now) and all(map(is_, before, now))


def fingerprint_of(function: Callable[..., Any]) -> tuple[object, ...] | None:
    """List the objects that a function's pickle depends on, if none of them can change.

    Returns
    -------
    The objects, to be compared by identity; None if the function has to be pickled each time.
    """
    parts: list[object] = []
    return tuple(parts) if _collect(function, parts, set()) else None


def _collect(value: object, parts: list[object], seen: set[int]) -> bool:
    """Append what a value's pickle depends on; answer whether all of it is immutable.

    Modules that an engine could not import are made to travel by value on the way, so nothing
    that the value refers to is passed over, even after something mutable was found.
    """
    kind = type(value)
    if kind in _ATOMS:
        parts.append(value)
        return True
    if id(value) in seen:
        return True
    seen.add(id(value))
    if isinstance(value, FunctionType | type):
        if by_reference(value):
            parts.append(value)
            return True
        _take_along(value.__module__)
        if isinstance(value, FunctionType):
            return _collect_function(value, parts, seen)
    parts.append(value)
    if isinstance(value, ModuleType):
        _take_along(value.__name__)
        return importable_elsewhere(value.__name__)
    if isinstance(value, BuiltinFunctionType):
        return _collect(value.__self__, parts, seen)
    if kind is tuple or kind is frozenset:
        frozen = [_collect(part, parts, seen) for part in value]  # type: ignore[attr-defined]
        return all(frozen)
    return False


def _collect_function(function: FunctionType, parts: list[object], seen: set[int]) -> bool:
    parts.append(function.__code__)
    try:
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:
        return False
    kept: list[object] = [function.__defaults__, *cells, *(function.__kwdefaults__ or {}).values()]
    names = function.__globals__
    kept += [names[name] for name in global_names(function.__code__) if name in names]
    frozen = [_collect(part, parts, seen) for part in kept]
    return all(frozen) and not function.__dict__ and not function.__kwdefaults__


def by_reference(value: type | FunctionType) -> bool:
    """Tell whether a class or function can be found by its name, here and on an engine."""
    module = value.__module__
    if module in _MAIN or not isinstance(module, str) or not importable_elsewhere(module):
        return False
    found: object = sys.modules.get(module)
    name = value.__qualname__
    if "." not in name:
        return getattr(found, name, None) is value
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


def global_names(code: CodeType) -> tuple[str, ...]:
    """Return the names that code may look up among its globals, nested functions included."""
    names = _names_of_code.get(code)
    if names is None:
        names = _names_of_code[code] = tuple(dict.fromkeys(_names(code)))
    return names


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)

"""The functions an engine has, and what their global names mean there.

A function from a notebook brings along the globals it refers to. On the engine a name that the
engine's own namespace has means that (what ``%%px`` or ``push`` put there), any other means
what came along. A function that brings nothing along has the engine's namespace for its
globals, so that ``global`` statements reach it.
"""

import dis
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from ipcluster_ext.engine.resolver import MARK, Resolver
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.buffers import load
from ipcluster_ext.protocol.functions import global_names
from ipcluster_ext.protocol.wrappers import Wrapper

Namespace = dict[str, Any]
_ABSENT = object()


class Functions:
    """Functions by digest, unpickled at their first use.

    One that contains a name in the engine's namespace is unpickled at every use: the name may
    mean something else by then.

    Parameters
    ----------
    namespace
        The engine's namespace.
    resolver
        Makes something of such names.
    """

    def __init__(self, namespace: Namespace, resolver: Resolver) -> None:
        self._namespace = namespace
        self._resolver = resolver
        self._pickled: dict[bytes, bytes] = {}
        self._loaded: dict[bytes, Callable[..., Any]] = {}

    def define(self, digest: bytes, pickled: bytes) -> None:
        """Keep a function's pickle."""
        self._pickled[digest] = pickled

    def forget(self, digest: bytes) -> None:
        """Drop a function."""
        self._pickled.pop(digest, None)
        self._loaded.pop(digest, None)

    def has(self, digest: bytes) -> bool:
        """Tell whether a function is here."""
        return digest in self._pickled

    def get(self, digest: bytes) -> Callable[..., Any]:
        """Return a function, ready to be called.

        Raises
        ------
        ProtocolError
            The hub never sent it.
        Exception
            Whatever unpickling it raises.
        """
        function = self._loaded.get(digest)
        if function is None:
            pickled = self._pickled.get(digest)
            if pickled is None:
                raise ProtocolError(f"function {digest.hex()} was not sent")
            if MARK in pickled:
                return bind(self._resolver.load(pickled, ()), self._namespace)
            function = self._loaded[digest] = bind(load(pickled, ()), self._namespace)
        return function


def bind(function: Callable[..., Any], namespace: Namespace) -> Callable[..., Any]:
    """Give a function from ``__main__`` the engine's namespace; leave any other alone."""
    if isinstance(function, Wrapper):
        return function.bound(namespace, bind)
    if not isinstance(function, FunctionType) or function.__module__ != "__main__":
        return function
    brought = function.__globals__
    if brought is namespace:
        return function
    if all(name.startswith("__") for name in brought):
        return _with_globals(function, namespace)
    return Overlaid(function, namespace)


def _with_globals(function: FunctionType, namespace: Namespace) -> FunctionType:
    bound = FunctionType(
        function.__code__,
        namespace,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    bound.__kwdefaults__ = function.__kwdefaults__
    bound.__dict__.update(function.__dict__)
    bound.__qualname__ = function.__qualname__
    bound.__module__ = function.__module__
    bound.__doc__ = function.__doc__
    return bound


class Overlaid:
    """A function whose globals are what it brought along, under the engine's namespace."""

    def __init__(self, function: FunctionType, namespace: Namespace) -> None:
        self.__wrapped__ = function
        self._namespace = namespace
        self._globals = function.__globals__
        codes = [
            value.__code__
            for value in (function, *self._globals.values())
            if isinstance(value, FunctionType) and value.__globals__ is self._globals
        ]
        names = dict.fromkeys(name for code in codes for name in global_names(code))
        self._brought = {name: self._globals.get(name, _ABSENT) for name in names}
        self._stored = sorted({name for code in codes for name in stored_globals(code)})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        here, mine = self._namespace, self._globals
        for name, brought in self._brought.items():
            value = here.get(name, brought)
            if value is not _ABSENT:
                mine[name] = value
            else:
                mine.pop(name, None)
        try:
            return self.__wrapped__(*args, **kwargs)
        finally:
            self.store()

    def store(self) -> None:
        """Assign what it has assigned to globals in the engine's namespace, too."""
        for name in self._stored:
            if name in self._globals:
                self._namespace[name] = self._globals[name]


def store_globals(function: Callable[..., Any]) -> None:
    """Assign what a function has assigned to globals since its call, which it outlived."""
    if isinstance(function, Overlaid):
        function.store()


def stored_globals(code: CodeType) -> set[str]:
    """Return the global names that code assigns, nested functions included."""
    names = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname == "STORE_GLOBAL"
    }
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= stored_globals(constant)
    return names

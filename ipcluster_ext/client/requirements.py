"""Functions that need something of the engine they run on: modules, names, or a condition.

Where that is missing the function is not called: `UnmetDependency` is raised, and the hub tries
another engine. The wrappers travel with the function and look on the engine.
"""

import importlib
import sys
from collections.abc import Callable
from functools import update_wrapper
from types import FunctionType, ModuleType
from typing import Any

from ipcluster_ext.errors import UnmetDependency
from ipcluster_ext.protocol.wrappers import Binder, Namespace, Wrapper, checked


class dependent(Wrapper):  # noqa: N801 - ipyparallel's name
    """A function that runs where a condition holds.

    Parameters
    ----------
    f
        The function.
    df
        The condition: called on the engine before; if it returns something false other than
        None, another engine is tried.
    *dargs, **dkwargs
        What to call it with.

    Examples
    --------
    >>> def has_an_engine_id():
    ...     return "engine_id" in globals()
    >>> lv.apply_sync(ipp.dependent(abs, has_an_engine_id), -1)
    1
    """

    def __init__(
        self, f: Callable[..., Any], df: Callable[..., Any], /, *dargs: Any, **dkwargs: Any
    ) -> None:
        super().__init__(checked(f))
        update_wrapper(self, f)
        self.f = f
        self.df = checked(df)
        self.dargs = dargs
        self.dkwargs = dkwargs

    def __repr__(self) -> str:
        return f"<dependent {_name(self.f)} on {_name(self.df)}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function if the condition holds.

        Raises
        ------
        UnmetDependency
            It does not.
        """
        met = self.df(*self.dargs, **self.dkwargs)
        if met is not None and not met:
            msg = f"{_name(self.df)} does not hold here, and {_name(self.f)} depends on it"
            raise UnmetDependency(msg)
        return self.f(*args, **kwargs)

    def bound(self, namespace: Namespace, bind: Binder) -> "dependent":
        """Return this for an engine: both functions see its namespace."""
        function, condition = bind(self.f, namespace), bind(self.df, namespace)
        return dependent(function, condition, *self.dargs, **self.dkwargs)


class _Required(Wrapper):
    """A function that needs modules and objects by their names."""

    def __init__(
        self, function: Callable[..., Any], modules: tuple[str, ...], objects: dict[str, Any]
    ) -> None:
        super().__init__(function)
        update_wrapper(self, function)
        self._modules = modules
        self._objects = objects
        self._namespace: Namespace | None = None

    def __repr__(self) -> str:
        return f"<{_name(self.__wrapped__)} that requires {[*self._modules, *self._objects]}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function with all that it needs.

        Raises
        ------
        UnmetDependency
            A module cannot be imported here.
        """
        namespace = self._namespace
        if namespace is None:
            namespace = getattr(_innermost(self), "__globals__", {})
        for name in self._modules:
            namespace[name.partition(".")[0]] = _imported(name)
        namespace.update(self._objects)
        return self.__wrapped__(*args, **kwargs)

    def bound(self, namespace: Namespace, bind: Binder) -> "_Required":
        """Return this for an engine: what is required goes into its namespace."""
        objects = {
            name: bind(value, namespace) if callable(value) else value
            for name, value in self._objects.items()
        }
        bound = _Required(bind(self.__wrapped__, namespace), self._modules, objects)
        bound._namespace = namespace
        return bound


def _imported(name: str) -> ModuleType:
    try:
        importlib.import_module(name)
    except ImportError as error:
        msg = f"module {name!r} cannot be imported here: {error}"
        raise UnmetDependency(msg) from error
    return sys.modules[name.partition(".")[0]]


def _innermost(function: Any) -> Any:
    while isinstance(function, Wrapper):
        function = function.__wrapped__
    return function


def require(*objects: Any, **mapping: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function with what has to be there before it is called.

    Parameters
    ----------
    *objects
        Modules, or their names: imported on the engine, where the names are global then. And
        functions and classes: assigned to their own names there.
    **mapping
        Other objects, by the names that they get.

    Returns
    -------
    The decorator. An engine where a module cannot be imported does not run the function; if
    there is no other, it fails with `ImpossibleDependency`.

    Raises
    ------
    TypeError
        An object has no name.

    Examples
    --------
    >>> @ipp.require("math", factor=2)
    ... def area(radius):
    ...     return round(factor * math.pi * radius**2)
    >>> lv.apply_sync(area, 1)
    6
    """
    modules: list[str] = []
    named: dict[str, Any] = {}
    for required in objects:
        if isinstance(required, ModuleType):
            modules.append(required.__name__)
        elif isinstance(required, str):
            modules.append(required)
        elif isinstance(getattr(required, "__name__", None), str):
            named[required.__name__] = required
        else:
            msg = f"{required!r} has no name; require it as a keyword argument, name=object"
            raise TypeError(msg)
    named.update(mapping)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        return _Required(checked(function), tuple(modules), named)

    return decorate


def depend(
    _wrapped_function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Callable[[Callable[..., Any]], dependent]:
    """Decorate a function with a condition on the engine that runs it.

    Parameters
    ----------
    _wrapped_function
        The condition, see `dependent`.
    *args, **kwargs
        What to call it with.

    Examples
    --------
    >>> def is_even(number):
    ...     return number % 2 == 0
    >>> @ipp.depend(is_even, 4)
    ... def double(x):
    ...     return 2 * x
    >>> lv.apply_sync(double, 4)
    8
    """

    def decorate(function: Callable[..., Any]) -> dependent:
        return dependent(function, _wrapped_function, *args, **kwargs)

    return decorate


def interactive(f: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function see the names of the session, or of the engine, for its globals.

    Functions of a notebook do so anyway; this is for those that are defined in a module.

    Parameters
    ----------
    f
        The function.

    Returns
    -------
    A function with the same code whose globals are those of ``__main__``: here, this session's;
    on an engine, its namespace.

    Examples
    --------
    >>> double = ipp.interactive(lambda: 2 * number)
    >>> dv["number"] = 4
    >>> dv.apply_sync(double)
    [8, 8]
    """
    if not isinstance(f, FunctionType):
        return f
    bound = FunctionType(
        f.__code__, vars(sys.modules["__main__"]), f.__name__, f.__defaults__, f.__closure__
    )
    update_wrapper(bound, f)
    del bound.__wrapped__  # type: ignore[attr-defined] # update_wrapper sets it
    bound.__kwdefaults__ = f.__kwdefaults__
    bound.__module__ = "__main__"
    return bound


def _name(function: object) -> str:
    return str(getattr(function, "__name__", function))

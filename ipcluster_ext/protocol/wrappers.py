"""Callables around a user's function, which an engine readies together with what is inside."""

from collections.abc import Callable
from typing import Any

Namespace = dict[str, Any]
Binder = Callable[[Callable[..., Any], Namespace], Callable[..., Any]]


class Wrapper:
    """A callable that does something on the engine before it calls a function.

    Parameters
    ----------
    function
        The function inside.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the user's own
        """Call the function."""
        return self.__wrapped__(*args, **kwargs)

    def bound(self, namespace: Namespace, bind: Binder) -> Callable[..., Any]:
        """Return a callable for an engine.

        Parameters
        ----------
        namespace
            The engine's.
        bind
            Gives a function the engine's namespace for its globals, where it should have that.
        """
        return bind(self.__wrapped__, namespace)


def checked(function: object) -> Callable[..., Any]:
    """Return a callable as it is.

    Raises
    ------
    TypeError
        It is none.
    """
    if not callable(function):
        msg = f"{function!r} is not callable"
        raise TypeError(msg)
    return function

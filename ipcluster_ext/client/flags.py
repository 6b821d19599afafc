"""What holds flags: set for good, for a ``with`` block, or for a copy.

What a ``with`` block sets holds in its own thread (or its own asynchronous task) only: others who
use the same view at the same time see nothing of it.
"""

import copy
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from ipcluster_ext.client.options import Flags, check, check_names

T = TypeVar("T")


class Flag(Generic[T]):
    """A flag as an attribute.

    Parameters
    ----------
    doc
        What it means.
    example
        How it is used, as a doctest; users see one of every flag.
    """

    def __init__(self, doc: str, example: str = "") -> None:
        self.__doc__ = f"{doc}\n\nExamples\n--------\n{example}" if example else doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, view: None, owner: type) -> Self: ...
    @overload
    def __get__(self, view: "Flagged", owner: type) -> T: ...
    def __get__(self, view: "Flagged | None", owner: type) -> Any:
        return self if view is None else getattr(view.now(), self._name)

    def __set__(self, view: "Flagged", value: Any) -> None:
        view.set_flags(**{self._name: value})


class _Layer:
    """Flags that hold within a ``with`` block."""

    def __init__(self, view: "Flagged", changes: Mapping[str, Any], scope: object) -> None:
        self.view = view
        self.changes = dict(changes)
        self.scope = scope
        self._made: tuple[Flags, Flags] | None = None

    def over(self, flags: Flags) -> Flags:
        """Return flags as they are within, the same object while nothing changes."""
        made = self._made
        if made is None or made[0] is not flags:
            made = self._made = (flags, flags.but(self.changes))
        return made[1]

    def change(self, changes: Mapping[str, Any]) -> None:
        """Have other values hold from now on."""
        self.changes.update(changes)
        self._made = None


_layers: ContextVar[tuple[_Layer, ...]] = ContextVar("_layers", default=())
_lock = threading.Lock()


class Flagged:
    """Something with flags."""

    flags: ClassVar[tuple[str, ...]] = ()
    _inner: ClassVar[frozenset[str]] = frozenset({"flags", "now"})

    def __init__(self, flags: Flags) -> None:
        self._own = flags
        self._origin: Self | None = None
        self._changes: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return True  # even where there is no engine, and so no length

    def __dir__(self) -> list[str]:
        """List what is of use to users."""
        inner = (vars(base).get("_inner", ()) for base in type(self).__mro__)
        return sorted(set(super().__dir__()).difference(*inner))

    def now(self) -> Flags:
        """Return the flags that hold for whoever asks."""
        flags = self._own
        for layer in _layers.get():
            if layer.view is self:
                flags = layer.over(flags)
        return flags

    def set_flags(self, **flags: Any) -> Self:
        """Set flags for all later calls.

        Returns
        -------
        The view itself.

        Raises
        ------
        OptionError
            There is no such flag.
        TypeError, ValueError, NoSuchEngine
            A flag cannot have that value. Whatever is raised, no flag has changed.

        Examples
        --------
        >>> view = rc.load_balanced_view().set_flags(block=True, label="sums")
        >>> view.apply(sum, [1, 2])
        3
        """
        changes = self._checked(flags)
        for layer in reversed(_layers.get()):
            if layer.view is self:
                hidden = {name: changes.pop(name) for name in layer.changes if name in changes}
                layer.change(hidden)
        with _lock:
            self._own = self._own.but(changes)
        return self

    @contextmanager
    def temp_flags(self, **flags: Any) -> Iterator[Self]:
        """Set flags within a ``with`` block, for the thread that it runs in.

        Raises
        ------
        OptionError, TypeError, ValueError, NoSuchEngine
            As for `set_flags`.

        Examples
        --------
        >>> with lv.temp_flags(block=True):
        ...     lv.apply(abs, -1)
        1
        """
        scope = object()
        _enter(self, self._checked(flags), scope)
        try:
            yield self
        finally:
            _leave(scope)

    def options(self, **options: Any) -> Self:
        """Return a view like this one under other options.

        In a ``with`` statement the options hold for this view itself, within the block and for
        the thread that it runs in.

        Parameters
        ----------
        **options
            Any of the view's flags. Of both kinds of view: ``block``, ``label``, ``track``,
            ``targets``, ``return_exceptions``, ``retries`` (a number or a `Retry`),
            ``time_limit`` and ``soft_time_limit`` (seconds of execution), ``after`` (tasks that
            have to end first), ``timeout`` (seconds until it begins, those included). Of a
            `LoadBalancedView` as well: ``expires`` (seconds in the queue), ``priority`` (higher
            first), ``resources`` (amounts by name, or labels, that an engine must have; its host's
            name is one), ``key`` (a task with a known one is not run again), ``follow`` (as
            ``after``, and it runs where those did).

        Raises
        ------
        OptionError
            There is no such option; the nearest one is named.
        TypeError, ValueError, NoSuchEngine
            An option cannot have that value.

        Examples
        --------
        >>> lv.options(retries=2, label="fit").map_sync(abs, [-1, -2])
        [1, 2]
        >>> with lv.options(time_limit=60):
        ...     lv.apply_sync(abs, -3)
        3
        """
        changes = self._checked(options)
        derived = copy.copy(self)
        vars(derived).update(
            _own=self.now().but(changes),
            _origin=self if self._origin is None else self._origin,
            _changes={**self._changes, **changes},
        )
        return derived

    def __enter__(self) -> Self:
        """Have the options hold for the view that they were asked of."""
        if self._origin is None:
            msg = "'with view.options(label=...):' sets options; a view itself holds nothing open"
            raise TypeError(msg)
        _enter(self._origin, self._changes, self)
        return self

    def __exit__(self, *_raised: object) -> None:
        _leave(self)

    def _checked(self, flags: Mapping[str, Any]) -> dict[str, Any]:
        """Return flags as they are kept."""
        check_names(flags, self.flags, type(self).__name__)
        return {name: self._check(name, value) for name, value in flags.items()}

    def _check(self, name: str, value: object) -> Any:
        return check(name, value)


def _enter(view: Flagged, changes: Mapping[str, Any], scope: object) -> None:
    _layers.set((*_layers.get(), _Layer(view, changes, scope)))


def _leave(scope: object) -> None:
    """Drop the innermost layer of a ``with`` statement."""
    layers = list(_layers.get())
    for place in reversed(range(len(layers))):
        if layers[place].scope is scope:
            del layers[place]
            break
    _layers.set(tuple(layers))

"""What a submission may ask for beside its function: options, and what they may be.

A view's options are one frozen `Flags`; every change makes a new one, so that whoever submits
sees one state of them and what stands on the wire is made once per change and not per task.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Self, SupportsFloat, SupportsIndex

from ipcluster_ext.client.dependency import Dependency, dependency_of
from ipcluster_ext.errors import OptionError
from ipcluster_ext.protocol import parts
from ipcluster_ext.protocol.buffers import dump
from ipcluster_ext.protocol.text import legible

MOST_RETRIES = 1_000_000
_PRIORITY_LIMIT = 1 << 31
_NO_RESOURCES: Mapping[str, float] = MappingProxyType({})

Kinds = type[BaseException] | tuple[type[BaseException], ...]


@dataclass(frozen=True)
class Retry:
    """When and how a task runs again after it failed. Accepted wherever ``retries=`` is.

    A task runs again on any engine, the one where it failed included.

    Parameters
    ----------
    n
        How often at most, beyond the first time.
    on
        The exception class or classes after which it does; all of them if not given.
    not_on
        Those after which it does not, although they are among ``on``.
    backoff
        How long it waits before the first time, in seconds; each time after that twice as long.
    max_backoff
        The longest it ever waits, in seconds; 0 for no limit.
    jitter
        By how much of itself a wait is made longer at most, at random: 0.1 is 10 %.
    on_engine_lost
        Whether it runs again after its engine died with it, or how many engines may die with it
        before it does not. True is 2: what three engines died of is not tried on a fourth unless
        that is asked for.

    Raises
    ------
    TypeError, ValueError
        A parameter is of the wrong type, or negative.

    Examples
    --------
    >>> patient = lv.options(retries=ipp.Retry(3, on=OSError, backoff=0.01))
    >>> patient.apply_sync(abs, -1)
    1
    """

    n: int
    on: Kinds = field(default=(), kw_only=True)
    not_on: Kinds = field(default=(), kw_only=True)
    backoff: float = field(default=0.0, kw_only=True)
    max_backoff: float = field(default=0.0, kw_only=True)
    jitter: float = field(default=0.0, kw_only=True)
    on_engine_lost: bool | int = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", _count("n", self.n))
        for name in ("backoff", "max_backoff", "jitter"):
            object.__setattr__(self, name, span(name, getattr(self, name)))
        for name in ("on", "not_on"):
            object.__setattr__(self, name, _classes(name, getattr(self, name)))
        if not isinstance(self.on_engine_lost, bool):
            object.__setattr__(
                self, "on_engine_lost", _count("on_engine_lost", self.on_engine_lost)
            )

    def on_the_wire(self) -> parts.Retry | None:
        """Return what the hub has to know beside the number, None if that is nothing."""
        judge = dump((self.on, self.not_on), what="a class of Retry") if self._judges else None
        told = parts.Retry(
            self.backoff,
            self.max_backoff,
            self.jitter,
            _most_deaths(self.on_engine_lost),
            b"" if judge is None else judge.stream,
        )
        return None if told == parts.Retry() else told

    @property
    def _judges(self) -> bool:
        return bool(self.on or self.not_on)


def _most_deaths(allowed: bool | int) -> int:  # noqa: FBT001 - one of the values it may have
    if isinstance(allowed, bool):
        return parts.Retry().on_engine_lost if allowed else 0
    return allowed


@dataclass(frozen=True, slots=True)
class Flags:
    """The options of a view, all of them checked.

    Attributes
    ----------
    wire
        Those that few tasks have, as the hub and the engines read them; None where there are
        none. Without `after` and `follow`, which mean something else from call to call.
    count
        How often a task may run again.
    """

    block: bool = False
    label: str = ""
    track: bool = False
    is_coalescing: bool = False
    targets: Any = None
    return_exceptions: bool = False
    retries: int | Retry = 0
    time_limit: float = 0.0
    soft_time_limit: float = 0.0
    expires: float = 0.0
    priority: int = 0
    resources: Mapping[str, float] = field(default_factory=lambda: _NO_RESOURCES)
    key: str = ""
    after: Dependency | None = None
    follow: Dependency | None = None
    timeout: float = 0.0
    wire: parts.Options | None = field(init=False, default=None)
    count: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        retries = self.retries
        told = parts.Options(
            retries.on_the_wire() if isinstance(retries, Retry) else None,
            self.time_limit,
            self.soft_time_limit,
            self.expires,
            self.priority,
            tuple(sorted(self.resources.items())),
            self.key,
            patience=self.timeout,
        )
        object.__setattr__(self, "wire", None if told == parts.Options() else told)
        object.__setattr__(self, "count", retries.n if isinstance(retries, Retry) else retries)

    def but(self, changes: Mapping[str, Any]) -> Self:
        """Return these with some changed to values that have been checked."""
        return replace(self, **changes) if changes else self


def check(name: str, value: object) -> Any:
    """Return an option's value as `Flags` keeps it.

    Parameters
    ----------
    name
        A field of `Flags`, but for ``targets``, which only a view understands.
    value
        As users give it.

    Raises
    ------
    TypeError, ValueError
        The option cannot have that value.
    """
    return _CHECKS[name](name, value)


def check_names(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse options that are not known.

    Raises
    ------
    OptionError
        One is not; it names the nearest that is.
    """
    for name in names:
        if name not in known:
            raise OptionError(name, known, where)


def span(name: str, value: object) -> float:
    """Return a span of time in seconds; None and infinity mean no limit, as 0 does.

    Raises
    ------
    TypeError, ValueError
        It is no number or `timedelta`, or negative.
    """
    if value is None:
        return 0.0
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool | str | bytes) or not isinstance(value, SupportsFloat):
        msg = f"{name} must be a number of seconds, not {value!r}"
        raise TypeError(msg)
    seconds = float(value)
    if math.isnan(seconds) or seconds < 0:
        msg = f"{name} must not be negative, but is {value}"
        raise ValueError(msg)
    return 0.0 if math.isinf(seconds) else seconds


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        msg = f"{name} must be an integer, not {value!r}"
        raise TypeError(msg)
    count = operator.index(value)
    if count < 0:
        msg = f"{name} must not be negative, but is {count}"
        raise ValueError(msg)
    return min(count, MOST_RETRIES)


def _retries(name: str, value: object) -> int | Retry:
    if isinstance(value, Retry):
        return value
    if not isinstance(value, SupportsIndex) or isinstance(value, bool):
        msg = f"{name} must be an integer or a Retry, not {value!r}"
        raise TypeError(msg)
    return _count(name, value)


def _classes(name: str, value: object) -> tuple[type[BaseException], ...]:
    kinds = value if isinstance(value, tuple | list) else (value,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            msg = f"{name} must be an exception class or several, not {kind!r}"
            raise TypeError(msg)
    return tuple(kinds)


def _priority(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        msg = f"{name} must be an integer, not {value!r}"
        raise TypeError(msg)
    priority = operator.index(value)
    if not -_PRIORITY_LIMIT <= priority < _PRIORITY_LIMIT:
        msg = f"{name} must be within 32 bits, but is {priority}"
        raise ValueError(msg)
    return priority


def _resources(name: str, value: object) -> Mapping[str, float]:
    """Read amounts by name; a label is something of which an engine has to have any at all."""
    if value is None:
        return _NO_RESOURCES
    if isinstance(value, str) or not isinstance(value, Iterable):
        msg = f"{name} must be a dict of amounts or a list of labels, not {value!r}"
        raise TypeError(msg)
    given = value if isinstance(value, Mapping) else dict.fromkeys(value, 1)
    amounts: dict[str, float] = {}
    for label, amount in given.items():
        if not isinstance(label, str):
            msg = f"{name} must be named by strings, not {label!r}"
            raise TypeError(msg)
        amounts[legible(label)] = span(f"{name}[{label!r}]", amount)
    return MappingProxyType(amounts)


def _key(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        msg = f"{name} must be a string, not {value!r}"
        raise TypeError(msg)
    return legible(value)


def _label(_name: str, value: object) -> str:
    return "" if value is None else legible(str(value))


def _flag(_name: str, value: object) -> bool:
    return bool(value)


def _dependency(_name: str, value: object) -> Dependency | None:
    return dependency_of(value)


_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "block": _flag,
    "label": _label,
    "track": _flag,
    "is_coalescing": _flag,
    "return_exceptions": _flag,
    "retries": _retries,
    "time_limit": span,
    "soft_time_limit": span,
    "expires": span,
    "priority": _priority,
    "resources": _resources,
    "key": _key,
    "after": _dependency,
    "follow": _dependency,
    "timeout": span,
}

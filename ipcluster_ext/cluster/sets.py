"""Which engines a cluster is to have, and who starts them: what users say, made whole."""

import operator
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from ipcluster_ext.cluster.launchers.contract import WrongOption
from ipcluster_ext.cluster.shares import check_resources, shares_of_set
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.foreman import EngineSet
from ipcluster_ext.protocol.shares import WHOLE

LOCAL, SSH = "local", "ssh"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_KEYS = (
    "launcher", "n", "options", "resources", "name", "pin", "threads", "memory_limit", "submits"
)  # fmt: skip
_OF_THE_HOST = ("resources", "pin", "gpus", "threads", "memory_limit")


class Plan(NamedTuple):
    """The engines of a cluster.

    Attributes
    ----------
    here
        How many this host's own agent starts.
    sets
        Those that a foreman has started elsewhere.
    """

    here: int
    sets: list[EngineSet]

    @property
    def total(self) -> int:
        """How many there are to be in all."""
        return self.here + sum(engines.n or 0 for engines in self.sets)


def plan(
    n: int | None,
    *,
    launcher: str = LOCAL,
    options: Mapping[str, Any] | None = None,
    hosts: Sequence[Any] | None = None,
    engines: Sequence[EngineSet | Mapping[str, Any]] = (),
) -> Plan:
    """Return which engines are meant.

    Parameters
    ----------
    n
        How many this launcher is to start.
    launcher, options
        Which, and what it is told.
    hosts
        Hosts for ``ssh``, which is then the launcher.
    engines
        Further engines.

    Raises
    ------
    ValueError
        There can be no such number.
    ClusterError
        There is no such launcher, an option is unknown or wrong, or two sets have one name.
    """
    if hosts is not None:
        launcher = _ssh(launcher)
        given = hosts if isinstance(hosts, str) else list(hosts)  # a text is refused, not spelt out
        options = {**(options or {}), "hosts": given}
    if n is None and engines and launcher == LOCAL:
        first: list[EngineSet] = []
    else:
        first = [EngineSet(launcher=launcher, n=n, options=dict(options or {}))]
    wanted = [_whole(each) for each in [*first, *map(_as_set, engines)]]
    here = [each for each in wanted if each.launcher == LOCAL]
    for each in here:
        _check_host(each)
    sets = [each for each in wanted if each.launcher != LOCAL]
    return Plan(sum(each.n or 0 for each in here), _named(sets))


def _check_host(engines: EngineSet) -> None:
    """Refuse what a set of this host cannot have for itself: one agent starts them all."""
    for name in _OF_THE_HOST:
        if getattr(engines, name) not in (None, {}):
            msg = f"engines of this host have the {name} of the cluster: say {name}= for it"
            raise ClusterError(msg)
    if not engines.submits:
        msg = "tasks of this host's engines can submit tasks: submits=False is for other hosts"
        raise ClusterError(msg)


def _ssh(launcher: str) -> str:
    if launcher not in {LOCAL, SSH}:
        msg = f"hosts= are for the launcher 'ssh', not for {launcher!r}; see its own options"
        raise ClusterError(msg)
    return SSH


def _as_set(given: EngineSet | Mapping[str, Any]) -> EngineSet:
    """Return a set that may stand in a table: what is not its own there is for the launcher."""
    if isinstance(given, EngineSet):
        return given
    own = {key: value for key, value in given.items() if _is_own(key, value)}
    options = {key: value for key, value in given.items() if key not in own}
    if "launcher" not in own:
        own["launcher"] = SSH if "hosts" in options else LOCAL
    own["options"] = {**own.get("options", {}), **options}
    try:
        return msgspec.convert(own, EngineSet)
    except msgspec.ValidationError as error:
        where = str(error).replace(" - at `$.", ", in `").replace(" - at `$`", "")
        msg = f"a set of engines: {where}"
        raise ClusterError(msg) from None


def _is_own(key: str, value: object) -> bool:
    """Tell whether a key is of the set itself; a number of GPUs is what a batch system is asked."""
    return key in _KEYS or (key == "gpus" and not isinstance(value, int))


def _whole(engines: EngineSet) -> EngineSet:
    """Return a set with its number of engines, its options looked through."""
    if engines.launcher == LOCAL:
        if engines.options:
            known = ", ".join(engines.options)
            msg = (
                f"launcher 'local' has no options, and so not {known}; say which launcher is meant"
            )
            raise WrongOption(msg)
        return msgspec.structs.replace(engines, n=_count(engines.n, os.cpu_count() or 1))
    _check_share(engines)
    from ipcluster_ext.cluster.launchers.registry import find, options_of  # takes a while

    checked = options_of(engines.launcher, engines.options)
    kind = find(engines.launcher)
    usual = kind.usual(checked)  # looks at hosts, too, whether or not it matters
    if engines.n is None and usual is None:
        msg = f"say how many engines launcher {engines.launcher!r} is to start, with n="
        raise ClusterError(msg)
    options = msgspec.to_builtins(engines.options)
    return msgspec.structs.replace(
        engines, n=_count(engines.n, usual or 1), options=options, fixed=kind.fixed(checked)
    )


def _check_share(engines: EngineSet) -> None:
    """Refuse a set whose engines are to have or to use what no engine can."""
    try:
        check_resources(engines.resources)
        shares_of_set(engines, WHOLE)
    except (TypeError, ValueError) as error:
        msg = f"a set of engines: {error}"
        raise ClusterError(msg) from None


def _count(n: int | None, usual: int) -> int:
    """Return how many engines are asked for.

    Raises
    ------
    ValueError
        There can be no such number.
    """
    count = usual if n is None else operator.index(n)
    if count <= 0:
        msg = f"a cluster needs at least one engine, not {count}; leave n out for one per processor"
        raise ValueError(msg)
    return count


def _named(sets: Sequence[EngineSet]) -> list[EngineSet]:
    """Give each set a name of its own."""
    named: dict[str, EngineSet] = {}
    for engines in sets:
        name = engines.name or _free(engines.launcher, named)
        if not _NAME.fullmatch(name):
            msg = (
                f"{name!r} cannot be the name of a set of engines; use up to 32 letters, digits, "
                "'-', '_' and '.', beginning with a letter or a digit"
            )
            raise ClusterError(msg)
        if name in named:
            msg = f"two sets of engines are called {name!r}"
            raise ClusterError(msg)
        named[name] = msgspec.structs.replace(engines, name=name)
    return list(named.values())


def _free(launcher: str, taken: Mapping[str, EngineSet]) -> str:
    number = 1
    while (name := launcher if number == 1 else f"{launcher}-{number}") in taken:
        number += 1
    return name

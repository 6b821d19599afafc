"""Targets, as users give them, to engine ids."""

import operator
from collections.abc import Iterable, Sequence
from typing import SupportsIndex

from ipcluster_ext.errors import NoSuchEngine
from ipcluster_ext.protocol.ids import EngineId

Targets = SupportsIndex | slice | str | Sequence[SupportsIndex]


def resolve(targets: Targets, engines: list[EngineId]) -> tuple[list[EngineId], bool]:
    """Find the engines that targets mean.

    Parameters
    ----------
    targets
        ``'all'``; an id, negative ones counting from the end; a slice of the list of ids; or
        several ids.
    engines
        The ids there are, in order.

    Returns
    -------
    The ids, and whether the target is a single id.

    Raises
    ------
    NoSuchEngine
        An id is not there, or the targets mean no engine at all.
    TypeError
        The targets are nothing of the above.
    """
    if isinstance(targets, slice):
        found = engines[targets]
    elif isinstance(targets, str) and targets == "all":
        found = list(engines)
    elif isinstance(targets, Iterable) and not isinstance(targets, str):
        found = [_one(target, engines) for target in targets]
    else:
        return [_one(targets, engines)], True
    if not found:
        raise NoSuchEngine(targets, engines)
    return found, False


def _one(target: object, engines: list[EngineId]) -> EngineId:
    if not isinstance(target, SupportsIndex) or isinstance(target, bool):
        msg = f"targets must be 'all', an engine id, a slice or a list of ids, not {target!r}"
        raise TypeError(msg)
    number = operator.index(target)
    if number < 0:
        if -number > len(engines):
            raise NoSuchEngine(number, engines)
        return engines[number]
    if number not in engines:
        raise NoSuchEngine(number, engines)
    return EngineId(number)

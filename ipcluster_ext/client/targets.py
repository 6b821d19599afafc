"""Targets, as users give them, to engine ids."""

from collections.abc import Sequence

from ipcluster_ext.errors import NoSuchEngine
from ipcluster_ext.protocol.ids import EngineId

Targets = int | slice | str | Sequence[int] | range


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
    if isinstance(targets, bool) or targets is None:
        msg = f"targets must be 'all', an engine id, a slice or a list of ids, not {targets!r}"
        raise TypeError(msg)
    if isinstance(targets, int):
        return [_one(targets, engines)], True
    if isinstance(targets, slice):
        found = engines[targets]
    elif isinstance(targets, str):
        if targets != "all":
            msg = f"targets must be 'all', an engine id, a slice or a list of ids, not {targets!r}"
            raise TypeError(msg)
        found = list(engines)
    else:
        found = [_one(target, engines) for target in targets]
    if not found:
        raise NoSuchEngine(targets, engines)
    return found, False


def _one(target: int, engines: list[EngineId]) -> EngineId:
    if not isinstance(target, int) or isinstance(target, bool):
        msg = f"an engine id is an integer, not {target!r}"
        raise TypeError(msg)
    if target < 0:
        if -target > len(engines):
            raise NoSuchEngine(target, engines)
        return engines[target]
    if target not in engines:
        raise NoSuchEngine(target, engines)
    return EngineId(target)

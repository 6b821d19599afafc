"""How messages name engines."""

from collections.abc import Iterable

from ipcluster_ext.protocol.showing import ranges


def engines_text(engines: Iterable[int]) -> str:
    """Name engines, as ``'engine 3'`` or ``'engines 0-2, 5'``.

    Parameters
    ----------
    engines
        Their ids, in any order.
    """
    found = sorted(set(engines))
    if not found:
        return "no engine"
    return f"engine{'' if len(found) == 1 else 's'} {ranges(found)}"

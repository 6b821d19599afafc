"""How many engines there may be, as there is work: what users may say."""

import operator
from math import inf

from ipcluster_ext.protocol.parts import Bounds

IDLE_TIMEOUT = 60.0
"""After so many seconds without work an engine is stopped, if nothing else is said."""


def bounds_of(minimum: int, maximum: int, idle_timeout: float = IDLE_TIMEOUT) -> Bounds:
    """Return bounds of the number of engines.

    Raises
    ------
    ValueError
        There can be no such numbers.
    """
    least, most, idle = operator.index(minimum), operator.index(maximum), float(idle_timeout)
    if not 0 <= least <= most or most < 1:
        msg = f"there cannot be {least} to {most} engines; say minimum= and maximum="
        raise ValueError(msg)
    if not 0 <= idle < inf:
        msg = f"idle_timeout={idle:g} is no number of seconds"
        raise ValueError(msg)
    return Bounds(least, most, idle)

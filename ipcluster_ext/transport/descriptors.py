"""How many connections a process can have: the system counts them among its file descriptors."""

import resource

RESERVED = 64
"""So many file descriptors are kept from those who come: for files, and for those who matter."""


def raise_limit() -> int:
    """Allow this process as many file descriptors as it may have.

    Returns
    -------
    How many that are.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def first_reserved() -> int:
    """Return the lowest number of a descriptor that nobody's connection may have.

    The system gives the lowest number that is free, so whoever gets this one came when there was
    no more room.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(RESERVED, soft - RESERVED) if soft > 0 else 2**31 - 1

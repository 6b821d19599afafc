"""How many engines a cluster can have here: each is a connection of the hub, an open file of it."""

import resource

from ipcluster_ext.errors import StartupError
from ipcluster_ext.transport.descriptors import RESERVED

OF_ITS_OWN = 16
"""So many open files the hub needs besides: its doors, its journal, some clients."""
LEAST = 32
"""With fewer open files no process of a cluster gets on."""


def check_capacity(count: int) -> None:
    """See to it that so many engines can connect.

    Raises
    ------
    StartupError
        This process's limit on open files, which those of the cluster inherit, is too low; the
        message says how to raise it.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return
    room = max(RESERVED, hard - RESERVED) - OF_ITS_OWN if hard >= LEAST else 0
    if count <= min(room, hard - OF_ITS_OWN):
        return
    needed = max(LEAST, count + OF_ITS_OWN + RESERVED)
    raise StartupError(
        "the cluster",
        f"processes may have {hard} open files here (RLIMIT_NOFILE), and {count} engines need "
        f"{needed}; raise the limit (ulimit -Hn {needed}, LimitNOFILE={needed} in a systemd unit, "
        "or /etc/security/limits.conf), or start fewer engines",
    )

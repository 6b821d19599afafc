"""The clients that this process has open: what needs any client takes the one that is in use."""

import os
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipcluster_ext import Client

_clients: "list[weakref.ref[Client]]" = []
_lock = threading.Lock()

os.register_at_fork(after_in_child=_clients.clear)  # a fork cannot use its parent's


def note_opened(client: "Client") -> None:
    """Remember that a client was opened."""
    with _lock:
        _clients[:] = [reference for reference in _clients if _usable(reference) is not None]
        _clients.append(weakref.ref(client))


def pass_over(client: "Client") -> None:
    """Have a client found by nobody: it only serves another one."""
    with _lock:
        _clients[:] = [reference for reference in _clients if reference() is not client]


def last_opened() -> "Client | None":
    """Return the client opened last whose cluster runs, None if this process has none."""
    for reference in reversed(_clients.copy()):
        client = _usable(reference)
        if client is not None:
            return client
    return None


def first_opened() -> "Client | None":
    """Return the client opened first whose cluster runs, None if this process has none."""
    return next((client for client in map(_usable, _clients.copy()) if client is not None), None)


def is_usable(client: "Client") -> bool:
    """Tell whether a client is open, and its cluster runs as far as can be seen."""
    return not client.closed and client.connection_file.exists()


def _usable(reference: "weakref.ref[Client]") -> "Client | None":
    client = reference()
    return client if client is not None and is_usable(client) else None

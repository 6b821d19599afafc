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


def last_opened() -> "Client | None":
    """Return the client opened last whose cluster runs, None if this process has none."""
    for reference in reversed(_clients.copy()):
        client = _usable(reference)
        if client is not None:
            return client
    return None


def _usable(reference: "weakref.ref[Client]") -> "Client | None":
    client = reference()
    if client is None or client.closed or not client.connection_file.exists():
        return None
    return client

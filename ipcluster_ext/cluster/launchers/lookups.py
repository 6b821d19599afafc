"""The addresses of hosts, as the system knows them: many names at the same time."""

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 16
"""So many are asked for at the same time."""
MOST_ASKED = 64
"""Of more hosts than this a part tells which ways lead to all of them."""


def addresses(names: Sequence[str]) -> list[str]:
    """Return the IPv4 address of each host, empty where there is none."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return list(pool.map(_address, names))


def _address(name: str) -> str:
    try:
        return socket.gethostbyname(name)
    except (OSError, UnicodeError):
        return ""


def some_of(names: Sequence[str]) -> list[str]:
    """Return so many of the hosts as are asked for, from all over the list (pure)."""
    return list(names[:: max(1, -(-len(names) // MOST_ASKED))])

"""Addresses of this host: where to listen, and what to tell others."""

import ipaddress
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ipcluster_ext.errors import ClusterError

if TYPE_CHECKING:
    from psutil._ntuples import snicaddr

EVERYWHERE = "0.0.0.0"  # noqa: S104 - only where somebody asks for it, and never without CURVE
_INNER = ("docker", "veth", "virbr", "br-", "cni", "lxc")
"""How interfaces to what runs within this host are called."""
_NOBODY = "192.0.2.1"
"""An address that nobody has (RFC 5737): nothing is sent there."""


def address_of(ip: str) -> str:
    """Return the address to listen at.

    Parameters
    ----------
    ip
        An IPv4 address, a host's name, the name of an interface, or ``"*"`` for everywhere.

    Raises
    ------
    ClusterError
        This host has nothing of that name.
    """
    if ip == "*":
        return EVERYWHERE
    try:
        return str(ipaddress.IPv4Address(ip))
    except ValueError:
        interfaces = _interfaces()
    for entry in interfaces.get(ip, ()):
        if entry.family is socket.AF_INET:
            return str(entry.address)
    try:
        return socket.gethostbyname(ip)
    except OSError:
        known = ", ".join(sorted(interfaces))
        msg = f"{ip!r} is no IPv4 address, host or interface of this host (interfaces: {known})"
        raise ClusterError(msg) from None


def addresses_of(ips: Sequence[str]) -> list[str]:
    """Return the addresses to listen at, each once; everywhere alone if that is among them.

    Parameters
    ----------
    ips
        As for `address_of`.

    Raises
    ------
    ClusterError
        This host has nothing of such a name.
    """
    found = list(dict.fromkeys(map(address_of, ips)))
    return [EVERYWHERE] if EVERYWHERE in found else found


def way_to(address: str) -> str:
    """Return the address of this host that what it sends to an address comes from.

    Raises
    ------
    OSError
        There is no way to that address.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        outward.connect((address, 9))  # chooses a way, and sends nothing
        return str(outward.getsockname()[0])


def is_own(address: str) -> bool:
    """Tell whether an address is this host's own, loopback included."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        try:
            here.bind((address, 0))
        except (OSError, OverflowError):
            return False
        return True


def by_name() -> str:
    """Return the address that this host's name stands for; empty if it is none for others."""
    try:
        address = socket.gethostbyname(socket.gethostname())
    except OSError:
        return ""
    inner = ipaddress.IPv4Address(address).is_loopback
    return "" if inner or not is_own(address) else address


def by_default() -> str:
    """Return the address from which this host sends to the world; empty if it cannot."""
    try:
        return way_to(_NOBODY)
    except OSError:
        return ""


def reachable_as(ip: str) -> str:
    """Return the address by which other hosts reach what listens at an address of this host."""
    if ip != EVERYWHERE:
        return ip
    return by_default() or _any_address()


def addresses_of_this_host() -> list[str]:
    """Return the addresses by which other hosts may reach this one, the likeliest first."""
    by_interface = _interfaces()
    inner_last = sorted(by_interface, key=lambda name: name.startswith(_INNER))
    outside = [
        str(entry.address)
        for name in inner_last
        for entry in by_interface[name]
        if entry.family is socket.AF_INET and not ipaddress.IPv4Address(entry.address).is_loopback
    ]
    likeliest = reachable_as(EVERYWHERE)
    return sorted(outside, key=lambda address: address != likeliest)


def _any_address() -> str:
    addresses = [
        entry.address
        for entries in _interfaces().values()
        for entry in entries
        if entry.family is socket.AF_INET
    ]
    outside = [each for each in addresses if not ipaddress.IPv4Address(each).is_loopback]
    return str((outside or addresses or ["127.0.0.1"])[0])


def _interfaces() -> "dict[str, list[snicaddr]]":
    import psutil  # takes a while, and is seldom needed

    return psutil.net_if_addrs()

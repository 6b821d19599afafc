"""Addresses of this host: where to listen, and what to tell others."""

import ipaddress
import socket

import psutil

from ipcluster_ext.errors import ClusterError

EVERYWHERE = "0.0.0.0"  # noqa: S104 - only where somebody asks for it, and never without CURVE
_FAR_AWAY = ("192.0.2.1", 9)  # an address that nobody has (RFC 5737): nothing is sent there


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
        interfaces = psutil.net_if_addrs()
    for entry in interfaces.get(ip, ()):
        if entry.family is socket.AF_INET:
            return str(entry.address)
    try:
        return socket.gethostbyname(ip)
    except OSError:
        known = ", ".join(sorted(interfaces))
        msg = f"{ip!r} is no IPv4 address, host or interface of this host (interfaces: {known})"
        raise ClusterError(msg) from None


def reachable_as(ip: str) -> str:
    """Return the address by which other hosts reach what listens at an address of this host."""
    if ip != EVERYWHERE:
        return ip
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        try:
            outward.connect(_FAR_AWAY)
            return str(outward.getsockname()[0])
        except OSError:
            return _any_address()


def _any_address() -> str:
    addresses = [
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family is socket.AF_INET
    ]
    outside = [each for each in addresses if not ipaddress.IPv4Address(each).is_loopback]
    return str((outside or addresses or ["127.0.0.1"])[0])

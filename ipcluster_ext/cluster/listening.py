"""Where a hub listens if nobody says so: on the ways to those who are to come, and nowhere else.

Which way leads to a host is the system's to say: the address that what is sent there comes from.
Hosts that nobody knows yet, as a batch system chooses them, are expected at the address of this
host's name, or at that from which it sends to the world.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec import structs

from ipcluster_ext.cluster.launchers.contract import Origins
from ipcluster_ext.cluster.launchers.registry import find, options_of
from ipcluster_ext.protocol.foreman import EngineSet
from ipcluster_ext.protocol.process import TcpConfig
from ipcluster_ext.transport import interfaces

LOOPBACK = "127.0.0.1"
_NAMED = 3
"""So many hosts are named where people are told of a way."""


class Ways(NamedTuple):
    """What this host knows of its ways to others.

    Attributes
    ----------
    own
        Tells whether an address is this host's own.
    to
        Returns the address from which this host sends to another; `OSError` if there is no way.
    usual
        The address at which hosts are expected that nobody knows yet; empty if there is none.
    """

    own: Callable[[str], bool]
    to: Callable[[str], str]
    usual: Callable[[], str]


THIS_HOST = Ways(
    interfaces.is_own, interfaces.way_to, lambda: interfaces.by_name() or interfaces.by_default()
)


def chosen(
    tcp: TcpConfig, sets: Sequence[EngineSet], location: Sequence[str], ways: Ways = THIS_HOST
) -> TcpConfig:
    """Return where to listen, if nobody has said so.

    Parameters
    ----------
    tcp
        What users have said.
    sets
        Engines that launchers start; with none of them, agents are expected that come by
        themselves.
    location
        By which addresses others reach this host, if users have said so. Those that are its own
        are where to listen.
    ways
        What is known of the ways.

    Raises
    ------
    ClusterError
        What a launcher was told is wrong.
    """
    if tcp.ips:
        return tcp
    named = [address for address in location if ways.own(address)]
    if named:
        return structs.replace(tcp, ips=named, why="as location= says")
    origins = [_origins(engines) for engines in sets] or [Origins(others="whoever comes")]
    ips, why = choose(origins, ways)
    return structs.replace(tcp, ips=ips, why=why)


def _origins(engines: EngineSet) -> Origins:
    options = options_of(engines.launcher, engines.options)
    return find(engines.launcher).origins(options)


def choose(origins: Sequence[Origins], ways: Ways) -> tuple[list[str], str]:
    """Choose where to listen.

    Parameters
    ----------
    origins
        From where agents come.
    ways
        What is known of the ways.

    Returns
    -------
    The addresses, at least one, ``"*"`` where none can be chosen; and why there, for people.
    """
    lead: dict[str, list[str]] = {}
    others = [each.others for each in origins if each.others]
    for host, address in _hosts(origins).items():
        if not address or ways.own(address):
            continue
        try:
            lead.setdefault(ways.to(address), []).append(host)
        except OSError:
            others.append(host)
    if others:
        usual = ways.usual()
        if not usual:
            return ["*"], f"this host has no address of its own for {', '.join(others)}"
        lead.setdefault(usual, []).extend(others)
    if not lead:
        return [LOOPBACK], "all engines are reached from this host"
    return list(lead), "; ".join(_why(hosts) for hosts in lead.values())


def _hosts(origins: Sequence[Origins]) -> Mapping[str, str]:
    return {host: address for each in origins for host, address in each.hosts.items()}


def _why(hosts: Sequence[str]) -> str:
    more = len(hosts) - _NAMED
    named = ", ".join(hosts[:_NAMED])
    return f"the way to {named} and {more} more" if more > 0 else f"the way to {named}"

"""The hub's doors to other hosts: opened with the keys in its folder, tried, and told of.

The keys are made by whoever starts the cluster. The ports are chosen once: a hub that takes the
place of another has to be where that was. SIGHUP says that there are other keys.
"""

import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.process import TcpConfig
from ipcluster_ext.transport.files import (
    OpenDoors,
    hub_keys_file,
    open_doors_file,
    read_private,
    to_json,
    write_private,
)
from ipcluster_ext.transport.interfaces import EVERYWHERE, addresses_of, is_own, reachable_as
from ipcluster_ext.transport.keys import HubKeys
from ipcluster_ext.transport.probing import prove_shut
from ipcluster_ext.transport.processes import start_of
from ipcluster_ext.transport.refusals import Refusals
from ipcluster_ext.transport.router import Arrival
from ipcluster_ext.transport.tcpdoors import TcpDoors

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # where a hub can be reached always stands in its log


class Outside(TcpDoors):
    """The doors on TCP of a hub whose keys are in a file.

    Parameters
    ----------
    folder
        The cluster's folder.
    tcp
        Where to listen.

    Raises
    ------
    ClusterError
        There are no keys, it cannot listen there, or somebody without a key was let in.
    """

    def __init__(self, folder: Path, tcp: TcpConfig) -> None:
        self._folder = folder
        self._why = tcp.why
        self._rekeyed = False
        keys = self._admitted = self._keys()
        before = _doors_before(folder)
        ips = tcp.ips if before is None else _still_here(tcp.ips)
        ports = tcp.ports if before is None else before.ports
        super().__init__(ips, ports, keys, refusals=Refusals())
        try:
            prove_shut(self, keys.server.public)
        except BaseException:
            self.close()
            raise
        signal.signal(signal.SIGHUP, self._on_signal)
        log.info("listening at %s", self._tell(keys).text)

    def _keys(self) -> HubKeys:
        path = hub_keys_file(self._folder)
        try:
            return read_private(path, HubKeys)
        except FileNotFoundError:
            msg = f"there are no keys in {path}; nothing listens on TCP without"
            raise ClusterError(msg) from None

    def _tell(self, keys: HubKeys) -> OpenDoors:
        """Say where the doors are, and whom they admit."""
        pid = os.getpid()
        doors = OpenDoors(
            pid=pid,
            started=start_of(pid) or 0,
            hosts=list(map(reachable_as, self.ips)),
            ports=self.ports,
            admits=keys.digest,
            everywhere=self.ips == [EVERYWHERE],
            why=self._why,
        )
        write_private(open_doors_file(self._folder), to_json(doors), lasting=False)
        return doors

    def _on_signal(self, _signum: int, _frame: FrameType | None) -> None:
        self._rekeyed = True
        self.nudge()

    def receive(self) -> list[Arrival]:
        """Return what has come from those who are admitted, in order for each."""
        if self._rekeyed:
            self._rekeyed = False
            self._admit_others()
        return super().receive()

    def _admit_others(self) -> None:
        try:
            keys = self._keys()
        except ClusterError:
            log.exception("the keys stay as they are")
            return
        if keys.extends(self._admitted):
            self.admit_more(keys)
        else:
            self.rekey(keys)
        self._admitted = keys
        self._tell(keys)


def _doors_before(folder: Path) -> OpenDoors | None:
    """Return the doors that the hub before this one had, None if this is the first."""
    try:
        return read_private(open_doors_file(folder), OpenDoors)
    except FileNotFoundError:
        return None


def _still_here(ips: Sequence[str]) -> Sequence[str]:
    """Return where a hub can listen that takes over: an interface may have gone meanwhile.

    All of them, and so the reason why not, if none is left.
    """
    addresses = addresses_of(ips)
    left = [address for address in addresses if is_own(address)]
    for address in sorted(set(addresses) - set(left)) if left else ():
        log.warning("this host has the address %s no longer; nobody is heard there", address)
    return left or ips

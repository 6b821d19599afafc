"""A real cluster under attack: its doors, what stands behind them, and what it costs its hub."""

import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

import ipcluster_ext as ipp
from ipcluster_ext.protocol.keys import TcpAddress
from ipcluster_ext.transport.files import (
    ConnectionFile,
    connection_file,
    engine_file,
    read_private,
)

MIB = 1024 * 1024
_PAGE = resource.getpagesize()


class Door(NamedTuple):
    """One way into a hub."""

    name: str
    family: socket.AddressFamily
    address: str | tuple[str, int]

    @property
    def on_tcp(self) -> bool:
        """Whether it is guarded by keys."""
        return self.family is socket.AF_INET

    def knock(self, timeout: float = 5.0) -> socket.socket:
        """Connect, and say nothing."""
        visitor = socket.socket(self.family, socket.SOCK_STREAM)
        visitor.settimeout(timeout)
        try:
            visitor.connect(self.address)
        except BaseException:
            visitor.close()
            raise
        return visitor


class Guarded(NamedTuple):
    """A cluster with all its doors, and a client that goes on working."""

    cluster: ipp.Cluster
    client: ipp.Client
    hub: int
    own: ConnectionFile
    engines: ConnectionFile

    @classmethod
    def of(cls, cluster: ipp.Cluster, client: ipp.Client) -> Self:
        """Look at a cluster that runs."""
        return cls(
            cluster,
            client,
            client.hub_pid,
            read_private(connection_file(cluster.folder), ConnectionFile),
            read_private(engine_file(cluster.folder), ConnectionFile),
        )

    def door(self, name: str) -> Door:
        """Return the door of a name of `DOORS`."""
        role = self.own if "client" in name else self.engines
        if name.endswith("socket"):
            path = Path(role.folder, "clients.sock" if role is self.own else "engines.sock")
            return Door(name, socket.AF_UNIX, str(path))
        address = self.tcp(role)
        return Door(name, socket.AF_INET, (address.host, address.port))

    @staticmethod
    def tcp(role: ConnectionFile) -> TcpAddress:
        """Return how a role comes in by TCP."""
        assert role.tcp is not None
        return role.tcp

    @property
    def doors(self) -> list[Door]:
        """Every way into the hub."""
        return [self.door(name) for name in DOORS]

    def work(self) -> None:
        """Have the engine do something, as users do."""
        assert self.client[:].apply_async(pow, 2, 3).get(20) == [8]

    @property
    def memory(self) -> int:
        """How much memory the hub has, in bytes."""
        return int(Path(f"/proc/{self.hub}/statm").read_text().split()[1]) * _PAGE

    def growth(self, attack: Callable[[], object]) -> int:
        """Return how much memory an attack costs the hub for good, in bytes.

        What the first one makes the hub allocate and keep for later is not counted.
        """
        attack()
        self.work()
        before = self.memory
        attack()
        self.work()
        return self.memory - before

    @property
    def log(self) -> Path:
        """What the hub writes."""
        return self.cluster.folder / "hub.log"

    @property
    def tasks_of_others(self) -> list[str]:
        """The tasks in the hub's history that no client of this process has submitted."""
        own = self.client.session
        return [record.msg_id for record in self.client.history() if record.session != own]


DOORS = ("client socket", "engine socket", "client port", "engine port")
PORTS = DOORS[2:]
SOCKETS = DOORS[:2]

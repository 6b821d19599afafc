"""What a launcher is told to start, for one set of engines of a cluster that runs on this host."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from msgspec import structs

from ipcluster_ext.cluster.ahead import Ahead, Program
from ipcluster_ext.cluster.keyring import admit_agent, turn_away_agents
from ipcluster_ext.cluster.launchers.contract import Order
from ipcluster_ext.cluster.sets import SSH
from ipcluster_ext.cluster.shares import check_resources, shares_of_set
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.foreman import EngineSet
from ipcluster_ext.protocol.process import AgentConfig, ClientDoor, Reach, as_line
from ipcluster_ext.transport.files import (
    ConnectionFile,
    OpenDoors,
    engine_file,
    open_doors_file,
    read_private,
    write_private,
)
from ipcluster_ext.transport.interfaces import addresses_of_this_host

HUB_WITHIN = 30.0
"""How long to wait for the hub's doors, in seconds."""
_WAIT = 0.01
_ADMITTED = "admitted.json"
"""The file in a set's folder with the public keys of its agents."""

T = TypeVar("T")


class ClusterOrder(Order):
    """What a launcher is to start, for a set of engines of this cluster.

    Parameters
    ----------
    config
        The home agent's configuration.
    engines
        The set.
    alive
        Whether the lifeline is whole, asked while waiting for the hub.
    ahead
        What runs already, if anything.
    """

    def __init__(
        self,
        config: AgentConfig,
        engines: EngineSet,
        *,
        alive: Callable[[], bool],
        ahead: Ahead | None = None,
    ) -> None:
        self.cluster = config.cluster
        self.folder = Path(config.folder, f"set-{engines.name}")
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._config = config
        self._set = engines
        self._alive = alive
        self._ahead = ahead or Ahead()

    def doors(self) -> tuple[str, int, int]:
        """Where the hub listens, as this host sees it."""
        doors = self._wait_for(open_doors_file, OpenDoors)
        return doors.hosts[0], doors.ports[0], doors.ports[1]

    def argv(self, python: str) -> list[str]:
        """Return the arguments with which an agent is started."""
        return [python or sys.executable, "-P", "-m", "ipcluster_ext.agent"]

    def program(self, program: Program) -> subprocess.Popen[bytes]:
        """Start a program, or take over the one that runs already."""
        return self._ahead.start(*program)

    def config(self, count: int, *, first: int | Literal["rank"] | None = None) -> bytes:
        """Return the line that an agent reads from its standard input; it holds keys."""
        card = self._wait_for(engine_file, ConnectionFile)
        if card.tcp is None:
            msg = "the hub listens on no TCP port, so no other host can reach it"
            raise ClusterError(msg)
        doors = self._wait_for(open_doors_file, OpenDoors)
        keys, for_clients = admit_agent(Path(self._config.folder), submits=self._set.submits)
        self._note_admitted([*self._admitted(), keys.public])
        reach = Reach(
            addresses=self._addresses(doors),
            port=doors.ports[1],
            server=card.tcp.server,
            keys=keys,
            clients=ClientDoor(port=doors.ports[0], keys=for_clients) if for_clients else None,
            set=self._set.name,
            closed=self._set.launcher != SSH,  # a job has no room for more than it was made for
        )
        return as_line(
            structs.replace(
                self._config,
                folder="",
                blobs="",
                count=count,
                owner=0,
                cwd=str(self._set.options.get("cwd", "")) or self._config.cwd,
                resources=check_resources(self._set.resources) or self._config.resources,
                shares=shares_of_set(self._set, self._config.shares),
                reach=reach,
                first=first,
                sets=[],
                location=[],
            )
        )

    def turn_away(self, publics: Sequence[str] | None = None) -> None:
        """Have the hub admit agents no longer that were started: none of them is left.

        Parameters
        ----------
        publics
            Their public keys; of all that were started so far if not given.

        Raises
        ------
        ClusterError
            The hub takes no notice.
        """
        admitted = self._admitted()
        gone = admitted if publics is None else publics
        turn_away_agents(Path(self._config.folder), gone)
        self._note_admitted([each for each in admitted if each not in gone])

    def _admitted(self) -> list[str]:
        """Return the public keys of the agents of the set, those of a foreman before included."""
        try:
            return read_private(self.folder / _ADMITTED, list[str])
        except FileNotFoundError:
            return []

    def _note_admitted(self, publics: list[str]) -> None:
        write_private(self.folder / _ADMITTED, msgspec.json.encode(publics))

    def _addresses(self, doors: OpenDoors) -> list[str]:
        """Return where other hosts may find the hub."""
        if self._config.location:
            return self._config.location
        return (addresses_of_this_host() if doors.everywhere else []) or doors.hosts

    def _wait_for(self, file: Callable[[Path], Path], kind: type[T]) -> T:
        path = file(Path(self._config.folder))
        deadline = time.monotonic() + HUB_WITHIN
        while True:
            try:
                return read_private(path, kind)
            except FileNotFoundError:
                if time.monotonic() >= deadline or not self._alive():
                    msg = f"the hub has not said where it listens: there is no {path.name}"
                    raise ClusterError(msg) from None
            time.sleep(_WAIT)

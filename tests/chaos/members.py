"""The processes of a cluster: who is who, as the system tells it, and nobody else."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from ipcluster_ext.transport.processes import CLUSTER_VARIABLE

_PROC = Path("/proc")


class Members:
    """The processes of the clusters below a runtime folder.

    Parameters
    ----------
    runtime
        The folder.
    """

    def __init__(self, runtime: Path) -> None:
        self._mark = os.fsencode(f"{CLUSTER_VARIABLE}={runtime}/")

    def _all(self) -> Iterator[tuple[int, int, bytes]]:
        """Find each with its parent and its command line."""
        for process in _PROC.iterdir():
            if not process.name.isdecimal():
                continue
            try:
                environment = (process / "environ").read_bytes()
                command = (process / "cmdline").read_bytes()
                fields = (process / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            marked = any(entry.startswith(self._mark) for entry in environment.split(b"\0"))
            if marked and fields[0] not in "ZX":
                yield int(process.name), int(fields[1]), command

    def agents(self) -> list[int]:
        """Return the agents."""
        return [pid for pid, _, command in self._all() if b"ipcluster_ext.agent" in command]

    def hubs(self) -> list[int]:
        """Return the hubs."""
        return [pid for pid, _, command in self._all() if b"ipcluster_ext.hub" in command]

    def engines(self) -> list[int]:
        """Return the engines: what zygotes have forked."""
        everybody = list(self._all())
        zygote = b"ipcluster_ext.engine.zygote"
        zygotes = {pid for pid, _, command in everybody if zygote in command}
        return [
            pid for pid, parent, command in everybody if zygote in command and parent in zygotes
        ]

    def count(self) -> int:
        """Return how many there are."""
        return sum(1 for _ in self._all())

    def send(self, pid: int, signum: int) -> bool:
        """Send one of them a signal; False if it is gone."""
        if not any(member == pid for member, _, _ in self._all()):
            return False
        try:
            os.kill(pid, signum)
        except ProcessLookupError:
            return False
        return True

    def kill(self, pid: int) -> bool:
        """Kill one of them; False if it is gone."""
        return self.send(pid, signal.SIGKILL)

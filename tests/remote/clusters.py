"""What tests of clusters on several hosts look at."""

import math
import os
import socket
from pathlib import Path

import ipcluster_ext as ipp
from ipcluster_ext.cluster.arrivals import launches_of
from ipcluster_ext.transport.processes import members, start_of
from tests.remote.network import FarHost

LONG = 90.0
"""Machines that run these tests may be slow."""


def host_name() -> str:
    return socket.gethostname()


def own_pid() -> int:
    return os.getpid()


def where(client: ipp.Client) -> list[str]:
    """Return on which hosts engines answer."""
    try:
        return sorted(client[:].apply_async(host_name).get(timeout=20))
    except (ipp.EngineError, ipp.CompositeError, TimeoutError):
        return []


def folder_of(client: ipp.Client) -> Path:
    assert client.cluster is not None
    return Path(client.cluster.folder)


def processes_of(client: ipp.Client, command: str) -> list[int]:
    """Return the cluster's processes on this host with a command."""
    found = []
    for pid in members(str(folder_of(client))):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if command in line:
            found.append(pid)
    return found


def stages(client: ipp.Client) -> list[str]:
    return [launch.stage for launch in launches_of(folder_of(client))]


def agent_of(host: FarHost) -> int:
    """Return the agent that lives on a host."""
    lines = [each for each in host.processes() if "-m ipcluster_ext.agent" in each]
    oldest = min(lines, key=lambda line: start_of(int(line.partition(":")[0])) or math.inf)
    return int(oldest.partition(":")[0])

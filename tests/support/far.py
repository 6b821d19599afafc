"""Agents whose hub is, as far as they know, on another host: started as a launcher would."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import ipcluster_ext as ipp
from ipcluster_ext.cluster.keyring import admit_agent
from ipcluster_ext.protocol.process import (
    AgentConfig,
    ClientDoor,
    Conduct,
    Patience,
    Reach,
    as_line,
)
from ipcluster_ext.transport.files import (
    ConnectionFile,
    OpenDoors,
    engine_file,
    open_doors_file,
    read_private,
    to_json,
)
from tests.support.gates import Gate, pass_through

ROOT = Path(__file__).parents[2]


def reach_of(cluster: ipp.Cluster, **more: Any) -> Reach:
    """Return how a far agent reaches a cluster's hub that joins it by hand."""
    tcp = read_private(engine_file(cluster.folder), ConnectionFile).tcp
    assert tcp is not None
    facts = {"addresses": [tcp.host], "port": tcp.port, "keys": tcp.keys, **more}
    return Reach(server=tcp.server, **facts)


def reach_as_launched(cluster: ipp.Cluster, **more: Any) -> Reach:
    """Return how one reaches it that the cluster has started: its tasks may submit tasks."""
    keys, for_clients = admit_agent(cluster.folder)
    assert for_clients is not None
    doors = read_private(open_doors_file(cluster.folder), OpenDoors)
    door = ClientDoor(port=doors.ports[0], keys=for_clients)
    return reach_of(cluster, keys=keys, clients=door, **more)


def config_of(cluster: ipp.Cluster, count: int, *, reach: Reach, **more: Any) -> AgentConfig:
    """Return what a far agent is told."""
    return AgentConfig(
        cluster=cluster.cluster_id, folder="", blobs="", count=count, reach=reach, **more
    )


def pass_and_tell(gate: Gate) -> int:
    """Wait for a gate, and tell in which process."""
    pass_through(gate.path)
    return os.getpid()


@contextmanager
def one_engine(cluster: ipp.Cluster, client: ipp.Client, patience: Patience) -> Iterator["Far"]:
    """Start a far agent with one engine beside that of the cluster, and wait for it."""
    conduct = Conduct(patience=patience)
    far = Far.start(config_of(cluster, 1, reach=reach_of(cluster), conduct=conduct))
    try:
        client.wait_for_engines(2, timeout=60.0)
        yield far
    finally:
        far.close()


@dataclass
class Far:
    """An agent that was started on its own, with its lifeline."""

    process: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls,
        config: AgentConfig,
        *,
        file: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Start one; its configuration comes by its lifeline, or in a file."""
        if file is not None:
            file.touch(mode=0o600)
            file.write_bytes(to_json(config))
        process = subprocess.Popen(
            [sys.executable, "-m", "ipcluster_ext.agent", "--config", str(file or "-")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
        far = cls(process)
        if file is None:
            far.say(as_line(config))
        return far

    def say(self, line: bytes) -> None:
        """Say something by its lifeline."""
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def hang_up(self) -> None:
        """Close its lifeline without a word."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def ended(self, timeout: float = 10.0) -> tuple[int, str]:
        """Wait for its end; return its exit code, and what it wrote to its standard error."""
        code = self.process.wait(timeout)
        assert self.process.stderr is not None
        return code, self.process.stderr.read().decode()

    def close(self) -> None:
        """End it by force, if it has not ended, and let go of it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

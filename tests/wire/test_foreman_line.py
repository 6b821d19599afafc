"""What a home agent says to its foreman, and says again to the one that follows."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from ipcluster_ext.agent.foreman import ForemanProcess
from ipcluster_ext.protocol.foreman import Launch, More, Obeyed
from ipcluster_ext.protocol.process import AgentConfig
from ipcluster_ext.transport import forks
from tests.support.waiting import wait_until

PID = 2**30
"""No process has this number."""


@dataclass
class Ends:
    """The other ends of the lines to foremen, the latest last."""

    lines: list[tuple[int, int]] = field(default_factory=list)

    def fork(self, _module: str, *, stdin: int, stdout: int, stderr: int) -> int:
        """Stand for a foreman, instead of a process."""
        assert stderr >= 0
        self.lines.append((os.dup(stdin), os.dup(stdout)))
        return PID

    def read(self) -> list[bytes]:
        """Return what the latest was told: what to start ahead, its configuration, and orders."""
        return os.read(self.lines[-1][0], 1 << 16).splitlines()

    def say(self, *messages: msgspec.Struct) -> None:
        """Have the latest say something."""
        for message in messages:
            os.write(self.lines[-1][1], msgspec.json.encode(message) + b"\n")

    def close(self) -> None:
        """Close all that is open."""
        for fds in self.lines:
            for fd in fds:
                os.close(fd)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    """Have no foreman started."""
    ends = Ends()
    monkeypatch.setattr(forks, "fork", ends.fork)
    yield ends
    ends.close()


@pytest.fixture
def foreman(ends: Ends, tmp_path: Path) -> Iterator[ForemanProcess]:
    """Return a foreman's process that has been told its configuration."""
    process = ForemanProcess(AgentConfig(cluster="c", folder=str(tmp_path), blobs="", count=0))
    assert len(ends.read()) == 2
    yield process
    process.died(0, over=True)
    process.close()


def follow(process: ForemanProcess, ends: Ends) -> list[More]:
    """Have a foreman die; return the orders that the next one gets."""
    os.close(ends.lines[-1][1])
    ends.lines[-1] = (ends.lines[-1][0], os.dup(0))
    process.died(-9, over=False)
    wait_until(lambda: time.monotonic() >= (process.deadline or 0.0))
    process.hear()
    process.tick()
    ahead, _config, *orders = ends.read()
    assert not ahead
    return [msgspec.json.decode(order, type=More) for order in orders]


def test_an_order_that_one_may_not_have_read_is_given_to_the_next(
    foreman: ForemanProcess, ends: Ends
) -> None:
    foreman.more("slurm", 2)
    foreman.more("ssh", 1)

    orders = follow(foreman, ends)

    assert orders == [
        More(set="slurm", count=2, number=1),
        More(set="ssh", count=1, number=2),
    ]


def test_an_order_that_was_carried_out_is_given_to_nobody_else(
    foreman: ForemanProcess, ends: Ends
) -> None:
    foreman.more("slurm", 2)
    foreman.more("slurm", 3)
    launch = Launch(set="slurm", name="job 1", count=2)
    ends.say(launch, Obeyed(1))

    assert foreman.hear() == [launch]
    assert follow(foreman, ends) == [More(set="slurm", count=3, number=2)]

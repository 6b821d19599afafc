"""A hub is a fork of its agent: what it has of that, and what it must not have."""

import signal
from pathlib import Path

import psutil
import pytest

from tests.support.clusters import Started
from tests.support.takeovers import hub_of, kill_hub, wait_for_another


@pytest.fixture(params=["the first", "one that follows"])
def family(request: pytest.FixtureRequest, started: Started) -> tuple[int, int]:
    """Return the processes of an agent and its hub."""
    client = started.client
    if request.param != "the first":
        wait_for_another(client, kill_hub(client))
    assert started.cluster.agent_pid is not None
    return started.cluster.agent_pid, hub_of(client).pid


def files_of(pid: int) -> set[str]:
    """Return what a process has open, sockets and pipes by their numbers."""
    return {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}


def mask(pid: int, name: str) -> int:
    """Return a set of signals of a process, as `proc(5)` writes it."""
    status = dict(
        line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(status[name], 16)


def bit(signum: int) -> int:
    return 1 << (signum - 1)


def test_it_has_no_socket_or_pipe_of_its_agents_but_the_lifeline(family: tuple[int, int]) -> None:
    agent, hub = family

    shared = {name for name in files_of(agent) & files_of(hub) if name.startswith(("sock", "pipe"))}

    assert shared == {str(Path(f"/proc/{hub}/fd/0").readlink())}


def test_no_signal_is_handled_as_its_agent_handles_it(family: tuple[int, int]) -> None:
    _, hub = family

    caught = mask(hub, "SigCgt")

    assert mask(hub, "SigBlk") == 0
    assert not caught & (bit(signal.SIGTERM) | bit(signal.SIGCHLD))


def test_it_is_a_hub_to_whoever_lists_processes(family: tuple[int, int]) -> None:
    agent, hub = family

    assert "ipcluster_ext.hub" in psutil.Process(hub).cmdline()
    assert "ipcluster_ext.agent" in psutil.Process(agent).cmdline()


def test_its_agent_has_one_thread_as_what_is_forked_must_have(family: tuple[int, int]) -> None:
    agent, _ = family

    assert psutil.Process(agent).num_threads() == 1

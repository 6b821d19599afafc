"""A host that is not heard by a hub which has taken over."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest
from msgspec import structs

import ipcluster_ext as ipp
from ipcluster_ext.cluster import running
from ipcluster_ext.protocol.process import PATIENT
from tests.support.far import Far, one_engine, pass_and_tell
from tests.support.gates import Gate
from tests.support.takeovers import kill_hub, wait_for_another
from tests.support.waiting import wait_until

PATIENCE = 60.0
SOON = structs.replace(PATIENT, quiet=0.3, lease=0.8, handover=1.0)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clusters that start have little patience, but for hosts."""
    monkeypatch.setattr(running, "PATIENCE", SOON)


@pytest.fixture
def far(cluster: ipp.Cluster, client: ipp.Client) -> Iterator[Far]:
    """Start a far agent with one engine, which is ready."""
    with one_engine(cluster, client, SOON) as far:
        yield far


def test_what_a_host_has_begun_runs_nowhere_else_although_another_hub_does_not_hear_it(
    client: ipp.Client, far: Far, gate: Gate
) -> None:
    [here], [there] = client[[0]].apply_sync(os.getpid), client[[1]].apply_sync(os.getpid)
    begun = client.load_balanced_view([1]).apply_async(pass_and_tell, gate)
    anywhere = client.load_balanced_view()
    wait_until(begun.running, PATIENCE)
    agent = psutil.Process(far.process.pid)
    host = [*agent.children(recursive=True), agent]

    with ExitStack() as resumed:
        for process in host:
            process.suspend()
            resumed.callback(process.resume)
        wait_for_another(client, kill_hub(client))
        assert anywhere.apply_async(os.getpid).get(PATIENCE) == here  # the takeover is over
        assert not begun.ready()

    gate.open()
    assert begun.get(PATIENCE) == there

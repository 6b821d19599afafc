from collections.abc import Iterator
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.security.guarded import Guarded
from tests.support.runtimes import runtime

__all__ = ["runtime"]


@pytest.fixture(scope="module")
def cluster(runtime: Path) -> Iterator[ipp.Cluster]:
    """Start a cluster with doors on socket files and on TCP."""
    cluster = ipp.Cluster(n=1, ip="127.0.0.1")
    cluster.start_cluster_sync()
    yield cluster
    cluster.stop_cluster_sync()


@pytest.fixture(scope="module")
def client(cluster: ipp.Cluster) -> Iterator[ipp.Client]:
    """Connect to it."""
    with ipp.Client(cluster.connection_file, cluster=cluster) as client:
        client.wait_for_engines(1, timeout=60)
        yield client


@pytest.fixture
def guarded(cluster: ipp.Cluster, client: ipp.Client) -> Iterator[Guarded]:
    """Lend the cluster to a test; whatever that does, ordinary work goes on in the same hub."""
    guarded = Guarded.of(cluster, client)
    guarded.work()
    yield guarded
    guarded.work()
    assert client.hub_pid == guarded.hub
    assert guarded.tasks_of_others == []

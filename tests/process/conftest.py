import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.process.clients import four_engines
from tests.support.clusters import Started
from tests.support.gates import Gate
from tests.support.leftovers import leftovers_of, shared_memory_of
from tests.support.waiting import wait_until

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # started in the background by a shell: those whom tests interrupt would inherit deafness
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test a runtime folder of its own; nothing may be left in it, nor any process."""
    folder = Path(tempfile.mkdtemp(prefix="ipx-", dir="/tmp"))
    monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(folder))
    try:
        yield folder
        wait_until(lambda: not leftovers_of(folder))
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def started(runtime: Path) -> Iterator[Started]:
    """Start two engines."""
    cluster = ipp.Cluster(n=2)
    with cluster as client:
        yield Started(cluster, client)
    assert leftovers_of(runtime) == []
    assert shared_memory_of(cluster.cluster_id) == []


@pytest.fixture
def cluster(runtime: Path) -> Iterator[ipp.Cluster]:
    """Start a cluster of one engine that listens on TCP."""
    cluster = ipp.Cluster(n=1, ip="127.0.0.1")
    with cluster:
        yield cluster
    wait_until(lambda: leftovers_of(runtime) == [], 30.0)
    assert shared_memory_of(cluster.cluster_id[:7]) == []


@pytest.fixture
def client(cluster: ipp.Cluster) -> Iterator[ipp.Client]:
    """Connect to it."""
    with cluster.connect_client_sync() as client:
        yield client


@pytest.fixture
def customized(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a ``sitecustomize.py`` that every process of the cluster runs when it starts."""
    path = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{path}" if path else str(tmp_path))
    return tmp_path / "sitecustomize.py"


@pytest.fixture(scope="module")
def four() -> Iterator[ipp.Client]:
    """Start four engines for all tests of a module."""
    with four_engines() as client:
        yield client


@pytest.fixture
def rc(four: ipp.Client) -> Iterator[ipp.Client]:
    """Lend the module's client; whatever the test does, its cluster has to stay usable."""
    yield four
    four.wait_for_engines(4, timeout=10)
    assert four[:].apply_async(pow, 2, 3).get(10) == [8, 8, 8, 8]
    assert four.wait(timeout=10), f"{len(four.outstanding)} tasks have not ended"
    four[:].clear().get(10)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """Return a gate that tasks wait at; it is open after the test."""
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.open()

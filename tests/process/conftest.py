import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started
from tests.support.leftovers import leftovers_of, shared_memory_of
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test a runtime folder of its own; nothing may be left in it, nor any process."""
    folder = Path(tempfile.mkdtemp(prefix="ipx-", dir="/tmp"))
    monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(folder))
    try:
        yield folder
        wait_until(lambda: not leftovers_of(folder), timeout=5.0)
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
def customized(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a ``sitecustomize.py`` that every process of the cluster runs when it starts."""
    path = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{path}" if path else str(tmp_path))
    return tmp_path / "sitecustomize.py"

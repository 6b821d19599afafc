"""Clusters that several tests share."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.support.leftovers import leftovers_of, shared_memory_of


def four_engines() -> AbstractContextManager[ipp.Client]:
    """Start four engines, as `engines` does."""
    return engines(4)


@contextmanager
def engines(count: int) -> Iterator[ipp.Client]:
    """Start engines in a runtime folder of their own; nothing may be left in the end."""
    folder = Path(tempfile.mkdtemp(prefix="ipx-", dir="/tmp"))
    cluster = ipp.Cluster(n=count)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(folder))
            client = cluster.start_and_connect_sync()
        with client:
            yield client
        cluster.stop_cluster_sync()
        assert leftovers_of(folder) == []
        assert shared_memory_of(cluster.cluster_id) == []
    finally:
        cluster.stop_cluster_sync()
        shutil.rmtree(folder)

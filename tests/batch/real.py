"""Real clusters on this machine whose engines come by a launcher."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import ipcluster_ext as ipp
from tests.support.leftovers import leftovers_of, shared_memory_of
from tests.support.waiting import wait_until

RUNTIME = "IPCLUSTER_EXT_RUNTIME_DIR"


@contextmanager
def engines_by(
    launcher: str,
    count: int,
    environment: Mapping[str, str] | None = None,
    *,
    within: float = 100.0,
    **options: Any,
) -> Iterator[ipp.Client]:
    """Start engines in a runtime folder of their own; nothing may be left in the end.

    Parameters
    ----------
    launcher
        What starts them.
    count
        How many.
    environment
        Of whatever starts them.
    within
        How long they may take to come, in seconds.
    **options
        Of the launcher.
    """
    folder = Path(tempfile.mkdtemp(prefix="ipx-", dir="/tmp"))
    given = {"environment": {RUNTIME: str(folder)}, **options}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUNTIME, str(folder))
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        cluster = ipp.Cluster(
            n=count, launcher=launcher, launcher_options=given, engine_timeout=within
        )
        try:
            with cluster.start_and_connect_sync() as client:
                yield client
            cluster.stop_cluster_sync()
            wait_until(lambda: not leftovers_of(folder), timeout=10)
            assert shared_memory_of(cluster.cluster_id) == []
        finally:
            cluster.stop_cluster_sync()
            shutil.rmtree(folder)

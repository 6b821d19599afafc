"""How long engines take to be ready, here and on other hosts: ``python -m tests.remote.speed``.

The hosts are network namespaces of this machine, so they share its processors: what is measured
is what starting elsewhere costs beside the engines themselves.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

import ipcluster_ext as ipp
from tests.remote.network import network, unable

ENGINES, HOSTS = 32, 4
MOST = 2.5
"""So many times as long as here may it take there."""


def took(make: Callable[[], ipp.Cluster]) -> float:
    """Start a cluster; return how long it took, in seconds."""
    began = time.monotonic()
    with make() as client:
        assert len(client.ids) == ENGINES
        return time.monotonic() - began


def main(times: int = 5) -> None:
    """Measure by turns, as other work on the machine comes and goes, and write the figures."""
    if reason := unable():
        sys.exit(reason)
    here: list[float] = []
    there: list[float] = []
    folder = tempfile.TemporaryDirectory(prefix="ipx-", dir="/tmp")
    with folder as runtime, network(HOSTS) as far:
        os.environ["IPCLUSTER_EXT_RUNTIME_DIR"] = runtime
        hosts = far.tables(n=ENGINES // HOSTS)
        options = far.options()
        for _ in range(times):
            here.append(took(partial(ipp.Cluster, ENGINES)))
            there.append(took(partial(ipp.Cluster, hosts=hosts, launcher_options=options)))
    local, remote = statistics.median(here), statistics.median(there)
    sys.stdout.write(
        f"{ENGINES} engines here: {local:.2f} s ({min(here):.2f}-{max(here):.2f})\n"
        f"{ENGINES} engines on {HOSTS} hosts by ssh: {remote:.2f} s "
        f"({min(there):.2f}-{max(there):.2f}), {remote / local:.2f} times as long "
        f"(wanted: at most {MOST})\n"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

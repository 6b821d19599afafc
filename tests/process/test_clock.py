"""Clocks that jump: nobody may be taken for dead, and nothing may wait, because of that."""

import os
import time
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster import running
from ipcluster_ext.protocol.process import Patience
from tests.support.clusters import pids
from tests.support.waiting import wait_until

HOUR = 3600

JUMPING = """
import time
from pathlib import Path
FILE = Path({file!r})
def jumping(real, unit):
    return lambda: real() + type(real())(FILE.read_text()) * unit
time.time = jumping(time.time, 1)
time.time_ns = jumping(time.time_ns, 1_000_000_000)
"""


def hour_of_the_day() -> float:
    """Return the time of day, as the engine has it."""
    return time.time()


@pytest.mark.parametrize("jumps", [(HOUR, 0, -HOUR, 0), (-24 * HOUR, 24 * HOUR)])
def test_a_clock_that_jumps_costs_nothing(
    jumps: tuple[int, ...], customized: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offset = tmp_path / "offset"
    offset.write_text("0")
    customized.write_text(JUMPING.format(file=str(offset)))
    patience = Patience(quiet=0.4, lease=1.0, handover=1.2)
    monkeypatch.setattr(running, "PATIENCE", patience)
    with ipp.Cluster(n=2, silence=2.0, history_age=600) as client:
        before = pids(client)
        view = client.load_balanced_view(retries=0)
        for jump in jumps:
            result = view.map_async(time.sleep, [0.01] * 50, chunksize=1)
            limited = view.options(time_limit=30.0, expires=30.0).apply_async(os.getpid)
            wait_until(lambda result=result: result.progress > 5)  # type: ignore[misc]

            offset.write_text(str(jump))

            assert result.get(20) == [None] * 50
            assert limited.get(20) in before
            ahead = client[0].apply_async(hour_of_the_day).get(10) - time.time()
            assert abs(ahead - jump) < HOUR / 2
            assert client.unresponsive == []
        assert pids(client) == before
        assert len(client.history) > 0

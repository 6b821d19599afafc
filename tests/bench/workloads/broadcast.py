"""One function on every engine: the cost of fan-out and of gathering the replies."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from tests.bench.functions import noop_without_argument
from tests.bench.workloads.contract import Figures, Limit, Metric, Setting, Workload, demand

if TYPE_CHECKING:
    from tests.bench.systems.contract import System

_BROADCASTS = 50
_WARM_UPS = 5


def measure_broadcast(system: System, setting: Setting) -> Figures:
    """Time broadcasts through the direct view and through the broadcast view."""
    system.start(setting.engines)
    return {
        "direct": _median_time(system, setting, tree=False) * 1e3,
        "tree": _median_time(system, setting, tree=True) * 1e3,
    }


def _median_time(system: System, setting: Setting, *, tree: bool) -> float:
    for _ in range(_WARM_UPS):
        _broadcast_time(system, setting, tree=tree)
    times = [
        _broadcast_time(system, setting, tree=tree) for _ in range(setting.scaled(_BROADCASTS))
    ]
    return statistics.median(times)


def _broadcast_time(system: System, setting: Setting, *, tree: bool) -> float:
    begun = time.perf_counter()
    results = system.broadcast(noop_without_argument, tree=tree)
    elapsed = time.perf_counter() - begun
    demand(results == [None] * setting.engines, "a broadcast missed an engine")
    return elapsed


BROADCAST = Workload(
    name="broadcast",
    title="no-op on all engines and back (distributed has one way: client.run)",
    metrics=(
        Metric(name="direct", unit="ms p50", higher_is_better=False),
        Metric(name="tree", unit="ms p50", higher_is_better=False),
    ),
    engines=(2, 8, 32),
    systems=("ours", "ipyparallel", "distributed"),
    measure=measure_broadcast,
    limits={
        "ipyparallel": Limit(usual=8, full=32),
        "distributed": Limit(usual=8, full=32),
    },
    timeout=240.0,
)

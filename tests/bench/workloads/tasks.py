"""Many tasks that do nothing, and one such task at a time: the cost of the machinery."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from tests.bench.functions import noop
from tests.bench.workloads.contract import Figures, Metric, Setting, Workload, demand

if TYPE_CHECKING:
    from tests.bench.systems.contract import System

_EVERYONE = ("ours", "loky", "processpool", "pool", "distributed", "ipyparallel", "pyzmq")
_WARM_UP_PER_ENGINE = 100
_MEASURED_TASKS = 10_000
_CALLS = 500


def warm_up(system: System, engines: int) -> None:
    """Let every process start and import before the clock runs."""
    count = _WARM_UP_PER_ENGINE * engines
    demand(system.map(noop, range(count)) == list(range(count)), "map lost or mixed results")


def measure_map(system: System, setting: Setting) -> Figures:
    """Time one map of no-ops, one task per item."""
    system.start(setting.engines)
    warm_up(system, setting.engines)
    items = range(setting.tasks(_MEASURED_TASKS))
    begun = time.perf_counter()
    results = system.map(noop, items)
    elapsed = time.perf_counter() - begun
    demand(results == list(items), "map lost or mixed results")
    return {"rate": len(items) / elapsed}


def measure_submit(system: System, setting: Setting) -> Figures:
    """Time single submissions, the loop alone and the loop with all results."""
    system.start(setting.engines)
    warm_up(system, setting.engines)
    items = range(setting.tasks(_MEASURED_TASKS))
    begun = time.perf_counter()
    submitted = [system.submit(noop, item) for item in items]
    looped = time.perf_counter() - begun
    results = system.gather(submitted)
    elapsed = time.perf_counter() - begun
    demand(results == list(items), "submit lost or mixed results")
    return {"rate": len(items) / elapsed, "loop": looped / len(items) * 1e6}


def measure_latency(system: System, setting: Setting) -> Figures:
    """Time calls one after the other, each awaited before the next."""
    system.start(setting.engines)
    warm_up(system, setting.engines)
    times = [_call_time(system, item) for item in range(setting.scaled(_CALLS))]
    return {
        "p50": statistics.median(times) * 1e3,
        "p95": statistics.quantiles(times, n=20)[-1] * 1e3,
    }


def _call_time(system: System, item: int) -> float:
    begun = time.perf_counter()
    result = system.call(noop, item)
    elapsed = time.perf_counter() - begun
    demand(result == item, "a call returned another call's result")
    return elapsed


MAP = Workload(
    name="map",
    title="map of 10,000 no-ops, chunksize 1",
    metrics=(Metric(name="rate", unit="tasks/s", higher_is_better=True),),
    engines=(2,),
    systems=_EVERYONE,
    measure=measure_map,
)
SUBMIT = Workload(
    name="submit",
    title="10,000 no-ops submitted one by one, all results gathered",
    metrics=(
        Metric(name="rate", unit="tasks/s", higher_is_better=True),
        Metric(name="loop", unit="us/submit", higher_is_better=False),
    ),
    engines=(2,),
    systems=_EVERYONE,
    measure=measure_submit,
)
LATENCY = Workload(
    name="latency",
    title="500 calls, one after the other",
    metrics=(
        Metric(name="p50", unit="ms", higher_is_better=False),
        Metric(name="p95", unit="ms", higher_is_better=False),
    ),
    engines=(2,),
    systems=_EVERYONE,
    measure=measure_latency,
)

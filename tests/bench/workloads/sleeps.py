"""Tasks that only take time: how close to ideal they are dealt out."""

from __future__ import annotations

import heapq
import random
import time
from typing import TYPE_CHECKING

from tests.bench.functions import sleep
from tests.bench.workloads.contract import Figures, Limit, Metric, Setting, Workload
from tests.bench.workloads.tasks import warm_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.systems.contract import System

_SLEEPS = 200
_SHORTEST, _LONGEST = 0.005, 1.0
_TAIL = 0.85
_SEED = 1
_EVEN_SLEEP = 0.01
_EVEN_SLEEPS_PER_ENGINE = 100


def heavy_tailed_sleeps(count: int) -> list[float]:
    """Draw sleeps of 5 ms to 1 s, most of them short, the same ones in every run."""
    chance = random.Random(_SEED)
    return [min(_LONGEST, _SHORTEST * chance.paretovariate(_TAIL)) for _ in range(count)]


def perfect_makespan(sleeps: Sequence[float], engines: int) -> float:
    """Compute the makespan of list scheduling: each sleep, in order, to the first free engine."""
    free_at = [0.0] * engines
    for seconds in sleeps:
        heapq.heapreplace(free_at, free_at[0] + seconds)
    return max(free_at)


def measure_makespan(system: System, setting: Setting) -> Figures:
    """Compare the makespan of uneven sleeps with a perfect scheduler's."""
    sleeps = heavy_tailed_sleeps(_SLEEPS)
    elapsed = _elapsed(system, setting, sleeps)
    return {"excess": elapsed / perfect_makespan(sleeps, setting.engines)}


def measure_scaling(system: System, setting: Setting) -> Figures:
    """Compare the time of even sleeps with the ideal: the same for any number of engines."""
    per_engine = setting.scaled(_EVEN_SLEEPS_PER_ENGINE)
    elapsed = _elapsed(system, setting, [_EVEN_SLEEP] * (per_engine * setting.engines))
    return {"efficiency": per_engine * _EVEN_SLEEP / elapsed * 100}


def _elapsed(system: System, setting: Setting, sleeps: list[float]) -> float:
    system.start(setting.engines)
    warm_up(system, setting.engines)
    system.map(sleep, [_EVEN_SLEEP] * setting.engines * 2)
    begun = time.perf_counter()
    system.map(sleep, sleeps)
    return time.perf_counter() - begun


MAKESPAN = Workload(
    name="makespan",
    title="200 heavy-tailed sleeps, against a perfect list scheduler",
    metrics=(Metric(name="excess", unit="x perfect", higher_is_better=False),),
    engines=(8,),
    systems=("ours", "processpool", "distributed", "ipyparallel"),
    measure=measure_makespan,
)
SCALING = Workload(
    name="scaling",
    title="100 sleeps of 10 ms per engine, ideal / actual",
    metrics=(Metric(name="efficiency", unit="% of ideal", higher_is_better=True),),
    engines=(1, 4, 16, 64),
    systems=("ours", "processpool", "distributed", "ipyparallel"),
    measure=measure_scaling,
    limits={
        "ipyparallel": Limit(usual=4, full=16),
        "distributed": Limit(usual=4, full=16),
    },
)

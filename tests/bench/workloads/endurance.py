"""A million tasks through one cluster: what the hub and the client keep of them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tests.bench import memory
from tests.bench.functions import noop
from tests.bench.workloads.contract import Figures, Metric, Setting, Workload, demand
from tests.bench.workloads.tasks import warm_up

if TYPE_CHECKING:
    from tests.bench.systems.contract import System

_TASKS = 1_000_000
_TASKS_PER_MAP = 50_000


def measure_memory(system: System, setting: Setting) -> Figures:
    """Compare resident memory before and after maps of 50,000 no-ops each."""
    system.start(setting.engines)
    warm_up(system, setting.engines)
    items = range(_TASKS_PER_MAP)
    maps = setting.scaled(_TASKS) // len(items)
    hub, client = memory.resident(system.hub_pids()), memory.resident([os.getpid()])
    begun = time.perf_counter()
    for _ in range(maps):
        demand(sum(system.map(noop, items)) == sum(items), "map lost or mixed results")
    elapsed = time.perf_counter() - begun
    return {
        "hub": memory.resident(system.hub_pids()) - hub,
        "hub_peak": memory.peak_resident(system.hub_pids()) - hub,
        "clientmemory": memory.resident([os.getpid()]) - client,
        "rate": maps * len(items) / elapsed,
    }


HUB_MEMORY = Workload(
    name="hubmemory",
    title="1,000,000 no-ops in maps of 50,000: what hub and client keep",
    metrics=(
        Metric(name="hub", unit="MB grown", higher_is_better=False),
        Metric(name="hub_peak", unit="MB peak", higher_is_better=False),
        Metric(name="clientmemory", unit="MB grown", higher_is_better=False),
        Metric(name="rate", unit="tasks/s", higher_is_better=True),
    ),
    engines=(2,),
    systems=("ours",),
    measure=measure_memory,
    timeout=600.0,
)

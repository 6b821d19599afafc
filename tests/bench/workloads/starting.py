"""From nothing to ready and back to nothing, and what an engine weighs at rest."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tests.bench import memory
from tests.bench.functions import noop_without_argument, process_id
from tests.bench.workloads.contract import Figures, Limit, Metric, Setting, Workload, demand

if TYPE_CHECKING:
    from tests.bench.systems.contract import System


def measure_start(system: System, setting: Setting) -> Figures:
    """Time start and stop; the import of the client's library is not counted.

    The engines' memory is their proportional set size, so pages that forked engines share
    are counted once; ``total`` is everything that was started: hub, agents and helpers too.
    """
    begun = time.perf_counter()
    system.start(setting.engines)
    answers = system.broadcast(noop_without_argument, tree=False)
    started = time.perf_counter() - begun
    demand(len(answers) == setting.engines, "an engine did not answer")
    figures = {"start": started} | _weights(system, setting)
    begun = time.perf_counter()
    system.stop()
    return figures | {"stop": time.perf_counter() - begun}


def _weights(system: System, setting: Setting) -> Figures:
    engines = set(system.broadcast(process_id, tree=False))
    demand(len(engines) == setting.engines, "two engines share a process")
    everything = set(memory.marked(os.environ[memory.MARK])) - {os.getpid()}
    return {
        "engine": memory.proportional(engines) / setting.engines,
        "total": memory.proportional(everything),
    }


START = Workload(
    name="start",
    title="start until every engine has answered, memory, stop",
    metrics=(
        Metric(name="start", unit="s", higher_is_better=False),
        Metric(name="stop", unit="s", higher_is_better=False),
        Metric(name="engine", unit="MB each", higher_is_better=False),
        Metric(name="total", unit="MB in all", higher_is_better=False),
    ),
    engines=(2, 8, 32),
    systems=("ours", "ipyparallel", "distributed"),
    measure=measure_start,
    limits={
        "ipyparallel": Limit(usual=2, full=8),
        "distributed": Limit(usual=2, full=8),
    },
)

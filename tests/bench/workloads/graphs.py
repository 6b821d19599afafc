"""Tasks whose arguments are the results of others: chains, diamonds, and a large value."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from tests.bench.functions import Arrived, arrive, count_all, make, noop, successor
from tests.bench.workloads.contract import Figures, Metric, Setting, Workload, demand
from tests.bench.workloads.tasks import warm_up

if TYPE_CHECKING:
    from tests.bench.systems.contract import System

_LINKS = 1_000
_DIAMOND = 10_000
_NBYTES = 200_000_000
_TRIPS = 12
_BOTH = ("ours", "distributed")


def measure_chain(system: System, setting: Setting) -> Figures:
    """Time a chain of tasks, each with the result of the one before as its argument."""
    system.start(setting.engines)
    warm_up(system, setting.engines)
    links = setting.scaled(_LINKS)
    begun = time.perf_counter()
    link = system.submit(successor, 0)
    for _ in range(links - 1):
        link = system.submit_with(successor, [link])
    last = system.wait_for(link)
    elapsed = time.perf_counter() - begun
    demand(last == links, "a link is missing")
    return {"link": elapsed / links * 1e3}


def measure_diamond(system: System, setting: Setting) -> Figures:
    """Time one task, many that need it, and one that needs all of these; and as many alone."""
    system.start(setting.engines)
    warm_up(system, setting.engines)
    count = setting.scaled(_DIAMOND)
    begun = time.perf_counter()
    alone = system.gather([system.submit(noop, item) for item in range(count)])
    plain = time.perf_counter() - begun
    demand(alone == list(range(count)), "submit lost or mixed results")
    begun = time.perf_counter()
    root = system.submit(noop, 7)
    middle = [system.submit_with(noop, [root]) for _ in range(count - 2)]
    ends = system.wait_for(system.submit_with(count_all, middle))
    elapsed = time.perf_counter() - begun
    demand(ends == count - 2, "a task is missing")
    return {"rate": count / elapsed, "share": plain / elapsed}


def measure_value(system: System, setting: Setting) -> Figures:
    """Time a large result on its way to a task in another process, and the reading of it there."""
    system.start(setting.engines)
    warm_up(system, setting.engines)
    nbytes = setting.scaled(_NBYTES)
    trips: list[Arrived] = []
    for _ in range(_TRIPS):
        made = system.submit_with(make, [nbytes])
        arrived: Arrived = system.wait_for(system.submit_with(arrive, [made]))
        demand(arrived.total == nbytes // 8, "the array is not what was made")
        if arrived.travelled:
            trips.append(arrived)
    demand(bool(trips), "the value never went to another process")
    return {
        "transit": statistics.median([trip.transit for trip in trips]) * 1e3,
        "read": statistics.median([trip.read for trip in trips]) * 1e3,
    }


CHAIN = Workload(
    name="chain",
    title="a chain of 1,000 tasks, each with the result of the one before",
    metrics=(Metric(name="link", unit="ms a link", higher_is_better=False),),
    engines=(2,),
    systems=_BOTH,
    measure=measure_chain,
)
DIAMOND = Workload(
    name="diamond",
    title="one task, 9,998 that need it, one that needs all of these",
    metrics=(
        Metric(name="rate", unit="tasks/s", higher_is_better=True),
        Metric(name="share", unit="of the rate without dependencies", higher_is_better=True),
    ),
    engines=(2,),
    systems=_BOTH,
    measure=measure_diamond,
)
VALUE = Workload(
    name="value",
    title="an array of 200 MB made by one task and read by another",
    metrics=(
        Metric(name="transit", unit="ms from the end of one to the other", higher_is_better=False),
        Metric(name="read", unit="ms to read it", higher_is_better=False),
    ),
    engines=(2,),
    systems=_BOTH,
    measure=measure_value,
)

"""Large arrays: as argument and result of one call, and pushed to all engines.

Each figure comes twice: the call alone, and the call with one reading of every element that
arrived, for a system may hand over memory whose pages come only when they are touched.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.bench import memory
from tests.bench.functions import identity, increment, total
from tests.bench.workloads.contract import Figures, Limit, Metric, Setting, Workload, demand

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tests.bench.systems.contract import System

_NBYTES = 100_000_000
_TRIPS = 3


@dataclass(frozen=True, kw_only=True)
class _Trip:
    """Seconds of one call, and of the call with one reading of what it brought."""

    call: float
    read: float


def measure_array(system: System, setting: Setting) -> Figures:
    """Time an array there and back, unchanged."""
    return _round_trips(system, setting, function=identity, added=0.0)


def measure_array_modified(system: System, setting: Setting) -> Figures:
    """Time an array there and back, every element changed on the way."""
    return _round_trips(system, setting, function=increment, added=1.0)


def measure_push(system: System, setting: Setting) -> Figures:
    """Time one array to all engines."""
    system.start(setting.engines)
    nbytes = setting.scaled(_NBYTES)
    _push(system, setting, _array(nbytes, seed=0))
    before = _hub_memory(system)
    trips = [_push(system, setting, _array(nbytes, seed=1 + trip)) for trip in range(_TRIPS)]
    return _rates(trips, nbytes * setting.engines) | _hub_growth(system, before)


def _round_trips(
    system: System,
    setting: Setting,
    *,
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    added: float,
) -> Figures:
    system.start(setting.engines)
    nbytes = setting.scaled(_NBYTES)
    _round_trip(system, function, _array(nbytes, seed=0), added=added)
    before = _hub_memory(system)
    trips = [
        _round_trip(system, function, _array(nbytes, seed=1 + trip), added=added)
        for trip in range(_TRIPS)
    ]
    return _rates(trips, 2 * nbytes) | _hub_growth(system, before)


def _round_trip(
    system: System,
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    array: NDArray[np.float64],
    *,
    added: float,
) -> _Trip:
    expected = total(array) + added * array.size
    begun = time.perf_counter()
    result = system.call(function, array)
    called = time.perf_counter()
    found = total(result)
    read = time.perf_counter()
    demand(result is not array, "the array never left the client")
    demand(bool(np.isclose(found, expected)), "the array came back changed")
    return _Trip(call=called - begun, read=read - begun)


def _push(system: System, setting: Setting, array: NDArray[np.float64]) -> _Trip:
    expected = total(array)
    begun = time.perf_counter()
    system.push("bench_array", array)
    pushed = time.perf_counter()
    found = system.read_pushed(total, "bench_array")
    read = time.perf_counter()
    demand(len(found) == setting.engines, "an engine did not get the array")
    demand(bool(np.allclose(found, expected)), "an engine got another array")
    return _Trip(call=pushed - begun, read=read - begun)


def _array(nbytes: int, *, seed: int) -> NDArray[np.float64]:
    """Make an array that no compression and no cache of earlier ones can help with."""
    return np.random.default_rng(seed).random(nbytes // 8)


def _rates(trips: list[_Trip], nbytes: int) -> Figures:
    return {
        "call": nbytes / 1e6 / statistics.median(trip.call for trip in trips),
        "read": nbytes / 1e6 / statistics.median(trip.read for trip in trips),
    }


def _hub_memory(system: System) -> float:
    return memory.resident(system.hub_pids())


def _hub_growth(system: System, before: float) -> Figures:
    """Compare with before; a system without a process in the middle has no such figures."""
    pids = system.hub_pids()
    if not pids:
        return {}
    return {
        "hub": memory.resident(pids) - before,
        "hub_peak": max(0.0, memory.peak_resident(pids) - before),
    }


_METRICS = (
    Metric(name="call", unit="MB/s", higher_is_better=True),
    Metric(name="read", unit="MB/s", higher_is_better=True),
    Metric(name="hub", unit="MB grown", higher_is_better=False),
    Metric(name="hub_peak", unit="MB peak", higher_is_better=False),
)
_PEERS = ("ours", "loky", "processpool", "distributed", "ipyparallel", "pyzmq-pair")

ARRAY = Workload(
    name="array",
    title="100 MB array as argument and as result of one call",
    metrics=_METRICS,
    engines=(2,),
    systems=_PEERS,
    measure=measure_array,
)
ARRAY_MODIFIED = Workload(
    name="array_modified",
    title="100 MB array as argument, every element changed, and back",
    metrics=_METRICS,
    engines=(2,),
    systems=_PEERS,
    measure=measure_array_modified,
)
PUSH = Workload(
    name="push",
    title="100 MB array pushed to all engines",
    metrics=_METRICS,
    engines=(4,),
    systems=("ours", "ipyparallel", "distributed"),
    measure=measure_push,
    limits={"ipyparallel": Limit(usual=4, full=4)},
)

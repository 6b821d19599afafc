"""All workloads by name, in the order in which a run takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.workloads.arrays import ARRAY, ARRAY_MODIFIED, PUSH
from tests.bench.workloads.broadcast import BROADCAST
from tests.bench.workloads.endurance import HUB_MEMORY
from tests.bench.workloads.graphs import CHAIN, DIAMOND, VALUE
from tests.bench.workloads.gridsearch import GRID_SEARCH
from tests.bench.workloads.notebooks import PX_CELL, PX_FIRST, PX_FLOOD, PX_STREAM
from tests.bench.workloads.sleeps import MAKESPAN, SCALING
from tests.bench.workloads.starting import START
from tests.bench.workloads.tasks import LATENCY, MAP, SUBMIT

if TYPE_CHECKING:
    from tests.bench.workloads.contract import Workload

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        MAP,
        SUBMIT,
        LATENCY,
        BROADCAST,
        ARRAY,
        ARRAY_MODIFIED,
        PUSH,
        CHAIN,
        DIAMOND,
        VALUE,
        GRID_SEARCH,
        START,
        MAKESPAN,
        SCALING,
        HUB_MEMORY,
        PX_CELL,
        PX_STREAM,
        PX_FLOOD,
        PX_FIRST,
    )
}

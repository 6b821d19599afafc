"""What a user of a notebook waits for, seen from the front end of a real kernel.

A cell's time runs from its request to the front end's hearing that the kernel is idle again.
"""

from __future__ import annotations

import re
import statistics
from typing import TYPE_CHECKING

from tests.bench.workloads.contract import Figures, Metric, Setting, Workload, demand
from tests.support.kernels import Notebook, opened

if TYPE_CHECKING:
    from tests.bench.systems.contract import System
    from tests.support.cells import Cell

_MS = 1000.0
_ROUNDS = 100
_STREAMS = 20
_LINES = 100_000
_PATIENCE = 200.0
_SECONDS = re.compile(r"now=(\d+\.\d+)")
_STREAMING = """%%px --stream
import time
print(f"now={time.monotonic()}", flush=True)
time.sleep(0.3)
"""


def measure_cell(system: System, setting: Setting) -> Figures:
    """Time the smallest cell on all engines, and the same cell in the kernel, by turns."""
    with opened(judged=False) as notebook:
        _prepare(notebook, system, setting)
        bare, px = [], []
        for _ in range(setting.scaled(_ROUNDS)):
            bare.append(_timed(notebook, "x = 1"))
            px.append(_timed(notebook, "%%px\nx = 1"))
    usual = statistics.median(bare)
    return {
        "beyond": (statistics.median(px) - usual) * _MS,
        "slowest": (max(px) - usual) * _MS,
        "bare": usual * _MS,
    }


def measure_stream(system: System, setting: Setting) -> Figures:
    """Time what engines print and go on, from the print to the front end."""
    late: list[float] = []
    with opened(judged=False) as notebook:
        _prepare(notebook, system, setting)
        for _ in range(setting.scaled(_STREAMS)):
            seen = _first_seen(notebook.ok(_STREAMING))
            demand(len(seen) == setting.engines, "an engine's output is missing")
            late += [arrived - printed for printed, arrived in seen.items()]
    return {"usual": statistics.median(late) * _MS, "slowest": max(late) * _MS}


def measure_flood(system: System, setting: Setting) -> Figures:
    """Time a loop of prints on all engines, and the same loop in the kernel."""
    loop = f"for line in range({setting.scaled(_LINES)}): print(line)"
    with opened(judged=False) as notebook:
        _prepare(notebook, system, setting)
        local = statistics.median(_timed(notebook, loop) for _ in range(3))
        px = _timed(notebook, f"%%px\n{loop}")
    return {"ratio": px / local, "engines": px, "local": local}


def measure_first(system: System, setting: Setting) -> Figures:
    """Time the first cells of a fresh notebook, until every engine has answered."""
    with opened(judged=False) as notebook:
        return {"first": sum(_timed(notebook, cell) for cell in system.notebook(setting.engines))}


def _prepare(notebook: Notebook, system: System, setting: Setting) -> None:
    for cell in system.notebook(setting.engines):
        notebook.ok(cell, timeout=_PATIENCE)
    for _ in range(3):
        notebook.ok("%%px\nx = 0")


def _timed(notebook: Notebook, code: str) -> float:
    return notebook.ok(code, timeout=_PATIENCE).duration


def _first_seen(cell: Cell) -> dict[float, float]:
    """Return when each printed time was seen first, by what was printed."""
    seen: dict[float, float] = {}
    for message in cell.messages:
        for printed in _SECONDS.findall(str(message.content)):
            seen.setdefault(float(printed), message.arrived)
    return seen


_BOTH = ("ours", "ipyparallel")

PX_CELL = Workload(
    name="px-cell",
    title="%%px x = 1, beyond the same cell in the kernel",
    metrics=(
        Metric(name="beyond", unit="ms", higher_is_better=False),
        Metric(name="slowest", unit="ms beyond", higher_is_better=False),
        Metric(name="bare", unit="ms", higher_is_better=False),
    ),
    engines=(4,),
    systems=_BOTH,
    measure=measure_cell,
)

PX_STREAM = Workload(
    name="px-stream",
    title="from a print on an engine to the front end, while the cell goes on",
    metrics=(
        Metric(name="usual", unit="ms", higher_is_better=False),
        Metric(name="slowest", unit="ms", higher_is_better=False),
    ),
    engines=(4,),
    systems=_BOTH,
    measure=measure_stream,
)

PX_FLOOD = Workload(
    name="px-flood",
    title="100,000 lines printed by each engine, against the same loop in the kernel",
    metrics=(
        Metric(name="ratio", unit="times", higher_is_better=False),
        Metric(name="engines", unit="s", higher_is_better=False),
        Metric(name="local", unit="s", higher_is_better=False),
    ),
    engines=(4,),
    systems=_BOTH,
    measure=measure_flood,
    timeout=300.0,
)

PX_FIRST = Workload(
    name="px-first",
    title="a fresh notebook's cells until %%px has answered, with no cluster running",
    metrics=(Metric(name="first", unit="s", higher_is_better=False),),
    engines=(4,),
    systems=_BOTH,
    measure=measure_first,
)

"""One measurement in a process of its own; ``runner`` starts it.

The figures are written before the system is stopped, so that a stop that hangs costs no
figures. The last line of a failure goes into the same file.
"""

from __future__ import annotations

import faulthandler
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.plan import Cell
from tests.bench.systems import registry
from tests.bench.workloads.catalogue import WORKLOADS
from tests.bench.workloads.contract import Setting

if TYPE_CHECKING:
    from tests.bench.workloads.contract import Figures

_LONGEST_ERROR = 300
_SHARE_BEFORE_DUMP = 0.9


def main(cell: Cell, answer: Path) -> None:
    """Measure, and write ``{"figures": …}`` or ``{"error": …}`` to the answer file."""
    workload = WORKLOADS[cell.workload]
    faulthandler.dump_traceback_later(workload.timeout * _SHARE_BEFORE_DUMP)
    try:
        _measure(cell, answer)
    except Exception as error:  # noqa: BLE001 - any failure of any system is a finding
        _write(answer, error=_line(error))
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _measure(cell: Cell, answer: Path) -> None:
    system = registry.build(cell.system)
    setting = Setting(
        engines=cell.engines,
        share=registry.SYSTEMS[cell.system].share,
        quick=cell.quick,
    )
    try:
        figures = WORKLOADS[cell.workload].measure(system, setting)
        _write(answer, figures=figures)
    finally:
        system.stop()


def _write(answer: Path, *, figures: Figures | None = None, error: str | None = None) -> None:
    """Add to what the answer holds: a failed stop joins the figures it came after."""
    held = json.loads(answer.read_text()) if answer.exists() else {}
    if figures is not None:
        held["figures"] = figures
    if error is not None:
        held["error"] = error
    answer.write_text(json.dumps(held))


def _line(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}"[:_LONGEST_ERROR]


if __name__ == "__main__":
    main(Cell(**json.loads(sys.argv[1])), Path(sys.argv[2]))

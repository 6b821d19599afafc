"""Runs measurements one after the other, each in its own process, and outlives all of them.

A system that fails, hangs or leaves processes behind costs its own figures and nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import memory
from tests.bench.systems import registry
from tests.bench.workloads.catalogue import WORKLOADS

if TYPE_CHECKING:
    from tests.bench.plan import Cell
    from tests.bench.workloads.contract import Figures

_ROOT = Path(__file__).parents[2]
_GRACE = 3.0
_STDERR_KEPT = 4000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one measurement.

    Attributes
    ----------
    figures
        Empty where it failed before it had any.
    error
        One line, or empty; may accompany figures when only the stop went wrong.
    leftovers
        Processes that had to be killed afterwards.
    load
        The machine's load average over the last minute, when it began.
    stderr
        The end of what it wrote there, kept only with an error.
    """

    cell: Cell
    figures: Figures = field(default_factory=dict)
    error: str = ""
    leftovers: int = 0
    load: float = 0.0
    stderr: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return the fields for JSON."""
        return asdict(self)


def run(cell: Cell) -> Outcome:
    """Make one measurement, in at most its workload's timeout and a few seconds."""
    if not registry.is_installed(cell.system):
        return Outcome(cell=cell, error="not installed")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as directory:
        return _run_in(Path(directory), cell, load)


def _run_in(directory: Path, cell: Cell, load: float) -> Outcome:
    mark = uuid.uuid4().hex
    answer, stderr = directory / "answer.json", directory / "stderr"
    hung = _wait(cell, directory, mark=mark)
    leftovers = memory.end_marked(mark, grace=0.0 if hung else _GRACE)
    figures, error = _held(answer)
    if hung:
        error = f"gave up after {WORKLOADS[cell.workload].timeout:.0f} s"
    return Outcome(
        cell=cell,
        figures=figures,
        error=error,
        leftovers=0 if hung else leftovers,
        load=load,
        stderr=stderr.read_text(errors="replace")[-_STDERR_KEPT:] if error else "",
    )


def _held(answer: Path) -> tuple[Figures, str]:
    """Read what the measurement wrote; nothing at all means that its process died."""
    if not answer.exists():
        return {}, "its process died"
    held = json.loads(answer.read_text())
    return held.get("figures", {}), held.get("error", "")


def _wait(cell: Cell, directory: Path, *, mark: str) -> bool:
    """Run the measurement's process to its end; tell whether it had to be given up."""
    arguments = [json.dumps(cell.to_dict()), str(directory / "answer.json")]
    with (
        (directory / "stderr").open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.cell", *arguments],
            cwd=_ROOT,
            env=_environment(directory, mark),
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
        ) as process,
    ):
        try:
            process.wait(WORKLOADS[cell.workload].timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            return True
        except BaseException:
            process.kill()
            memory.end_marked(mark, grace=0.0)
            raise
    return False


def _environment(directory: Path, mark: str) -> dict[str, str]:
    """Keep each measurement's files in its own directory, and the task functions importable."""
    return os.environ | {
        memory.MARK: mark,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")])),
        "TMPDIR": str(directory),
        "IPYTHONDIR": str(directory / "ipython"),
        "JUPYTER_DATA_DIR": str(directory / "data"),
        "JUPYTER_RUNTIME_DIR": str(directory / "runtime"),
        "DASK_TEMPORARY_DIRECTORY": str(directory / "dask"),
    }

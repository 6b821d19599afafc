"""The command line: ``python -m tests.bench --help``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tests.bench import plan, report, runner
from tests.bench.systems import registry
from tests.bench.workloads.catalogue import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.bench.runner import Outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write the raw figures where that was asked for."""
    options = _parser().parse_args(arguments)
    choice = plan.Choice(
        workloads=options.only,
        systems=options.systems,
        repeats=options.repeat,
        quick=options.quick,
        full=options.full,
    )
    begun, before = datetime.now(UTC), os.getloadavg()
    _say(f"load average before: {_loads(before)}")
    outcomes = _measure(list(plan.cells(choice)))
    after, rows = os.getloadavg(), report.rows(outcomes)
    _say(f"\n{report.table(rows)}\n")
    _say("Medians; (ours 2x) means that ours is twice as good, whichever way is better.")
    _say(f"load average before: {_loads(before)}, after: {_loads(after)}")
    if options.json is not None:
        run = {"begun": begun.isoformat(), "load_before": before, "load_after": after}
        _write(options.json, run | _surroundings(choice), outcomes, rows)
    return 0


def _measure(cells: Sequence[plan.Cell]) -> list[Outcome]:
    """Make all measurements; an interrupt ends the list early and keeps what there is."""
    outcomes: list[Outcome] = []
    try:
        for number, cell in enumerate(cells, start=1):
            where = f"{cell.workload} {cell.engines} {cell.system} #{cell.repeat + 1}"
            outcome = runner.run(cell)
            outcomes.append(outcome)
            _say(f"[{number}/{len(cells)}] {where}: {_summary(outcome)}", stream=sys.stderr)
    except KeyboardInterrupt:
        _say("interrupted: what follows is incomplete", stream=sys.stderr)
    return outcomes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all raw figures here")
    parser.add_argument(
        "--only",
        type=_names(WORKLOADS),
        default=tuple(WORKLOADS),
        metavar="NAME,...",
        help=f"workloads among {', '.join(WORKLOADS)}",
    )
    parser.add_argument(
        "--systems",
        type=_names(registry.SYSTEMS),
        default=tuple(registry.SYSTEMS),
        metavar="NAME,...",
        help=f"systems among {', '.join(registry.SYSTEMS)}",
    )
    parser.add_argument("--repeat", type=int, default=3, help="measurements per figure")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of tasks and bytes, 8 engines"
    )
    parser.add_argument("--full", action="store_true", help="start peers at larger sizes too")
    return parser


def _names(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Make an argparse type: known names, joined by commas."""
    known = tuple(known)

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := [name for name in names if name not in known]:
            message = f"unknown: {', '.join(unknown)}; known are {', '.join(known)}"
            raise argparse.ArgumentTypeError(message)
        return names

    return parse


def _summary(outcome: Outcome) -> str:
    figures = ", ".join(f"{name} {value:.4g}" for name, value in outcome.figures.items())
    left = f"{outcome.leftovers} processes killed" if outcome.leftovers else ""
    return "; ".join(filter(None, [figures, outcome.error, left]))


def _surroundings(choice: plan.Choice) -> dict[str, object]:
    return {
        "choice": asdict(choice),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: registry.version(name) for name in registry.SYSTEMS},
    }


def _write(
    file: Path, run: dict[str, object], outcomes: list[Outcome], rows: list[report.Row]
) -> None:
    run |= {
        "outcomes": [outcome.to_dict() for outcome in outcomes],
        "rows": [asdict(row) for row in rows],
    }
    file.write_text(json.dumps(run, indent=1) + "\n")


def _loads(loads: tuple[float, float, float]) -> str:
    return " ".join(f"{load:.2f}" for load in loads)


def _say(text: str, *, stream: TextIO = sys.stdout) -> None:
    stream.write(f"{text}\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())

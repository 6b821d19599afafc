"""From outcomes to medians, ratios and a table. Pure: no process, no clock, no output."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.systems.registry import OURS
from tests.bench.workloads.catalogue import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.bench.runner import Outcome
    from tests.bench.workloads.contract import Figures, Metric

_NO_VALUE = "-"
_FEW_DIGITS_FROM = 100


@dataclass(frozen=True, kw_only=True)
class Row:
    """One system under one workload at one size, all repeats taken together.

    Attributes
    ----------
    medians
        By metric; without those that never came.
    advantages
        How many times better ours is, by metric: above 1 ours wins, whichever way the metric
        points. Empty for ours itself, without metrics that either side lacks or has at zero.
    repeats, attempts
        How many measurements brought figures, and how many were made.
    error
        The last failure among the repeats, or empty.
    leftovers
        The largest number of processes left behind.
    """

    workload: str
    engines: int
    system: str
    medians: Figures
    advantages: Figures
    repeats: int
    attempts: int
    error: str
    leftovers: int


def rows(outcomes: Iterable[Outcome]) -> list[Row]:
    """Sum up a run, in the order of its first repeat."""
    groups: dict[tuple[str, int, str], list[Outcome]] = {}
    for outcome in outcomes:
        cell = outcome.cell
        groups.setdefault((cell.workload, cell.engines, cell.system), []).append(outcome)
    medians = {key: _medians(group) for key, group in groups.items()}
    return [
        _row(key, group, medians[key], medians.get((key[0], key[1], OURS), {}))
        for key, group in groups.items()
    ]


def table(rows: Sequence[Row]) -> str:
    """Lay the rows out for a terminal: a block per workload and size."""
    blocks: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        blocks.setdefault((row.workload, row.engines), []).append(row)
    return "\n\n".join(_block(key[0], key[1], block) for key, block in blocks.items())


def advantage(metric: Metric, *, ours: float, theirs: float) -> float | None:
    """Compute how many times better ours is, or None where one of them is not positive."""
    if ours <= 0 or theirs <= 0:
        return None
    return ours / theirs if metric.higher_is_better else theirs / ours


def _medians(group: Sequence[Outcome]) -> Figures:
    values: dict[str, list[float]] = {}
    for outcome in group:
        for name, value in outcome.figures.items():
            values.setdefault(name, []).append(value)
    return {name: statistics.median(found) for name, found in values.items()}


def _row(
    key: tuple[str, int, str], group: Sequence[Outcome], medians: Figures, ours: Figures
) -> Row:
    workload, engines, system = key
    return Row(
        workload=workload,
        engines=engines,
        system=system,
        medians=medians,
        advantages={} if system == OURS else _advantages(workload, ours, medians),
        repeats=sum(bool(outcome.figures) for outcome in group),
        attempts=len(group),
        error=next((outcome.error for outcome in reversed(group) if outcome.error), ""),
        leftovers=max(outcome.leftovers for outcome in group),
    )


def _advantages(workload: str, ours: Figures, theirs: Figures) -> Figures:
    found = {
        metric.name: advantage(metric, ours=ours[metric.name], theirs=theirs[metric.name])
        for metric in WORKLOADS[workload].metrics
        if metric.name in ours and metric.name in theirs
    }
    return {name: value for name, value in found.items() if value is not None}


def _block(workload: str, engines: int, block: Sequence[Row]) -> str:
    metrics = WORKLOADS[workload].metrics
    header = ["system", *(f"{metric.name} [{metric.unit}]" for metric in metrics)]
    lines = [header, *([row.system, *(_value(row, metric) for metric in metrics)] for row in block)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    notes = ["", *(_note(row) for row in block)]
    title = f"{workload}, {engines} engines: {WORKLOADS[workload].title}"
    return "\n".join([title, *map(_line, lines, [widths] * len(lines), notes)])


def _line(texts: Sequence[str], widths: Sequence[int], note: str) -> str:
    first = texts[0].ljust(widths[0])
    rest = [text.rjust(width) for text, width in zip(texts[1:], widths[1:], strict=True)]
    return "  ".join(["", first, *rest, note]).rstrip()


def _value(row: Row, metric: Metric) -> str:
    """Write the median and, in brackets, how many times better ours is."""
    if metric.name not in row.medians:
        return _NO_VALUE
    text = _number(row.medians[metric.name])
    if metric.name in row.advantages:
        text += f" (ours {_number(row.advantages[metric.name])}x)"
    return text


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _FEW_DIGITS_FROM else f"{value:.3g}"


def _note(row: Row) -> str:
    left = f"left {row.leftovers} processes behind" if row.leftovers else ""
    few = f"figures of {row.repeats} of {row.attempts}" if 0 < row.repeats < row.attempts else ""
    return "; ".join(filter(None, [few, row.error, left]))

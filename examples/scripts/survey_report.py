"""Tables and a picture of what `stdlib_survey.py` found."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from survey_modules import Figures

SHOWN = 8
by_package = attrgetter("package")
by_hardest = attrgetter("hardest_complexity")


class Timing(NamedTuple):
    """How long a way of doing the work took, in seconds."""

    way: str
    start: float
    work: float


def modules_table(figures: Iterable[Figures], by: str) -> str:
    """Return the modules that have most of something, without the test suites."""
    modules = sorted((f for f in figures if not f.is_test), key=attrgetter(by), reverse=True)
    columns = ("module", "lines", "functions", "classes", "nesting", "complexity")
    return table(columns, [attrgetter(*columns)(f) for f in modules[:SHOWN]])


def functions_table(figures: Iterable[Figures]) -> str:
    """Return the most complex functions, one of each module, without the test suites."""
    modules = sorted((f for f in figures if not f.is_test), key=by_hardest, reverse=True)
    return table(
        ("function", "module", "complexity"),
        [(f.hardest, f.module, f.hardest_complexity) for f in modules[:SHOWN]],
    )


def packages_table(figures: Iterable[Figures]) -> str:
    """Return the packages with the most lines."""
    rows: list[tuple[str, int, int, int, str]] = []
    for package, group in groupby(sorted(figures, key=by_package), by_package):
        members = list(group)
        lines, complexity = sum(f.lines for f in members), sum(f.complexity for f in members)
        hardest = max(members, key=by_hardest).module
        rows.append((package, len(members), lines, complexity, hardest))
    rows.sort(key=lambda row: row[2], reverse=True)
    columns = ("package", "modules", "lines", "complexity", "with the most complex function")
    return table(columns, rows[:SHOWN])


def timings_table(timings: Sequence[Timing]) -> str:
    """Return the times, and how many times faster than the first way each is."""
    alone = timings[0].work
    return table(
        ("", "start [s]", "work [s]", "speed-up"),
        [(t.way, f"{t.start:.2f}", f"{t.work:.2f}", f"{alone / t.work:.2f} ×") for t in timings],
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out rows below their heads: figures to the right, words to the left."""
    cells = [list(heads), *([_text(cell) for cell in row] for row in rows)]
    columns = list(zip(*cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    aligns = [">" if all(c[:1].isdigit() for c in column[1:]) else "<" for column in columns]
    lines = [
        "  ".join(
            f"{cell:{align}{width}}" for cell, align, width in zip(row, aligns, widths, strict=True)
        )
        for row in cells
    ]
    rule = "─" * max(map(len, lines))
    return "\n".join(f"  {line}".rstrip() for line in [lines[0], rule, *lines[1:]])


def save_plot(figures: Sequence[Figures], path: Path) -> Path:
    """Draw size against complexity, a dot for each module, and return where the picture is."""
    import matplotlib as mpl  # slow to import, and the engines have no use for it

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 6), layout="constrained")
    for label, colour, wanted in (("tests", "tab:gray", True), ("library", "tab:blue", False)):
        dots = [f for f in figures if f.is_test is wanted and f.lines and f.complexity]
        sizes = [4.0 * f.nesting for f in dots]
        x, y = [f.lines for f in dots], [f.complexity for f in dots]
        axes.scatter(x, y, s=sizes, c=colour, alpha=0.6, label=f"{label} ({len(dots)})")
    for f in _landmarks(figures):
        axes.annotate(
            f.module, (f.lines, f.complexity), (-70, 12), textcoords="offset points",
            ha="right", va="center", fontsize=8, arrowprops={"arrowstyle": "-", "alpha": 0.3},
        )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="lines", ylabel="complexity, added up")
    axes.set_title("The modules of Python's standard library (larger dots: more deeply nested)")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


def _landmarks(figures: Iterable[Figures]) -> list[Figures]:
    """Choose modules to name: the most complex ones, as far apart as their names need."""
    chosen: list[Figures] = []
    for f in sorted(figures, key=attrgetter("complexity"), reverse=True):
        far = not chosen or f.complexity < 0.8 * chosen[-1].complexity
        if far and not f.is_test and len(chosen) < SHOWN:
            chosen.append(f)
    return chosen


def _text(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)

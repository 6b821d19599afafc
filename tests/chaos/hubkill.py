"""The hub is killed while thousands of tasks run: a pause, and nothing else.

A takeover needs a processor for a quarter of a second, and no disk. Where others leave it none, it
takes as long as they do: so a pause that is too long comes with what the system was short of.
"""

import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from tests.chaos.recorded import compare
from tests.chaos.report import Report
from tests.chaos.stage import Deliveries, Stage, stage

ENGINES = 4
PATIENCE = 20.0
PAUSE = 2.0
_LOOK_EVERY = 0.001
_MICROSECOND = 1e-6


def hubkill(
    count: int,
    seconds: float,
    *,
    points: int,
    middle: float = 0.5,
    history: int = 20_000,
    seed: int = 0,
) -> Report:
    """Kill the hub in the middle of many tasks, again and again with other tasks.

    Parameters
    ----------
    count, seconds
        How many tasks, and how long each sleeps.
    points
        How often to do all of it. The moments are spread around the middle.
    middle
        After which share of the tasks has been delivered.
    history
        How many ended tasks the hub remembers.
    seed
        Decides the moments.
    """
    report = Report(
        f"the hub killed after {middle:.0%} of {count} tasks of {seconds * 1000:g} ms"
        + (f", of which it remembers {history}" if history < count else ""),
        "a pause; all complete, none that had ended ran again, no exception"
        + ("" if history <= count else ", the history has all of it"),
    )
    pauses: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        done = 0
        while done < points:
            # a cluster ends whose hub dies ten times within a minute
            with stage(ENGINES, seed=seed + done, history=history) as made:
                for _ in range(min(8, points - done)):
                    tasks = Deliveries(Path(folder, f"log-{done}"))
                    pauses.append(_once(report, made, tasks, count, seconds, middle))
                    if history > count:
                        compare(report, made.client, tasks.engines)
                    done += 1
    report.figures |= {"kills": points, "tasks": count * points}
    report.figures["pause, median"] = round(sorted(pauses)[len(pauses) // 2], 3)
    report.limit("pause, longest", max(pauses), PAUSE)
    return report


def _once(
    report: Report, made: Stage, tasks: Deliveries, count: int, seconds: float, middle: float
) -> float:
    """Kill the hub once; return for how long nothing was delivered."""
    tasks.submit(made.client.load_balanced_view(), range(count), seconds)
    when = int(count * middle + made.chance.uniform(-0.02, 0.02) * count)
    deadline = time.monotonic() + PATIENCE
    while len(tasks.times) < when and time.monotonic() < deadline:
        tasks.answers[count - 1].wait(_LOOK_EVERY)
    before = _shortages()
    made.kill_hub()
    killed_at = time.monotonic()
    made.check(report, tasks, PATIENCE)
    after = _shortages()
    report.never("failed", {number: repr(error) for number, error in tasks.errors.items()})
    executions = tasks.executions()
    report.never("never ran", [n for n in range(count) if not executions.begun[n]])
    report.never("ran again after its end", executions.again_after_end)
    report.never("ran twice", [n for n, times in executions.begun.items() if times > 1])
    times = [killed_at, *(at for at in tasks.times if at > killed_at)]
    pause = max((b - a for a, b in pairwise(times)), default=0.0)
    if pause > PAUSE:
        short = ", ".join(f"{what} {after[what] - before[what]:.1f} s" for what in before)
        sys.stderr.write(f"a pause of {pause:.2f} s; somebody waited for: {short}\n{made.logs}\n")
    return pause


def _shortages() -> dict[str, float]:
    """Return for how many seconds somebody has waited for what, where the system tells."""
    files = [Path("/proc/pressure", what) for what in ("cpu", "io", "memory")]
    some = {file.name: file.read_text().split()[4] for file in files if file.exists()}
    return {what: int(total.removeprefix("total=")) * _MICROSECOND for what, total in some.items()}

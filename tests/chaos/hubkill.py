"""The hub is killed while thousands of tasks run: a pause, and nothing else."""

import tempfile
import time
from itertools import pairwise
from pathlib import Path

from tests.chaos.report import Report
from tests.chaos.stage import Deliveries, Stage, stage

ENGINES = 4
PATIENCE = 20.0
PAUSE = 2.0
_LOOK_EVERY = 0.001


def hubkill(
    count: int,
    seconds: float,
    *,
    points: int,
    middle: float = 0.5,
    history: int = 10_000,
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
        "a pause; all complete, none that had ended ran again, no exception",
    )
    pauses: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        done = 0
        while done < points:
            # a cluster ends whose hub dies ten times within a minute
            with stage(ENGINES, seed=seed + done, history=history) as made:
                for _ in range(min(8, points - done)):
                    log = Path(folder, f"log-{done}")
                    pauses.append(_once(report, made, log, count, seconds, middle))
                    done += 1
    report.figures |= {"kills": points, "tasks": count * points}
    report.figures["pause, median"] = round(sorted(pauses)[len(pauses) // 2], 3)
    report.limit("pause, longest", max(pauses), PAUSE)
    return report


def _once(
    report: Report, made: Stage, log: Path, count: int, seconds: float, middle: float
) -> float:
    """Kill the hub once; return for how long nothing was delivered."""
    tasks = Deliveries(log)
    tasks.submit(made.client.load_balanced_view(), range(count), seconds)
    when = int(count * middle + made.chance.uniform(-0.02, 0.02) * count)
    deadline = time.monotonic() + PATIENCE
    while len(tasks.times) < when and time.monotonic() < deadline:
        tasks.answers[count - 1].wait(_LOOK_EVERY)
    made.kill_hub()
    killed_at = time.monotonic()
    made.check(report, tasks, PATIENCE)
    report.never("failed", {number: repr(error) for number, error in tasks.errors.items()})
    executions = tasks.executions()
    report.never("never ran", [n for n in range(count) if not executions.begun[n]])
    report.never("ran again after its end", executions.again_after_end)
    report.never("ran twice", [n for n, times in executions.begun.items() if times > 1])
    times = [killed_at, *(at for at in tasks.times if at > killed_at)]
    return max((b - a for a, b in pairwise(times)), default=0.0)

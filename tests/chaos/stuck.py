"""The hub is killed while an engine cannot answer: it is stopped, or holds its interpreter."""

import ctypes
import os
import signal
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Literal

from tests.chaos.report import Report
from tests.chaos.stage import Deliveries, Stage, stage
from tests.support.waiting import wait_until

How = Literal["stopped", "in C"]
"""What keeps the engine from answering."""
ENGINES = 4
PATIENCE = 60.0
PAUSE = 2.0
LAG = 3
"""So many tasks at most are with the engine that has begun them: one that runs, others not said."""
HELD = 6.0
"""For how long the interpreter is held."""


def stuck(how: How, count: int, seconds: float, *, points: int, seed: int = 0) -> Report:
    """Kill the hub while an engine is stuck, again and again with other tasks.

    Parameters
    ----------
    how
        What keeps the engine from answering.
    count, seconds
        How many tasks, and how long each sleeps.
    points
        How often to do all of it.
    seed
        Decides which engine is stuck, and when.
    """
    report = Report(
        f"the hub killed while an engine is stuck ({how}), {count} tasks",
        "a pause; what the engine has not begun goes on elsewhere, nothing runs twice",
    )
    pauses: list[float] = []
    with tempfile.TemporaryDirectory() as folder, stage(ENGINES, seed=seed) as made:
        for point in range(points):
            tasks = Deliveries(Path(folder, f"log-{point}"))
            pauses.append(_once(report, made, tasks, how, range(count), seconds))
    report.figures |= {"kills": points, "tasks": count * points}
    report.figures["pause, median"] = round(sorted(pauses)[len(pauses) // 2], 3)
    report.limit("pause, longest", max(pauses), PAUSE)
    return report


def _once(
    report: Report, made: Stage, tasks: Deliveries, how: How, numbers: range, seconds: float
) -> float:
    """Kill the hub once; return for how long nothing was delivered of what is not stuck."""
    victim = made.chance.choice(made.client.ids)
    pid = made.client[victim].apply_sync(os.getpid)
    tasks.submit(made.client.load_balanced_view(), numbers, seconds)
    wait_until(lambda: len(tasks.times) >= made.chance.uniform(0.1, 0.4) * len(numbers), PATIENCE)
    if how == "stopped":
        made.members.send(pid, signal.SIGSTOP)
    else:
        begun = tasks.log.with_suffix(".held")
        held = made.client[victim].apply_async(_hold, HELD, str(begun))
        wait_until(begun.exists, PATIENCE)
    made.kill_hub()
    killed_at = time.monotonic()
    try:
        wait_until(lambda: len(tasks.times) >= len(numbers) - LAG, PATIENCE)
        until = time.monotonic()
    finally:
        made.members.send(pid, signal.SIGCONT)
    made.check(report, tasks, PATIENCE)
    if how == "in C":
        report.never("the task that held the interpreter", held.get(PATIENCE) != pid)
    report.never("failed", {number: repr(error) for number, error in tasks.errors.items()})
    executions = tasks.executions()
    report.never("ran twice", [n for n, times in executions.begun.items() if times > 1])
    times = [killed_at, *(at for at in sorted(tasks.times) if killed_at < at <= until)]
    return max((b - a for a, b in pairwise(times)), default=0.0)


def _hold(seconds: float, begun: str) -> int:
    """Let no other thread of this engine run."""
    Path(begun).touch()
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    return os.getpid()

"""The hub is killed where more processes compute than there are processors."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise

from tests.chaos.report import Report
from tests.chaos.stage import Stage, stage
from tests.support.waiting import wait_until

ENGINES = 4
TASKS, BEFORE = 300, 50
PATIENCE = 60.0
PAUSE = 2.0
MOST_DEATHS = 3
"""After so many quick ones the next hub waits before it starts."""


def compute(seconds: float) -> float:
    """Use the processor for so long."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        continue
    return seconds


@contextmanager
def others(count: int) -> Iterator[None]:
    """Have so many other processes compute."""
    with ExitStack() as stack:
        for _ in range(count):
            other = subprocess.Popen([sys.executable, "-S", "-c", "while True: continue"])
            stack.callback(other.wait)
            stack.callback(other.kill)
        yield


def crowded(kills: int, *, busy: int, seconds: float = 0.005, seed: int = 0) -> Report:
    """Kill the hub while engines compute, and others too.

    Parameters
    ----------
    kills
        How often.
    busy
        How many others.
    seconds
        How much computing time a task takes.
    seed
        Of the stage.
    """
    report = Report(
        f"the hub killed while {ENGINES} engines and {busy} other processes compute",
        "a pause; all complete, no exception",
    )
    pauses: list[float] = []
    with others(busy):
        while len(pauses) < kills:
            with stage(ENGINES, seed=seed) as made:
                count = min(MOST_DEATHS, kills - len(pauses))
                pauses += [_once(report, made, seconds) for _ in range(count)]
    report.figures |= {"kills": kills}
    report.figures["pause, median"] = round(sorted(pauses)[kills // 2], 3)
    report.limit("pause, longest", max(pauses), PAUSE)
    return report


def _once(report: Report, made: Stage, seconds: float) -> float:
    """Kill the hub once; return for how long nothing was delivered."""
    view, times = made.client.load_balanced_view(), list[float]()
    answers = [view.submit(compute, seconds) for _ in range(TASKS)]
    for answer in answers:
        answer.add_done_callback(lambda _: times.append(time.monotonic()))
    wait_until(lambda: len(times) >= BEFORE, PATIENCE)
    made.kill_hub()
    [killed_at] = made.killed_at[-1:]
    errors = [answer.exception(PATIENCE) for answer in answers]
    report.never("failed", [repr(error) for error in errors if error is not None])
    report.never("wrong", [n for n, answer in enumerate(answers) if answer.get() != seconds])
    return max(b - a for a, b in pairwise([killed_at, *(at for at in times if at > killed_at)]))

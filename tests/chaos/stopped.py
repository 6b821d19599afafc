"""Processes that are stopped for a while and go on, as under a debugger or on a host that swaps."""

import signal
import tempfile
import time
from pathlib import Path
from typing import Literal

from tests.chaos.report import Report
from tests.chaos.script import Script
from tests.chaos.stage import Deliveries, Stage, stage

Who = Literal["engine", "hub", "agent", "everybody"]
"""Whom to stop."""
ENGINES = 4
PATIENCE = 120.0


def stopped(
    who: Who,
    count: int,
    seconds: float,
    *,
    pause: float,
    seed: int = 0,
) -> Report:
    """Stop processes while tasks run, and have them go on after a pause.

    Parameters
    ----------
    who
        Whom.
    count, seconds
        How many tasks, and how long each sleeps.
    pause
        For how long, in seconds.
    seed
        Decides which engine.
    """
    report = Report(
        f"SIGSTOP of {who if who == 'everybody' else 'the ' + who} for {pause:g} s",
        "all complete, each ran once and was delivered once",
    )
    with stage(ENGINES, seed=seed) as made, tempfile.TemporaryDirectory() as folder:
        pids = _pids(made, who)
        hub = made.client.hub_pid
        tasks = Deliveries(Path(folder, "log"))
        script = Script()
        for pid in pids:
            script.at(0.2, lambda pid=pid: made.members.send(pid, signal.SIGSTOP))  # type: ignore[misc]
            script.at(0.2 + pause, lambda pid=pid: made.members.send(pid, signal.SIGCONT))  # type: ignore[misc]
        began = time.monotonic()
        with script:
            tasks.submit(made.client.load_balanced_view(), range(count), seconds)
            made.check(report, tasks, PATIENCE)
            took = time.monotonic() - began
            made.client[:].apply_async(int).wait(PATIENCE)
        executions = tasks.executions()
        report.never("failed", {number: repr(error) for number, error in tasks.errors.items()})
        report.never("ran twice", [n for n, times in executions.begun.items() if times > 1])
        report.never("another hub", made.client.hub_pid != hub)
        report.figures |= {"tasks": count, "stopped": len(pids)}
        ideal = count * seconds / ENGINES
        report.limit("seconds more than the pause and the work", took - pause - ideal, 2.0)
    return report


def _pids(made: Stage, who: str) -> list[int]:
    members = made.members
    match who:
        case "engine":
            return [made.chance.choice(members.engines())]
        case "hub":
            return members.hubs()
        case "agent":
            return members.agents()
        case _:
            return [*members.engines(), *members.hubs(), *members.agents()]

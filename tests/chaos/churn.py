"""Engines, and the hub, that are killed again and again while thousands of tasks run."""

import tempfile
import time
from pathlib import Path

import ipcluster_ext as ipp
from tests.chaos.report import Report
from tests.chaos.script import Script
from tests.chaos.stage import Deliveries, Stage, stage

ENGINES = 4
ANY_NUMBER = 1_000
PATIENCE = 300.0


def churn(
    count: int,
    seconds: float,
    *,
    engine_every: float = 0.5,
    hub_every: float = 0.0,
    fragile: float = 0.0,
    least: float = 0.5,
    seed: int = 0,
) -> Report:
    """Kill engines, and the hub, again and again.

    Parameters
    ----------
    count, seconds
        How many tasks, and how long each sleeps.
    engine_every, hub_every
        One engine, and the hub, are killed every so many seconds; 0 for never.
    fragile
        The share of tasks that may not run again.
    least
        The share of the undisturbed throughput that is promised.
    seed
        Decides which engines are killed, and which tasks are fragile.
    """
    hub = f" and the hub every {hub_every:g} s" if hub_every else ""
    report = Report(
        f"an engine of {ENGINES} killed every {engine_every:g} s{hub}, "
        f"{count} tasks of {seconds * 1000:g} ms",
        "all results right, each delivered once"
        + ("; of those without retries none ran twice" if fragile else ""),
    )
    with stage(ENGINES, seed=seed) as made, tempfile.TemporaryDirectory() as folder:
        undisturbed = _undisturbed(made, Path(folder, "calm"), count, seconds)
        few = {number for number in range(count) if made.chance.random() < fragile}
        tasks = Deliveries(Path(folder, "log"))
        script = Script().every(engine_every, made.kill_engine)
        if hub_every:
            script.every(hub_every, made.kill_hub)
        began = time.monotonic()
        with script:
            _submit(made.client, tasks, count, seconds, few)
            made.check(report, tasks, PATIENCE)
        took = time.monotonic() - began
        _judge(report, tasks, few)
        report.figures |= {"tasks": count, "seconds": round(took, 2), **made.killed}
        report.figures["of the undisturbed rate"] = round(undisturbed / took, 2)
        report.limit("times as long as undisturbed", took / undisturbed, 1 / least)
        ideal = count * seconds / ENGINES
        report.figures["times the ideal"] = round(took / ideal, 2)
    return report


def _undisturbed(made: Stage, log: Path, count: int, seconds: float) -> float:
    """Return how long as many tasks take when nothing happens; a part of them is measured."""
    part = min(count, max(200, count // 5))
    for measured in (False, True):
        tasks = Deliveries(log)
        began = time.monotonic()
        tasks.submit(made.client.load_balanced_view(), range(part if measured else 50), seconds)
        assert tasks.wait(PATIENCE) == []
    return (time.monotonic() - began) * count / part


def _submit(
    client: ipp.Client, tasks: Deliveries, count: int, seconds: float, few: set[int]
) -> None:
    retry = ipp.Retry(ANY_NUMBER, on_engine_lost=ANY_NUMBER)
    sturdy = client.load_balanced_view(retries=retry)
    fragile = client.load_balanced_view(retries=0)
    for number in range(count):
        tasks.submit(fragile if number in few else sturdy, range(number, number + 1), seconds)


def _judge(report: Report, tasks: Deliveries, few: set[int]) -> None:
    errors, executions = tasks.errors, tasks.executions()
    begun = executions.begun
    report.never("failed", {n: repr(error) for n, error in errors.items() if n not in few})
    report.never(
        "failed otherwise than by a lost engine",
        {n: repr(e) for n, e in errors.items() if n in few and not isinstance(e, ipp.EngineLost)},
    )
    report.never("ran twice without retries", [n for n in few if begun[n] > 1])
    report.never("ran in two places at once", executions.overlapping)
    report.figures["ran again"] = sum(times - 1 for times in begun.values())
    if few:
        report.figures["without retries"] = len(few)
        report.figures["of these lost"] = len(errors)

"""All kinds of tasks at once, while the hub, or engines as well, are killed now and then."""

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import ipcluster_ext as ipp
from tests.chaos import work
from tests.chaos.churn import ANY_NUMBER, ENGINES
from tests.chaos.report import Report
from tests.chaos.script import Script
from tests.chaos.stage import stage

PATIENCE = 60.0
LINKS, PLAIN, ITEMS = 20, 100, 2_000
LARGE = 2_000_000


def add_one(value: int) -> int:
    """Be a link of a chain."""
    time.sleep(0.002)
    return value + 1


def turned(data: bytes) -> bytes:
    """Return something large."""
    return data[::-1]


async def later(value: int) -> int:
    """Be a coroutine."""
    await asyncio.sleep(0.05)
    return -value


def parent(count: int) -> int:
    """Wait for tasks of its own."""
    view = ipp.connect().load_balanced_view(
        retries=ipp.Retry(ANY_NUMBER, on_engine_lost=ANY_NUMBER)
    )
    return sum(view.map_sync(abs, range(-count, 0)))


class _Round:
    """Tasks of all kinds, and what is to come of them."""

    def __init__(
        self, view: ipp.LoadBalancedView, log: Path, first: int, *, careless: bool
    ) -> None:
        self._expected: list[tuple[str, ipp.AsyncResult, Any]] = []
        chain = [view.submit(add_one, 0)]
        for _ in range(LINKS - 1):
            chain.append(view.submit(add_one, chain[-1]))
        self._add("a chain", chain[-1], LINKS)
        for number in range(first, first + PLAIN):
            answer = view.submit(work.task, str(log), number, 0.002)
            self._add("a task", answer, work.value_of(number))
        ahead = view.map_async(abs, range(-ITEMS, 0), chunksize=50)
        self._add("a map", ahead, list(range(ITEMS, 0, -1)))
        large = os.urandom(LARGE)
        self._add("something large", view.submit(turned, large), large[::-1])
        before = view.submit(turned, large)
        again = view.submit(turned, before)
        self._add("something large from another task", again, large)
        self._kept = [] if careless else [*chain, before]
        for value in range(10):
            self._add("a coroutine", view.submit(later, value), -value)
        self._add("nested tasks", view.submit(parent, 20), 210)

    def _add(self, what: str, answer: ipp.AsyncResult, value: Any) -> None:
        self._expected.append((what, answer, value))

    def judge(self, report: Report) -> None:
        """Wait for the outcomes, and note what is not as it should be."""
        deadline = time.monotonic() + PATIENCE
        for what, answer, value in self._expected:
            try:
                returned = answer.get(max(0.0, deadline - time.monotonic()))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                report.never(f"{what} failed", f"{type(error).__name__}: {error}")
            else:
                report.never(f"{what} was wrong", returned != value)


def mixed(
    rounds: int,
    *,
    hub_every: float,
    engine_every: float = 0.0,
    careless: bool = False,
    seed: int = 0,
) -> Report:
    """Have tasks of all kinds run while the hub is killed, and engines.

    Parameters
    ----------
    rounds
        How many times to submit a hundred and more tasks.
    hub_every, engine_every
        The hub, and one engine, are killed every so many seconds; 0 for never.
    careless
        Whether answers that other tasks need are let go of at once.
    seed
        Decides which engines.
    """
    engines = f" and an engine every {engine_every:g} s" if engine_every else ""
    report = Report(
        f"the hub killed every {hub_every:g} s{engines}, tasks of all kinds",
        "all results right" + ("" if engine_every else ", each ran once"),
    )
    retry = ipp.Retry(ANY_NUMBER, on_engine_lost=ANY_NUMBER)
    with stage(ENGINES, seed=seed) as made, tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        view = made.client.load_balanced_view(retries=retry if engine_every else 0)
        script = Script().every(hub_every, made.kill_hub)
        if engine_every:
            script.every(engine_every, made.kill_engine)
        began = time.monotonic()
        with script:
            waiting: list[_Round] = []
            for number in range(rounds):
                waiting.append(_Round(view, log, number * PLAIN, careless=careless))
                if len(waiting) == 3:
                    waiting.pop(0).judge(report)
            for each in waiting:
                each.judge(report)
        took = time.monotonic() - began
        executions = work.read(log)
        begun = executions.begun
        report.never("never ran", [n for n in range(rounds * PLAIN) if not begun[n]])
        if not engine_every:
            report.never("ran twice", [n for n, times in begun.items() if times > 1])
        if report.wrong:
            report.wrong.append(made.logs)
        report.figures |= {"rounds": rounds, "seconds": round(took, 1), **made.killed}
    return report

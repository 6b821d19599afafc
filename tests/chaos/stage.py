"""A real cluster in a runtime folder of its own, and what is left of it in the end."""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import ipcluster_ext as ipp
from ipcluster_ext.client.result import AsyncResult
from tests.chaos import work
from tests.chaos.members import Members
from tests.chaos.report import Report
from tests.support.leftovers import leftovers_of, shared_memory_of

RUNTIME = "IPCLUSTER_EXT_RUNTIME_DIR"


@contextmanager
def runtime_folder() -> Iterator[Path]:
    """Have clusters live in a new folder, which goes in the end."""
    folder = Path(tempfile.mkdtemp(prefix="ipx-", dir="/tmp"))
    before = os.environ.get(RUNTIME)
    os.environ[RUNTIME] = str(folder)
    try:
        yield folder
    finally:
        if before is None:
            del os.environ[RUNTIME]
        else:
            os.environ[RUNTIME] = before
        shutil.rmtree(folder, ignore_errors=True)


class Stage:
    """A cluster that runs, with a client.

    Attributes
    ----------
    members
        Its processes.
    chance
        Decides whom a fault hits.
    """

    def __init__(self, cluster: ipp.Cluster, client: ipp.Client, runtime: Path, seed: int) -> None:
        self.cluster = cluster
        self.client = client
        self.runtime = runtime
        self.members = Members(runtime)
        self.chance = Random(seed)
        self.killed: Counter[str] = Counter()
        self.killed_at: list[float] = []

    def kill_engine(self) -> None:
        """Kill an engine, whichever."""
        engines = self.members.engines()
        if engines and self.members.kill(self.chance.choice(engines)):
            self.killed["engines"] += 1

    def kill_hub(self) -> None:
        """Kill the hub, if there is one at the moment."""
        for hub in self.members.hubs():
            if self.members.kill(hub):
                self.killed["hubs"] += 1
                self.killed_at.append(time.monotonic())

    @property
    def logs(self) -> str:
        """The last that agent and hub have written."""
        said = [self.cluster.folder / name for name in ("agent.log", "hub.log")]
        return "\n".join(
            f"{log.name}: {line}" for log in said for line in log.read_text().splitlines()[-30:]
        )

    def check(self, report: Report, tasks: "Deliveries", patience: float) -> None:
        """Wait for tasks and note what must not be of any: lost, wrong, delivered twice."""
        if lost := tasks.wait(patience):
            sys.stderr.write(self.logs + "\n")
            report.never(f"lost ({len(lost)})", lost)
        report.never("wrong results", tasks.wrong)
        report.never("delivered twice", tasks.repeated)

    @property
    def left(self) -> list[str]:
        """Processes, files and shared memory of the cluster."""
        memory = shared_memory_of(self.cluster.cluster_id)
        return [*leftovers_of(self.runtime), *map(str, memory)]


@contextmanager
def stage(engines: int, *, seed: int = 0, **options: Any) -> Iterator[Stage]:
    """Start a cluster and connect to it; nothing of it may be left in the end.

    Raises
    ------
    AssertionError
        Something was.
    """
    with runtime_folder() as runtime:
        cluster = ipp.Cluster(n=engines, **options)
        with cluster.start_and_connect_sync() as client:
            made = Stage(cluster, client, runtime, seed)
            try:
                yield made
            except ipp.HubGone:
                sys.stderr.write(cluster._run.agent.logs() if cluster._run else "")  # noqa: SLF001
                raise
        cluster.stop_cluster_sync()
        assert made.left == [], made.left


class Deliveries:
    """Tasks that were submitted, and how often each was delivered.

    Parameters
    ----------
    log
        The file where tasks note their execution.

    Attributes
    ----------
    log
        As given.
    answers, counts, times
        Of each task how it ends, how often that was delivered, and when anything was.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._lock = threading.Lock()
        self.answers: dict[int, AsyncResult] = {}
        self.counts: Counter[int] = Counter()
        self.times: list[float] = []

    def submit(self, view: ipp.LoadBalancedView, numbers: range, seconds: float) -> None:
        """Submit tasks of so many seconds, one by one."""
        for number in numbers:
            answer = view.submit(work.task, str(self.log), number, seconds)
            self.answers[number] = answer
            answer.add_done_callback(partial(self._note, number))

    def _note(self, number: int, _answer: object) -> None:
        with self._lock:
            self.counts[number] += 1
            self.times.append(time.monotonic())

    def wait(self, timeout: float) -> list[int]:
        """Wait until all have ended; return those that have not, after so many seconds."""
        deadline = time.monotonic() + timeout
        for answer in self.answers.values():
            answer.wait(max(0.0, deadline - time.monotonic()))
        return [number for number, answer in self.answers.items() if not answer.done()]

    @property
    def errors(self) -> dict[int, BaseException]:
        """The failures."""
        failed = {number: answer.exception(0) for number, answer in self._ended()}
        return {number: error for number, error in failed.items() if error is not None}

    def _ended(self) -> list[tuple[int, AsyncResult]]:
        return [(number, answer) for number, answer in self.answers.items() if answer.done()]

    @property
    def engines(self) -> dict[str, object]:
        """Where each task ran that has ended, by its id."""
        return {answer.msg_ids[0]: answer.engine_id for _, answer in self._ended()}

    @property
    def wrong(self) -> list[int]:
        """Tasks whose result is not what it should be."""
        return [
            number
            for number, answer in self._ended()
            if answer.exception(0) is None and answer.result(0) != work.value_of(number)
        ]

    @property
    def repeated(self) -> list[int]:
        """Tasks that were delivered more than once."""
        return [number for number, count in self.counts.items() if count > 1]

    def executions(self) -> work.Executions:
        """Return what the engines have noted."""
        return work.read(self.log)

"""What tasks do under chaos: each writes down when and where it begins and ends.

The file is opened with ``O_APPEND`` and every line is one write, so lines of many processes never
mix, and what was written stays whatever happens to the writer.
"""

import os
import time
from collections import Counter, defaultdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """A line of the log; ``at`` is by the monotonic clock, which all processes share."""

    task: int
    pid: int
    began: bool
    at: float


class Executions(NamedTuple):
    """What was executed, in the order of the log."""

    entries: list[Entry]

    @property
    def begun(self) -> Counter[int]:
        """How often each task was begun."""
        return Counter(entry.task for entry in self.entries if entry.began)

    @property
    def again_after_end(self) -> list[int]:
        """Tasks that were begun again although they had ended."""
        ended: set[int] = set()
        again: list[int] = []
        for entry in self.entries:
            if not entry.began:
                ended.add(entry.task)
            elif entry.task in ended:
                again.append(entry.task)
        return again

    @property
    def overlapping(self) -> list[int]:
        """Tasks of which two executions that came to their end were under way at once."""
        begun: dict[tuple[int, int], float] = {}
        spans: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
        for entry in self.entries:
            key = entry.task, entry.pid
            if entry.began:
                begun[key] = entry.at
            elif key in begun:
                spans[entry.task].append((begun.pop(key), entry.at))
        return [
            task
            for task, ran in spans.items()
            if any(sooner[1] > later[0] for sooner, later in pairwise(sorted(ran)))
        ]


def value_of(task: int) -> int:
    """Return the right result of a task."""
    return 7 * task + 1


def task(log: str, number: int, seconds: float) -> int:
    """Be a task: write, sleep, write, return."""
    _write(log, "B", number)
    time.sleep(seconds)
    _write(log, "E", number)
    return value_of(number)


def _write(log: str, what: str, number: int) -> None:
    os.write(_file(log, os.getpid()), b"%s %d %d %.6f\n" % (
        what.encode(), number, os.getpid(), time.monotonic(),
    ))  # fmt: skip


@cache
def _file(log: str, _pid: int) -> int:
    """Open the log, once in each process."""
    return os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)


def read(log: Path) -> Executions:
    """Read the log."""
    entries: list[Entry] = []
    for line in log.read_text().splitlines() if log.exists() else ():
        what, number, pid, at = line.split()
        entries.append(Entry(int(number), int(pid), what == "B", float(at)))
    return Executions(entries)

"""The logs of a cluster: what its hub, its agent and its engines write beside their tasks."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ipcluster_ext.transport.files import engine_log

if TYPE_CHECKING:
    from ipcluster_ext import Client

_TAIL = 64 * 1024


class Tail:
    """A file that grows.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def last(self, lines: int) -> list[str]:
        """Return its last lines, and begin to read behind them."""
        try:
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                file.seek(max(0, size - _TAIL))
                content = file.read()
        except OSError:
            return []
        self._offset = max(0, size - _TAIL) + len(content)
        return content.decode(errors="replace").splitlines()[-lines:] if lines > 0 else []

    def more(self) -> list[str]:
        """Return the whole lines that have come since; nothing once it is deleted."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except OSError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode(errors="replace").splitlines()


def show_logs(folder: Path, *, engine: int | None, lines: int) -> dict[Path, Tail]:
    """Write the last lines of a cluster's logs; return the logs.

    Parameters
    ----------
    folder
        The cluster's folder.
    engine
        Whose log; all logs if None.
    lines
        How many of each.
    """
    tails = {path: Tail(path) for path in _logs(folder, engine)}
    for tail in tails.values():
        _write(tail, tail.last(lines))
    return tails


def show_far_logs(client: "Client", *, engine: int | None, lines: int) -> None:
    """Write the last lines of the logs of engines on other hosts.

    Parameters
    ----------
    client
        A client of the cluster.
    engine
        Whose log; those of all that have none here if None.
    lines
        How many of each.

    Raises
    ------
    NoSuchEngine
        There is no such engine.
    """
    folder = client.connection_file.parent
    wanted = client.ids if engine is None else [engine]
    for number in wanted:
        if engine_log(folder, number).exists():
            continue
        for line in client[number].log(lines):
            sys.stdout.write(f"engine-{number}: {line}\n")
    sys.stdout.flush()


def follow(tails: dict[Path, Tail], *, over: Callable[[], bool]) -> None:
    """Write what comes, until it is over; logs of engines that come later are not among them.

    Parameters
    ----------
    tails
        The logs.
    over
        Waits for a moment, and tells whether nothing will come any more.
    """
    ended = False
    while not ended:
        ended = over()
        for tail in tails.values():
            _write(tail, tail.more())


def _logs(folder: Path, engine: int | None) -> list[Path]:
    found = sorted(folder.glob("*.log"))
    if engine is None:
        return found
    return [path for path in found if _engine_of(path) == engine]


def _engine_of(path: Path) -> int | None:
    """Return the engine that a log is of, by its name; None for the hub's and the agent's."""
    digits = "".join(char for char in path.stem if char.isdigit())
    return int(digits) if path.stem.startswith("engine") and digits else None


def _write(tail: Tail, lines: list[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{tail.path.stem}: {line}\n")
    sys.stdout.flush()

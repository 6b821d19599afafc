"""What launchers are asked to start in tests: small programs in the place of host agents."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from ipcluster_ext.cluster.launchers.contract import Launcher, Order, Process
from tests.support.waiting import wait_until

SECRET = "a-key-that-nobody-may-see"
PROGRAM = Path(__file__).with_name("pretend.py")


class PretendOrder(Order):
    """Has launchers start programs that say that they are there, and end when told.

    Parameters
    ----------
    folder
        For the launcher.
    cluster
        The id of the cluster that it is for.
    """

    def __init__(self, folder: Path, cluster: str = "0123456789abcdef") -> None:
        self.cluster = cluster
        self.folder = folder / "order"
        self.there = folder / "there"
        self.folder.mkdir(mode=0o700)
        self.there.mkdir()

    def argv(self, python: str) -> list[str]:
        """Return how such a program is started."""
        return [python, "-P", str(PROGRAM)]

    def config(self, count: int, *, first: int | Literal["rank"] | None = None) -> bytes:
        """Return what it reads."""
        told = {"there": str(self.there), "count": count, "first": first, "key": SECRET}
        return json.dumps(told).encode() + b"\n"

    @property
    def arrived(self) -> list[dict[str, Any]]:
        """What those who have come say of themselves."""
        return sorted(
            (json.loads(path.read_text()) for path in self.there.glob("came-*")),
            key=lambda said: int(said["pid"]),
        )

    @property
    def left(self) -> list[str]:
        """How those have ended who did it in good order."""
        return sorted(path.read_text() for path in self.there.glob("left-*"))

    def until_there(self, count: int, timeout: float = 30.0) -> list[dict[str, Any]]:
        """Wait until so many have come; return what they say of themselves."""
        wait_until(lambda: len(self.arrived) >= count, timeout)
        return self.arrived

    def let_go(self, code: int = 0) -> None:
        """Have all end with an exit code."""
        part = self.there / "part"
        part.write_text(str(code))
        part.rename(self.there / "end")


def launcher(kind: type[Launcher], order: Order, **given: Any) -> Any:
    """Make a launcher of a profile's options, as the cluster does."""
    return kind(msgspec.convert(given, kind.Options), order)


def over(*processes: Process) -> bool:
    """Tell whether all of them have ended."""
    return all(process.poll() is not None for process in processes)


def secrets_of(root: Path, *, but: str) -> Iterator[Path]:
    """Yield the files below a folder that contain the key, except those of a name."""
    for path in root.rglob("*"):
        if path.is_file() and path.name != but and SECRET.encode() in path.read_bytes():
            yield path


def environments() -> Iterator[bytes]:
    """Yield the arguments and the environment of every process that can be read."""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        for name in ("environ", "cmdline"):
            try:
                yield (process / name).read_bytes()
            except OSError:
                continue

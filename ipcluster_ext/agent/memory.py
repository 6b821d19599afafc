"""What the kernel says of memory: how much there is, and whom it has killed for want of it.

It counts its kills per control group (version 1 or 2, whichever has the memory controller) and for
the whole host. A count that has grown since the agent looked last, together with a SIGKILL that
the agent did not send, is as good as a confession; the kernel's log is not ours to read.
"""

from collections import deque
from pathlib import Path
from typing import NamedTuple

from ipcluster_ext.protocol.text import nbytes_text

_ROOT = Path("/")
_FILES = {1: ("memory.limit_in_bytes", "memory.oom_control"), 2: ("memory.max", "memory.events")}
_UNLIMITED = 1 << 60
LOOKS = 2
"""Kills since so many looks ago may be of an engine whose end is heard of now."""


class Group(NamedTuple):
    """A control group's memory; ``version`` is that of control groups."""

    folder: Path
    version: int


class Kills(NamedTuple):
    """How many processes the kernel has killed for memory: in the group, and on the host."""

    group: int
    host: int


class MemoryWatch:
    """Tells whether a process was killed for memory.

    Parameters
    ----------
    root
        Where ``/proc`` and ``/sys`` are.
    """

    def __init__(self, root: Path = _ROOT) -> None:
        self._root = root
        self._group = _own_group(root)
        self._looks: deque[Kills] = deque([self._count()], maxlen=LOOKS)

    def look(self) -> None:
        """Note how many there are by now; to be called every few seconds."""
        self._looks.append(self._count())

    def suspicion(self, used: int) -> str:
        """Tell why a process that was killed, nobody knows by whom, may have been.

        Parameters
        ----------
        used
            How much memory it had at most, in bytes; 0 if that is not known.

        Returns
        -------
        Empty if the kernel has killed nobody lately. A kill explains one death only.
        """
        before, now = self._looks[0], self._count()
        if now.group > before.group:
            where, kills = "in its cgroup", now.group
        elif now.host > before.host:
            where, kills = "on this host", now.host
        else:
            return ""
        self._explain(group=now.group > before.group, host=now.host > before.host)
        size = f"used {nbytes_text(used)} of " if used else "there are "
        ends = "oom kill" if kills == 1 else "oom kills"
        return f"probably for memory: {size}{nbytes_text(self.limit)}; {kills} {ends} {where}"

    def _explain(self, *, group: bool, host: bool) -> None:
        """Use up a kill."""
        explained = [Kills(look.group + group, look.host + host) for look in self._looks]
        self._looks.clear()
        self._looks.extend(explained)

    @property
    def limit(self) -> int:
        """How much memory the processes of this group may have together, in bytes."""
        return min(_limit(self._group), _total(self._root))

    def _count(self) -> Kills:
        group = self._group
        kills = 0 if group is None else _entry(group.folder / _FILES[group.version][1], "oom_kill")
        return Kills(kills, _entry(self._root / "proc/vmstat", "oom_kill"))


def _own_group(root: Path) -> Group | None:
    """Find the control group of this process that limits memory."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            mount, version = root / "sys/fs/cgroup/memory", 1
        elif not controllers:
            mount, version = root / "sys/fs/cgroup", 2
        else:
            continue
        for folder in (mount / path.lstrip("/"), mount):  # inside a container it may be the mount
            if (folder / _FILES[version][1]).exists():
                return Group(folder, version)
    return None


def _limit(group: Group | None) -> int:
    """Return the smallest limit of a group and those it is part of."""
    limits = [_UNLIMITED]
    if group is not None:
        name = _FILES[group.version][0]
        for folder in (group.folder, *group.folder.parents):
            text = _text(folder / name).strip()
            if text.isdecimal():
                limits.append(int(text))
    return min(limits)


def _total(root: Path) -> int:
    return _entry(root / "proc/meminfo", "MemTotal:") * 1024 or _UNLIMITED


def _entry(path: Path, name: str) -> int:
    """Return the number behind a name in one of the kernel's tables, 0 if it is not there."""
    for line in _text(path).splitlines():
        words = line.split()
        if words[:1] == [name]:
            return int(words[1])
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

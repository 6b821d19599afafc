"""What is found out about an engine that died: its tasks, what it used, and wrote last."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ipcluster_ext.agent.leavings import black_box, excerpt, last_lines, size_of
from ipcluster_ext.agent.memory import MemoryWatch
from ipcluster_ext.agent.roster import Death, Launch
from ipcluster_ext.agent.vitals import LOOK_EVERY, Vitals, in_words
from ipcluster_ext.transport import kernelfiles
from ipcluster_ext.transport.blackbox import Begun, begun_in, hold
from ipcluster_ext.transport.express import express_socket
from ipcluster_ext.transport.files import engine_log
from ipcluster_ext.transport.processes import Exit


class _Birth(NamedTuple):
    """When a life began, and how long its engine's log was then."""

    at: float
    log: int


class Autopsy:
    """Looks at engines while they live, and at what they leave.

    Parameters
    ----------
    folder
        The cluster's folder; logs are there.
    boxes
        Where black boxes are, as long as there is room.

    Attributes
    ----------
    vitals
        What living engines use.
    """

    def __init__(self, folder: Path, boxes: Path) -> None:
        self._folder = folder
        self._boxes = boxes
        self._births: dict[int, _Birth] = {}
        self.vitals = Vitals()
        self._memory = MemoryWatch()
        self._look_at = 0.0

    def box(self, life: Launch) -> Path:
        """Return where the black box of a life is to be."""
        return black_box(self._boxes, life.engine, life.boot)

    def begins(self, life: Launch, now: float) -> None:
        """Note that a life is about to begin."""
        self._births[life.boot] = _Birth(now, size_of(engine_log(self._folder, life.engine)))

    def look(self, pids: Sequence[int], now: float) -> bool:
        """Look at living engines, unless that was done a moment ago; tell whether it was not."""
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            self._memory.look()
        if not self.vitals.due(now):
            return False
        self.vitals.look(pids, now)
        return True

    @property
    def limit(self) -> int:
        """How much memory the engines of this host may have together, in bytes."""
        return self._memory.limit

    def begun(self, life: Launch, *, holding: bool = False) -> Begun:
        """Tell which tasks a life has begun, whether it has ended or not.

        Parameters
        ----------
        life
            The life.
        holding
            Whether it is to begin nothing more until the hub has welcomed it.
        """
        box = self._found(life)
        if holding:
            hold(box)
        return begun_in(box)

    def _found(self, life: Launch) -> Path:
        """Return where the black box of a life is."""
        box = self.box(life)
        spare = self._folder / box.name
        return spare if not box.exists() and spare.exists() else box

    def of(self, exited: Exit, life: Launch, now: float) -> Death:
        """Tell all that is known of the end of a life; its files are deleted."""
        birth = self._births.pop(life.boot, _Birth(now, 0))
        log, box = engine_log(self._folder, life.engine), self._found(life)
        begun, up = begun_in(box), box.exists()
        box.unlink(missing_ok=True)
        kernelfiles.sweep(self._folder, life.engine)
        express_socket(self._folder, life.engine).unlink(missing_ok=True)
        seen = self.vitals.of(exited.pid)
        nbytes = max(exited.used.nbytes, 0 if seen is None else seen.nbytes)
        killed = exited.code == -signal.SIGKILL
        return Death(
            exited.pid,
            exited.code,
            up,
            begun.last,
            "".join(last_lines(log, 1)),
            begun.others,
            begun.ran,
            details=_details(
                in_words(seen, exited.used, lived=now - birth.at, now=now), excerpt(log, birth.log)
            ),
            suspicion=self._memory.suspicion(nbytes) if killed else "",
        )

    def unborn(self, life: Launch) -> None:
        """Note that nothing came of a life."""
        self._births.pop(life.boot, None)


def _details(used: str, wrote: str) -> str:
    return f"{used}\nwhat its process wrote last:\n{wrote}" if wrote else used

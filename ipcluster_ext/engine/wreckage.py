"""What failed tasks leave for a debugger: the frames in which they ended.

Frames keep everything alive that their functions had in their hands. So those of a few tasks only
are kept, the latest to have failed, and none that hold much; memory that had run out is given back
at once. Emptying the namespace drops them all.
"""

import sys
import threading
from array import array
from types import TracebackType
from typing import Any

from ipcluster_ext.engine.failures import frames_of_user
from ipcluster_ext.protocol.ids import EngineId, TaskId, task_text
from ipcluster_ext.protocol.postmortem import FramesGone
from ipcluster_ext.protocol.text import nbytes_text

MOST = 2
"""So many failed tasks' frames are kept."""
MOST_NBYTES = 256 * 1024 * 1024
"""Frames that hold more are not kept, as far as can be seen at a glance."""
MOST_FRAMES = 200
"""So many of them are looked at, from the innermost outwards."""
MOST_REASONS = 100
_COUNTED = (bytes, bytearray, str, array)


class Wreckage:
    """The frames of the tasks that failed last.

    Parameters
    ----------
    engine
        The engine's id.
    """

    def __init__(self, engine: EngineId) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._kept: dict[TaskId, BaseException] = {}
        self._reasons: dict[TaskId, str] = {}

    def keep(self, task: TaskId, error: BaseException, skip: int) -> None:
        """Keep what a task raised, with its frames.

        Parameters
        ----------
        task
            Which task.
        error
            What it raised; its traceback is shortened.
        skip
            How many of the outermost frames are ours.
        """
        frames = frames_of_user(error.__traceback__, skip)
        reason = _why_not(error, frames)
        with self._lock:
            self._kept.pop(task, None)
            if reason:
                self._forget(task, reason)
                return
            self._reasons.pop(task, None)
            self._kept[task] = error.with_traceback(frames)
            while len(self._kept) > MOST:
                oldest = next(iter(self._kept))
                del self._kept[oldest]
                self._forget(oldest, f"an engine keeps those of the last {MOST} that failed")

    def _forget(self, task: TaskId, reason: str) -> None:
        self._reasons[task] = reason
        while len(self._reasons) > MOST_REASONS:
            del self._reasons[next(iter(self._reasons))]

    def find(self, task: TaskId) -> BaseException:
        """Return what a task raised, with its frames.

        Raises
        ------
        FramesGone
            They are not here.
        """
        with self._lock:
            error = self._kept.get(task)
            if error is None:
                reason = self._reasons.get(task, "the engine was restarted, or never had it")
                raise FramesGone(task_text(task), int(self._engine), reason)
        return error

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            for task in list(self._kept):
                del self._kept[task]
                self._forget(task, "the engine's namespace was emptied since")


def _why_not(error: BaseException, frames: TracebackType | None) -> str:
    """Tell why a task's frames are not worth keeping; empty if they are."""
    if frames is None:
        return "it failed before any of its code ran"
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
        return "it ran out of memory, which was given back"
    nbytes = held_nbytes(frames)
    if nbytes > MOST_NBYTES:
        return f"they hold {nbytes_text(nbytes)}, and up to {nbytes_text(MOST_NBYTES)} are kept"
    return ""


def held_nbytes(frames: TracebackType | None) -> int:
    """Estimate how much memory frames hold: the arrays, texts and such among their variables."""
    found: list[TracebackType] = []
    while frames is not None:
        found.append(frames)
        frames = frames.tb_next
    seen: set[int] = set()
    nbytes = 0
    for each in found[-MOST_FRAMES:]:
        if each.tb_frame.f_code.co_name == "<module>":
            continue  # what stands in a namespace stays there anyway
        for value in each.tb_frame.f_locals.values():
            if id(value) not in seen:
                seen.add(id(value))
                nbytes += _nbytes(value)
    return nbytes


def _nbytes(value: Any) -> int:
    kind = type(value)
    if kind in _COUNTED:
        return sys.getsizeof(value)
    if kind.__module__.partition(".")[0] in {"numpy", "torch", "cupy"}:
        nbytes = getattr(value, "nbytes", 0)
        return nbytes if isinstance(nbytes, int) else 0
    return 0

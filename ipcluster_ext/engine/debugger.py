"""A debugger whose user sits at a client: `breakpoint`, ``%debug``, and a look at what has failed.

It is IPython's. It reads its commands with `input`, so they are asked for where the task's client
waits, and prints like any other code. What ends it ends it wholly: the end of the input, Ctrl-C,
the interrupt of its task. Frames of this package are not the user's, and hidden.
"""

import pdb
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from IPython.core import debugger
from IPython.core.debugger import InterruptiblePdb

_OURS = str(Path(__file__).parents[1]) + "/"
_SKIPPED = ["ipcluster_ext", "ipcluster_ext.*", "IPython.*", "ipykernel.*"]


class _Left(BaseException):
    """The user wants to hear nothing more of it."""


class EnginePdb(InterruptiblePdb):
    """IPython's debugger, for tasks."""

    def __init__(self, *args: Any, theme: str = "", **kwargs: Any) -> None:
        kwargs.setdefault("skip", _SKIPPED)
        kwargs["nosigint"] = True  # that signal is the engine's
        super().__init__(*args, **kwargs)
        if theme:
            self.set_theme_name(theme)  # type: ignore[no-untyped-call]

    def _cmdloop(self) -> None:
        try:
            super()._cmdloop()  # type: ignore[no-untyped-call]
        except KeyboardInterrupt:  # IPython would say so, and have the task go on
            raise _Left from None

    def interaction(self, frame: FrameType | None, tb_or_exc: Any) -> None:
        """Take commands, until one lets the task go on or ends the debugger.

        Raises
        ------
        KeyboardInterrupt
            The user interrupted it, and with it the task in whose midst it is.
        """
        global used
        used = True
        try:
            super().interaction(frame, tb_or_exc)  # type: ignore[no-untyped-call]
        except _Left:
            if frame is not None:
                raise KeyboardInterrupt from None

    def hidden_frames(self, stack: list[tuple[FrameType, int]]) -> list[bool]:
        """Hide what is not the user's: this package's frames, and those that they are called by."""
        hidden: list[bool] = super().hidden_frames(stack)  # type: ignore[no-untyped-call]
        ours = [frame.f_code.co_filename.startswith(_OURS) for frame, _ in stack]
        last = max((place for place, mine in enumerate(ours) if mine), default=-1)
        return [hide or place <= last for place, hide in enumerate(hidden)]


used = False
"""Whether there was a debugger in a task that may go on step by step."""


def install() -> None:
    """Have `breakpoint` and `set_trace` open this debugger, in this process."""
    sys.breakpointhook = _breakpoint
    pdb.set_trace = _set_trace
    debugger.set_trace = _set_trace  # type: ignore[assignment] # that of a module without types


def _breakpoint(*_args: object, **_options: object) -> None:
    EnginePdb().set_trace(sys._getframe(1))  # type: ignore[no-untyped-call] # noqa: SLF001 - as pdb


def _set_trace(
    frame: FrameType | None = None, *, header: str | None = None, **_options: object
) -> None:
    opened = EnginePdb()
    if header is not None:
        opened.message(header)
    opened.set_trace(frame or sys._getframe(1))  # type: ignore[no-untyped-call] # noqa: SLF001


def look_into(error: BaseException, theme: str) -> None:
    """Have the user look at the frames that an exception has passed."""
    opened = EnginePdb(theme=theme)
    opened.reset()
    opened.interaction(None, error)


def end_task() -> None:
    """Have no task that comes next be stepped through as well."""
    global used
    if used:
        used = False
        sys.settrace(None)

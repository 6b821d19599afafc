"""What a task raised, as its caller meets it, and how that looks."""

import re
import sys
from collections.abc import Callable

from ipcluster_ext.errors.task import KernelError

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class RemoteError(KernelError):
    """A task raised on its engine.

    What is raised at the caller is an instance of this class *and* of the class the task
    raised, wherever that class can travel, so ``except ZeroDivisionError`` works
    (see `client.failure`). The original exception is its ``__cause__``.

    Parameters
    ----------
    ename, evalue
        Class name and text of the original exception.
    traceback
        The engine's traceback, formatted, without a final newline; perhaps with colours.
    engine
        The engine's id, None if the task never reached one.

    Attributes
    ----------
    traceback
        The engine's traceback without colours.
    coloured
        As it came.

    Examples
    --------
    >>> try:
    ...     rc[1].apply_sync(divmod, 1, 0)
    ... except ipp.RemoteError as error:
    ...     print(error.engine, error.ename, error.evalue)
    1 ZeroDivisionError integer division or modulo by zero
    >>> error = rc[1].apply_async(divmod, 1, 0).exception()
    >>> error.render_traceback()[-1]
    'ZeroDivisionError: integer division or modulo by zero'
    """

    ename: str = ""
    evalue: str = ""
    traceback: str = ""
    coloured: str = ""
    engine: int | None = None

    def __init__(self, ename: str, evalue: str, traceback: str, engine: int | None = None) -> None:
        super().__init__(ename, evalue, traceback, engine)
        remember_facts(self, ename, evalue, traceback, engine)

    @property
    def engine_info(self) -> dict[str, int | None]:
        """Where it happened, as ``{'engine_id': 3}``."""
        return {"engine_id": self.engine}

    def __str__(self) -> str:
        where = "" if self.engine is None else f"[engine {self.engine}] "
        return where + self.said

    @property
    def said(self) -> str:
        """What was raised, without where."""
        return f"{self.ename}: {self.evalue}" if self.evalue else self.ename

    def render_traceback(self) -> list[str]:
        """Return the engine's traceback as lines."""
        return (self.traceback or str(self)).splitlines()

    def print_traceback(self) -> None:
        """Write the engine's traceback to ``sys.stdout``, as IPython does where that is."""
        sys.stdout.write("\n".join(_look(self, False)) + "\n")  # noqa: FBT003 - as the hook has it

    def _render_traceback_(self) -> list[str]:
        """Show the engine's traceback, where IPython shows an exception."""
        return _look(self, True)  # noqa: FBT003 - as the hook has it


def remember_facts(
    error: RemoteError, ename: str, evalue: str, traceback: str, engine: int | None
) -> None:
    """Tell an error what is known of it, whatever its class calls its own methods."""
    error.ename, error.evalue, error.engine = ename, evalue, engine
    error.coloured, error.traceback = traceback, _COLOUR.sub("", traceback)


def _as_it_came(error: RemoteError, _whole: bool) -> list[str]:  # noqa: FBT001 - a hook's
    return error.render_traceback()


_look: Callable[[RemoteError, bool], list[str]] = _as_it_came


def show_with(look: Callable[[RemoteError, bool], list[str]]) -> None:
    """Choose how such errors look to who reads them here: whole, or the traceback alone."""
    global _look
    _look = look

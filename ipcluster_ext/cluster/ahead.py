"""Programs that run for a launcher, with a line each way; some are started before it is there.

Nothing of this package is imported here: what is started ahead is not to wait for that.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterable, Sequence

Program = tuple[Sequence[str], str]
"""Its arguments, and the file to which it writes its errors."""


class Ahead:
    """Programs that run already, each to be taken over by whoever would start the same.

    Parameters
    ----------
    programs
        What to start. What cannot be started is passed over: it is tried again, and then reported.
    """

    def __init__(self, programs: Iterable[Program] = ()) -> None:
        self._begun: dict[tuple[tuple[str, ...], str], subprocess.Popen[bytes]] = {}
        for argv, errors in programs:
            with contextlib.suppress(OSError):
                self._begun[tuple(argv), errors] = _start(argv, errors)

    def start(self, argv: Sequence[str], errors: str) -> subprocess.Popen[bytes]:
        """Start a program, or take over the one that runs already; its streams are pipes.

        Parameters
        ----------
        argv
            Its arguments.
        errors
            The file to which it writes its errors; emptied first.

        Raises
        ------
        OSError
            There is no such program, or there are too many processes.
        """
        return self._begun.pop((tuple(argv), errors), None) or _start(argv, errors)

    def end(self) -> None:
        """End what nobody has taken over."""
        for program in self._begun.values():
            program.kill()
            program.communicate()
        self._begun.clear()


def _start(argv: Sequence[str], errors: str) -> subprocess.Popen[bytes]:
    flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW
    file = os.open(errors, flags, 0o600)
    try:
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file)
    finally:
        os.close(file)

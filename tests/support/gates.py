"""Tasks that go on when the test says so."""

import time
from pathlib import Path

_EVERY = 0.002
_LONGEST = 60.0


class Gate:
    """Something that tasks wait for; a file, since they run in other processes.

    Parameters
    ----------
    path
        The file; it must not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> None:
        """Let everybody pass, now and later."""
        self.path.touch()


def pass_through(gate: Path, value: object = None) -> object:
    """Wait at a gate, as a task; return a value."""
    deadline = time.monotonic() + _LONGEST
    while not gate.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(gate)
        time.sleep(_EVERY)
    return value

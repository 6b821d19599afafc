"""Daemons that tests start in the foreground, and end again with all that came of them."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_END_WITHIN = 10.0


class Daemons:
    """Processes that belong together; the last one started is ended first.

    Parameters
    ----------
    folder
        Where they write what they say.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def start(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start one in the foreground."""
        with (self._folder / f"{name}.said").open("wb") as said:
            daemon = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment
            )
        self._started.append(daemon)
        return daemon

    def said(self) -> str:
        """Return what they have written, for a test that cannot begin."""
        return "\n".join(
            f"{path.name}: {path.read_text(errors='replace')[-2000:]}"
            for path in sorted(self._folder.glob("*.said"))
        )

    def stop(self) -> None:
        """End them all."""
        for daemon in reversed(self._started):
            daemon.terminate()
            try:
                daemon.wait(_END_WITHIN)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

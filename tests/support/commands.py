"""Commands of ours, run as processes of their own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def command(*words: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a command as a process; it is over when this is."""
    with subprocess.Popen(
        [sys.executable, "-m", "ipcluster_ext", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def read(process: "subprocess.Popen[str]", until: str) -> list[str]:
    """Read what a command says, up to a line."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if until in line:
            break
    return lines

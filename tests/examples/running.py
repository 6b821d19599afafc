"""Programs as users run them, with clusters that nobody else sees."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.leftovers import leftovers_of

ROOT = Path(__file__).parents[2]


@contextmanager
def own_runtime() -> Iterator[Path]:
    """Give a program's clusters a folder of their own; nothing may be left in it, or running."""
    folder = Path(tempfile.mkdtemp(prefix="ipx-", dir="/tmp"))
    try:
        yield folder
        assert leftovers_of(folder) == []
    finally:
        shutil.rmtree(folder)


def output_of(*arguments: str | Path) -> list[str]:
    """Run Python, and return the lines that it prints.

    Parameters
    ----------
    *arguments
        What follows ``python`` on the command line.

    Raises
    ------
    AssertionError
        It ended badly, and what it said is the message; or something is left of its clusters.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with own_runtime() as runtime:
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            env=os.environ | {"IPCLUSTER_EXT_RUNTIME_DIR": str(runtime), "PYTHONPATH": path},
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()

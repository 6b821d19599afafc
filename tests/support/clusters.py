"""What tests of whole clusters share."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple, cast

import ipcluster_ext as ipp

ROOT = Path(__file__).parents[2]


class Started(NamedTuple):
    """A cluster that runs, and a client of it."""

    cluster: ipp.Cluster
    client: ipp.Client


def pids(client: ipp.Client) -> list[int]:
    """Return the processes of the engines, as they say themselves."""
    return cast("list[int]", client[:].apply_sync(_own_pid))


def _own_pid() -> int:
    return os.getpid()


def python(script: str) -> subprocess.Popen[str]:
    """Start a script in a Python of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )

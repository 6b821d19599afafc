"""How hub and foreman come to be: as forks of their agent.

The agent has imported what a hub needs. Everybody waits for a hub that follows another: a process
of its own would first compute for 0.14 s, importing, and where many others compute as well, that is
seconds; a fork needs a fifth of it. It shares what was imported, so that agent and hub together
take less memory, and it is the version of this package that the cluster was started with, whatever
has been installed since.

The agent can be forked as it has one thread. It knows both by their modules' names only.
"""

import contextlib
import gc
import os
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from ipcluster_ext.transport import forks

_MODULE = "ipcluster_ext.hub.app"
_FOREMAN = "ipcluster_ext.cluster.foreman.app"
_FOREMANS_LOG = "launcher.log"
_APPEND = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW


def prepare() -> None:
    """Import what hubs need, and keep the garbage collector from touching what they share."""
    import_module(_MODULE)
    gc.freeze()


def start_hub(output: Path, config: bytes) -> tuple[int, int]:
    """Start a hub.

    Parameters
    ----------
    output
        The file to which it writes its log.
    config
        What it is told: a line of JSON.

    Returns
    -------
    Its process id and its lifeline: it ends when this is closed.

    Raises
    ------
    OSError
        It cannot be started.
    """
    reader, lifeline = os.pipe()
    try:
        log = os.open(output, _APPEND, 0o600)
        try:
            pid = forks.fork(_MODULE, stdin=reader, stdout=log, stderr=log)
        finally:
            os.close(log)
        os.write(lifeline, config)
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(reader)
    return pid, lifeline


class Begun(NamedTuple):
    """A foreman that was started: its process, and the ends of the lines to it and from it."""

    pid: int
    to: int
    heard_by: int


def start_foreman(folder: Path, ahead: bytes) -> Begun:
    """Start a foreman.

    Parameters
    ----------
    folder
        The cluster's folder, in which it writes its log.
    ahead
        The first line that it reads: what it is to start before everything else.

    Raises
    ------
    OSError
        It cannot be started.
    """
    reader, to = os.pipe()
    heard_by, writer = os.pipe()
    log = os.open(folder / _FOREMANS_LOG, _APPEND, 0o600)
    try:
        pid = forks.fork(_FOREMAN, stdin=reader, stdout=writer, stderr=log)
    finally:
        for fd in (reader, writer, log):
            os.close(fd)
    with contextlib.suppress(BrokenPipeError):  # its end is noticed in a moment
        os.write(to, ahead)
    return Begun(pid, to, heard_by)

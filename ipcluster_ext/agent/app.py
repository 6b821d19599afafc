"""The host agent's process: starts the zygote and the hub before it reads its own modules.

So the three import at the same time; the zygote, which has the most to import, goes first.
"""

import os
import socket
import sys
from functools import partial
from pathlib import Path

from ipcluster_ext.transport import processes

CLOSED_EARLY = 2
"""The exit code if the configuration never comes."""


def main() -> int:
    """Run the agent until its owner dies or it is told to stop.

    Returns
    -------
    The exit code.
    """
    zygote_pid, link = start_zygote()
    import msgspec  # the zygote comes first

    from ipcluster_ext.protocol.process import AgentConfig, HubConfig

    line = sys.stdin.buffer.readline()
    if not line:
        return CLOSED_EARLY
    config = msgspec.json.decode(line, type=AgentConfig)
    hub_config = HubConfig(
        cluster=config.cluster,
        folder=config.folder,
        blobs=config.blobs,
        journal=f"{config.folder}/journal.db",
        conduct=config.conduct,
    )
    output = Path(config.folder, "hub.log")
    start = partial(start_hub, output, msgspec.json.encode(hub_config) + b"\n")
    pid, lifeline = start()

    from ipcluster_ext.agent.agent import Agent
    from ipcluster_ext.agent.hub import HubProcess
    from ipcluster_ext.agent.nursery import Nursery

    _detach()
    nursery = Nursery(zygote_pid, link, start_zygote)
    hub = HubProcess(pid, lifeline, start=start, output=output, silence=config.hub_silence)
    return Agent(config, nursery, hub).run()


def start_zygote() -> tuple[int, socket.socket]:
    """Start the process that engines are forked from.

    Returns
    -------
    Its process id and this end of the line to it.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        pid = processes.start("ipcluster_ext.engine.zygote", stdin=fd, stdout=fd, stderr=2)
    return pid, ours


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
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
    reader, lifeline = os.pipe()
    try:
        log = os.open(output, flags, 0o600)
        try:
            pid = processes.start("ipcluster_ext.hub", stdin=reader, stdout=log, stderr=log)
        finally:
            os.close(log)
        os.write(lifeline, config)
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(reader)
    return pid, lifeline


def _detach() -> None:
    """Read no more from whoever started this process."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

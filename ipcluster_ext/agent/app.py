"""The host agent's process: starts the zygote and the hub before it reads its own modules.

So the three import at the same time; the zygote, which has the most to import, goes first.
"""

import os
import socket
import sys

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
        policy=config.policy,
        hwm=config.hwm,
        history=config.history,
        history_age=config.history_age,
    )
    hub_pid, lifeline = start_hub(config.folder, msgspec.json.encode(hub_config) + b"\n")

    from ipcluster_ext.agent.agent import Agent, Hub
    from ipcluster_ext.agent.nursery import Nursery

    _detach()
    nursery = Nursery(zygote_pid, link, start_zygote)
    return Agent(config, nursery, Hub(hub_pid, lifeline)).run()


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


def start_hub(folder: str, config: bytes) -> tuple[int, int]:
    """Start the hub.

    Returns
    -------
    Its process id and its lifeline: it ends when this is closed.
    """
    reader, lifeline = os.pipe()
    log = os.open(
        f"{folder}/hub.log",
        os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW,
        0o600,
    )
    pid = processes.start("ipcluster_ext.hub", stdin=reader, stdout=log, stderr=log)
    os.close(reader)
    os.close(log)
    os.write(lifeline, config)
    return pid, lifeline


def _detach() -> None:
    """Read no more from whoever started this process."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

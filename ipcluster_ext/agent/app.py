"""The host agent's process: starts foreman, zygote and hub before it reads its own modules.

So they come up at the same time; the foreman, who waits for other hosts, goes first, and then the
zygote, which has the most to import. With
``--config FILE``, or ``--config -`` for the standard input, it is an agent whose hub is on another
host (`agent.far`); ``--home NAME`` names its folder there.
"""

import gc
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ipcluster_ext.agent import birth
from ipcluster_ext.transport import forks, processes
from ipcluster_ext.transport.processes import COLD

CLOSED_EARLY = 2
"""The exit code if the configuration never comes."""


def main() -> int:
    """Run the agent until its owner dies or it is told to stop.

    Returns
    -------
    The exit code.
    """
    gc.disable()  # until everything is imported, as that leaves nothing behind
    processes.leave_terminal()
    if len(sys.argv) > 1:
        return _far(sys.argv[1:])
    folder = Path(os.environ[processes.CLUSTER_VARIABLE])
    ahead = sys.stdin.buffer.readline()
    # other hosts take longest
    begun = birth.start_foreman(folder, ahead) if ahead.strip() else None
    cold = os.environ.pop(COLD, "")
    zygote_pid, link = (0, None) if cold else start_zygote()
    import msgspec  # the zygote comes first

    from ipcluster_ext.agent.foreman import foreman_for
    from ipcluster_ext.protocol.process import AgentConfig, HubConfig

    line = sys.stdin.buffer.readline()
    if not line:
        from ipcluster_ext.transport import homes

        homes.abandon(folder)
        return CLOSED_EARLY
    config = msgspec.json.decode(line, type=AgentConfig)
    foreman = foreman_for(config, begun)
    birth.prepare()
    hub_config = HubConfig(
        cluster=config.cluster,
        folder=config.folder,
        blobs=config.blobs,
        journal=f"{config.folder}/journal.db",
        conduct=config.conduct,
    )
    output = Path(config.folder, "hub.log")
    start = partial(birth.start_hub, output, msgspec.json.encode(hub_config) + b"\n")
    first = msgspec.structs.replace(hub_config, first=True)
    pid, lifeline = birth.start_hub(output, msgspec.json.encode(first) + b"\n")

    from ipcluster_ext.agent.agent import Agent
    from ipcluster_ext.agent.hub import HubProcess
    from ipcluster_ext.agent.nursery import Nursery

    _collect_again()
    _detach()
    nursery = Nursery(zygote_pid, link, start_zygote)
    hub = HubProcess(pid, lifeline, start=start, output=output, silence=config.hub_silence)
    return Agent(config, nursery, hub, foreman=foreman).run()


def _far(arguments: list[str]) -> int:
    """Run an agent whose hub is on another host: ``--config SOURCE`` and perhaps ``--home NAME``.

    A name for its folder lets the zygote start before anything is known, as it carries that name.
    """
    from ipcluster_ext.agent import far  # what this imports, the zygote needs, too
    from ipcluster_ext.transport import tcpdealer  # noqa: F401 - likewise
    from ipcluster_ext.transport.sockets import ground

    said = dict(zip(arguments[::2], arguments[1::2], strict=True))
    name = said.get("--home", "")
    zygote = None
    if name and not (home := ground() / name).exists():
        os.environ[processes.CLUSTER_VARIABLE] = str(home)
        zygote = start_zygote(forks.fork)
    _collect_again()
    return far.main(said["--config"], start_zygote, name=name, zygote=zygote)


def start_zygote(start: Callable[..., int] = processes.start) -> tuple[int, socket.socket]:
    """Start the process that engines are forked from.

    Parameters
    ----------
    start
        How: as a process of its own, or as a fork of this one.

    Returns
    -------
    Its process id and this end of the line to it.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        pid = start("ipcluster_ext.engine.zygote", stdin=fd, stdout=fd, stderr=2)
    return pid, ours


def _collect_again() -> None:
    """Let the garbage collector look at what comes from now on; what was imported stays."""
    gc.freeze()
    gc.enable()


def _detach() -> None:
    """Read no more from whoever started this process."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

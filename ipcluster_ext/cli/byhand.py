"""``hub`` and ``agent``: a cluster that is put together by hand, host by host."""

import argparse
import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ipcluster_ext.cli import starting
from ipcluster_ext.cli.say import say
from ipcluster_ext.display.figures import noun
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.process import HUB_UNREACHABLE, AgentConfig, Reach, as_line

if TYPE_CHECKING:
    from ipcluster_ext import Cluster

_UP = b"up\n"
_END = b"end\n"
_SEARCH_FOR = 5.0
"""The hub is there already; so long it is looked for, in seconds."""
_HUB = """Start a cluster's hub without any engine, for those that others start: by
'ipcluster-ext agent' on other hosts, by 'scale' here. It ends with this command (Ctrl-C), unless
--daemonize is given: then it runs until 'ipcluster-ext stop'."""
_AGENT = """Join a running cluster from this host: copy the cluster's engine.json here, readable
by you alone (chmod 600), and name it. The engines end with this command (Ctrl-C) and with the
cluster; whoever has that file can run tasks, and submit none."""
_CODES = f"""exit codes: 0 the cluster or this command has ended, 1 failed, 2 called wrongly,
{HUB_UNREACHABLE} the hub cannot be reached from here (agent), 10 running already (hub)"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these commands to the others."""
    hub = commands.add_parser(
        "hub", help="start a hub alone, for agents of other hosts", description=_HUB, epilog=_CODES
    )
    hub.add_argument("--cluster-id", default="", metavar="ID", help="its name")
    hub.add_argument(
        "--ip",
        type=starting.words,
        default=["*"],
        metavar="A,…",
        help="where to listen: addresses, interfaces, or '*' for everywhere, which is usual",
    )
    hub.add_argument("--ports", type=starting.ports, metavar="C,E", help="for clients, for engines")
    hub.add_argument("--location", help="by which address other hosts reach this one")
    hub.add_argument("--daemonize", action="store_true", help="return, and leave it running")
    hub.set_defaults(run=_hub)
    agent = commands.add_parser(
        "agent", help="join a cluster from this host", description=_AGENT, epilog=_CODES
    )
    agent.add_argument("--file", required=True, type=Path, help="the cluster's engine.json")
    agent.add_argument("-n", "--n", type=int, default=1, help="how many engines; one by default")
    agent.add_argument("--location", help="by which address the hub is reached from here")
    agent.add_argument("--work-dir", dest="cwd", default="", help="the engines' working folder")
    agent.set_defaults(run=_agent)


# ------------------------------------------------------------ hub


def _hub(options: argparse.Namespace) -> int:
    import ipcluster_ext  # rooms meet at the root only

    if options.cluster_id in {each.cluster_id for each in ipcluster_ext.Cluster.list()}:
        say(f"cluster {options.cluster_id!r} is running already", error=True)
        return starting.ALREADY_RUNNING
    cluster = ipcluster_ext.Cluster(
        1,
        profile=None,
        cluster_id=options.cluster_id,
        ip=options.ip,
        ports=options.ports,
        location=options.location,
        shutdown_atexit=not options.daemonize,
    )
    with _ended_by_signals():
        try:
            cluster.start_cluster_sync(0)
            _tell(cluster)
            return 0 if options.daemonize else starting.attend(cluster)
        except KeyboardInterrupt:
            cluster.stop_cluster_sync()
            say(f"\ncluster {cluster.cluster_id} has stopped")
            return 0


def _tell(cluster: "Cluster") -> None:
    say(f"cluster {cluster.cluster_id}: its hub is up, without engines")
    starting.tell_address(cluster)
    say(f"for engines: ipcluster-ext agent --file FILE, with a copy of {cluster.engine_file}")
    say(f"for clients: ipcluster_ext.Client(FILE), with a copy of {cluster.connection_file}")
    if cluster.shutdown_atexit:
        say("Ctrl-C stops it")
    else:
        say(f"it runs until 'ipcluster-ext stop {cluster.cluster_id}'")


# ------------------------------------------------------------ agent


def _agent(options: argparse.Namespace) -> int:
    config = agent_config(options.file, options.n, location=options.location, cwd=options.cwd)
    with _ended_by_signals():
        agent = subprocess.Popen(
            [sys.executable, "-P", "-m", "ipcluster_ext.agent", "--config", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            if _joins(agent, as_line(config)):
                say(f"{noun(options.n, 'engine')} of this host join {config.cluster}")
                say("Ctrl-C ends them")
            return agent.wait()
        except KeyboardInterrupt:
            _part(agent)
            say(f"\nthe engines of this host have left {config.cluster}")
            return 0


def agent_config(path: Path, n: int, *, location: str | None = None, cwd: str = "") -> AgentConfig:
    """Return what an agent is told that joins a cluster by hand.

    Parameters
    ----------
    path
        The cluster's file for engines.
    n
        How many engines it is to start.
    location
        By which address the hub is reached, if not by that in the file.
    cwd
        The engines' working folder; this process's if empty.

    Raises
    ------
    ValueError
        There can be no such number of engines.
    ClusterError
        There is no such file, it is open to others, or it is not for engines.
    """
    from ipcluster_ext.transport.files import ConnectionFile, read_private

    if n < 1:
        msg = f"an agent cannot start {n} engines"
        raise ValueError(msg)
    try:
        card = read_private(path, ConnectionFile)
    except FileNotFoundError:
        msg = f"there is no file {path}"
        raise ClusterError(msg) from None
    if card.role != "engine" or card.tcp is None:
        msg = f"{path} is for clients; agents need engine.json, which stands beside it"
        raise ClusterError(msg)
    reach = Reach(
        addresses=[location or card.tcp.host],
        port=card.tcp.port,
        server=card.tcp.server,
        keys=card.tcp.keys,
        search_for=_SEARCH_FOR,
    )
    folder = str(Path(cwd).expanduser().absolute())
    return AgentConfig(cluster=card.cluster, folder="", blobs="", count=n, cwd=folder, reach=reach)


def _joins(agent: "subprocess.Popen[bytes]", line: bytes) -> bool:
    """Tell an agent what it is; return whether it meets the hub."""
    if agent.stdin is None or agent.stdout is None:
        return False
    with contextlib.suppress(BrokenPipeError):  # it has ended, and says why
        agent.stdin.write(line)
        agent.stdin.flush()
    return agent.stdout.readline() == _UP


def _part(agent: "subprocess.Popen[bytes]") -> None:
    """Have an agent end, and wait for that."""
    with contextlib.suppress(BrokenPipeError):
        if agent.stdin is not None:
            agent.stdin.write(_END)
            agent.stdin.close()
    agent.wait()


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Have whoever stops this command stop what it has started, at any moment."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGHUP)}
    for signum, handler in before.items():
        if handler != signal.SIG_IGN:  # as by nohup
            signal.signal(signum, signal.default_int_handler)
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)

"""``start``, ``stop``, ``restart``, ``scale`` and ``clean``."""

import argparse
import os
import signal
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from ipcluster_ext.cli.choice import choose
from ipcluster_ext.display.figures import noun
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.process import POLICIES

if TYPE_CHECKING:
    from ipcluster_ext import Cluster

ALREADY_RUNNING = 10
NO_CLUSTER = 12


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these commands to the others."""
    _add_start(commands)
    stop = commands.add_parser("stop", help="stop clusters")
    stop.add_argument("cluster", nargs="*", help="its id; not needed if only one runs")
    stop.add_argument("--all", action="store_true", help="all clusters of this user, on this host")
    stop.set_defaults(run=_stop)
    restart = commands.add_parser("restart", help="give engines new, empty processes")
    restart.add_argument("cluster", nargs="?", default="")
    restart.add_argument("--engines", type=_ids, metavar="0,1,…", help="which; all if not given")
    restart.set_defaults(run=_restart)
    scale = commands.add_parser("scale", help="have so many engines: idle ones go first")
    scale.add_argument("n", type=int, help="how many engines")
    scale.add_argument("cluster", nargs="?", default="")
    scale.add_argument("--force", action="store_true", help="end busy ones, and what they run")
    scale.set_defaults(run=_scale)
    clean = commands.add_parser("clean", help="delete what dead clusters have left")
    clean.set_defaults(run=_clean)


def _add_start(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    start = commands.add_parser(
        "start",
        help="start a cluster",
        description="Start a cluster. It ends with this command (Ctrl-C), unless --daemonize is "
        "given: then it runs until 'ipcluster-ext stop'.",
    )
    add = start.add_argument
    add("profile", nargs="?", default="", help="a profile; see 'ipcluster-ext profile'")
    add("--profile", dest="named", default="", metavar="NAME", help="the same")
    add("-n", "--n", type=int, metavar="N", help="engines; one per processor if not given")
    add("--cluster-id", default="", metavar="ID", help="its name, up to 16 letters and digits")
    add("--daemonize", action="store_true", help="return when it is ready, and leave it running")
    add("--ip", help="where to listen for other hosts, encrypted: an address, an interface, '*'")
    add("--ports", type=_ports, metavar="C,E", help="ports there, for clients and for engines")
    add("--policy", choices=POLICIES, help="how engines are chosen for tasks")
    add("--work-dir", dest="cwd", metavar="DIR", help="the engines' working folder")
    add("--engine-timeout", type=float, metavar="S", help="seconds that engines may take")
    add(
        "--resource",
        action="append",
        type=_resource,
        metavar="NAME=X",
        help="what each engine has, as gpu=1; may be repeated",
    )
    start.set_defaults(run=_start)


def _ids(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _ports(text: str) -> tuple[int, int]:
    first, second = text.split(",")
    return int(first), int(second)


def _resource(text: str) -> tuple[str, float]:
    name, _, amount = text.partition("=")
    return name, float(amount or 1)


def _start(options: argparse.Namespace) -> int:
    import ipcluster_ext  # rooms meet at the root only

    running = {cluster.cluster_id for cluster in ipcluster_ext.Cluster.list()}
    if options.cluster_id in running:
        _say(f"cluster {options.cluster_id!r} is running already", error=True)
        return ALREADY_RUNNING
    cluster = ipcluster_ext.Cluster(
        options.n,
        profile=options.named or options.profile,
        cluster_id=options.cluster_id,
        ip=options.ip,
        ports=options.ports,
        policy=options.policy,
        cwd=options.cwd,
        engine_timeout=options.engine_timeout,
        resources=dict(options.resource) if options.resource else None,
        shutdown_atexit=not options.daemonize,
    )
    # Whoever stops this command stops the cluster, at any moment.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _say(f"starting {noun(cluster.n, 'engine')} …")
        client = cluster.start_and_connect_sync()
        client.close()
        _tell(cluster)
        return 0 if options.daemonize else _attend(cluster)
    except KeyboardInterrupt:
        cluster.stop_cluster_sync()
        _say(f"\ncluster {cluster.cluster_id} has stopped")
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(cluster: "Cluster") -> None:
    _say(f"cluster {cluster.cluster_id}: {noun(cluster.n, 'engine')} ready")
    _say(f'in Python: ipcluster_ext.connect("{cluster.cluster_id}")')
    if cluster.engine_file.exists():
        _say(f"from other hosts: ipcluster_ext.Client(file), with a copy of {_file(cluster)}")
    if not cluster.shutdown_atexit:
        _say(f"it runs until 'ipcluster-ext stop {cluster.cluster_id}'")
    else:
        _say("Ctrl-C stops it")


def _file(cluster: "Cluster") -> str:
    return str(cluster.connection_file)


def _attend(cluster: "Cluster") -> int:
    """Wait until the cluster ends by itself."""
    cluster.wait_sync()
    why = cluster.ended_because
    _say(f"cluster {cluster.cluster_id} has ended{f': {why}' if why else ''}", error=True)
    return 1 if why else 0


def _stop(options: argparse.Namespace) -> int:
    import ipcluster_ext  # rooms meet at the root only

    if options.all:
        clusters = ipcluster_ext.Cluster.list()
    else:
        clusters = [choose(name) for name in options.cluster or [""]]
    for cluster in clusters:
        cluster.stop_cluster_sync()
        _say(f"cluster {cluster.cluster_id} has stopped")
    if not clusters:
        _say("no cluster is running here")
    return 0


def _restart(options: argparse.Namespace) -> int:
    cluster = choose(options.cluster)
    cluster.restart_engines_sync(options.engines)
    which = "all engines" if options.engines is None else f"engines {options.engines}"
    _say(f"cluster {cluster.cluster_id}: restarting {which}")
    return 0


def _scale(options: argparse.Namespace) -> int:
    cluster = choose(options.cluster)
    with closing(cluster.connect_client_sync()) as client:
        client.scale(options.n, force=options.force)
    _say(f"cluster {cluster.cluster_id}: going to {options.n} engines")
    return 0


def _clean(options: argparse.Namespace) -> int:
    from ipcluster_ext.cluster.home import leftovers, sweep_leftovers

    del options
    found = leftovers()
    sweep_leftovers()
    for folder in found:
        if folder.exists():
            msg = f"{folder} could not be deleted"
            raise ClusterError(msg)
        _say(f"deleted {folder}")
    if not found:
        _say("nothing was left behind")
    return 0


def _say(text: str, *, error: bool = False) -> None:
    stream = sys.stderr if error else sys.stdout
    stream.write(f"{text}{os.linesep}")
    stream.flush()

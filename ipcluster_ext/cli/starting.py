"""``start``, ``stop``, ``restart``, ``scale`` and ``clean``."""

import argparse
import signal
import tomllib
from contextlib import closing
from typing import TYPE_CHECKING

from ipcluster_ext.cli.choice import choose
from ipcluster_ext.cli.say import say
from ipcluster_ext.display.figures import noun
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.bounds import IDLE_TIMEOUT
from ipcluster_ext.protocol.process import POLICIES

if TYPE_CHECKING:
    from ipcluster_ext import Cluster
    from ipcluster_ext.protocol.shares import Gpus

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
    adapt = commands.add_parser(
        "adapt",
        help="have as many engines as there is work for",
        description="Have engines started as there is work, and those stopped that have none, "
        "until 'scale' or 'adapt off'.",
    )
    adapt.add_argument("bounds", type=_bounds_or_off, metavar="MIN:MAX", help="as 1:8; or 'off'")
    adapt.add_argument("cluster", nargs="?", default="")
    adapt.add_argument(
        "--idle",
        type=float,
        default=IDLE_TIMEOUT,
        metavar="S",
        help="after so many seconds without work an engine is stopped",
    )
    adapt.set_defaults(run=_adapt)
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
    add("--adapt", type=bounds, metavar="MIN:MAX", help="as many as there is work for, as 1:8")
    add("--launcher", help="what starts engines; see 'ipcluster-ext profile launchers'")
    add("--hosts", type=words, metavar="A,B:4", help="other hosts, by ssh; :4 for 4 engines there")
    add(
        "--option",
        action="append",
        type=option,
        metavar="KEY=VALUE",
        help="an option of the launcher, its value as in TOML or plain text; may be repeated",
    )
    add("--location", help="by which address other hosts reach this one")
    add("--cluster-id", default="", metavar="ID", help="its name, up to 16 letters and digits")
    add("--daemonize", action="store_true", help="return when it is ready, and leave it running")
    add("--ip", type=words, metavar="A,…", help="where to listen for others: addresses or '*'")
    add("--ports", type=ports, metavar="C,E", help="ports there, for clients and for engines")
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
    add("--pin", action="store_const", const="cores", help="keep each engine to own processors")
    add("--gpus", type=_gpus, metavar="auto|G,…", help="give each engine one of these GPUs")
    add("--threads", type=int, metavar="N", help="threads of numerical libraries in each engine")
    add("--memory-limit", metavar="SIZE", help="for each engine, as '4 GB' or '25%%'")
    start.set_defaults(run=_start)


def bounds(text: str) -> tuple[int, int]:
    """Read the two numbers of engines between which there are to be some, as ``1:8``."""
    least, _, most = text.partition(":")
    return int(least), int(most)


def _bounds_or_off(text: str) -> tuple[int, int] | None:
    return None if text == "off" else bounds(text)


def _as_table(between: tuple[int, int] | None) -> dict[str, int] | None:
    return None if between is None else {"minimum": between[0], "maximum": between[1]}


def _ids(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def ports(text: str) -> tuple[int, int]:
    """Read the two numbers of ``--ports``."""
    first, second = text.split(",")
    return int(first), int(second)


def words(text: str) -> list[str]:
    """Read what is separated by commas."""
    return [word for word in text.split(",") if word]


def option(text: str) -> tuple[str, object]:
    """Read ``key=value``: a value that is none in TOML is a text."""
    key, equals, value = text.partition("=")
    if not equals:
        msg = "an option is key=value"
        raise argparse.ArgumentTypeError(msg)
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def _gpus(text: str) -> "Gpus":
    return "auto" if text == "auto" else [int(part) for part in text.split(",")]


def _resource(text: str) -> tuple[str, float]:
    name, _, amount = text.partition("=")
    return name, float(amount or 1)


def _start(options: argparse.Namespace) -> int:
    import ipcluster_ext  # rooms meet at the root only

    running = {cluster.cluster_id for cluster in ipcluster_ext.Cluster.list()}
    if options.cluster_id in running:
        say(f"cluster {options.cluster_id!r} is running already", error=True)
        return ALREADY_RUNNING
    cluster = ipcluster_ext.Cluster(
        options.n,
        profile=options.named or options.profile,
        launcher=options.launcher,
        launcher_options=dict(options.option) if options.option else None,
        hosts=options.hosts,
        adapt=_as_table(options.adapt),
        location=options.location,
        cluster_id=options.cluster_id,
        ip=options.ip,
        ports=options.ports,
        policy=options.policy,
        cwd=options.cwd,
        engine_timeout=options.engine_timeout,
        resources=dict(options.resource) if options.resource else None,
        pin=options.pin,
        gpus=options.gpus,
        threads=options.threads,
        memory_limit=options.memory_limit,
        shutdown_atexit=not options.daemonize,
    )
    # Whoever stops this command stops the cluster, at any moment.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        say(f"starting {noun(cluster.n, 'engine')} …")
        client = cluster.start_and_connect_sync()
        ready = len(client.ids)
        client.close()
        _tell(cluster, ready)
        return 0 if options.daemonize else attend(cluster)
    except KeyboardInterrupt:
        cluster.stop_cluster_sync()
        say(f"\ncluster {cluster.cluster_id} has stopped")
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(cluster: "Cluster", ready: int) -> None:
    say(f"cluster {cluster.cluster_id}: {noun(ready, 'engine')} ready")
    say(f'in Python: ipcluster_ext.connect("{cluster.cluster_id}")')
    tell_address(cluster)
    if cluster.engine_file.exists():
        say(f"from other hosts: ipcluster_ext.Client(file), with a copy of {_file(cluster)}")
    if not cluster.shutdown_atexit:
        say(f"it runs until 'ipcluster-ext stop {cluster.cluster_id}'")
    else:
        say("Ctrl-C stops it")


def tell_address(cluster: "Cluster") -> None:
    """Say where a cluster listens on TCP, if it does."""
    if where := cluster.about.listening:
        say(f"it listens at {where}")


def _file(cluster: "Cluster") -> str:
    return str(cluster.connection_file)


def attend(cluster: "Cluster") -> int:
    """Wait until the cluster ends by itself."""
    cluster.wait_sync()
    why = cluster.ended_because
    say(f"cluster {cluster.cluster_id} has ended{f': {why}' if why else ''}", error=True)
    return 1 if why else 0


def _stop(options: argparse.Namespace) -> int:
    import ipcluster_ext  # rooms meet at the root only

    if options.all:
        clusters = ipcluster_ext.Cluster.list()
    else:
        clusters = [choose(name) for name in options.cluster or [""]]
    for cluster in clusters:
        cluster.stop_cluster_sync()
        say(f"cluster {cluster.cluster_id} has stopped")
    if not clusters:
        say("no cluster is running here")
    return 0


def _restart(options: argparse.Namespace) -> int:
    cluster = choose(options.cluster)
    cluster.restart_engines_sync(options.engines)
    which = "all engines" if options.engines is None else f"engines {options.engines}"
    say(f"cluster {cluster.cluster_id}: restarting {which}")
    return 0


def _scale(options: argparse.Namespace) -> int:
    cluster = choose(options.cluster)
    with closing(cluster.connect_client_sync()) as client:
        client.scale(options.n, force=options.force)
    say(f"cluster {cluster.cluster_id}: going to {options.n} engines")
    return 0


def _adapt(options: argparse.Namespace) -> int:
    cluster = choose(options.cluster)
    if options.bounds is None:
        cluster.adapt_sync(None)
        say(f"cluster {cluster.cluster_id}: the number of engines stays as it is")
        return 0
    least, most = options.bounds
    cluster.adapt_sync(least, most, options.idle)
    say(f"cluster {cluster.cluster_id}: {least} to {most} engines, as there is work")
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
        say(f"deleted {folder}")
    if not found:
        say("nothing was left behind")
    return 0

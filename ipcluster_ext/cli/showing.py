"""``list``, ``status``, ``engines``, ``tasks`` and ``logs``: what there is, and what it does."""

import argparse
import json
import sys
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from ipcluster_ext.cli import pages
from ipcluster_ext.cli.choice import choose
from ipcluster_ext.cli.logs import follow, show_far_logs, show_logs
from ipcluster_ext.cli.tables import table
from ipcluster_ext.display.figures import span
from ipcluster_ext.transport.files import open_doors_file

if TYPE_CHECKING:
    from ipcluster_ext import Cluster

_REFRESH = 0.5
_RENEWED = 5.0
_PATIENCE = 10.0
_HOME_AND_CLEAR = "\x1b[H\x1b[J"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these commands to the others."""
    listing = commands.add_parser("list", help="the clusters of this user, on this host")
    listing.add_argument("--json", action="store_true", help="as JSON, for programs")
    listing.set_defaults(run=_list)
    for name, run, text in (
        ("status", _status, "engines, work and totals of a cluster"),
        ("engines", _engines, "the engines of a cluster"),
        ("tasks", _tasks, "tasks that a cluster knows, the latest last"),
        ("logs", _logs, "what a cluster's processes have written"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("cluster", nargs="?", default="", help="not needed if only one runs")
        command.set_defaults(run=run)
        _ADDITIONS[name](command)


def _watchable(command: argparse.ArgumentParser) -> None:
    command.add_argument("-w", "--watch", action="store_true", help="go on until Ctrl-C")
    command.add_argument("--json", action="store_true", help="as JSON, a line for each change")


def _add_tasks(command: argparse.ArgumentParser) -> None:
    command.add_argument("--status", help="only those that are so: done, failed, running, …")
    command.add_argument("--label", help="only those of this label; * and ? stand for anything")
    command.add_argument("-n", type=int, default=20, help="so many at most; 20 if not given")
    command.add_argument("--json", action="store_true", help="as JSON, a line for each")


def _add_logs(command: argparse.ArgumentParser) -> None:
    command.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    command.add_argument("-n", type=int, default=20, metavar="LINES", help="of each; usually 20")
    command.add_argument("--engine", type=int, metavar="ID", help="of this engine only")


_ADDITIONS = {
    "status": _watchable,
    "engines": _watchable,
    "tasks": _add_tasks,
    "logs": _add_logs,
}


def _list(options: argparse.Namespace) -> int:
    import ipcluster_ext  # rooms meet at the root only

    clusters = ipcluster_ext.Cluster.list()
    facts = [_facts(cluster) for cluster in clusters]
    if options.json:
        _say(json.dumps(facts, indent=2))
    elif facts:
        _say(table(["CLUSTER", ">ENGINES", "PROFILE", "RUNS FOR", "UNTIL", "STARTED BY"],
                   [_row(each) for each in facts]))  # fmt: skip
    else:
        _say("no cluster is running here; 'ipcluster-ext start' starts one")
    return 0


def _facts(cluster: "Cluster") -> dict[str, Any]:
    about = cluster.about
    with closing(cluster.connect_client_sync()) as client:
        ready = len(client.ids)
    return {
        "cluster": cluster.cluster_id,
        "engines": ready,
        "n": about.n,
        "profile": about.profile,
        "owner": about.owner,
        "agent": cluster.agent_pid,
        "started": datetime.fromtimestamp(about.started_at, UTC).isoformat(timespec="seconds"),
        "started_by": about.started_by,
        "addresses": about.addresses,
        "folder": str(cluster.folder),
        "connection_file": str(cluster.connection_file),
    }


def _row(facts: dict[str, Any]) -> tuple[object, ...]:
    started = datetime.fromisoformat(facts["started"])
    lasted = _now() - started.timestamp()
    return (
        facts["cluster"],
        facts["engines"],
        facts["profile"] or "-",
        span(lasted),
        f"process {facts['owner']} ends" if facts["owner"] else "stopped",
        facts["started_by"],
    )


def _status(options: argparse.Namespace) -> int:
    cluster = choose(options.cluster)
    page = partial(pages.overview, listening=cluster.about.listening)
    return _watch(cluster, page, options)


def _engines(options: argparse.Namespace) -> int:
    return _watch(choose(options.cluster), pages.engines, options)


def _watch(cluster: "Cluster", page: "pages.Page", options: argparse.Namespace) -> int:
    """Write a page about a cluster once, or again and again as things change."""
    clears = options.watch and not options.json and sys.stdout.isatty()
    with closing(cluster.connect_client_sync()) as client, client.status_feed(_REFRESH) as feed:
        status = feed.wait(timeout=_PATIENCE)
        while True:
            if options.json:
                _say(msgspec.json.encode(pages.plain(status)).decode())
            else:
                text = page(cluster.cluster_id, status, _now())
                _say(f"{_HOME_AND_CLEAR}{text}" if clears else text)
            if not options.watch:
                return 0
            with suppress(TimeoutError):  # what has not changed is shown again: spans grow
                status = feed.wait(status, timeout=_RENEWED)


def _tasks(options: argparse.Namespace) -> int:
    wanted = {key: getattr(options, key) for key in ("status", "label") if getattr(options, key)}
    cluster = choose(options.cluster)
    with closing(cluster.connect_client_sync()) as client:
        records = client.history(**wanted)[-options.n :]
    if options.json:
        for record in records:
            _say(msgspec.json.encode(record).decode())
    else:
        _say(pages.tasks(records))
    return 0


def _logs(options: argparse.Namespace) -> int:
    cluster = choose(options.cluster)
    tails = show_logs(cluster.folder, engine=options.engine, lines=options.n)
    if not (tails and options.engine is not None) and open_doors_file(cluster.folder).exists():
        with closing(cluster.connect_client_sync()) as client:
            show_far_logs(client, engine=options.engine, lines=options.n)
    if options.follow:
        follow(tails, over=lambda: cluster.wait_sync(0.2))
    return 0


def _now() -> float:
    return time.time_ns() / 1e9


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()

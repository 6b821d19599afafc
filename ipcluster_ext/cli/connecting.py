"""``connect``: a way to a cluster on a host that ssh reaches."""

import argparse
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ipcluster_ext.cli.choice import NoCluster, choose
from ipcluster_ext.cli.say import say
from ipcluster_ext.cli.starting import NO_CLUSTER, option
from ipcluster_ext.display.figures import noun
from ipcluster_ext.errors import ClusterError

if TYPE_CHECKING:
    from ipcluster_ext.cluster.launchers.sshwords import SshOptions
    from ipcluster_ext.cluster.tunnel import Tunnel

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""How long it takes to try again, in seconds: twice as long each time, up to the longest."""
_WHAT = """Connect this host to a cluster on another one: ssh asks there where it is, and makes a
tunnel to it, from a socket file to a socket file; nothing listens on any port. Clients of this
host use the connection file that is named, as long as this command runs (Ctrl-C). The cluster need
not have been started for others. ssh has to let you in without a password."""
_CODES = """exit codes: 0 ended by Ctrl-C, 1 failed, 2 called wrongly, 12 no such cluster there"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the others."""
    connect = commands.add_parser(
        "connect", help="reach a cluster on another host, by ssh", description=_WHAT, epilog=_CODES
    )
    connect.add_argument("cluster", nargs="?", default="", help="its id, if several run there")
    how = connect.add_mutually_exclusive_group(required=True)
    how.add_argument("--ssh", metavar="HOST", help="the host, as one tells it ssh")
    how.add_argument("--where", action="store_true", help="only say where a cluster of this one is")
    connect.add_argument("--file", type=Path, help="write the connection file there, too")
    connect.add_argument("--python", default="", help="the Python there; python3 if not given")
    connect.add_argument(
        "--option",
        action="append",
        type=option,
        metavar="KEY=VALUE",
        help="an option of the launcher 'ssh': config, port, user, …; may be repeated",
    )
    connect.set_defaults(run=_connect)


def _connect(options: argparse.Namespace) -> int:
    if options.where:
        return _say_where(options.cluster)
    from ipcluster_ext.cluster.tunnel import NotThere, Tunnel, door_there  # only this needs it

    told = _told(options)
    try:
        door = door_there(told, options.ssh, options.cluster, none_there=NO_CLUSTER)
    except NotThere as error:
        raise NoCluster(str(error)) from None
    with closing(Tunnel(told, options.ssh, door)) as tunnel:
        try:
            tunnel.open()
            _tell(tunnel, door.cluster, options.file)
            _attend(tunnel)
        except KeyboardInterrupt:
            say(f"\ndisconnected from cluster {door.cluster}")
            return 0
        finally:
            if options.file is not None:
                options.file.unlink(missing_ok=True)
    return 1


def _say_where(cluster_id: str) -> int:
    """Write where a cluster of this host has its door, for a `connect` on another."""
    import msgspec

    from ipcluster_ext.cluster.tunnel import Door
    from ipcluster_ext.transport.files import client_socket

    cluster = choose(cluster_id)
    door = Door(cluster=cluster.cluster_id, socket=str(client_socket(cluster.folder)))
    sys.stdout.write(f"{msgspec.json.encode(door).decode()}\n")
    return 0


def _told(options: argparse.Namespace) -> "SshOptions":
    from ipcluster_ext.cluster.launchers.registry import options_of
    from ipcluster_ext.cluster.launchers.sshwords import SshOptions

    given = dict(options.option or ())
    if options.python:
        given["python"] = options.python
    told = options_of("ssh", given)
    if not isinstance(told, SshOptions):
        msg = "another launcher is called 'ssh' here"
        raise ClusterError(msg)
    return told


def _tell(tunnel: "Tunnel", cluster: str, copy: Path | None) -> None:
    """Say how to connect, once that works."""
    import ipcluster_ext  # rooms meet at the root only
    from ipcluster_ext.transport.files import to_json, write_private

    with ipcluster_ext.Client(tunnel.file) as client:
        engines = noun(len(client.ids), "engine")
    file = tunnel.file
    if copy is not None:
        write_private(copy.absolute(), to_json(tunnel.card))
        file = copy.absolute()
    say(f"connected to cluster {cluster}: {engines}")
    say(f'in Python: ipcluster_ext.Client("{file}")')
    say("Ctrl-C disconnects")


def _attend(tunnel: "Tunnel") -> None:
    """Keep the connection: make it again whenever it has ended."""
    pause = FIRST_PAUSE
    while True:
        say(f"disconnected: {tunnel.wait()}", error=True)
        connected = False
        while not connected:
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                tunnel.open()
            except ClusterError as error:
                say(str(error), error=True)
            else:
                connected, pause = True, FIRST_PAUSE
        say("connected again")

"""Waiting for a cluster that somebody has started a moment ago: for those of its engines that come.

Nobody tells a client how many engines a cluster is to have: that follows from what its hub knows of
engines that have never been up, and from what is being started on other hosts, which stands in a
file of the cluster's folder. Before either is known, what the cluster was started with counts.
"""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ipcluster_ext.display.bars import Bar, bar
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.foreman import LAUNCHED, Launch, Launches
from ipcluster_ext.protocol.status import EngineStatus
from ipcluster_ext.transport.files import ConnectionFile, read_private
from ipcluster_ext.transport.processes import age_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipcluster_ext import Client

YOUNG = 5.0
"""For so many seconds a hub that knows no engines may not have heard of them yet."""
PATIENCE = 60.0
"""So many seconds others are waited for, once some are there and no more come."""
QUIET = 0.5
"""For so many seconds one waits without a word."""
_LOOK_EVERY = 0.1
_ABOUT = "about.json"


class _About(msgspec.Struct, frozen=True):
    """What we need to know of what a cluster says of itself, in its folder."""

    n: int = 0


class Coming(NamedTuple):
    """Engines that are on their way.

    Attributes
    ----------
    engines
        How many.
    states
        What keeps those of other hosts, for people.
    """

    engines: int
    states: tuple[str, ...] = ()


def coming(client: "Client") -> Coming:
    """Return which engines of a cluster are on their way.

    Those that wait in the queue of a batch system, or for another try, count only where no others
    are: nobody knows for how long.

    Raises
    ------
    ClusterError
        There are none, and none comes, as what was to start them has failed; says why.
    """
    infos = client.connection.roster.infos
    here = sum(info.status is EngineStatus.STARTING and not info.pid for info in infos)
    folder = client.connection_file.parent
    launches = _launches(folder)
    soon = [each for each in launches if each.stage == "starting" and not each.queued]
    count = here + sum(each.count for each in soon)
    if count or infos:
        return Coming(count, tuple(f"{each.name}: {each.state}" for each in soon if each.state))
    late = [each for each in launches if each.queued or each.stage == "again"]
    failed = [f"{each.name}: {each.state}" for each in launches if each.stage == "failed"]
    if failed and not late:
        msg = f"cluster {client.cluster_id} has not come up; {'; '.join(failed)}"
        raise ClusterError(msg)
    count = sum(each.count for each in late)
    states = tuple(f"{each.name}: {each.state}" for each in late)
    return Coming(count, states) if launches else Coming(_unborn(client.connection_file))


def _launches(folder: Path) -> list[Launch]:
    try:
        return read_private(folder / LAUNCHED, Launches).launches
    except (FileNotFoundError, ClusterError):
        return []


def _unborn(file: Path) -> int:
    """Return how many engines a cluster was started with, if that was a moment ago."""
    try:
        about = read_private(file.with_name(_ABOUT), _About)
        info = read_private(file, ConnectionFile)
    except (FileNotFoundError, ClusterError):
        return 0
    return about.n if info.is_here and age_of(info.agent_started) < YOUNG else 0


def await_engines(client: "Client", say: "Callable[[str], None]") -> bool:
    """Wait until the engines of a cluster that is still starting are there, and show how many are.

    Where all are there nothing happens, and what can be used at once is not waited for beside
    engines that nobody can tell when they come. Ctrl-C, or the stop button, ends the waiting and
    changes nothing.

    Parameters
    ----------
    client
        A client of the cluster.
    say
        Tells the user what is waited for.

    Returns
    -------
    Whether there was something to wait for.

    Raises
    ------
    EngineError
        An engine failed to start for good.
    ClusterError
        No engine has come, and none will: says why.
    ClientError
        The cluster has ended meanwhile.
    """
    now = coming(client)
    if not now.engines:
        return False
    roster = client.connection.roster
    began = since = time.monotonic()
    ready = roster.count_ready
    with ExitStack() as stack:
        shown: Bar | None = None
        while now.engines and not (ready and time.monotonic() - since > PATIENCE):
            if shown is None and time.monotonic() - began > QUIET:
                say(_waiting(client.cluster_id, now))
                shown = stack.enter_context(bar(ready + now.engines, "engines", verb="ready"))
            roster.wait_for(roster.count_ready + now.engines, _LOOK_EVERY)
            if roster.count_ready != ready:
                ready, since = roster.count_ready, time.monotonic()
            now = coming(client)
            if shown is not None:
                shown.show(ready, ready + now.engines, "; ".join(now.states))
    return True


def _waiting(cluster: str, now: Coming) -> str:
    engines = "1 engine" if now.engines == 1 else f"{now.engines} engines"
    text = f"cluster {cluster} is still starting; waiting for {engines}"
    return "; ".join([text, *now.states])

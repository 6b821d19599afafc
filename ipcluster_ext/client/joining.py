"""Which cluster `connect` joins, and what it says of it."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipcluster_ext.client.choice import choose, chosen
from ipcluster_ext.client.connecting import is_profile, meant, of_profile, running
from ipcluster_ext.client.starting import await_engines
from ipcluster_ext.display import frontend
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.files import runtime_folder
from ipcluster_ext.transport.processes import CLUSTER_VARIABLE

if TYPE_CHECKING:
    from ipcluster_ext import Client, Cluster

_HOW_TO_CHOOSE = "ipcluster_ext.use_cluster('ID'), or %pxconfig --cluster ID, chooses"


def connect(
    cluster: "str | os.PathLike[str] | Cluster | None" = None,
    *,
    n: int | None = None,
    cluster_id: str = "",
    profile: str | None = None,
    timeout: float = 10.0,
    session: str = "",
    **options: Any,
) -> "Client":
    """Connect to a running cluster of this user, or start one; it says which of them it did.

    One that somebody has just started, in JupyterLab perhaps, is waited for until its engines are
    there. It says so; to interrupt the waiting changes nothing.

    Parameters
    ----------
    cluster
        A `Cluster`, a connection file, or an id. If nothing says which one, it is the one that
        this notebook has chosen (see `use_cluster`), or else the youngest, of those that run.
        Within a task that is the engine's own.
    n
        How many engines a cluster gets that is started; one for each processor if not given.
    cluster_id
        The id of the cluster; one of this id is started if it does not run.
    profile
        What the cluster was made from, or is made from if none such runs; or its id.
    timeout
        How long to wait for the hub's answer, in seconds.
    session
        What the history calls the client; see `Client`.
    **options
        Of a cluster that is started; see `Cluster`.

    Returns
    -------
    A client, with its engines ready if it has started them; its ``cluster`` stops and scales it,
    whoever started it. A cluster that was started here ends with this process.

    Raises
    ------
    ClusterError
        The connection file cannot be used, or the cluster cannot be started, or did not come up.
    EngineError
        An engine of a cluster that was starting already did not come up.
    HubGone
        The hub does not answer, or has ended before the engines came.

    Examples
    --------
    >>> with ipp.connect(rc.connection_file) as again:
    ...     again.ids
    [0, 1]
    """
    import ipcluster_ext  # rooms meet at the root only

    if isinstance(cluster, str | os.PathLike):
        path = Path(cluster)
        if path.suffix == ".json" or path.is_absolute():
            return ipcluster_ext.Client(path, timeout=timeout, session=session)
        cluster_id = str(cluster)
    elif cluster is not None:
        return _named(cluster.connect_client_sync(), session)
    found, named = _wanted(cluster_id, profile)
    if found is not None:
        client = ipcluster_ext.Client(found, timeout=timeout, session=session)
        return _settled(client, found, named=bool(named))
    options["profile"] = profile if is_profile(profile) else ""
    started = ipcluster_ext.Cluster(n=n, cluster_id=cluster_id, **options)
    return _started(started, session, named)


def _started(cluster: "Cluster", session: str, named: str) -> "Client":
    """Start a cluster, as none that was named so was running."""
    client = _named(cluster.start_and_connect_sync(), session)
    what = f"started {client.cluster_id} with {_engines(client)}; it ends with this process"
    say(f"no cluster {named}was running: {what}")
    return client


def _settled(client: "Client", found: Path, *, named: bool) -> "Client":
    """Have a client steer its cluster, and wait until that has come up; close it otherwise."""
    import ipcluster_ext  # rooms meet at the root only

    with suppress(ClusterError):  # an engine of another host steers nothing
        client.cluster = ipcluster_ext.Cluster.from_file(found)
    try:
        if CLUSTER_VARIABLE not in os.environ:  # else a task asks: the cluster is in use
            await_engines(client, say)
    except BaseException:
        client.close()
        raise
    say(_welcome(client, named=named))
    return client


def _wanted(cluster_id: str, profile: str | None) -> tuple[Path | None, str]:
    """Return the connection file of the cluster that is wanted, if it runs, and what names it."""
    if cluster_id:
        return _running(cluster_id), f"{cluster_id} "
    if is_profile(profile):
        return of_profile(profile), f"of profile {profile} "
    return meant(), ""


def use_cluster(cluster: "str | Cluster | Client | None") -> None:
    """Choose the cluster that this notebook uses where it names none.

    `connect`, `Client` and ``%px`` mean it from now on, also when the kernel comes back after a
    restart, as long as the cluster runs. Elsewhere than in a notebook it holds for this process.

    Parameters
    ----------
    cluster
        Its id, its `Cluster` or a `Client` of it; None to choose none.

    Raises
    ------
    ClusterError
        No such cluster is running; those that are, are named.

    Examples
    --------
    >>> ipp.use_cluster(rc.cluster_id)
    >>> with ipp.Client() as client:
    ...     client.cluster_id == rc.cluster_id
    True
    >>> ipp.use_cluster(None)
    """
    name = cluster if isinstance(cluster, str) else getattr(cluster, "cluster_id", "")
    if name and _running(name) is None:
        names = ", ".join(path.parent.name for path in running())
        those = f"those that are: {names}" if names else "start one with ipcluster_ext.Cluster(n=4)"
        msg = f"no cluster {name!r} is running; {those}"
        raise ClusterError(msg)
    choose(name)


def say(text: str) -> None:
    """Tell the user, where it looks like no error: notebooks colour what is on ``sys.stderr``."""
    file = sys.stderr if frontend.shell() is None else sys.stdout
    file.write(f"ipcluster_ext: {text}\n")


def _running(cluster_id: str) -> Path | None:
    return next(iter(running([runtime_folder() / cluster_id])), None)


def _welcome(client: "Client", *, named: bool) -> str:
    """Say which cluster it is, and why, where there could be a doubt."""
    text = f"connected to cluster {client.cluster_id}, which has {_engines(client)}"
    choice = "" if named else chosen()
    if choice == client.cluster_id:
        return f"{text}, as this notebook has chosen"
    if choice:
        text += f", as {choice}, which this notebook has chosen, does not run any more"
    others = [path.parent.name for path in running() if path.parent.name != client.cluster_id]
    if others and not named:
        verb = "runs" if len(others) == 1 else "run"
        text += f"; it is the youngest, and {', '.join(others)} {verb}, too: {_HOW_TO_CHOOSE}"
    return text


def _engines(client: "Client") -> str:
    count = len(client)
    return f"{count} engine{'' if count == 1 else 's'}"


def _named(client: "Client", session: str) -> "Client":
    """Return a client of the same cluster that has a name; the same one if it is to have none."""
    import ipcluster_ext  # rooms meet at the root only

    if not session:
        return client
    client.close()
    return ipcluster_ext.Client(client.connection_file, cluster=client.cluster, session=session)

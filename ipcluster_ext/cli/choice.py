"""Which cluster a command means."""

from typing import TYPE_CHECKING

from ipcluster_ext.errors import ClusterError

if TYPE_CHECKING:
    from ipcluster_ext import Cluster


class NoCluster(ClusterError):
    """None runs, or not the one that is meant."""


def choose(cluster_id: str) -> "Cluster":
    """Return the cluster of an id; the only one that runs if no id is given.

    Raises
    ------
    NoCluster
        It does not run, or none does, or several do and none was named.
    """
    import ipcluster_ext  # rooms meet at the root only

    if cluster_id:
        try:
            return ipcluster_ext.Cluster.from_id(cluster_id)
        except ClusterError as error:
            raise NoCluster(str(error)) from None
    running = ipcluster_ext.Cluster.list()
    if not running:
        msg = "no cluster is running here; 'ipcluster-ext start' starts one"
        raise NoCluster(msg)
    if len(running) > 1:
        ids = ", ".join(cluster.cluster_id for cluster in running)
        msg = f"{len(running)} clusters are running; name one of them: {ids}"
        raise NoCluster(msg)
    return running[0]

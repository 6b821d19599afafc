"""`ClusterManager`: several clusters under keys, those that run and those that are still to."""

from collections.abc import Iterable
from typing import Any

from ipcluster_ext.cluster import profiles
from ipcluster_ext.cluster.cluster import Cluster

NO_PROFILE = "default"
"""What stands in keys for clusters that are made from no profile."""


class ClusterManager:
    """Keeps clusters by keys: ``"<profile>:<cluster id>"``.

    Attributes
    ----------
    clusters
        The clusters, by their keys.

    Examples
    --------
    >>> manager = ipp.ClusterManager()
    >>> key, cluster = manager.new_cluster(n=1, cluster_id="mine", profile=None)
    >>> key, cluster.running
    ('default:mine', False)
    >>> f"default:{rc.cluster_id}" in manager.load_clusters()
    True
    """

    def __init__(self) -> None:
        self.clusters: dict[str, Cluster] = {}

    def __repr__(self) -> str:
        return f"<ClusterManager: {', '.join(self.clusters) or 'no clusters'}>"

    def load_clusters(
        self,
        *,
        profiles: Iterable[str] | None = None,
        profile: str | None = None,
        init_default_clusters: bool = False,
    ) -> dict[str, Cluster]:
        """Take in the clusters of this user that run on this host, and let go of those that ended.

        Clusters that were made here and have not been started are kept as they are.

        Parameters
        ----------
        profiles, profile
            Only those that were started from these profiles; from any if not given.
        init_default_clusters
            Whether each of these profiles of which there is no cluster gets one, not started: of
            those that are named here, or of all that there are.

        Returns
        -------
        `clusters`.

        Raises
        ------
        ClusterError
            A profile of which a cluster is to be made is not there, or something in it is wrong.

        Examples
        --------
        >>> clusters = ipp.ClusterManager().load_clusters(profiles=["nobody's"])
        >>> clusters
        {}
        """
        wanted = _wanted(profiles, profile)
        running = {
            key: cluster
            for key, cluster in ((_key(each), each) for each in Cluster.list())
            if wanted is None or key.partition(":")[0] in wanted
        }
        kept = {
            key: each
            for key, each in self.clusters.items()
            if key in running or each.running or each.agent_pid is None
        }
        self.clusters = {**running, **kept}
        if init_default_clusters:
            self._have_one_of_each(wanted)
        return self.clusters

    def _have_one_of_each(self, wanted: frozenset[str] | None) -> None:
        there = {key.partition(":")[0] for key in self.clusters}
        for name in sorted(wanted if wanted is not None else {NO_PROFILE, *profiles.names()}):
            if name not in there:
                self.new_cluster(profile="" if name == NO_PROFILE else name)

    def new_cluster(self, **options: Any) -> tuple[str, Cluster]:
        """Make a cluster, which is not started.

        Parameters
        ----------
        **options
            As for `Cluster`.

        Returns
        -------
        Its key, and the cluster.

        Raises
        ------
        KeyError
            There is one of such a key already.
        ClusterError, ValueError
            As for `Cluster`.

        Examples
        --------
        >>> manager = ipp.ClusterManager()
        >>> key, cluster = manager.new_cluster(n=2)
        >>> manager.get_cluster(key) is cluster
        True
        """
        cluster = Cluster(**options)
        key = _key(cluster)
        if key in self.clusters:
            msg = f"there is a cluster {key!r} already"
            raise KeyError(msg)
        self.clusters[key] = cluster
        return key, cluster

    def get_cluster(self, key: str) -> Cluster:
        """Return a cluster.

        Raises
        ------
        KeyError
            There is none of this key; `load_clusters` takes in what others have started.

        Examples
        --------
        >>> manager = ipp.ClusterManager()
        >>> manager.load_clusters()[f"default:{rc.cluster_id}"].running
        True
        """
        try:
            return self.clusters[key]
        except KeyError:
            msg = f"there is no cluster {key!r}; clusters: {', '.join(self.clusters) or 'none'}"
            raise KeyError(msg) from None

    def remove_cluster(self, key: str) -> None:
        """Let go of a cluster; if it runs, it goes on, unless it is to end with its object.

        Raises
        ------
        KeyError
            There is none of this key.

        Examples
        --------
        >>> manager = ipp.ClusterManager()
        >>> key, _ = manager.new_cluster(n=2)
        >>> manager.remove_cluster(key)
        >>> manager.clusters
        {}
        """
        self.get_cluster(key)
        del self.clusters[key]


def _key(cluster: Cluster) -> str:
    return f"{cluster.profile or NO_PROFILE}:{cluster.cluster_id}"


def _wanted(names: Iterable[str] | None, name: str | None) -> frozenset[str] | None:
    """Return the profiles that are meant, None for all."""
    if names is None and name is None:
        return None
    return frozenset([*(names or ()), *([name] if name is not None else [])])

"""Clusters that other processes have started: found, and taken hold of."""

import os
from pathlib import Path
from typing import Any, Self

from msgspec import structs

from ipcluster_ext.cluster import register
from ipcluster_ext.cluster.running import Run
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.files import (
    OpenDoors,
    connection_file,
    open_doors_file,
    read_private,
    runtime_folder,
)


class Attaching:
    """The part of `Cluster` that finds those which run already.

    What is found can do all that a cluster can that was started here: connect, scale, stop. It
    does not end with this process; its own owner, if it has one, is still its owner.
    """

    _run: Run | None

    def __init__(
        self, *, n: int | None, profile: None, cluster_id: str, shutdown_atexit: bool
    ) -> None:
        raise NotImplementedError  # `Cluster` has its own

    profile: str

    @classmethod
    def from_id(cls, cluster_id: str) -> Self:
        """Return a cluster of this user that runs on this host, by its id.

        Raises
        ------
        ClusterError
            There is none.

        Examples
        --------
        >>> again = ipp.Cluster.from_id(rc.cluster_id)
        >>> again.running, again.n
        (True, 2)
        """
        return cls._of(register.entry(cluster_id))

    @classmethod
    def from_file(
        cls,
        cluster_file: str | os.PathLike[str] | None = None,
        *,
        profile: str | None = None,
        cluster_id: str = "",
    ) -> Self:
        """Return a running cluster by its connection file, its profile or its id.

        Parameters
        ----------
        cluster_file
            Its ``client.json``.
        profile
            The youngest that was started from this profile, if no file is given.
        cluster_id
            Its id; the youngest of all that run if nothing is given.

        Raises
        ------
        ClusterError
            There is none, or it is on another host.

        Examples
        --------
        >>> ipp.Cluster.from_file(rc.connection_file).cluster_id == rc.cluster_id
        True
        """
        if cluster_file is not None:
            return cls._of(register.entry_of(Path(cluster_file)))
        if cluster_id:
            return cls.from_id(cluster_id)
        for each in register.entries():
            if profile in {None, each.about.profile}:
                return cls._of(each)
        which = "" if profile is None else f" of profile {profile!r}"
        msg = f"no cluster{which} is running in {runtime_folder()}"
        raise ClusterError(msg)

    @classmethod
    def list(cls) -> "list[Self]":
        """Return the clusters of this user that run on this host, the youngest first.

        Examples
        --------
        >>> rc.cluster_id in [cluster.cluster_id for cluster in ipp.Cluster.list()]
        True
        """
        found: list[Any] = []
        for each in register.entries():
            try:
                found.append(cls._of(each))
            except ClusterError:
                continue  # it has ended since
        return found

    @classmethod
    def _of(cls, entry: register.Entry) -> Self:
        """Take hold of a cluster that was found.

        Raises
        ------
        ClusterError
            It has ended.
        """
        deed, about = entry
        cluster = cls(
            n=about.n or None, profile=None, cluster_id=deed.cluster, shutdown_atexit=False
        )
        cluster.profile = about.profile
        cluster._run = Run.attach(deed, sets=bool(about.launchers))
        return cluster

    @property
    def about(self) -> register.About:
        """What others know of it while it runs: who started it, when, from which profile, where.

        Raises
        ------
        ClusterError
            It does not run.

        Examples
        --------
        >>> rc.cluster.about.n
        2
        """
        folder = None if self._run is None else self._run.home.folder
        if folder is None:
            msg = "the cluster was not started"
            raise ClusterError(msg)
        about = register.entry_of(connection_file(folder)).about
        doors = doors_of(folder)
        if doors is None:
            return about
        addresses = [f"{host}:{doors.ports[1]}" for host in doors.hosts]
        return structs.replace(about, addresses=addresses, listening=doors.text)


def doors_of(folder: Path) -> OpenDoors | None:
    """Return where the hub of a cluster's folder listens on TCP, None for nowhere."""
    try:
        return read_private(open_doors_file(folder), OpenDoors)
    except (FileNotFoundError, ClusterError):  # or it goes at the moment
        return None

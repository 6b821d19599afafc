"""What goes wrong as a cluster is started, stopped or steered."""

from ipcluster_ext.errors.base import Facts, IpclusterError


class ClusterError(IpclusterError):
    """Starting, stopping or steering a cluster failed.

    Examples
    --------
    >>> try:
    ...     ipp.Client("/nowhere/client.json", timeout=0)
    ... except ipp.ClusterError as error:
    ...     print(error)
    there is no connection file /nowhere/client.json; is the cluster running?
    """


class StartupError(Facts, ClusterError):
    """A process of the cluster did not come up.

    Parameters
    ----------
    what
        The process or the set of processes, as "the host agent".
    reason
        What was seen: an exit code, a timeout in seconds.
    output
        The last lines it wrote.

    Examples
    --------
    >>> try:
    ...     raise ipp.StartupError("engine 0", "exit code 1", "ImportError: no module 'numpy'")
    ... except ipp.StartupError as error:
    ...     print(error.what, "|", error.reason, "|", error.output)
    engine 0 | exit code 1 | ImportError: no module 'numpy'
    """

    facts = ("what", "reason", "output")

    def __init__(self, what: str, reason: str, output: str = "") -> None:
        said = f"; its last words:\n{output}" if output.strip() else ""
        super().__init__(f"{what} did not start: {reason}{said}")
        self.what = what
        self.reason = reason
        self.output = output


class StartupWarning(UserWarning):
    """Some of the engines that were asked for have not come, and the others are used.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always", ipp.StartupWarning)
    ...     warnings.warn("only 3 of 4 engines have come", ipp.StartupWarning)  # as a cluster does
    >>> [str(warning.message) for warning in caught]
    ['only 3 of 4 engines have come']
    """


class ClusterStopped(ClusterError):
    """The cluster is not running; start it before using it.

    Examples
    --------
    >>> cluster = ipp.Cluster(n=1)
    >>> try:
    ...     cluster.scale_sync(2)
    ... except ipp.ClusterStopped:
    ...     print("not started yet")
    not started yet
    """

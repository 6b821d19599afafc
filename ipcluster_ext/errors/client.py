"""What a client cannot do, or not here."""

import difflib
from collections.abc import Iterable

from ipcluster_ext.errors.base import Facts, IpclusterError


class ClientError(IpclusterError):
    """The client cannot do what was asked.

    Examples
    --------
    >>> try:
    ...     rc.get_result("task 17")
    ... except ipp.ClientError as error:
    ...     print(error)
    'task 17' is not a task id; task ids look like '1f3a09bc-17'
    """


class HubGone(Facts, ClientError):
    """The hub does not answer.

    Parameters
    ----------
    where
        The address or connection file that was tried.
    silent_for
        How long nothing was heard, in seconds.
    reason
        What else is known.

    Examples
    --------
    >>> try:
    ...     raise ipp.HubGone("/run/client.json", silent_for=12.0)
    ... except ipp.HubGone as error:
    ...     print(f"{error.where} has been silent for {error.silent_for} s")
    /run/client.json has been silent for 12.0 s
    """

    facts = ("where", "silent_for", "reason")

    def __init__(self, where: str, silent_for: float, reason: str = "") -> None:
        what = reason or f"no answer for {silent_for:.1f} s"
        super().__init__(
            f"the hub at {where} is gone: {what}; start a cluster with ipcluster_ext.Cluster(n=4)"
        )
        self.where = where
        self.silent_for = silent_for
        self.reason = reason


class ClientClosed(ClientError):
    """The client was closed; results that had not arrived will not arrive here.

    Examples
    --------
    >>> client = ipp.Client(rc.connection_file)
    >>> client.close()
    >>> try:
    ...     client[:].apply_sync(abs, -1)
    ... except ipp.ClientClosed:
    ...     print("open another with ipp.connect()")
    open another with ipp.connect()
    """


class ForkedClientError(ClientError):
    """The client was opened in the parent process; open a new one after the fork.

    Examples
    --------
    >>> def ids_in_any_process(client):
    ...     try:
    ...         return client.ids
    ...     except ipp.ForkedClientError:
    ...         return ipp.Client(client.connection_file).ids
    >>> ids_in_any_process(rc)
    [0, 1]
    """


class OptionError(Facts, ClientError, TypeError, KeyError):
    """An option that does not exist; also a `TypeError` and, as for flags there, a `KeyError`.

    Parameters
    ----------
    name
        What was asked for.
    known
        The options there are.
    where
        Who has them, as "LoadBalancedView".

    Examples
    --------
    >>> try:
    ...     lv.options(retires=2)
    ... except ipp.OptionError as error:
    ...     print(error.name, "retries" in error.known, error)
    retires True LoadBalancedView has no option 'retires'; did you mean 'retries'? ...
    """

    facts = ("name", "known", "where")
    __str__ = Exception.__str__

    def __init__(self, name: str, known: Iterable[str], where: str = "") -> None:
        self.name = name
        self.known = sorted(known)
        self.where = where
        near = difflib.get_close_matches(name, self.known, n=1)
        guess = f"; did you mean {near[0]!r}? Options" if near else "; options"
        has = f"{where} has no option" if where else "there is no option"
        super().__init__(f"{has} {name!r}{guess}: {', '.join(self.known)}")


class ForeignTask(Facts, ClientError):
    """Another client's task, where only a task of this client will do.

    Parameters
    ----------
    task
        Its id.

    Examples
    --------
    >>> import time
    >>> with ipp.Client(rc.connection_file) as other:
    ...     theirs = other[0].apply_async(time.sleep, 0.2)
    ...     try:
    ...         lv.submit(print, theirs)
    ...     except ipp.ForeignTask as error:
    ...         rc.get_result(error.task).get() is None
    True
    """

    facts = ("task",)

    def __init__(self, task: str) -> None:
        super().__init__(
            f"task {task} is another client's, and nothing here can wait for it; "
            "get its value with client.get_result() and pass that on"
        )
        self.task = task


class UnknownTask(ClientError):
    """No task of this id is known.

    Examples
    --------
    >>> try:
    ...     rc.get_result("1f3a09bc-17")
    ... except ipp.UnknownTask:
    ...     print("no such task here")
    no such task here
    """

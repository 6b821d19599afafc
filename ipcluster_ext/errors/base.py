"""The root of the tree, and what cannot travel between two processes."""

from typing import Any, ClassVar


class Facts:
    """Pickles an error as its class and the facts that it was made of."""

    facts: ClassVar[tuple[str, ...]] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, name) for name in self.facts)


class IpclusterError(Exception):
    """Base class of everything this package raises.

    Examples
    --------
    >>> try:
    ...     rc[7]
    ... except ipp.IpclusterError as error:
    ...     print(error)
    there is no engine 7; engines: 0, 1
    """


IPythonError = IpclusterError
"""What ipyparallel calls the base class."""


class ProtocolError(Facts, IpclusterError):
    """Bytes arrived that do not follow the protocol.

    Parameters
    ----------
    reason
        What is wrong with them.

    Examples
    --------
    >>> error = ipp.ProtocolError("1 frame described, 2 received")
    >>> print(error)
    malformed message: 1 frame described, 2 received
    >>> error.reason
    '1 frame described, 2 received'
    """

    facts: ClassVar[tuple[str, ...]] = ("reason",)

    def __init__(self, reason: str) -> None:
        super().__init__(f"malformed message: {reason}")
        self.reason = reason


class VersionMismatch(ProtocolError):
    """The two ends of a connection speak different versions of the protocol.

    Parameters
    ----------
    ours, theirs
        The protocol versions of this process and of its peer.

    Examples
    --------
    >>> try:
    ...     raise ipp.VersionMismatch(ours=4, theirs=3)
    ... except ipp.ProtocolError as error:
    ...     print(f"update the other end: it speaks {error.theirs}, not {error.ours}")
    update the other end: it speaks 3, not 4
    """

    facts = ("ours", "theirs")

    def __init__(self, ours: int, theirs: int) -> None:
        super().__init__(
            f"this process speaks protocol version {ours}, its peer {theirs}; "
            "install the same version of ipcluster_ext on both sides and restart the cluster"
        )
        self.ours = ours
        self.theirs = theirs


class PythonMismatch(Facts, IpclusterError):
    """Two ends run different versions of Python: functions cannot travel between them.

    Parameters
    ----------
    ours, theirs
        The versions, as "3.13".
    where
        Who the other end is, as "engine 3".

    Examples
    --------
    >>> try:
    ...     raise ipp.PythonMismatch("3.13", "3.11", "engine 3")
    ... except ipp.PythonMismatch as error:
    ...     print(f"start {error.where} with Python {error.ours}")
    start engine 3 with Python 3.13
    """

    facts = ("ours", "theirs", "where")

    def __init__(self, ours: str, theirs: str, where: str = "the cluster") -> None:
        super().__init__(
            f"this process runs Python {ours}, {where} Python {theirs}, and functions cannot "
            "travel between them; start both with the same Python"
        )
        self.ours = ours
        self.theirs = theirs
        self.where = where


class SerializationError(Facts, IpclusterError):
    """A function, an argument or a result cannot be pickled, or not be unpickled.

    Parameters
    ----------
    what
        What should have travelled, as "the function 'f'".
    cause
        What the pickler said, and where in the value the culprit sits.

    Examples
    --------
    >>> import threading
    >>> try:
    ...     lv.apply_sync(id, threading.Lock())
    ... except ipp.SerializationError as error:
    ...     print(error.what, "|", error.cause)
    an argument | TypeError: cannot pickle '_thread.lock' object (in item 0 ...)
    """

    facts = ("what", "cause")

    def __init__(self, what: str, cause: str) -> None:
        super().__init__(f"{what} cannot be sent to another process: {cause}")
        self.what = what
        self.cause = cause

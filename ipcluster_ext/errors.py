"""Every error a caller can meet, in one tree.

::

    IpclusterError
    ├── ProtocolError                bytes on the wire that are not ours
    │   └── VersionMismatch          two ends speak different versions
    ├── SerializationError           a function, argument or result cannot travel
    ├── ClusterError
    │   ├── StartupError             a process did not come up
    │   └── ClusterStopped           the cluster is not running (any more)
    ├── ClientError
    │   ├── HubGone                  the hub does not answer
    │   ├── ClientClosed             the client was closed by its owner
    │   ├── ForkedClientError        the client belongs to the parent process
    │   └── UnknownTask              no such task is known
    ├── EngineError
    │   ├── EngineLost               the engine died with the task
    │   ├── NoSuchEngine             an engine id that is not there
    │   └── NoEnginesRegistered      nobody could ever run it
    ├── TaskAborted                  cancelled before it began
    ├── RemoteError                  the task raised; also an instance of the user's own type
    └── CompositeError               several engines raised

Constructors take facts and build the sentence; the facts stay as attributes.
"""

from collections.abc import Sequence
from concurrent.futures import CancelledError


class IpclusterError(Exception):
    """Base class of everything this package raises."""


class ProtocolError(IpclusterError):
    """Bytes arrived that do not follow the protocol.

    Parameters
    ----------
    reason
        What is wrong with them.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"malformed message: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.reason,)


class VersionMismatch(ProtocolError):
    """The two ends of a connection speak different versions of the protocol.

    Parameters
    ----------
    ours, theirs
        The protocol versions of this process and of its peer.
    """

    def __init__(self, ours: int, theirs: int) -> None:
        super().__init__(
            f"this process speaks protocol version {ours}, its peer {theirs}; "
            "install the same version of ipcluster_ext on both sides and restart the cluster"
        )
        self.ours = ours
        self.theirs = theirs

    def __reduce__(self) -> tuple[type, tuple[int, int]]:  # type: ignore[override]
        return type(self), (self.ours, self.theirs)


class SerializationError(IpclusterError):
    """A function, an argument or a result cannot be pickled, or not be unpickled.

    Parameters
    ----------
    what
        What should have travelled, as "the function 'f'".
    cause
        What the pickler said, and where in the value the culprit sits.
    """

    def __init__(self, what: str, cause: str) -> None:
        super().__init__(f"{what} cannot be sent to another process: {cause}")
        self.what = what
        self.cause = cause

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.what, self.cause)


class ClusterError(IpclusterError):
    """Starting, stopping or steering a cluster failed."""


class StartupError(ClusterError):
    """A process of the cluster did not come up.

    Parameters
    ----------
    what
        The process or the set of processes, as "the host agent".
    reason
        What was seen: an exit code, a timeout in seconds.
    output
        The last lines it wrote.
    """

    def __init__(self, what: str, reason: str, output: str = "") -> None:
        said = f"; its last words:\n{output}" if output.strip() else ""
        super().__init__(f"{what} did not start: {reason}{said}")
        self.what = what
        self.reason = reason
        self.output = output

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.what, self.reason, self.output)


class ClusterStopped(ClusterError):
    """The cluster is not running; start it before using it."""


class ClientError(IpclusterError):
    """The client cannot do what was asked."""


class HubGone(ClientError):
    """The hub does not answer.

    Parameters
    ----------
    where
        The address or connection file that was tried.
    silent_for
        How long nothing was heard, in seconds.
    reason
        What else is known.
    """

    def __init__(self, where: str, silent_for: float, reason: str = "") -> None:
        what = reason or f"no answer for {silent_for:.1f} s"
        super().__init__(
            f"the hub at {where} is gone: {what}; start a cluster with ipcluster_ext.Cluster(n=4)"
        )
        self.where = where
        self.silent_for = silent_for
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, float, str]]:
        return type(self), (self.where, self.silent_for, self.reason)


class ClientClosed(ClientError):
    """The client was closed; results that had not arrived will not arrive here."""


class ForkedClientError(ClientError):
    """The client was opened in the parent process; open a new one after the fork."""


class UnknownTask(ClientError):
    """No task of this id is known."""


class EngineError(IpclusterError):
    """Something about an engine, not about the code it ran."""


class EngineLost(EngineError):
    """The engine that had the task is gone; the task may have run, wholly or in part.

    Parameters
    ----------
    engine
        The engine's id.
    cause
        What is known of its death, as "killed by SIGKILL".
    """

    def __init__(self, engine: int, cause: str) -> None:
        super().__init__(
            f"engine {engine} was lost while it had this task ({cause}); the task may have run. "
            "Use a view made by load_balanced_view(retries=1) if it may run again"
        )
        self.engine = engine
        self.cause = cause

    def __reduce__(self) -> tuple[type, tuple[int, str]]:
        return type(self), (self.engine, self.cause)


class NoSuchEngine(EngineError, IndexError):
    """An engine id that the cluster does not have.

    Parameters
    ----------
    engine
        The id that was asked for.
    engines
        The ids there are.
    """

    def __init__(self, engine: object, engines: Sequence[int]) -> None:
        there = ", ".join(map(str, engines[:20])) or "none"
        super().__init__(f"there is no engine {engine!r}; engines: {there}")
        self.engine = engine
        self.engines = list(engines)

    def __reduce__(self) -> tuple[type, tuple[object, list[int]]]:
        return type(self), (self.engine, self.engines)


class NoEnginesRegistered(EngineError):
    """No engine is there and none is on its way, so the task could never run."""

    def __init__(
        self,
        reason: str = "the cluster has no engine and none is starting; "
        "start some with cluster.start_engines(n)",
    ) -> None:
        super().__init__(reason)


class TaskAborted(IpclusterError, CancelledError):
    """The task was cancelled before it began; it has not run.

    Also a `concurrent.futures.CancelledError`.
    """

    def __init__(self, reason: str = "the task was cancelled before it began") -> None:
        super().__init__(reason)


class RemoteError(IpclusterError):
    """A task raised on its engine.

    What is raised at the caller is an instance of this class *and* of the class the task
    raised, wherever that class can travel, so ``except ZeroDivisionError`` works
    (see `client.failure`). The original exception is its ``__cause__``.

    Parameters
    ----------
    ename, evalue
        Class name and text of the original exception.
    traceback
        The engine's traceback, formatted, without a final newline.
    engine
        The engine's id, None if the task never reached one.
    """

    ename: str = ""
    evalue: str = ""
    traceback: str = ""
    engine: int | None = None

    def __init__(self, ename: str, evalue: str, traceback: str, engine: int | None = None) -> None:
        super().__init__(ename, evalue, traceback, engine)
        self.ename = ename
        self.evalue = evalue
        self.traceback = traceback
        self.engine = engine

    @property
    def engine_info(self) -> dict[str, int | None]:
        """Where it happened, as ``{'engine_id': 3}``."""
        return {"engine_id": self.engine}

    def __str__(self) -> str:
        where = "" if self.engine is None else f"[engine {self.engine}] "
        return f"{where}{self.ename}: {self.evalue}" if self.evalue else f"{where}{self.ename}"

    def render_traceback(self) -> list[str]:
        """Return the engine's traceback as lines."""
        return (self.traceback or str(self)).splitlines()

    def _render_traceback_(self) -> list[str]:
        """Show the engine's traceback, where IPython shows an exception."""
        where = "on an engine" if self.engine is None else f"on engine {self.engine}"
        return [f"--- raised {where} ---", *self.render_traceback()]


class CompositeError(RemoteError):
    """Several engines or items raised; it keeps all of their errors.

    Parameters
    ----------
    message
        What was asked of the engines.
    errors
        One error for each that failed, in the order of the results.
    """

    tb_limit = 4

    def __init__(self, message: str, errors: Sequence[BaseException]) -> None:
        shown = "\n".join(f"  {error}" for error in errors[: self.tb_limit])
        more = len(errors) - self.tb_limit
        if more > 0:
            shown += f"\n  ... and {more} more"
        text = f"{message}: {len(errors)} failed\n{shown}"
        super().__init__("CompositeError", text, "")
        self.message = message
        self.errors = list(errors)

    @property
    def elist(self) -> list[BaseException]:
        """The errors, under ipyparallel's name."""
        return self.errors

    def __reduce__(self) -> tuple[type, tuple[str, list[BaseException]]]:
        return type(self), (self.message, self.errors)

    def __str__(self) -> str:
        return self.evalue

    def raise_exception(self, excid: int = 0) -> None:
        """Raise one of the errors.

        Parameters
        ----------
        excid
            Its index in `errors`.

        Raises
        ------
        IndexError
            There is no error of that index.
        """
        raise self.errors[excid]

    def render_traceback(self) -> list[str]:
        """Return the tracebacks of the first errors as lines."""
        lines = [f"{self.message}: {len(self.errors)} failed"]
        for error in self.errors[: self.tb_limit]:
            lines.append(f"--- {error}" if not isinstance(error, RemoteError) else "")
            if isinstance(error, RemoteError):
                lines.extend([*error.render_traceback(), f"  -> {error}"])
        return lines

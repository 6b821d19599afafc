"""Every error a caller can meet, in one tree.

::

    IpclusterError                   also called IPythonError
    ├── ProtocolError                bytes on the wire that are not ours
    │   └── VersionMismatch          two ends speak different versions
    ├── PythonMismatch               two ends run different versions of Python
    ├── SerializationError           a function, argument or result cannot travel
    ├── ClusterError
    │   ├── StartupError             a process did not come up
    │   └── ClusterStopped           the cluster is not running (any more)
    ├── ClientError
    │   ├── HubGone                  the hub does not answer
    │   ├── ClientClosed             the client was closed by its owner
    │   ├── ForkedClientError        the client belongs to the parent process
    │   ├── OptionError              an option that does not exist (TypeError, KeyError)
    │   ├── ForeignTask              another client's task, where only one's own will do
    │   └── UnknownTask              no such task is known
    ├── OutsideTask                  something that only tasks can do (RuntimeError)
    ├── SoftTimeLimit                raised inside a task that takes too long (TimeoutError)
    └── KernelError                  what became of a task
        ├── EngineError
        │   ├── EngineLost           the engine died with the task
        │   │   └── PoisonTask       and so did others before it
        │   ├── NoSuchEngine         an engine id that is not there
        │   └── NoEnginesRegistered  nobody could ever run it
        ├── TaskAborted              cancelled before it began
        ├── TaskInterrupted          stopped while it ran
        ├── TaskTimeout              it took too long (TimeoutError)
        │   └── TaskExpired          it had not begun in time
        ├── TaskRejectError          an engine would not run it
        ├── UnmetDependency          what it needs is not there
        │   └── ImpossibleDependency     and never will be
        │       ├── InvalidDependency    what it names does not exist
        │       └── DependencyTimeout    or not in time
        └── RemoteError              it raised; also an instance of the user's own type
            └── CompositeError       several did (`protocol.composite`, with
                                     what can be done with errors beside)

Constructors take facts and build the sentence; the facts stay as attributes. Errors without facts
take the sentence.
"""

import difflib
import re
import sys
from builtins import TimeoutError as TimeoutError  # noqa: A004 - ipyparallel exports it, too
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError
from typing import Any, ClassVar

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Facts:
    """Pickles an error as its class and the facts that it was made of."""

    facts: ClassVar[tuple[str, ...]] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, name) for name in self.facts)


class IpclusterError(Exception):
    """Base class of everything this package raises."""


IPythonError = IpclusterError
"""What ipyparallel calls the base class."""


class ProtocolError(Facts, IpclusterError):
    """Bytes arrived that do not follow the protocol.

    Parameters
    ----------
    reason
        What is wrong with them.
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
    """

    facts = ("what", "cause")

    def __init__(self, what: str, cause: str) -> None:
        super().__init__(f"{what} cannot be sent to another process: {cause}")
        self.what = what
        self.cause = cause


class ClusterError(IpclusterError):
    """Starting, stopping or steering a cluster failed."""


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
    """

    facts = ("what", "reason", "output")

    def __init__(self, what: str, reason: str, output: str = "") -> None:
        said = f"; its last words:\n{output}" if output.strip() else ""
        super().__init__(f"{what} did not start: {reason}{said}")
        self.what = what
        self.reason = reason
        self.output = output


class ClusterStopped(ClusterError):
    """The cluster is not running; start it before using it."""


class ClientError(IpclusterError):
    """The client cannot do what was asked."""


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
    """The client was closed; results that had not arrived will not arrive here."""


class ForkedClientError(ClientError):
    """The client was opened in the parent process; open a new one after the fork."""


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
    """

    facts = ("task",)

    def __init__(self, task: str) -> None:
        super().__init__(
            f"task {task} is another client's, and nothing here can wait for it; "
            "get its value with client.get_result() and pass that on"
        )
        self.task = task


class UnknownTask(ClientError):
    """No task of this id is known."""


class OutsideTask(Facts, IpclusterError, RuntimeError):
    """Something was asked for that only a task can have.

    Parameters
    ----------
    what
        What happens in tasks only, as "data is published".
    """

    facts = ("what",)

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} inside tasks only, and this code runs in none; call it in a function that "
            "is given to a view, as in view.apply(function)"
        )
        self.what = what


class SoftTimeLimit(IpclusterError, TimeoutError):
    """Raised inside a task that has run for its ``soft_time_limit``; it may still clean up."""

    def __init__(self, reason: str = "the task has reached its soft time limit") -> None:
        super().__init__(reason)


class KernelError(IpclusterError):
    """What became of a task that did not return."""


class EngineError(KernelError):
    """Something about an engine, not about the code it ran."""


class EngineLost(Facts, EngineError):
    """The engine that had the task is gone; the task may have run, wholly or in part.

    Parameters
    ----------
    engine
        The engine's id.
    cause
        How it died, as "killed by SIGKILL".
    details
        What else is known: what it used, the last lines that its process wrote, the stacks of its
        threads if Python had the time to write them down.
    """

    facts = ("engine", "cause", "details")

    def __init__(self, engine: int, cause: str, details: str = "") -> None:
        super().__init__(
            f"engine {engine} was lost while it had this task ({cause}); the task may have run. "
            "Use a view made by load_balanced_view(retries=1) if it may run again"
        )
        self.engine = engine
        self.cause = cause
        self.details = details

    def __str__(self) -> str:
        return f"{self.args[0]}\n{self.details}" if self.details else str(self.args[0])


class PoisonTask(EngineLost):
    """The task has been the end of as many engines as it may; parameters as for `EngineLost`."""

    def __init__(self, engine: int, cause: str, details: str = "") -> None:
        super().__init__(engine, cause, details)
        text = f"engine {engine} was lost while it had this task ({cause}), as others were before; "
        self.args = (text + "the task is not tried again",)


class NoSuchEngine(Facts, EngineError, IndexError):
    """An engine id that the cluster does not have.

    Parameters
    ----------
    engine
        The id that was asked for.
    engines
        The ids there are.
    reason
        A sentence that says it better.
    """

    facts = ("engine", "engines", "reason")

    def __init__(self, engine: object, engines: Sequence[int] = (), reason: str = "") -> None:
        there = ", ".join(map(str, engines[:20])) or "none"
        super().__init__(reason or f"there is no engine {engine!r}; engines: {there}")
        self.engine = engine
        self.engines = list(engines)
        self.reason = reason


class NoEnginesRegistered(EngineError):
    """No engine is there and none is on its way, so the task could never run."""

    def __init__(
        self,
        reason: str = "the cluster has no engine and none is starting; "
        "start some with cluster.start_engines(n)",
    ) -> None:
        super().__init__(reason)


class TaskAborted(KernelError, CancelledError):
    """The task was cancelled before it began; it has not run.

    Also a `concurrent.futures.CancelledError`.
    """

    def __init__(self, reason: str = "the task was cancelled before it began") -> None:
        super().__init__(reason)


class TaskInterrupted(KernelError):
    """The task was stopped while it ran, and its engine with it."""


class TaskTimeout(KernelError, TimeoutError):
    """The task took longer than it was given; also a `TimeoutError`."""


class TaskExpired(TaskTimeout):
    """The task had not begun when its time was up; it has not run."""


class TaskRejectError(KernelError):
    """An engine would not run the task."""


class UnmetDependency(KernelError):
    """What the task needs is not there, on this engine at least."""


class ImpossibleDependency(UnmetDependency):
    """What the task waits for can not come any more; it has not run."""


class InvalidDependency(ImpossibleDependency):
    """The task was to wait for something that does not exist; it has not run."""


class DependencyTimeout(ImpossibleDependency):
    """What the task waits for did not come in time; it has not run."""


class RemoteError(KernelError):
    """A task raised on its engine.

    What is raised at the caller is an instance of this class *and* of the class the task
    raised, wherever that class can travel, so ``except ZeroDivisionError`` works
    (see `client.failure`). The original exception is its ``__cause__``.

    Parameters
    ----------
    ename, evalue
        Class name and text of the original exception.
    traceback
        The engine's traceback, formatted, without a final newline; perhaps with colours.
    engine
        The engine's id, None if the task never reached one.

    Attributes
    ----------
    traceback
        The engine's traceback without colours.
    coloured
        As it came.
    """

    ename: str = ""
    evalue: str = ""
    traceback: str = ""
    coloured: str = ""
    engine: int | None = None

    def __init__(self, ename: str, evalue: str, traceback: str, engine: int | None = None) -> None:
        super().__init__(ename, evalue, traceback, engine)
        remember_facts(self, ename, evalue, traceback, engine)

    @property
    def engine_info(self) -> dict[str, int | None]:
        """Where it happened, as ``{'engine_id': 3}``."""
        return {"engine_id": self.engine}

    def __str__(self) -> str:
        where = "" if self.engine is None else f"[engine {self.engine}] "
        return where + self.said

    @property
    def said(self) -> str:
        """What was raised, without where."""
        return f"{self.ename}: {self.evalue}" if self.evalue else self.ename

    def render_traceback(self) -> list[str]:
        """Return the engine's traceback as lines."""
        return (self.traceback or str(self)).splitlines()

    def print_traceback(self) -> None:
        """Write the engine's traceback to ``sys.stdout``, as IPython does where that is."""
        sys.stdout.write("\n".join(_look(self, False)) + "\n")  # noqa: FBT003 - as the hook has it

    def _render_traceback_(self) -> list[str]:
        """Show the engine's traceback, where IPython shows an exception."""
        return _look(self, True)  # noqa: FBT003 - as the hook has it


def remember_facts(
    error: RemoteError, ename: str, evalue: str, traceback: str, engine: int | None
) -> None:
    """Tell an error what is known of it, whatever its class calls its own methods."""
    error.ename, error.evalue, error.engine = ename, evalue, engine
    error.coloured, error.traceback = traceback, _COLOUR.sub("", traceback)


def _as_it_came(error: RemoteError, _whole: bool) -> list[str]:  # noqa: FBT001 - a hook's
    return error.render_traceback()


_look: Callable[[RemoteError, bool], list[str]] = _as_it_came


def show_with(look: Callable[[RemoteError, bool], list[str]]) -> None:
    """Choose how such errors look to who reads them here: whole, or the traceback alone."""
    global _look
    _look = look

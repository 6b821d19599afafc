"""What became of a task that did not return, and what is raised inside one."""

from collections.abc import Sequence
from concurrent.futures import CancelledError

from ipcluster_ext.errors.base import Facts, IpclusterError


class OutsideTask(Facts, IpclusterError, RuntimeError):
    """Something was asked for that only a task can have.

    Parameters
    ----------
    what
        What happens in tasks only, as "data is published".

    Examples
    --------
    >>> try:
    ...     ipp.publish(loss=0.5)
    ... except ipp.OutsideTask as error:
    ...     print(error.what)
    data is published
    """

    facts = ("what",)

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} inside tasks only, and this code runs in none; call it in a function that "
            "is given to a view, as in view.apply(function)"
        )
        self.what = what


class SoftTimeLimit(IpclusterError, TimeoutError):
    """Raised inside a task that has run for its ``soft_time_limit``; it may still clean up.

    Examples
    --------
    >>> def patient():
    ...     import time
    ...
    ...     try:
    ...         time.sleep(60)
    ...     except ipp.SoftTimeLimit as error:
    ...         return f"tidied up: {error}"
    >>> lv.options(soft_time_limit=0.1).apply_sync(patient)
    'tidied up: the task has taken 0.1 s, its soft time limit'
    """

    def __init__(self, reason: str = "the task has reached its soft time limit") -> None:
        super().__init__(reason)


class KernelError(IpclusterError):
    """What became of a task that did not return.

    Examples
    --------
    >>> error = lv.submit(divmod, 1, 0).exception()
    >>> isinstance(error, ipp.KernelError), isinstance(error, ZeroDivisionError)
    (True, True)
    """


class EngineError(KernelError):
    """Something about an engine, not about the code it ran.

    Examples
    --------
    >>> try:
    ...     rc.load_balanced_view(targets=[7])
    ... except ipp.EngineError as error:
    ...     print(type(error).__name__, error.engines)
    NoSuchEngine [0, 1]
    """


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

    Examples
    --------
    >>> import os
    >>> try:
    ...     rc[1].apply_sync(os._exit, 1)
    ... except ipp.EngineLost as error:
    ...     print(f"engine {error.engine}: {error.cause}")
    engine 1: exit code 1
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
    """The task has been the end of as many engines as it may; parameters as for `EngineLost`.

    Examples
    --------
    >>> import os
    >>> try:
    ...     lv.options(retries=5).apply_sync(os._exit, 1)
    ... except ipp.PoisonTask as error:
    ...     print(error.cause)
    it has killed engines ...: exit code 1
    """

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

    Examples
    --------
    >>> try:
    ...     rc[7]
    ... except ipp.NoSuchEngine as error:
    ...     print(error.engine, error.engines)
    7 [0, 1]
    """

    facts = ("engine", "engines", "reason")

    def __init__(self, engine: object, engines: Sequence[int] = (), reason: str = "") -> None:
        there = ", ".join(map(str, engines[:20])) or "none"
        super().__init__(reason or f"there is no engine {engine!r}; engines: {there}")
        self.engine = engine
        self.engines = list(engines)
        self.reason = reason


class NoEnginesRegistered(EngineError):
    """No engine is there and none is on its way, so the task could never run.

    Examples
    --------
    >>> def apply_somewhere(function, *args):
    ...     try:
    ...         return lv.apply_sync(function, *args)
    ...     except ipp.NoEnginesRegistered:
    ...         rc.start_engines(2)
    ...         return lv.apply_sync(function, *args)
    >>> apply_somewhere(abs, -1)
    1
    """

    def __init__(
        self,
        reason: str = "the cluster has no engine and none is starting; "
        "start some with cluster.start_engines(n)",
    ) -> None:
        super().__init__(reason)


class TaskAborted(KernelError, CancelledError):
    """The task was cancelled before it began; it has not run.

    Also a `concurrent.futures.CancelledError`.

    Examples
    --------
    >>> import time
    >>> busy, late = rc[0].apply_async(time.sleep, 0.2), rc[0].apply_async(abs, -1)
    >>> _ = late.cancel()
    >>> try:
    ...     late.get()
    ... except ipp.TaskAborted as error:
    ...     print(error)
    the task was cancelled before it began
    """

    def __init__(self, reason: str = "the task was cancelled before it began") -> None:
        super().__init__(reason)


class TaskInterrupted(KernelError):
    """The task was stopped while it ran, and its engine with it.

    Examples
    --------
    >>> def value_of(task):
    ...     try:
    ...         return task.get()
    ...     except ipp.TaskInterrupted:
    ...         return None  # it did not heed task.interrupt(escalate=True)
    >>> value_of(lv.submit(abs, -1))
    1
    """


class TaskTimeout(KernelError, TimeoutError):
    """The task took longer than it was given; also a `TimeoutError`.

    Examples
    --------
    >>> import time
    >>> try:
    ...     lv.options(time_limit=0.1).apply_sync(time.sleep, 60)
    ... except TimeoutError as error:
    ...     print(type(error).__name__, error.evalue)
    TaskTimeout the task has taken 0.1 s, its time limit
    """


class TaskExpired(TaskTimeout):
    """The task had not begun when its time was up; it has not run.

    Examples
    --------
    >>> import time
    >>> busy = rc[0].apply_async(time.sleep, 0.5)
    >>> try:
    ...     rc.load_balanced_view([0], expires=0.05).apply_sync(abs, -1)
    ... except ipp.TaskExpired as error:
    ...     print(error)
    it had not begun when its time to live was over
    """


class TaskRejectError(KernelError):
    """An engine would not run the task.

    Examples
    --------
    >>> def picky():
    ...     raise ipp.TaskRejectError("not on this host")
    >>> try:
    ...     lv.apply_sync(picky)
    ... except ipp.TaskRejectError as error:
    ...     print(error.evalue)
    not on this host
    """


class UnmetDependency(KernelError):
    """What the task needs is not there, on this engine at least.

    Examples
    --------
    >>> @ipp.require("a_module_that_nobody_has")
    ... def double(x):
    ...     return 2 * x
    >>> try:
    ...     lv.apply_sync(double, 4)
    ... except ipp.UnmetDependency as error:
    ...     print(error)
    no engine meets what it requires; ... No module named 'a_module_that_nobody_has'
    """


class ImpossibleDependency(UnmetDependency):
    """What the task waits for can not come any more; it has not run.

    Examples
    --------
    >>> first = lv.submit(divmod, 1, 0)
    >>> try:
    ...     lv.options(after=first).apply_sync(abs, -1)
    ... except ipp.ImpossibleDependency:
    ...     print(first.exception())
    [engine ...] ZeroDivisionError: integer division or modulo by zero
    """


class InvalidDependency(ImpossibleDependency):
    """The task was to wait for something that does not exist; it has not run.

    Examples
    --------
    >>> try:
    ...     ipp.Dependency(["task 17"])
    ... except ipp.InvalidDependency as error:
    ...     print(error)
    'task 17' is not a task id; task ids look like '1f3a09bc-17'
    """


class DependencyTimeout(ImpossibleDependency):
    """What the task waits for did not come in time; it has not run.

    Examples
    --------
    >>> import time
    >>> first = rc[0].apply_async(time.sleep, 0.5)
    >>> try:
    ...     lv.options(after=first, timeout=0.05).apply_sync(abs, -1)
    ... except ipp.DependencyTimeout as error:
    ...     print(error)
    the tasks that it depends on took longer than its timeout
    """

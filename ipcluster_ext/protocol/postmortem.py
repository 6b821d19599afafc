"""What a debugger is asked to look at, and what it says if that is not there any more."""

from typing import TypedDict

from ipcluster_ext.errors import Facts, KernelError
from ipcluster_ext.protocol.ids import TaskId

LABEL = "debug"
"""What the history calls tasks that debug others."""


class PostMortem(TypedDict):
    """The payload of a task that opens a debugger: what it looks at, and in which colours."""

    task: TaskId
    theme: str


class FramesGone(Facts, KernelError):
    """The frames in which a task failed are not kept any more, so nobody can look into them.

    Parameters
    ----------
    task
        Its id.
    engine
        Where it failed.
    reason
        Why they are gone.

    Examples
    --------
    >>> task = rc[0].apply_async(divmod, 1, 0)
    >>> try:
    ...     task.debug()
    ... except ipp.FramesGone as error:
    ...     print(error.reason)
    [0]: ZeroDivisionError: integer division or modulo by zero
    'help' lists the commands of the debugger, 'q' ends it
    it failed before any of its code ran
    """

    facts = ("task", "engine", "reason")

    def __init__(self, task: str, engine: int, reason: str) -> None:
        super().__init__(
            f"engine {engine} does not have the frames of task {task}: {reason}; "
            "run it again, and debug it then"
        )
        self.task = task
        self.engine = engine
        self.reason = reason

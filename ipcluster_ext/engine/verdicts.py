"""What a task's exception means: it failed, is to be tried again, or cannot run here."""

from ipcluster_ext.errors import ImpossibleDependency, RemoteError, UnmetDependency
from ipcluster_ext.protocol.buffers import load
from ipcluster_ext.protocol.parts import Options
from ipcluster_ext.protocol.status import TaskStatus


def verdict(error: BaseException, options: Options | None) -> TaskStatus:
    """Judge what a task raised.

    Parameters
    ----------
    error
        What it raised.
    options
        The task's; its owner's judge is in there.

    Returns
    -------
    `REFUSED` where the task says that what it needs is not here, `AGAIN` where its owner wants
    such a failure tried again; else `FAILED`.
    """
    if isinstance(error, UnmetDependency) and not isinstance(
        error,
        ImpossibleDependency | RemoteError,  # what a task of its own met with is not its own
    ):
        return TaskStatus.REFUSED
    judge = b"" if options is None or options.retry is None else options.retry.judge
    return TaskStatus.AGAIN if judge and _wants_again(judge, error) else TaskStatus.FAILED


def _wants_again(judge: bytes, error: BaseException) -> bool:
    """Ask a judge: the classes to try again on (none means any), and those not to."""
    try:
        wanted, unwanted = load(judge, ())
        return isinstance(error, tuple(wanted) or Exception) and not isinstance(
            error, tuple(unwanted)
        )
    except Exception as second:  # noqa: BLE001 - unpickling and isinstance() run the user's code
        error.add_note(f"whether to try again could not be decided: {second!r}")
        return False

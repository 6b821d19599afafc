"""Running a cell: what is shown while it runs, how long one waits, and how it ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ipcluster_ext.client.progress import showing
from ipcluster_ext.display.cell import Cell
from ipcluster_ext.magics.failures import Failures, show
from ipcluster_ext.magics.options import GroupBy
from ipcluster_ext.magics.settings import Settings
from ipcluster_ext.magics.stopping import stop
from ipcluster_ext.protocol.composite import AlreadyDisplayedError, CompositeError
from ipcluster_ext.protocol.showing import groups

if TYPE_CHECKING:
    from ipcluster_ext import AsyncResult, Client

Here = Callable[[], BaseException | None]
"""Runs the cell in this process, too; returns what it raised, which has been shown then."""


def attend(
    client: "Client",
    result: "AsyncResult",
    settings: Settings,
    *,
    group_by: GroupBy | None = None,
    here: Here | None = None,
    stopped: bool = False,
) -> None:
    """Wait until a cell has ended, and show what there is to show.

    Parameters
    ----------
    client
        Whose tasks they are.
    result
        The cell's answer.
    settings
        How to show it, and what to do when it is interrupted or fails.
    group_by
        How output is put together; as it comes, or by type, if not given.
    here
        Runs the cell in this process meanwhile, if it is to run here, too.
    stopped
        Whether the cell was interrupted already.

    Raises
    ------
    KeyboardInterrupt
        The cell was interrupted; its tasks have been stopped.
    RemoteError, EngineLost, TaskAborted
        What one of the tasks raised, or a `CompositeError` of several.
    AlreadyDisplayedError
        The same, where it has been shown.
    """
    local: BaseException | None = None
    interrupt: KeyboardInterrupt | None = None
    failures: Failures | None = None
    try:
        failures = Failures(result) if settings.stream else None
        with _live(result, failures, group_by):
            try:
                local = KeyboardInterrupt() if stopped else here() if here is not None else None
                if isinstance(local, KeyboardInterrupt):
                    raise local
                with showing(result, after=settings.progress_after):
                    result.wait()
            except KeyboardInterrupt:
                if failures is not None:
                    failures.be_silent()
                interrupt = stop(client, result, settings.signal_on_interrupt)
        if interrupt is None and failures is None:
            result.display_outputs(group_by or "type")
    except KeyboardInterrupt:  # before it was waited for, or while the last of it was shown
        interrupt = interrupt or stop(client, result, settings.signal_on_interrupt)
    if interrupt is not None:
        raise interrupt from None
    conclude(result, shown=failures is not None, debug=settings.debug)
    if local is not None:
        raise AlreadyDisplayedError(local)


@contextmanager
def _live(
    result: "AsyncResult", failures: Failures | None, group_by: GroupBy | None
) -> Iterator[None]:
    """Show output and errors as they come, if that is wanted."""
    if failures is None:
        yield
        return
    with result.stream_output(group_by or "order"):
        result.listen(failures)
        try:
            yield
        finally:
            result.unlisten(failures)
    failures.conclude()


def conclude(result: "AsyncResult", *, shown: bool, debug: bool) -> None:
    """Raise what a cell that has ended has raised, if anything.

    Parameters
    ----------
    result
        The cell's answer.
    shown
        Whether its errors have been shown.
    debug
        Whether to look into the frame that failed before.
    """
    error = _error_of(result)
    if error is None:
        return
    if debug and not shown:
        errors = error.errors if isinstance(error, CompositeError) else [error]
        for group in groups(errors)[: CompositeError.tb_limit]:
            show(group, Cell.current())
        shown = True
    if debug:
        result.debug()
    if shown:
        raise AlreadyDisplayedError(error)
    raise error.with_traceback(None)


def _error_of(result: "AsyncResult") -> BaseException | None:
    try:
        result.get()
    except BaseException as error:  # noqa: BLE001 - whatever it was that the engines raised
        return error
    return None

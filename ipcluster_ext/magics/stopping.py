"""What the stop button does to a cell that waits: it stops what the cell started, and no more."""

from contextlib import AbstractContextManager
from signal import SIGINT
from typing import TYPE_CHECKING

from ipcluster_ext.client.interrupts import deferred_interrupts
from ipcluster_ext.client.joining import say
from ipcluster_ext.magics.naming import engines_text
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.status import TaskStatus

if TYPE_CHECKING:
    from ipcluster_ext import AsyncResult, Client

STOPPED_WAITING = "stopped waiting: the code goes on, and %pxresult waits for it again"
_PATIENCE = 3.0
"""After how many seconds whoever waits for a task to stop is told that it does not."""


def stop(client: "Client", result: "AsyncResult", signum: int) -> KeyboardInterrupt:
    """Stop a cell's tasks, and wait until they have ended; another interrupt ends the waiting.

    Parameters
    ----------
    client
        Whose tasks they are.
    result
        The cell's answer.
    signum
        What its engines get. SIGINT interrupts the cell's own tasks, and no others; another
        signal goes to the engines that run one of them. 0 leaves them alone.

    Returns
    -------
    What the cell is to raise. It shows itself in one line.
    """
    if not signum:
        return short(STOPPED_WAITING)
    waited = _unended(result)
    if not waited:
        return short("the code had ended; %pxresult shows what it had to show")
    try:
        if signum == SIGINT:
            with held_back():
                result.interrupt()
        else:
            result.cancel_unbegun()
            busy = list(_unended(result).values())
            if busy:
                client.send_signal(signum, busy, block=True)
        if not result.wait(_PATIENCE):
            still = engines_text(_unended(result).values())
            say(f"{still} did not stop within {_PATIENCE:.0f} s; stop once more to wait no longer")
            result.wait()
    except KeyboardInterrupt:
        still = engines_text(_unended(result).values())
        return short(f"stopped waiting: {still} did not stop; restart_engines() would make them")
    ran = [engine for place, engine in waited.items() if not _never_began(result, place)]
    return short(f"{engines_text(ran)} interrupted" if ran else "stopped before it began")


def _unended(result: "AsyncResult") -> dict[int, EngineId]:
    """Return the engines on which the cell has not ended, by the places of its tasks."""
    return {
        place: engine
        for place, engine in enumerate(result.engines)
        if result.outcome_at(place) is None
    }


def _never_began(result: "AsyncResult", place: int) -> bool:
    outcome = result.outcome_at(place)
    return outcome is not None and outcome.item.status is TaskStatus.CANCELLED


def held_back() -> AbstractContextManager[object]:
    """Hold SIGINT back until a ``with`` block ends, in which something is sent as a whole."""
    return deferred_interrupts(lambda: None)


def short(text: str) -> KeyboardInterrupt:
    """Return an interrupt that IPython shows in one line, without the frames it came through."""
    error = KeyboardInterrupt(text)
    vars(error)["_render_traceback_"] = lambda: [f"KeyboardInterrupt: {text}"]
    return error

"""A debugger at a client for what failed on an engine: commands from here, frames there."""

from collections.abc import Sequence

from ipcluster_ext.client.answer import Answer
from ipcluster_ext.client.hearers import Hearer
from ipcluster_ext.errors import EngineLost, RemoteError
from ipcluster_ext.protocol.buffers import dump
from ipcluster_ext.protocol.ids import EngineId, TaskId, task_text
from ipcluster_ext.protocol.messages import SubmitEach
from ipcluster_ext.protocol.parts import TaskItem, TaskSpec
from ipcluster_ext.protocol.postmortem import LABEL, FramesGone, PostMortem
from ipcluster_ext.protocol.showing import heading
from ipcluster_ext.protocol.status import Kind
from ipcluster_ext.protocol.tracebacks import colours_of_shell

ENDS_WITHIN = 0.5
"""What goes on for so long after Ctrl-C, in seconds, is interrupted once more."""


class Console(Hearer):
    """Shows what a debugger prints, at once and as it is."""

    def __init__(self) -> None:
        from ipcluster_ext.display.cell import Cell

        self._cell = Cell.current()

    def say(self, text: str) -> None:
        """Show a line."""
        self._cell.write("stdout", f"{text}\n")

    def wrote(self, task: TaskId, stream: str, text: str) -> None:
        """Show what the debugger printed."""
        del task
        self._cell.write(stream, text)

    def asked(self, task: TaskId) -> bool:
        """Show nothing more: it has been shown."""
        del task
        return True


def failed_on(answer: Answer) -> dict[EngineId, int]:
    """Return which tasks raised something, by engine: the place of the first on each.

    Raises
    ------
    FramesGone
        None did, but engines died with tasks.
    ValueError
        Neither.
    """
    found: dict[EngineId, int] = {}
    lost: FramesGone | None = None
    for place in range(answer.count_tasks()):
        error, outcome = answer.value_at(place)[1], answer.outcome_at(place)
        if isinstance(error, RemoteError) and outcome is not None and outcome.engine >= 0:
            found.setdefault(outcome.engine, place)
        elif isinstance(error, EngineLost):
            reason = f"the engine died with it ({error.cause})"
            lost = FramesGone(task_text(answer.task_at(place)), error.engine, reason)
    if not found and lost is not None:
        raise lost
    if not found:
        msg = f"nothing can be debugged: no task of {answer!r} has raised anything"
        raise ValueError(msg)
    return found


def choose(failed: dict[EngineId, int], engine: int | None) -> EngineId:
    """Return the engine whose failure to look into: the one that is wanted, or the first.

    Raises
    ------
    ValueError
        No task failed there.
    """
    if engine is None:
        return min(failed)
    if EngineId(engine) not in failed:
        there = ", ".join(map(str, sorted(failed)))
        msg = f"no task has failed on engine {engine}; engines on which one has: {there}"
        raise ValueError(msg)
    return EngineId(engine)


def debug(answer: Answer, engine: int | None) -> None:
    """Have the user look into the frames of a failed task; see `Awaited.debug`."""
    failed = failed_on(answer)
    chosen = choose(failed, engine)
    place = failed[chosen]
    console = Console()
    others = [other for other in sorted(failed) if other != chosen]
    console.say(_title(answer.value_at(place)[1], others))
    session = _open(answer, chosen, answer.task_at(place), console)
    interrupted = False
    try:
        _wait(session)
    except KeyboardInterrupt:
        interrupted = True
        _end(session)
    finally:
        session.unlisten(console)
    error = session.failure or session.value_at(0)[1]
    if error is not None and not (interrupted and isinstance(error, RemoteError)):
        raise error


def _title(error: BaseException | None, others: Sequence[EngineId]) -> str:
    lines = [] if error is None else [heading([error])]
    if others:
        lines.append(f"for what failed on other engines: debug(engine={others[0]})")
    return "\n".join([*lines, "'help' lists the commands of the debugger, 'q' ends it"])


def _open(answer: Answer, engine: EngineId, task: TaskId, console: Console) -> Answer:
    """Have an engine open a debugger; return the answer that comes when it is closed."""
    connection = answer.connection
    colours = colours_of_shell()
    payload = PostMortem(task=task, theme="" if colours is None else colours.theme)
    session = Answer(connection, 1, single=True, label=LABEL)
    session.engines = [engine]
    session.listen(console)
    spec = TaskSpec(Kind.DEBUG, host=connection.host, label=LABEL, balanced=False, name=LABEL)
    item = TaskItem(session.first, dump(payload).stream)
    connection.say([SubmitEach(spec, item, [engine])], attended=True)
    return session


def _wait(session: Answer, timeout: float | None = None) -> bool:
    return session.wait_until(session.done, timeout)


def _end(session: Answer) -> None:
    """Have a debugger end, and whatever one of its commands does."""
    if not _wait(session, ENDS_WITHIN):
        session.connection.interrupt([session.first], ())
        _wait(session)

"""What bars and cards are given to show: facts of one moment, and where they come from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

_READY = frozenset({"ready", "idle", "busy"})


class Step(NamedTuple):
    """How far one task says that it is; ``total`` is None if it does not know."""

    done: float
    total: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLook:
    """How far some work is.

    Attributes
    ----------
    kind, label
        What it is, and what its user calls it.
    verb
        What it is that is counted: 'done', 'ready', ...
    done, total
        How much was done, by whatever the user counts, and how much there is; None if nobody
        knows.
    failed, cancelled
        How much of what was done failed, and how much of the rest will never be done.
    running
        How many tasks are known to run.
    doing
        What a task says that it does.
    trouble
        Why nothing goes on, or why not everything ended.
    over
        Whether nothing more will come.
    elapsed
        For how many seconds it has gone on, or went on.
    """

    kind: str = ""
    label: str = ""
    verb: str = "done"
    done: float = 0
    total: float | None = None
    failed: int = 0
    cancelled: int = 0
    running: int = 0
    doing: str = ""
    trouble: str = ""
    over: bool = False
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one engine has of some work.

    Attributes
    ----------
    engine
        Its id; None for tasks of which it is not known where they run.
    running, done, failed
        How many of its tasks run, and have ended.
    step
        How far its current task says that it is.
    line
        What that wrote last.
    """

    engine: int | None
    running: int = 0
    done: int = 0
    failed: int = 0
    step: Step | None = None
    line: str = ""


class Work(Protocol):
    """Work that goes on, as somebody who shows it needs it. Looking at it never waits."""

    def look(self) -> WorkLook:
        """Return how far it is."""

    def shares(self) -> Sequence[Share]:
        """Return what each engine has of it."""

    def cancel(self) -> str:
        """Cancel what has not begun, and say what became of it; may wait."""

    def interrupt(self) -> str:
        """Stop what runs, too, and say what became of it; may wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLook:
    """One engine at one moment.

    Attributes
    ----------
    engine, state
        Its id, and how it is: 'starting', 'ready' (or 'idle' or 'busy'), 'unresponsive', ...
    host, pid
        Where it runs.
    busy, task, busy_for
        Whether it has something to do, what its current task is called, and for how many seconds
        that has run; None if nobody knows.
    queued, done, failed
        How many tasks it has not begun, and how many ended.
    cpu, memory
        The share of a processor that it uses, and its bytes; None if nobody knows.
    """

    engine: int
    state: str
    host: str = ""
    pid: int = 0
    busy: bool = False
    task: str = ""
    busy_for: float | None = None
    queued: int = 0
    done: int | None = None
    failed: int | None = None
    cpu: float | None = None
    memory: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterLook:
    """A cluster at one moment.

    Attributes
    ----------
    title
        What it is called.
    state
        'running', 'stopped', 'not started', 'closed', ...
    controls
        What can be asked of it: of 'start', 'scale', 'restart', 'interrupt', 'stop'.
    lasting
        Whether it will never be otherwise.
    wanted
        How many engines there should be; None if nobody knows.
    queued, done, failed
        How many tasks no engine has begun, and how many have ended; None if nobody knows.
    trouble
        Why it is not as it should be.
    engines
        The engines, in order.
    """

    title: str
    state: str
    controls: frozenset[str] = frozenset()
    lasting: bool = False
    wanted: int | None = None
    queued: int | None = None
    done: int | None = None
    failed: int | None = None
    trouble: str = ""
    engines: Sequence[EngineLook] = field(default_factory=tuple)

    @property
    def known(self) -> bool:
        """Whether anything is known of its engines."""
        return self.state == "running"

    @property
    def ready(self) -> int:
        """How many engines are ready."""
        return sum(engine.state in _READY for engine in self.engines)

    @property
    def busy(self) -> int:
        """How many engines do something."""
        return sum(engine.busy for engine in self.engines)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where the engines run."""
        return tuple(dict.fromkeys(engine.host for engine in self.engines if engine.host))


class Overseen(Protocol):
    """A cluster as its card needs it. Looking never waits; what is done may."""

    def open(self) -> None:
        """Begin to learn what goes on: somebody looks. May wait, and may be called twice."""

    def close(self) -> None:
        """Learn nothing more. May be called twice."""

    def look(self) -> ClusterLook:
        """Return what is known."""

    def start(self) -> str:
        """Start it, and say so."""

    def scale(self, n: int) -> str:
        """Have so many engines, and say so."""

    def restart(self) -> str:
        """Give all engines new processes, and say so."""

    def interrupt(self) -> str:
        """Interrupt whatever runs, and say so."""

    def stop(self) -> str:
        """Stop it, and say so."""

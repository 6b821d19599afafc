"""What code inside a task can ask and tell: its task, data, progress, displays, a client."""

import os
import sys
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from ipcluster_ext.errors import ClientError, OutsideTask
from ipcluster_ext.protocol.ids import EngineId, TaskId, task_text
from ipcluster_ext.transport.files import far_client_file

if TYPE_CHECKING:
    from ipcluster_ext import Client
    from ipcluster_ext.engine.current import Current
    from ipcluster_ext.engine.fulltext import FullTexts
    from ipcluster_ext.engine.insides import Insides
    from ipcluster_ext.engine.interrupts import Interrupts
    from ipcluster_ext.engine.lane import Assignment
    from ipcluster_ext.engine.news import Newsroom
    from ipcluster_ext.engine.outcomes import Outcomes
    from ipcluster_ext.engine.speaker import Speaker
    from ipcluster_ext.protocol.displays import Event

T = TypeVar("T")

PROGRESS_EVERY = 0.1
"""Progress is told no more often than this, in seconds."""


class Surroundings:
    """The engine, as the tasks inside see it.

    Parameters
    ----------
    engine
        Its id.
    current
        Tells which task asks.
    outcomes, news
        The way of what it has to say.
    speaker
        Says what it prints.
    full
        Keeps all of that.
    interrupts
        What must not tear that apart.
    connection_file
        The cluster's.
    away
        Whether the hub is on another host: then such a file is here only where the cluster has
        started the agent, which has keys for clients, too.

    Attributes
    ----------
    insides
        The engine, as its visitors see it.
    """

    insides: "Insides | None" = None

    def __init__(
        self,
        engine: EngineId,
        current: "Current",
        *,
        outcomes: "Outcomes",
        news: "Newsroom",
        speaker: "Speaker",
        full: "FullTexts",
        interrupts: "Interrupts",
        connection_file: Path,
        away: bool = False,
    ) -> None:
        self.engine = engine
        self._connection_file = connection_file
        self._away = away
        self._client: Client | None = None
        self._opening = threading.Lock()
        self._current = current
        self._outcomes = outcomes
        self._news = news
        self._speaker = speaker
        self.full = full
        self._interrupts = interrupts

    @property
    def assignment(self) -> "Assignment | None":
        """The task that asks; None if no task runs."""
        return self._current.assignment()

    def client(self) -> "Client":
        """Return a client of the engine's cluster, the same one until somebody closes it.

        Raises
        ------
        ClientError
            The hub is on another host, and there are only keys for engines here.
        """
        import ipcluster_ext  # rooms meet at the root only

        self.check_allowed()
        path = self._connection_file
        if self._away:
            path = far_client_file(path.parent)
        with self._opening:
            if self._client is None or self._client.closed:
                self._client = ipcluster_ext.Client(path)
            return self._client

    def check_allowed(self, what: str = "submit tasks") -> None:
        """Refuse what needs a client where there are no keys for that.

        Raises
        ------
        ClientError
            Says what to do instead.
        """
        if self._away and not far_client_file(self._connection_file.parent).exists():
            msg = (
                f"engine {self.engine} is on another host than its hub and has keys for engines "
                f"only, so what runs there cannot {what}; have the cluster start it with a "
                "set of engines that submits, or copy the client's connection_file to a private "
                f"file on {os.uname().nodename} and open ipcluster_ext.Client(path) in the task"
            )
            raise ClientError(msg)

    def tell(self, assignment: "Assignment", topic: str, value: object) -> None:
        """Send news of a task, after what it has printed.

        Raises
        ------
        SerializationError
            The value cannot be pickled.
        """
        body = self._outcomes.body(value, assignment.spec.host, what=f"the {topic} of a task")
        self._speaker.flush()
        with self._interrupts.held():
            self._news.tell(assignment.item.id, topic, body)


_inside: Surroundings | None = None


def enter(surroundings: Surroundings | None) -> None:
    """Have this process be an engine for the code inside tasks; None for one no longer."""
    global _inside
    _inside = surroundings


def insides() -> "Insides | None":
    """Return the engine from inside; None where this process is none, or not any more."""
    return None if _inside is None else _inside.insides


def _here(what: str) -> "tuple[Surroundings, Assignment]":
    """Return the engine and the task of the caller.

    Raises
    ------
    OutsideTask
        It runs in no task.
    """
    assignment = None if _inside is None else _inside.assignment
    if _inside is None or assignment is None:
        raise OutsideTask(what)
    return _inside, assignment


class CurrentTask(NamedTuple):
    """The task that the calling code runs in.

    Attributes
    ----------
    id
        As in `AsyncResult.msg_ids`.
    engine
        The engine's id.
    label
        What its owner called it.
    """

    id: str
    engine: int
    label: str


def current_task() -> CurrentTask | None:
    """Tell which task the calling code runs in.

    Returns
    -------
    None outside of tasks.

    Examples
    --------
    >>> ipp.current_task() is None
    True
    >>> rc[1].apply_sync(lambda: ipp.current_task().engine)
    1
    """
    assignment = None if _inside is None else _inside.assignment
    if _inside is None or assignment is None:
        return None
    return CurrentTask(task_text(assignment.item.id), int(_inside.engine), assignment.spec.label)


def publish(**data: Any) -> None:
    """Send data to whoever waits for the task that runs, who finds it in ``ar.data``.

    May be called from any thread, as often as one likes; a later value of a name replaces the
    earlier one.

    Parameters
    ----------
    **data
        Any values that can be pickled, by name.

    Raises
    ------
    OutsideTask
        The caller runs in no task.
    SerializationError
        A value cannot be pickled.

    Examples
    --------
    >>> ar = rc[0].apply_async(lambda: ipp.publish(loss=0.5))
    >>> ar.get()
    >>> ar.data
    {'loss': 0.5}
    """
    publish_data(data)


def publish_data(data: Mapping[str, Any]) -> None:
    """As `publish`, with the names and values in a dict; ipyparallel's name for it.

    Raises
    ------
    OutsideTask
        The caller runs in no task.
    SerializationError
        A value cannot be pickled.
    """
    surroundings, assignment = _here("data is published")
    surroundings.tell(assignment, "data", dict(data))


def get_client() -> "Client":
    """Return a client of the cluster that runs the task which calls this.

    It submits more tasks, and may wait for them: an engine whose task waits does other tasks
    meanwhile, those that it submitted first. There is one for all tasks of an engine, which is
    closed when the engine ends.

    Raises
    ------
    OutsideTask
        The caller runs in no task; a `Client` is what it needs.
    ClientError
        The engine is on another host and has keys for engines only: it has joined by hand, or its
        set is one that does not submit (`EngineSet`).

    Examples
    --------
    >>> def total(numbers):
    ...     view = ipp.get_client().load_balanced_view()
    ...     return sum(view.map_sync(abs, numbers))
    >>> lv.apply_sync(total, [-1, 2, -3])
    6
    """
    surroundings, _ = _here("get_client() gives a client")
    return surroundings.client()


def read_output(task: int, stream: str, start: int, nbytes: int) -> bytes | None:
    """Read a piece of all that a task has printed on this engine, in UTF-8.

    Returns
    -------
    None where it was so little that its client has it, or it was deleted to make room.
    """
    surroundings, _ = _here("what a task printed is read")
    return surroundings.full.read((TaskId(task), stream), start, nbytes)


def bind_kernel(*, may_end: bool = False) -> str:
    """Open the engine that runs the calling code to Jupyter's front ends, if it is not open yet.

    They share its namespace: their cells take turns with the engine's tasks, what only looks
    (completion, inspection) is answered meanwhile. It is open until it ends, and costs nothing
    before.

    Parameters
    ----------
    may_end
        Whether a front end that asks for it (*Shut Down*, *Restart*) ends or restarts the engine;
        it is told why not otherwise.

    Returns
    -------
    The path of the connection file, as for ``jupyter console --existing``, on the engine's host.

    Raises
    ------
    OutsideTask
        The caller does not run on an engine; there `DirectView.connection_file` is what it needs.
    ClusterError
        The folder of the cluster's files cannot be used.
    ClientError
        The engine is on another host than its hub, and has keys for engines only.

    Examples
    --------
    >>> rc[0].apply_sync(ipp.bind_kernel).endswith("kernel-0.json")
    True
    """
    engine = insides()
    if engine is None:
        what = "bind_kernel() opens an engine"
        raise OutsideTask(what)
    if _inside is not None:
        _inside.check_allowed("be asked by Jupyter's front ends")
    from ipcluster_ext.engine.doors import open_doors  # all of Jupyter's part, and ZeroMQ

    return str(open_doors(engine, may_end=may_end))


def complain(text: str) -> None:
    """Write what went wrong in something that nobody waits for, as the task that runs."""
    sys.stderr.write(f"{text}\n")


def show(event: "Event") -> bool:
    """Send what a task displays, in every format it has.

    Returns
    -------
    False if no task runs, or one that runs a cell and collects it as well.
    """
    from ipcluster_ext.protocol.status import Kind

    assignment = None if _inside is None else _inside.assignment
    if _inside is None or assignment is None:
        return False
    _inside.tell(assignment, "display", event)
    return assignment.spec.kind is not Kind.EXECUTE


class Progress(Generic[T]):
    """An iterable that tells how far its reader is; see `progress`.

    Parameters
    ----------
    iterable, total, label
        As for `progress`.
    """

    def __init__(
        self, iterable: Iterable[T] | AsyncIterable[T], total: int | None, label: str
    ) -> None:
        self._iterable = iterable
        self._total = total
        self._label = label

    def __len__(self) -> int:
        if self._total is None:
            msg = "the number of items is not known"
            raise TypeError(msg)
        return self._total

    def __iter__(self) -> Iterator[T]:
        if not isinstance(self._iterable, Iterable):
            msg = f"{type(self._iterable).__name__} needs 'async for'"
            raise TypeError(msg)
        steps = _Steps(self._total, self._label)
        try:
            for item in self._iterable:
                yield item
                steps.one_more()
        finally:
            steps.end()

    async def __aiter__(self) -> AsyncIterator[T]:
        steps = _Steps(self._total, self._label)
        try:
            if isinstance(self._iterable, AsyncIterable):
                async for item in self._iterable:
                    yield item
                    steps.one_more()
            else:
                for item in self._iterable:
                    yield item
                    steps.one_more()
        finally:
            steps.end()


def progress(
    iterable: Iterable[T] | AsyncIterable[T], total: int | None = None, label: str = ""
) -> Progress[T]:
    """Go through items and show how far that is: where the task's answer is awaited.

    Parameters
    ----------
    iterable
        What to go through, with ``for`` or ``async for``.
    total
        How many items there are; asked of the iterable if not given.
    label
        What is being done.

    Returns
    -------
    The items. Outside of tasks a bar is shown right here.

    Examples
    --------
    >>> rc[0].apply_sync(lambda: sum(ipp.progress([1, 2, 3])))
    6
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    return Progress(iterable, total, label)


class _Steps:
    """Counts steps and tells of them, now and then."""

    def __init__(self, total: int | None, label: str) -> None:
        self._total = total
        self._label = label
        self._done = 0
        self._told = -1
        self._told_at = 0.0
        self._bar: Any = None
        assignment = None if _inside is None else _inside.assignment
        self._here = None if _inside is None or assignment is None else (_inside, assignment)
        if self._here is None:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, desc=label or None)
        self._tell()

    def one_more(self) -> None:
        self._done += 1
        if self._bar is not None:
            self._bar.update()
        elif time.monotonic() - self._told_at >= PROGRESS_EVERY:
            self._tell()

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._told != self._done:
            self._tell()

    def _tell(self) -> None:
        if self._here is not None:
            self._told, self._told_at = self._done, time.monotonic()
            surroundings, assignment = self._here
            surroundings.tell(assignment, "progress", (self._done, self._total, self._label))

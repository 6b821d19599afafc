"""What messages are made of: tasks and outcomes, what tasks ask for, and what is told of both.

Payloads are opaque here: ``inline`` is a pickle, or an encoded `Failure`; ``buffers`` describes
what travels beside it: the length of a frame, or the name of a blob in shared memory. Where
``inline`` is empty the pickle itself is the first buffer.
"""

import msgspec

from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.status import EngineStatus, Kind, TaskStatus


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A piece of a message, or a whole packet."""


class Blob(Part, frozen=True):
    """A buffer in shared memory, readable by every process of one host.

    ``name`` is a file name inside the cluster's blob folder, ``nbytes`` its length.
    """

    name: str
    nbytes: int


Buffers = tuple[int | Blob, ...]


class TaskItem(Part, frozen=True):
    """One task of a submission: its id and its payload.

    ``needs`` names the tasks whose values stand among its arguments.
    """

    id: TaskId
    inline: bytes
    buffers: Buffers = ()
    needs: tuple[TaskId, ...] = ()


class ResultItem(Part, frozen=True):
    """One task's outcome. Times are seconds since the epoch, by the engine's clock."""

    id: TaskId
    status: TaskStatus
    started: float
    completed: float
    inline: bytes
    buffers: Buffers = ()


class Retry(Part, frozen=True):
    """How a task runs again, beyond how often.

    The n-th time it waits ``backoff * 2**(n-1)`` seconds, at most ``max_backoff`` (0 for no
    limit), made longer by up to ``jitter`` times that at random. ``on_engine_lost`` is how many
    engines may die with it before it is not tried again, 0 for none. ``judge`` is for the engine:
    the pickled exception classes to try again on, and those not to.
    """

    backoff: float = 0.0
    max_backoff: float = 0.0
    jitter: float = 0.0
    on_engine_lost: int = 2
    judge: bytes = b""


class Dependency(Part, frozen=True):
    """Tasks that have to end before another may begin.

    ``tasks`` are those whose end its client has not seen; of the others ``met`` ended as wished
    and ``unmet`` did not, on ``engines``. ``all`` tells whether every one has to end as wished,
    or any; ``success`` and ``failure`` which ends are.
    """

    tasks: tuple[TaskId, ...]
    met: int = 0
    unmet: int = 0
    engines: tuple[EngineId, ...] = ()
    all: bool = True
    success: bool = True
    failure: bool = False


class Options(Part, frozen=True):
    """What few tasks have. Times are spans in seconds, 0 for none.

    ``expires`` bounds the wait in the queue, ``patience`` the wait for dependencies, ``time_limit``
    and ``soft_time_limit`` the execution. Tasks of higher ``priority`` are given out first.
    ``resources`` are what an engine must have for it. A task whose ``key`` is known is not run
    again: it gets the outcome of the one before it. ``awaits`` tells that the function is a
    coroutine function. Such a one may be ``aside``: it is no work of anybody's, but serves those
    who look into an engine; it is not counted, and no engine goes on for its sake.
    """

    retry: Retry | None = None
    time_limit: float = 0.0
    soft_time_limit: float = 0.0
    expires: float = 0.0
    priority: int = 0
    resources: tuple[tuple[str, float], ...] = ()
    key: str = ""
    after: Dependency | None = None
    follow: Dependency | None = None
    patience: float = 0.0
    awaits: bool = False
    aside: bool = False


class TaskSpec(Part, frozen=True):
    """What the tasks of one submission have in common.

    ``function`` is a digest (empty where the kind needs none); ``host`` tells an engine whether
    the asker can read its blobs; ``balanced`` whether the hub chooses the engine, ``engines``
    restricts its choice, None meaning any; ``retries`` is how often a task that failed or was
    lost may run again. Whatever most tasks do without is in ``options``. ``name`` is what the
    function is called.
    """

    kind: Kind
    function: bytes = b""
    host: str = ""
    label: str = ""
    retries: int = 0
    balanced: bool = True
    engines: tuple[EngineId, ...] | None = None
    return_exceptions: bool = False
    options: Options | None = None
    name: str = ""

    @property
    def aside(self) -> bool:
        """Whether its tasks are no work of anybody's."""
        return self.options is not None and self.options.aside and self.options.awaits


class EngineInfo(Part, frozen=True):
    """What clients know of an engine; ``python`` is its version, as "3.13"."""

    id: EngineId
    status: EngineStatus
    host: str = ""
    pid: int = 0
    reason: str = ""
    python: str = ""
    resources: dict[str, float] = {}


class Life(Part, frozen=True):
    """One life of an engine, as its agent knows it; ``up`` once it has spoken to a hub."""

    engine: EngineId
    boot: int
    up: bool
    resources: dict[str, float] = {}


class Record(Part, frozen=True):
    """What the history knows of a task.

    Times are seconds since the epoch, 0 where nothing has happened yet; ``submitted`` and
    ``ended`` by the hub's clock, ``started`` and ``completed`` by the engine's. ``client`` is its
    owner's number and ``session`` the owner's name. ``ename`` and ``evalue`` are of its failure.
    """

    id: TaskId
    client: ClientId
    session: str
    kind: Kind
    function: str
    label: str
    status: TaskStatus
    engine: EngineId | None
    submitted: float
    started: float
    completed: float
    ended: float
    tries: int
    ename: str
    evalue: str
    nbytes: int
    kept: bool
    """Whether its result can still be had."""
    resubmitted: TaskId = TaskId(0)
    """The task that did the same once more, 0 for none."""
    balanced: bool = True
    """Whether the hub chose its engine."""
    digest: bytes = b""
    """That of its function, which is called ``function``."""


class Bounds(Part, frozen=True):
    """How many engines there are to be, as there is work.

    Attributes
    ----------
    minimum, maximum
        How many at least, and at most.
    idle_timeout
        After how many seconds without work an engine is stopped.
    """

    minimum: int
    maximum: int
    idle_timeout: float


class Failure(Part, frozen=True):
    """Why a task did not return: text always, the pickled exception where it can be pickled.

    Of a chunk of a map ``item`` says which of its items failed, ``values`` is the pickled list of
    what those before it returned, if it is not too long.
    """

    ename: str
    evalue: str
    traceback: str
    pickled: bytes = b""
    engine: EngineId | None = None
    item: int = -1
    values: bytes = b""

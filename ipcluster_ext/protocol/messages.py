"""Every message of the wire, one tagged struct each, and what each role may say.

A *packet* is what travels at once: a header (this process's incarnation, numbers for the
ledger) and a list of messages, encoded as MessagePack arrays in the first frame; payload
buffers follow as frames of their own (`frames`). Messages decode straight into these types:
what does not fit is refused before anybody thinks about it.

Payloads are opaque here: ``inline`` is a pickle, or an encoded `Failure`; ``buffers`` describes
what travels beside it: the length of a frame, or the name of a blob in shared memory. Where
``inline`` is empty the pickle itself is the first buffer.
"""

import msgspec

from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.status import EngineStatus, Kind, TaskStatus

PROTOCOL_VERSION = 1


class _Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A piece of a message."""


class _Message(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="t"):
    """A message; its tag is its number on the wire."""


# ---------------------------------------------------------------- parts


class Blob(_Part, frozen=True):
    """A buffer in shared memory, readable by every process of one host.

    ``name`` is a file name inside the cluster's blob folder, ``nbytes`` its length.
    """

    name: str
    nbytes: int


Buffers = tuple[int | Blob, ...]


class TaskItem(_Part, frozen=True):
    """One task of a submission: its id and its payload.

    ``needs`` names the tasks whose values stand among its arguments.
    """

    id: TaskId
    inline: bytes
    buffers: Buffers = ()
    needs: tuple[TaskId, ...] = ()


class ResultItem(_Part, frozen=True):
    """One task's outcome. Times are seconds since the epoch, by the engine's clock."""

    id: TaskId
    status: TaskStatus
    started: float
    completed: float
    inline: bytes
    buffers: Buffers = ()


class Retry(_Part, frozen=True):
    """How a task runs again, beyond how often.

    The n-th time it waits ``backoff * 2**(n-1)`` seconds, at most ``max_backoff`` (0 for no
    limit), made longer by up to ``jitter`` times that at random. ``on_engine_lost`` tells whether
    the death of an engine counts as a failure to be tried again. ``judge`` is for the engine: the
    pickled exception classes to try again on, and those not to.
    """

    backoff: float = 0.0
    max_backoff: float = 0.0
    jitter: float = 0.0
    on_engine_lost: bool = True
    judge: bytes = b""


class Dependency(_Part, frozen=True):
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


class Options(_Part, frozen=True):
    """What few tasks have. Times are spans in seconds, 0 for none.

    ``expires`` bounds the wait in the queue, ``patience`` the wait for dependencies, ``time_limit``
    and ``soft_time_limit`` the execution. Tasks of higher ``priority`` are given out first.
    ``resources`` are what an engine must have for it. A task whose ``key`` is known is not run
    again: it gets the outcome of the one before it. ``awaits`` tells that the function is a
    coroutine function.
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


class TaskSpec(_Part, frozen=True):
    """What the tasks of one submission have in common.

    ``function`` is a digest (empty where the kind needs none); ``host`` tells an engine whether
    the asker can read its blobs; ``balanced`` whether the hub chooses the engine, ``engines``
    restricts its choice, None meaning any; ``retries`` is how often a task that failed or was
    lost may run again. Whatever most tasks do without is in ``options``.
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


class EngineInfo(_Part, frozen=True):
    """What clients know of an engine; ``python`` is its version, as "3.13"."""

    id: EngineId
    status: EngineStatus
    host: str = ""
    pid: int = 0
    reason: str = ""
    python: str = ""
    resources: dict[str, float] = {}


class Record(_Part, frozen=True):
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


class Failure(_Part, frozen=True):
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


# ---------------------------------------------------------------- said by anybody


class Ping(_Message, frozen=True, tag=1):
    """Ask for a `Pong`; ``mark`` is the last packet number sent before it."""

    mark: int


class Pong(_Message, frozen=True, tag=2):
    """Answer a `Ping` with its mark: whatever was sent up to it has arrived, or is lost."""

    mark: int


class Bye(_Message, frozen=True, tag=3):
    """The sender leaves and will not come back under this identity."""


class Define(_Message, frozen=True, tag=4):
    """A function under its digest; sent before its first use, to the hub and to an engine."""

    function: bytes
    inline: bytes


# ---------------------------------------------------------------- client to hub


class ClientHello(_Message, frozen=True, tag=10):
    """Introduce a client. Always the first message; may be repeated."""

    client: ClientId
    host: str
    pid: int
    name: str = ""


class Submit(_Message, frozen=True, tag=11):
    """Tasks for whichever engine is free; their payload buffers follow in order."""

    spec: TaskSpec
    items: list[TaskItem]


class SubmitEach(_Message, frozen=True, tag=12):
    """The same payload to each of ``engines``, as tasks of consecutive ids from ``item.id``."""

    spec: TaskSpec
    item: TaskItem
    engines: list[EngineId]


class Cancel(_Message, frozen=True, tag=13):
    """Take back tasks that have not begun. Each that can be comes as a cancelled result."""

    ids: list[TaskId]
    request: int


class Steer(_Message, frozen=True, tag=14):
    """Start, stop, restart or signal engines: ``action`` is one of those words.

    ``count`` is for start, ``engines`` for the others, ``signum`` for signal.
    """

    request: int
    action: str
    engines: list[EngineId] = []
    count: int = 0
    signum: int = 0
    resources: dict[str, float] = {}


class QueueQuery(_Message, frozen=True, tag=15):
    """Ask how much is queued; answered by `QueueReply`."""

    request: int


class Interrupt(_Message, frozen=True, tag=16):
    """Stop tasks, begun or not; answered by `Cancelled` with those that will never run.

    Those that run get a `KeyboardInterrupt`; while one goes on after ``graces[0]`` seconds, its
    engine gets SIGTERM, and after ``graces[1]`` more SIGKILL. Without graces it ends there.
    """

    ids: list[TaskId]
    request: int
    graces: list[float] = []


class Supply(_Message, frozen=True, tag=17):
    """Values of tasks that the hub does not have any more; their buffers follow in order."""

    items: list[ResultItem]


class Release(_Message, frozen=True, tag=18):
    """Nobody will pass on the values of these tasks any more."""

    ids: list[TaskId]


class Fetch(_Message, frozen=True, tag=19):
    """Ask for the results of tasks, whoever submitted them; they come when they are there.

    Answered at once by `Fetched` with those that nobody knows.
    """

    request: int
    ids: list[TaskId]


class HistoryQuery(_Message, frozen=True, tag=70):
    """Ask for records; ``query`` is JSON, see `core.history`. Answered by `Records`."""

    request: int
    query: bytes
    limit: int = 0


class Purge(_Message, frozen=True, tag=71):
    """Forget ended tasks: those that ``query`` finds. Answered by `Purged`."""

    request: int
    query: bytes


class Resubmit(_Message, frozen=True, tag=72):
    """Run known tasks once more, as new tasks of consecutive ids from ``first``.

    Answered by `Fetched` with those that cannot be.
    """

    request: int
    ids: list[TaskId]
    first: TaskId


class More(_Message, frozen=True, tag=73):
    """A stream's reader is ready for so many more items. To the hub, and on to the engine."""

    id: TaskId
    count: int


class Prepare(_Message, frozen=True, tag=74):
    """Run this on every engine, those that come later included, before any other task.

    Engines in ``engines`` have been told already, by tasks of their own. A preparation of the
    same ``name`` is replaced; one without a function is dropped.
    """

    name: str
    spec: TaskSpec
    item: TaskItem
    engines: list[EngineId]


# ---------------------------------------------------------------- hub to client


class Welcome(_Message, frozen=True, tag=20):
    """The hub knows the peer.

    ``blobs`` is the host's blob folder, ``host`` the hub's host; ``versions`` are those of the
    hub's Python and packages.
    """

    hub_pid: int
    host: str
    blobs: str
    engines: list[EngineInfo] = []
    versions: dict[str, str] = {}


class Refused(_Message, frozen=True, tag=21):
    """The hub will not serve this peer."""

    reason: str


class Engines(_Message, frozen=True, tag=22):
    """Engines changed; those not named did not."""

    engines: list[EngineInfo]


class Results(_Message, frozen=True, tag=23):
    """Outcomes of tasks that one engine ended, or that the hub ended (engine -1)."""

    engine: EngineId
    items: list[ResultItem]


class Output(_Message, frozen=True, tag=24):
    """Text a running task wrote; ``stream`` is 'stdout' or 'stderr'. From engine and hub alike."""

    id: TaskId
    stream: str
    text: str


class Cancelled(_Message, frozen=True, tag=25):
    """Answer to `Cancel`: the tasks among those named that will never run."""

    request: int
    ids: list[TaskId]


class Steered(_Message, frozen=True, tag=26):
    """Answer to `Steer`: the engines it concerns, or why it was refused."""

    request: int
    engines: list[EngineId]
    refused: str = ""


class QueueReply(_Message, frozen=True, tag=27):
    """Answer to `QueueQuery`: tasks queued in the hub, and with each engine (begun or not).

    ``direct`` are those that an engine has to run, and no other; ``ended`` how many it has ended.
    """

    request: int
    queued: int
    engines: dict[EngineId, int]
    direct: dict[EngineId, int] = {}
    ended: dict[EngineId, int] = {}


class Need(_Message, frozen=True, tag=28):
    """The hub does not have this function; `Define` it again."""

    function: bytes


class Started(_Message, frozen=True, tag=29):
    """These tasks have been running for a while. From engine and hub alike."""

    ids: list[TaskId]


class News(_Message, frozen=True, tag=30):
    """Something a running task has to say; from engine and hub alike.

    ``topic`` is 'item' (of a stream, the payload being ``(number, value)``), 'display', 'data' or
    'progress'.
    """

    id: TaskId
    topic: str
    inline: bytes
    buffers: Buffers = ()


class Lack(_Message, frozen=True, tag=31):
    """The hub does not have the values of these tasks any more; `Supply` them."""

    ids: list[TaskId]


class Fetched(_Message, frozen=True, tag=32):
    """Answer to `Fetch` and `Resubmit`: what cannot be had, and why."""

    request: int
    missing: dict[TaskId, str]


class Records(_Message, frozen=True, tag=33):
    """Answer to `HistoryQuery`, the oldest first; ``refused`` says what is wrong with the query."""

    request: int
    records: list[Record]
    refused: str = ""


class Purged(_Message, frozen=True, tag=34):
    """Answer to `Purge`: how many records went."""

    request: int
    count: int
    refused: str = ""


class Notice(_Message, frozen=True, tag=35):
    """Something a user should know, that no call is waiting for."""

    text: str


# ---------------------------------------------------------------- hub to engine


class Run(_Message, frozen=True, tag=40):
    """Do these, in order, after what was sent before."""

    spec: TaskSpec
    items: list[TaskItem]


class Recall(_Message, frozen=True, tag=41):
    """Give back up to ``count`` balanced tasks that have not begun, the last first."""

    count: int


class Drop(_Message, frozen=True, tag=42):
    """Give back these tasks if they have not begun."""

    ids: list[TaskId]


class Undefine(_Message, frozen=True, tag=43):
    """Forget these functions."""

    functions: list[bytes]


class Values(_Message, frozen=True, tag=44):
    """Values that later tasks need; their buffers follow in order."""

    items: list[ResultItem]


class Forget(_Message, frozen=True, tag=45):
    """No task needs these values any more."""

    ids: list[TaskId]


class Halt(_Message, frozen=True, tag=46):
    """Raise `KeyboardInterrupt` in whichever of these tasks runs."""

    ids: list[TaskId]


# ---------------------------------------------------------------- engine to hub


class EngineHello(_Message, frozen=True, tag=50):
    """Introduce an engine. ``agent`` names the agent that started it, ``boot`` this life of it."""

    engine: EngineId
    boot: int
    agent: int
    host: str
    pid: int
    python: str = ""
    resources: dict[str, float] = {}


class Done(_Message, frozen=True, tag=51):
    """Outcomes; their payload buffers follow in order."""

    items: list[ResultItem]


class Returned(_Message, frozen=True, tag=52):
    """Tasks given back unbegun, in the order in which they had been sent. None is an answer too."""

    ids: list[TaskId]


class Waiting(_Message, frozen=True, tag=53):
    """How many of an engine's tasks wait for tasks of their own, and so leave room for others."""

    count: int


# ---------------------------------------------------------------- agent to hub and back


class AgentHello(_Message, frozen=True, tag=60):
    """Introduce an agent, willing to start ``count`` engines at once."""

    agent: int
    host: str
    pid: int
    count: int


class EngineExited(_Message, frozen=True, tag=61):
    """An engine's process ended.

    ``began`` is the last task it began, as its black box says (0 for none); ``again`` says
    whether the agent starts it anew.
    """

    engine: EngineId
    boot: int
    cause: str
    began: TaskId
    again: bool


class StartEngines(_Message, frozen=True, tag=62):
    """Start engines under these ids."""

    engines: list[EngineId]
    resources: dict[str, float] = {}


class StopEngines(_Message, frozen=True, tag=63):
    """Stop these engines; ``again`` asks for a new process under the same id.

    One that has not ended after ``grace`` seconds is killed; 0 for the agent's own choice.
    """

    engines: list[EngineId]
    again: bool = False
    grace: float = 0.0


class SignalEngines(_Message, frozen=True, tag=64):
    """Send a signal to these engines."""

    engines: list[EngineId]
    signum: int


class FreeBlobs(_Message, frozen=True, tag=65):
    """Nobody needs these blobs any more.

    Said to the process that made them, which may use their memory again; to the agents, which
    delete them, if that process is gone.
    """

    names: list[str]


class SweepBlobs(_Message, frozen=True, tag=66):
    """The maker of these blobs is gone: delete whatever of it is not in ``keep``."""

    owner: str
    keep: list[str]


Message = (
    Ping | Pong | Bye | Define
    | ClientHello | Submit | SubmitEach | Cancel | Steer | QueueQuery | Interrupt | Supply
    | Release | Fetch | HistoryQuery | Purge | Resubmit | More | Prepare
    | Welcome | Refused | Engines | Results | Output | Cancelled | Steered | QueueReply | Need
    | Started | News | Lack | Fetched | Records | Purged | Notice
    | Run | Recall | Drop | Undefine | Values | Forget | Halt
    | EngineHello | Done | Returned | Waiting
    | AgentHello | EngineExited | StartEngines | StopEngines | SignalEngines
    | FreeBlobs | SweepBlobs
)  # fmt: skip

FROM_CLIENT = (
    ClientHello, Define, Submit, SubmitEach, Cancel, Steer, QueueQuery, Interrupt, Supply, Release,
    Fetch, HistoryQuery, Purge, Resubmit, More, Prepare, Bye,
)  # fmt: skip
"""What a client may say to the hub, beside `Ping` and `Pong`."""
FROM_ENGINE = (EngineHello, Done, Returned, Output, Started, News, Waiting, Bye)
"""What an engine may say to the hub, beside `Ping` and `Pong`."""
FROM_AGENT = (AgentHello, EngineExited, Bye)
"""What an agent may say to the hub, beside `Ping` and `Pong`."""


class Packet(_Part, frozen=True):
    """What travels at once.

    ``boot`` is the sender's incarnation; ``seq`` numbers packets that must arrive (0 for those
    that need not), ``ack`` is the highest number received in order from the other side.
    """

    version: int
    boot: int
    seq: int
    ack: int
    messages: list[Message]

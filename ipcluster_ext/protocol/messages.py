"""Every message of the wire, one tagged struct each, and what each role may say.

A *packet* is what travels at once: a header (this process's incarnation, numbers for the
ledger) and a list of messages, encoded as MessagePack arrays in the first frame; payload
buffers follow as frames of their own (`frames`). Messages decode straight into these types:
what does not fit is refused before anybody thinks about it.
"""

import msgspec

from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.parts import (
    Buffers,
    EngineInfo,
    Part,
    Record,
    ResultItem,
    TaskItem,
    TaskSpec,
)

PROTOCOL_VERSION = 1


class _Message(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="t"):
    """A message; its tag is its number on the wire."""


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
    """How many tasks wait; others are begun if ``above`` a priority, ``unsuited`` ones are not."""

    count: int
    above: int | None = None
    unsuited: int = 0


# ---------------------------------------------------------------- agent to hub and back


class AgentHello(_Message, frozen=True, tag=60):
    """Introduce an agent, willing to start ``count`` engines at once."""

    agent: int
    host: str
    pid: int
    count: int


class EngineExited(_Message, frozen=True, tag=61):
    """An engine's process ended; ``again`` says whether the agent starts it anew.

    ``began`` is the last task it began in its turn, 0 for none, ``others`` those out of turn.
    """

    engine: EngineId
    boot: int
    cause: str
    began: TaskId
    again: bool
    others: list[TaskId] = []


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
    """Nobody needs these blobs any more: their maker may use the memory again.

    If that is gone, agents are told instead, and delete them.
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
    | EngineHello | Done | Returned | Waiting | FreeBlobs | SweepBlobs
    | AgentHello | EngineExited | StartEngines | StopEngines | SignalEngines
)  # fmt: skip

FROM_CLIENT = (
    ClientHello, Define, Submit, SubmitEach, Cancel, Steer, QueueQuery, Interrupt, Supply, Release,
    Fetch, HistoryQuery, Purge, Resubmit, More, Prepare, Bye,
)  # fmt: skip
FROM_ENGINE = (EngineHello, Done, Returned, Output, Started, News, Waiting, Bye)
FROM_AGENT = (AgentHello, EngineExited, Bye)
"""What clients, engines and agents may say to the hub, beside `Ping` and `Pong`."""


class Packet(Part, frozen=True):
    """What travels at once.

    ``boot`` is the sender's incarnation; ``seq`` numbers packets that must arrive (0 for those
    that need not), ``ack`` is the highest number received in order from the other side.
    """

    version: int
    boot: int
    seq: int
    ack: int
    messages: list[Message]

"""Every message of the wire, one tagged struct each, and what each role may say.

A *packet* is what travels at once: a header (this process's incarnation, numbers for the
ledger) and a list of messages, encoded as MessagePack arrays in the first frame; payload
buffers follow as frames of their own (`frames`). Messages decode straight into these types:
what does not fit is refused before anybody thinks about it.
"""

from typing import Literal

import msgspec

from ipcluster_ext.protocol.comeback import Awaiting as Awaiting
from ipcluster_ext.protocol.comeback import Holding as Holding
from ipcluster_ext.protocol.comeback import Lent as Lent
from ipcluster_ext.protocol.comeback import Over as Over
from ipcluster_ext.protocol.comeback import Ran as Ran
from ipcluster_ext.protocol.feed import Glimpse as Glimpse
from ipcluster_ext.protocol.feed import Measure as Measure
from ipcluster_ext.protocol.feed import Redo as Redo
from ipcluster_ext.protocol.feed import Redone as Redone
from ipcluster_ext.protocol.feed import Retried as Retried
from ipcluster_ext.protocol.feed import Status as Status
from ipcluster_ext.protocol.feed import Vitals as Vitals
from ipcluster_ext.protocol.feed import Watch as Watch
from ipcluster_ext.protocol.feed import Withdraw as Withdraw
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.labour import (
    AgentHello as AgentHello,
)
from ipcluster_ext.protocol.labour import (
    Done as Done,
)
from ipcluster_ext.protocol.labour import (
    Drop as Drop,
)
from ipcluster_ext.protocol.labour import (
    EngineExited as EngineExited,
)
from ipcluster_ext.protocol.labour import (
    EngineHello as EngineHello,
)
from ipcluster_ext.protocol.labour import (
    Forget as Forget,
)
from ipcluster_ext.protocol.labour import (
    FreeBlobs as FreeBlobs,
)
from ipcluster_ext.protocol.labour import Full
from ipcluster_ext.protocol.labour import (
    Halt as Halt,
)
from ipcluster_ext.protocol.labour import (
    Keep as Keep,
)
from ipcluster_ext.protocol.labour import (
    Launched as Launched,
)
from ipcluster_ext.protocol.labour import (
    LaunchMore as LaunchMore,
)
from ipcluster_ext.protocol.labour import (
    Peek as Peek,
)
from ipcluster_ext.protocol.labour import (
    Peeked as Peeked,
)
from ipcluster_ext.protocol.labour import (
    Recall as Recall,
)
from ipcluster_ext.protocol.labour import (
    Returned as Returned,
)
from ipcluster_ext.protocol.labour import (
    Run as Run,
)
from ipcluster_ext.protocol.labour import (
    SignalEngines as SignalEngines,
)
from ipcluster_ext.protocol.labour import (
    Signalled as Signalled,
)
from ipcluster_ext.protocol.labour import (
    StartEngines as StartEngines,
)
from ipcluster_ext.protocol.labour import (
    StopEngines as StopEngines,
)
from ipcluster_ext.protocol.labour import (
    SweepBlobs as SweepBlobs,
)
from ipcluster_ext.protocol.labour import (
    Took as Took,
)
from ipcluster_ext.protocol.labour import (
    Undefine as Undefine,
)
from ipcluster_ext.protocol.labour import (
    Values as Values,
)
from ipcluster_ext.protocol.labour import (
    Waiting as Waiting,
)
from ipcluster_ext.protocol.parts import (
    Bounds,
    Buffers,
    EngineInfo,
    Part,
    Record,
    ResultItem,
    TaskItem,
    TaskSpec,
)

PROTOCOL_VERSION = 3


class _Message(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="t"):
    """A message; its tag is its number on the wire."""


# ---------------------------------------------------------------- said by anybody


class Ping(_Message, frozen=True, tag=1):
    """Ask for a `Pong`; ``mark`` is the last packet number sent before it, ``at`` is when."""

    mark: int
    at: float = 0.0


class Pong(_Message, frozen=True, tag=2):
    """Answer a `Ping` with its mark: whatever was sent up to it has arrived, or is lost.

    ``at`` is the `Ping`'s; ``said`` is the last packet number sent before this answer.
    """

    mark: int
    at: float = 0.0
    said: int = 0


class Bye(_Message, frozen=True, tag=3):
    """The sender leaves and will not come back under this identity."""


class Define(_Message, frozen=True, tag=4):
    """A function under its digest; sent before its first use, to the hub and to an engine."""

    function: bytes
    inline: bytes


# ---------------------------------------------------------------- client to hub


class ClientHello(_Message, frozen=True, tag=10):
    """Introduce a client. Always the first message; may be repeated.

    ``again`` says that it knew the hub before this one.
    """

    client: ClientId
    host: str
    pid: int
    name: str = ""
    again: bool = False


class Submit(_Message, frozen=True, tag=11):
    """Tasks for whichever engine is free; their payload buffers follow in order.

    Of one that its client has handed to an engine by itself that is told, with its life's ``boot``.
    """

    spec: TaskSpec
    items: list[TaskItem]
    engine: EngineId = EngineId(-1)
    boot: int = 0


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
    """Start, stop, restart, signal, retire, scale or adapt engines: ``action`` is one of the words.

    ``count`` is for start and scale, ``engines`` for the others, ``signum`` for signal. Engines
    that retire end when they have finished what they have; with ``force``, those that are too many
    for scale end at once. ``set`` is the set of engines in which to start some, if one is meant.
    ``bounds`` are for adapt; without, the number of engines stays as it is.
    """

    request: int
    action: str
    engines: list[EngineId] = []
    count: int = 0
    signum: int = 0
    resources: dict[str, float] = {}
    force: bool = False
    set: str = ""
    bounds: Bounds | None = None


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
    """A stream's reader has taken so many items. To the hub, and on to the engine."""

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


class InputReply(_Message, frozen=True, tag=76):
    """What a user says to a task that asked (`News` of topic 'input'). To the hub, and on to it.

    ``number`` is that of the question, 0 for all that the task has asked. ``how`` is 'text', 'end'
    for the end of the input, 'interrupt' for Ctrl-C; where there is nobody to ask it is 'refused',
    and ``text`` says why.
    """

    id: TaskId
    number: int
    text: str = ""
    how: Literal["text", "end", "interrupt", "refused"] = "text"


# ---------------------------------------------------------------- hub to client


class Welcome(_Message, frozen=True, tag=20):
    """The hub knows the peer.

    ``blobs`` is the host's blob folder, ``host`` the hub's host; ``versions`` are those of the
    hub's Python and packages. ``express`` tells a client whether it may hand tasks to engines.
    """

    hub_pid: int
    host: str
    blobs: str
    engines: list[EngineInfo] = []
    versions: dict[str, str] = {}
    express: bool = True


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
    """Text a running task wrote; ``stream`` is 'stdout' or 'stderr'. From engine and hub alike.

    The upper half of ``number`` is the life of the engine; in the lower half, what an engine says
    counts upwards. 0 is no number.
    """

    id: TaskId
    stream: str
    text: str
    number: int = 0


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

    ``topic`` is 'item' (of a stream, the payload being ``(number, value)``), 'input' (a question),
    'display', 'data' or 'progress'; ``number`` is as for `Output`.
    """

    id: TaskId
    topic: str
    inline: bytes
    buffers: Buffers = ()
    number: int = 0


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


Message = (
    Ping | Pong | Bye | Define
    | ClientHello | Submit | Ran | SubmitEach | Cancel | Steer | QueueQuery | Interrupt | Supply
    | Release | Fetch | HistoryQuery | Purge | Resubmit | More | Prepare | Awaiting
    | Watch | InputReply | Withdraw | Redo | Retried
    | Welcome | Refused | Engines | Results | Output | Cancelled | Steered | QueueReply | Need
    | Started | News | Lack | Fetched | Records | Purged | Notice
    | Status | Redone
    | Run | Recall | Drop | Undefine | Values | Forget | Halt
    | EngineHello | Took | Done | Returned | Waiting | Glimpse | FreeBlobs | SweepBlobs
    | AgentHello | EngineExited | Peeked | StartEngines | StopEngines | SignalEngines | Peek
    | Measure | Vitals | Full | Signalled | LaunchMore | Launched | Keep
    | Holding | Lent | Over
)  # fmt: skip

FROM_CLIENT = (
    Holding, Lent, Over, Ran,
    ClientHello, Define, Submit, SubmitEach, Cancel, Steer, QueueQuery, Interrupt, Supply, Release,
    Fetch, HistoryQuery, Purge, Resubmit, More, Prepare, Awaiting, Watch, InputReply, Withdraw,
    Redo, Retried, Bye,
)  # fmt: skip
FROM_ENGINE = (
    EngineHello, Took, Done, Returned, Output, Glimpse, Started, News, Waiting, Lent, Bye,
)  # fmt: skip
FROM_AGENT = (AgentHello, EngineExited, Peeked, Vitals, Full, Signalled, Launched, Bye)
"""What clients, engines and agents may say to the hub, beside `Ping` and `Pong`."""


class Packet(Part, frozen=True):
    """What travels at once.

    ``boot`` is the sender's incarnation, ``to`` that of the process it is meant for, 0 if the
    sender does not know that yet; ``seq`` numbers packets that must arrive (0 for those that need
    not), ``ack`` is the highest number received in order from the other side.
    """

    version: int
    boot: int
    to: int
    seq: int
    ack: int
    messages: list[Message]

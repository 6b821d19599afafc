"""The messages between the hub and those who work: engines, and the agents that start them.

They are part of the wire as `protocol.messages` describes it.
"""

import hashlib

import msgspec

from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import Bounds, Life, ResultItem, TaskItem, TaskSpec

MARK_NBYTES = 12


class _Message(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="t"):
    """A message; its tag is its number on the wire."""


# ---------------------------------------------------------------- hub to engine


class Run(_Message, frozen=True, tag=40):
    """Do these, in order, after what was sent before."""

    spec: TaskSpec
    items: list[TaskItem]


class Recall(_Message, frozen=True, tag=41):
    """Give back up to ``count`` balanced tasks that have not begun, the last first."""

    count: int


class Drop(_Message, frozen=True, tag=42):
    """Give back these tasks if they have not begun, or, if ``handed``, if they are not there."""

    ids: list[TaskId]
    handed: bool = False


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
    """Introduce an engine. ``agent`` names the agent that started it, ``boot`` this life of it.

    ``again`` says that this life knew the hub before this one: then ``held`` are the tasks that it
    has or whose outcomes that hub may have missed, in order, and ``prepared`` are the marks of the
    preparations that it was sent (`mark_of`).
    """

    engine: EngineId
    boot: int
    agent: int
    host: str
    pid: int
    python: str = ""
    resources: dict[str, float] = {}
    again: bool = False
    held: list[TaskId] = []
    prepared: list[bytes] = []


def mark_of(spec: TaskSpec, item: TaskItem) -> bytes:
    """Return what tells a preparation from others: its name, what it calls, and with what."""
    facts = msgspec.msgpack.encode((spec.label, spec.function, item.inline, item.buffers))
    return hashlib.blake2b(facts, digest_size=MARK_NBYTES).digest()


class Done(_Message, frozen=True, tag=51):
    """Outcomes; their payload buffers follow in order.

    ``told`` says that they are of tasks that clients had handed over, and that those know them.
    """

    items: list[ResultItem]
    told: bool = False


class Returned(_Message, frozen=True, tag=52):
    """Tasks given back unbegun, in the order in which they had been sent. None is an answer too."""

    ids: list[TaskId]


class Waiting(_Message, frozen=True, tag=53):
    """How many tasks wait; others are begun if ``above`` a priority, ``unsuited`` ones are not."""

    count: int
    above: int | None = None
    unsuited: int = 0


class Took(_Message, frozen=True, tag=54):
    """Tasks that clients have handed over; said before anything else about them."""

    ids: list[TaskId]


# ---------------------------------------------------------------- agent to hub and back


class AgentHello(_Message, frozen=True, tag=60):
    """Introduce an agent, willing to start ``count`` engines at once.

    ``again`` says that a hub before this one knew it: then ``engines`` are those that it has.
    ``far`` says that it came from another host, or is to be taken for one that did: it cannot read
    the hub's blobs. It is part of the set of engines that is called ``set``, and may have
    ``capacity`` engines, 0 for any number; its first one would like to have the id ``first``.
    ``sets`` are those for which it can have agents started on other hosts, and how many engines
    are to come with these. ``instead_of`` is an agent that was killed where this one is now.
    ``fixed`` are those of the sets that cannot have more engines than they were started with, and
    why. ``bounds`` are those of the number of engines; the agent of the hub's host keeps them.
    ``asked`` is for how many more engines of each set it has been told to have agents started.
    """

    agent: int
    host: str
    pid: int
    count: int
    again: bool = False
    engines: list[Life] = []
    far: bool = False
    set: str = ""
    capacity: int = 0
    first: int | None = None
    sets: dict[str, int] = {}
    instead_of: int = 0
    bounds: Bounds | None = None
    fixed: dict[str, str] = {}
    asked: dict[str, int] = {}


class LaunchMore(_Message, frozen=True, tag=90):
    """To the agent of the hub's host: have agents started for ``count`` more engines of a set."""

    set: str
    count: int


class Keep(_Message, frozen=True, tag=92):
    """To the agent of the hub's host: tell the next hub that these are the ``bounds``.

    Answered by `Signalled` with ``mark``, unless that is 0.
    """

    bounds: Bounds | None
    mark: int = 0


class Launched(_Message, frozen=True, tag=91):
    """From the agent of the hub's host: how something fares that is to bring engines.

    ``name`` is what people call it, as "host n1" or "job 1234", ``count`` how many engines are to
    come of it, ``stage`` as in `protocol.foreman`, and ``reason`` says more, for people. One that
    has failed is tried again after ``again_in`` seconds, or not, where that is None. ``last`` says
    that it has ended and its agents with it, and that nothing else of its set runs.
    """

    set: str
    name: str
    count: int
    stage: str
    reason: str = ""
    again_in: float | None = None
    last: bool = False


class EngineExited(_Message, frozen=True, tag=61):
    """An engine's process ended; ``again`` says whether the agent starts it anew.

    ``began`` is the last task it began in its turn, 0 for none, ``others`` those out of turn, and
    ``ran`` the last ones in their turn, the oldest first. ``cause`` is short; ``details`` is what
    else is known: what it used, and what it wrote last. ``warning`` is for users to read. ``asked``
    says that somebody wanted it to end.
    """

    engine: EngineId
    boot: int
    cause: str
    began: TaskId
    again: bool
    others: list[TaskId] = []
    ran: list[TaskId] = []
    details: str = ""
    warning: str = ""
    asked: bool = False


class Full(_Message, frozen=True, tag=81):
    """An engine uses ``nbytes`` of memory, and may use up to ``limit``: users are to know."""

    engine: EngineId
    boot: int
    nbytes: int
    limit: int


class Peeked(_Message, frozen=True, tag=68):
    """Answer to `Peek`: what the engine has begun, as in `EngineExited`."""

    engine: EngineId
    boot: int
    mark: int
    began: TaskId
    others: list[TaskId] = []
    ran: list[TaskId] = []


class StartEngines(_Message, frozen=True, tag=62):
    """Start engines under these ids."""

    engines: list[EngineId]
    resources: dict[str, float] = {}


class StopEngines(_Message, frozen=True, tag=63):
    """Stop these engines; ``again`` asks for a new process under the same id.

    One that has not ended after ``grace`` seconds is killed; 0 for the agent's own choice.
    ``reason`` is the cause of its end, if it is not simply that somebody asked for it.
    """

    engines: list[EngineId]
    again: bool = False
    grace: float = 0.0
    reason: str = ""


class Peek(_Message, frozen=True, tag=67):
    """Look into the black box of an engine that does not answer; ``mark`` comes back.

    ``hold`` has the engine begin nothing more until the hub has welcomed it.
    """

    engine: EngineId
    boot: int
    mark: int
    hold: bool = False


class SignalEngines(_Message, frozen=True, tag=64):
    """Send a signal to these engines; answered by `Signalled` with ``mark``."""

    engines: list[EngineId]
    signum: int
    mark: int = 0


class Signalled(_Message, frozen=True, tag=78):
    """From an agent: the signal of this mark has been sent, or the bounds are kept."""

    mark: int


class FreeBlobs(_Message, frozen=True, tag=65):
    """Nobody needs these blobs any more: their maker may use the memory again.

    If that is gone, agents are told instead, and delete them.
    """

    names: list[str]


class SweepBlobs(_Message, frozen=True, tag=66):
    """The maker of these blobs is gone: delete whatever of it is not in ``keep``."""

    owner: str
    keep: list[str]

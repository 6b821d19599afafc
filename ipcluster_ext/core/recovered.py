"""What a hub knows of the one before it, until everybody is back."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ipcluster_ext.core.effects import Line
from ipcluster_ext.core.engines import Agent, Engine
from ipcluster_ext.core.journal import Posted
from ipcluster_ext.core.sent import Sent
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.frames import Frame, encode_failure
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.labour import AgentHello, EngineExited
from ipcluster_ext.protocol.messages import Message, More, News, Output, Started, Steer
from ipcluster_ext.protocol.parts import Failure, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import TaskStatus

NOBODY = EngineId(-1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended, and the page of the journal where that stands."""

    item: ResultItem
    frames: Sequence[Frame] = ()
    engine: EngineId = NOBODY
    row: int = 0


@dataclass(slots=True, eq=False)
class Claim:
    """What an engine says of a task that the hub does not know yet: its client will name it.

    Attributes
    ----------
    engine
        The engine that has it.
    outcome
        How it ended there, if it did.
    exited
        How the engine died, if it did with the task.
    before
        With how many engines the task died before.
    row
        The page of the journal where that stands; 0 if it stands on none.
    also
        Further claims, by other engines or by the same: all but one tried it in vain.
    """

    engine: Engine
    outcome: Outcome | None = None
    exited: EngineExited | None = None
    before: int = 0
    row: int = 0
    also: "list[Claim]" = field(default_factory=list)

    @property
    def outcomes(self) -> list[Outcome]:
        """What is known of its end, from this claim and further ones."""
        return [each.outcome for each in (self, *self.also) if each.outcome is not None]

    @property
    def is_open(self) -> bool:
        """Whether an engine that lives and has greeted may yet say how it ended."""
        return any(
            each.outcome is None and each.exited is None and each.engine.line is not None
            for each in (self, *self.also)
        )

    def of(self, engine: Engine) -> "Claim | None":
        """Return an engine's claim that has no outcome yet, None if it has none."""
        own = (claim for claim in (self, *self.also) if claim.engine is engine)
        return next((claim for claim in own if claim.outcome is None), None)

    def without(self, engine: Engine) -> "Claim | None":
        """Return what is left if an engine gives up its claims that have no outcome."""
        left = [c for c in (self, *self.also) if c.engine is not engine or c.outcome is not None]
        if not left:
            return None
        left[0].also = left[1:]
        return left[0]


@dataclass(frozen=True, slots=True)
class Answered:
    """What a client asked to be done with engines, which lives it meant, and the answer."""

    message: Steer
    engines: list[EngineId]
    boots: list[int]
    refused: str


@dataclass(slots=True, eq=False)
class Recovered:
    """What is settled as soon as everybody is back, and what is kept a while longer.

    Attributes
    ----------
    since
        When the hub was started, by its monotonic clock.
    patience
        Until when those who have not come back are waited for, by the hub's monotonic clock.
    look_at
        When it is asked next what engines have begun that have not come back.
    forget_at
        When the rest is forgotten; None if there is none.
    settled
        Whether it was seen to that every task is with an engine or in the queue.
    is_over
        Whether it is known as well how those tasks ended of which clients say that they have.
    learn_by
        How long that is waited for.
    unclaimed
        Tasks that have not ended, and that no engine has claimed.
    last_page
        The last page of the journal that was read.
    ended
        The outcomes that were recorded, and those of tasks that were; their clients may not have
        received them, and submit the tasks once more.
    claims
        What engines have that the hub does not know.
    awaited
        Clients that wait for the outcome of a task that nobody has named yet.
    agents
        The agents that have to come back.
    lives
        The engines that have to, and which life of each.
    peeks
        The silent engines whose agents were asked what they had begun, and which life of each.
    looked
        Whether that was done for the last time.
    begun
        What those had begun.
    handed
        The tasks that clients say they have handed to engines, in which life, that are not back:
        those have them although they may not say so when they greet.
    pinned
        The tasks that stay unclaimed until the silent engine that had begun each is back, or dies.
    dead, greeted
        The lives whose death is known: the greeting of one may still be under way. And those that
        have greeted.
    posted
        The engines that each agent was asked to start, and with what resources.
    far
        Those agents that are on other hosts.
    sent
        What had been sent to engines there.
    afar
        The lives of engines that are not heard and may have begun what they were sent.
    returned_late
        Those that came later, since the last batch, and the lives that they have.
    replaced
        The agents in whose place others have come.
    newcomers
        The agents that no hub knew before, with their greetings: nobody knows which ids are free.
    buried
        The engines of agents that left before everybody was back, and what was said of their ends.
    retiring
        Those of them that were to end when they have finished what they have.
    missing
        Those of them that it does not have; it may never have heard of them, or say that they died.
    exits
        The deaths of engines that this hub has never heard of alive.
    deaths
        The pages where deaths stand that the hub before could not settle, until this one has.
    answered
        The last requests of each client to do something with engines, by their numbers.
    unwelcomed
        The clients that came before everybody else was back, and until when each waits for that.
    said_again
        Tasks that came again, with their engines if they were for certain ones: a hub before this
        one had recorded how they ended, and not what they were.
    rivals
        Engines with tasks that others have, too, or they themselves once more: they were tried in
        vain by one of them.
    wishes
        What clients asked for meanwhile that depends on where tasks and agents are.
    returned
        The clients that have come back and said everything again.
    left
        Those that have left since.
    tried
        What engines said in the time before of tasks that nobody had named, and that may be tried
        again.
    words
        What tasks said to clients that have not come back.
    grants
        How far clients have read streams whose engines have not.
    lent
        Blobs whose makers do not know whether anybody needs them.
    let_go
        Tasks whose outcomes their clients have had, and do not have any more.
    back
        Clients that have said all that they hold, lately.
    expected
        Until when somebody may come back who needs one of those.
    gone
        Blobs that were given back for that reason, and makers whose blobs were swept: nobody can
        be said to hold those from then on.
    is_late
        Whether all this was forgotten before, so that nothing is known of what is gone.
    """

    since: float = 0.0
    patience: float = 0.0
    look_at: float = 0.0
    forget_at: float | None = None
    settled: bool = True
    is_over: bool = True
    learn_by: float = 0.0
    unclaimed: dict[TaskId, Task] = field(default_factory=dict)
    last_page: int = 0
    ended: dict[TaskId, Outcome] = field(default_factory=dict)
    claims: dict[TaskId, Claim] = field(default_factory=dict)
    awaited: dict[TaskId, ClientId] = field(default_factory=dict)
    agents: set[int] = field(default_factory=set)
    lives: dict[EngineId, int] = field(default_factory=dict)
    peeks: dict[EngineId, int] = field(default_factory=dict)
    looked: bool = False
    begun: dict[EngineId, frozenset[TaskId]] = field(default_factory=dict)
    handed: dict[TaskId, tuple[EngineId, int]] = field(default_factory=dict)
    pinned: dict[TaskId, EngineId] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)
    greeted: set[int] = field(default_factory=set)
    posted: dict[int, dict[EngineId, dict[str, float]]] = field(default_factory=dict)
    far: dict[int, Posted] = field(default_factory=dict)
    sent: dict[TaskId, Sent] = field(default_factory=dict)
    afar: set[tuple[EngineId, int]] = field(default_factory=set)
    returned_late: list[tuple[Agent, frozenset[int]]] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    newcomers: list[tuple[Agent, AgentHello]] = field(default_factory=list)
    buried: dict[EngineId, tuple[Engine, EngineExited]] = field(default_factory=dict)
    retiring: dict[int, list[EngineId]] = field(default_factory=dict)
    missing: list[tuple[Agent, EngineId]] = field(default_factory=list)
    exits: list[tuple[Engine, EngineExited]] = field(default_factory=list)
    deaths: list[int] = field(default_factory=list)
    answered: dict[tuple[ClientId, int], Answered] = field(default_factory=dict)
    unwelcomed: list[tuple[ClientId, Line, float]] = field(default_factory=list)
    returned: set[ClientId] = field(default_factory=set)
    left: set[ClientId] = field(default_factory=set)
    tried: dict[TaskId, list[Outcome]] = field(default_factory=dict)
    words: list[tuple[ClientId, Output | News | Started, Sequence[Frame]]] = field(
        default_factory=list
    )
    grants: dict[TaskId, More] = field(default_factory=dict)
    said_again: list[tuple[TaskSpec, TaskItem, EngineId | None]] = field(default_factory=list)
    rivals: list[tuple[EngineId, TaskId]] = field(default_factory=list)
    wishes: list[tuple[ClientId, Message]] = field(default_factory=list)
    lent: list[str] = field(default_factory=list)
    let_go: list[TaskId] = field(default_factory=list)
    back: set[ClientId] = field(default_factory=set)
    expected: float = 0.0
    gone: set[str] = field(default_factory=set)
    is_late: bool = False

    @property
    def expected_engines(self) -> set[EngineId]:
        """The engines of agents that are not back."""
        return {engine for engines in self.posted.values() for engine in engines}


def dropped(item: ResultItem) -> ResultItem:
    """Return what is left of an outcome in shared memory of which the client is gone."""
    why = "what it returned was dropped, as its client was gone"
    failure = encode_failure(Failure("EngineLost", why, ""))
    return ResultItem(item.id, TaskStatus.LOST, item.started, item.completed, failure)

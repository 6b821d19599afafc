"""What really happened, kept by nobody who takes part, and what may never happen."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ipcluster_ext.core.entry import Entry
from ipcluster_ext.protocol.frames import Frame, decode_failure
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, client_of
from ipcluster_ext.protocol.parts import (
    Blob,
    Dependency,
    Failure,
    Options,
    ResultItem,
    TaskItem,
    TaskSpec,
)
from ipcluster_ext.protocol.status import TaskStatus

if TYPE_CHECKING:
    from tests.simulation.engines import Engine

PLAIN = Options()
THE_HUB = ClientId(0)
NONE = TaskId(0)
KILLED = "killed"
"""Of what engines die, as their agents say."""
DONE, FAILED = TaskStatus.DONE, TaskStatus.FAILED
NOT_OVER = {TaskStatus.AGAIN, TaskStatus.REFUSED}
CANCELLED, LOST = TaskStatus.CANCELLED, TaskStatus.LOST


class WrongHistory(AssertionError):
    """Something happened that may never happen."""


def hold(condition: object, what: str, *about: object) -> None:
    """Refuse a history in which something does not hold."""
    if not condition:
        raise WrongHistory(" ".join([what, *map(str, about)]))


@dataclass(slots=True)
class Call:
    """A task as its client submitted it; `known` had ended by then, as clients were told."""

    spec: TaskSpec
    item: TaskItem
    target: EngineId | None = None
    known: frozenset[TaskId] = frozenset()

    @property
    def options(self) -> Options:
        """What it asks for."""
        return self.spec.options or PLAIN

    @property
    def inherits(self) -> bool:
        """Whether it may end as another task did."""
        return bool(self.item.needs or self.options.key)


@dataclass(slots=True)
class Made:
    """An outcome as an engine told it."""

    item: ResultItem
    frames: list[Frame]
    engine: EngineId


@dataclass(slots=True)
class Truth:
    """The truth.

    Attributes
    ----------
    calls
        What clients asked for.
    runs
        How often each task was begun.
    ran_on
        Where.
    refused
        The engines that refused each task, as far as the hub has heard of it.
    made
        What engines said of tasks, by the payload, which is never the same twice.
    ends
        How each task ended, as a client was told first.
    blobs
        The files in shared memory.
    outlasting
        Those that were needed when their makers died: nobody names them to another hub, unless
        somebody needs them still.
    suspects
        Tasks that may be lost without having begun, as nobody could know that they had not.
    contested
        Tasks that an engine refused, or that failed there: if the hub dies before it has written
        that down, that engine claims each as well as the one that has it since, and nobody can
        tell which is which.
    orphaned
        Tasks whose engine died after it had begun them, or was cut off with its host.
    unwanted
        Tasks that their own clients wanted stopped.
    halted
        Interrupted tasks, by the only life of an engine that may begin each, 0 for none; and the
        page on which it stands that it was interrupted.
    heard_of, unheard_of
        The tasks of which any hub has heard from their clients; and those that were said to be lost
        before that. Both where clients fetch others' tasks.
    starts
        How many engines clients have asked for.
    blind
        How often a hub took over although an agent was not back, or did not answer in time: nobody
        could tell it what silent engines had begun.
    crossed
        Tasks whose answer came the short way when the hub had been told of them just before: it may
        hear first that their engine has died.
    vague
        An engine died whose black box named a task that it had ended before.
    hosts_missed
        How often other hosts were cut off, or stood still, or died: what they had may have run.
    hub_deaths, agent_deaths
        How often these died.
    punctual
        Whether nothing happens that takes long by mistake.
    """

    calls: dict[TaskId, Call] = field(default_factory=dict)
    runs: Counter[TaskId] = field(default_factory=Counter)
    ran_on: dict[TaskId, list[EngineId]] = field(default_factory=dict)
    refused: dict[TaskId, set[EngineId]] = field(default_factory=dict)
    made: dict[bytes, Made] = field(default_factory=dict)
    ends: dict[TaskId, ResultItem] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)
    outlasting: set[str] = field(default_factory=set)
    suspects: set[TaskId] = field(default_factory=set)
    contested: set[TaskId] = field(default_factory=set)
    orphaned: set[TaskId] = field(default_factory=set)
    unwanted: set[TaskId] = field(default_factory=set)
    halted: dict[TaskId, tuple[int, int]] = field(default_factory=dict)
    heard_of: set[TaskId] = field(default_factory=set)
    unheard_of: set[TaskId] = field(default_factory=set)
    starts: int = 0
    blind: int = 0
    crossed: set[TaskId] = field(default_factory=set)
    vague: bool = False
    hosts_missed: int = 0
    hub_deaths: int = 0
    agent_deaths: int = 0
    punctual: bool = True

    def hub_died(self, written: int) -> None:
        """Note that the hub died: what it had not written it may be asked for once more."""
        self.hub_deaths += 1
        self.halted = {task: how for task, how in self.halted.items() if how[1] <= written}
        self.refused.clear()

    def begins(self, engine: "Engine", spec: TaskSpec, item: TaskItem) -> None:
        """Note that an engine begins a task, if it may."""
        task, place = item.id, engine.id
        self.runs[task] += 1
        self.ran_on.setdefault(task, []).append(place)
        if engine.agent.is_away:
            self.orphaned.add(task)
        if client_of(task) == THE_HUB:
            hold(self.runs[task] <= 1, "a preparation runs twice:", task)
            return
        call = self.calls[task]
        told = self.ends.get(task)
        is_open = told is None or self._may_differ(told) or self._was_silent(told, place)
        is_open = is_open or engine.agent.is_spared
        hold(is_open, "it begins although it has ended:", task)
        most = 1 + spec.retries + self.blind
        hold(self.runs[task] <= most, "it ran too often:", task, self.runs[task])
        hold(spec.engines is None or place in spec.engines, "it is on a wrong engine:", task)
        hold(call.target in {None, place}, "it is on a wrong engine:", task)
        wanted = task not in self.halted or self.halted[task][0] == engine.boot
        wanted = wanted or self.is_unsure(task)
        hold(wanted, "it was interrupted:", task)
        for name in blobs_of(item):
            unsure = self.is_unsure(task) if told is None else self._may_differ(told)
            kept = name in self.blobs or unsure
            hold(kept, "its blob was freed before it ran:", task)
        options = spec.options
        if options is None:
            return
        if call.target is None:
            for name, amount in options.resources:
                hold(engine.resources.get(name, 0.0) >= amount, "it lacks resources:", task)
        for dependency in (options.after, options.follow):
            if dependency is not None:
                self._may_begin(task, dependency)
        if options.follow is not None and call.target is None:
            self._follows(task, options.follow, place)

    def _was_silent(self, told: ResultItem, place: EngineId) -> bool:
        """Tell whether a task's end may have come late from an engine that no hub could ask.

        It was sent to this one before that.
        """
        made = self.made.get(told.inline)
        return bool(self.blind) and made is not None and made.engine != place

    def _may_begin(self, task: TaskId, dependency: Dependency) -> None:
        """Check that those that a task depends on have ended as they have to."""
        met = sum(self._may_be_met(other, dependency) for other in dependency.tasks)
        if dependency.all:
            hold(met == len(dependency.tasks), "it began before those it depends on:", task)
            hold(not dependency.unmet, "it depends on what did not end well:", task)
        else:
            hold(met or dependency.met, "it began before any that it depends on:", task)

    def _may_be_met(self, other: TaskId, dependency: Dependency) -> bool:
        if dependency.failure or (other in self.calls and self.calls[other].options.key):
            return True
        return any(
            made.item.id == other and made.item.status is DONE for made in self.made.values()
        )

    def _follows(self, task: TaskId, dependency: Dependency, place: EngineId) -> None:
        if any(self.calls[other].inherits for other in dependency.tasks if other in self.calls):
            return
        where = {engine for other in dependency.tasks for engine in self.ran_on.get(other, ())}
        where |= set(dependency.engines)
        where_it_was = not where or place in where or self.hub_deaths
        hold(where_it_was, "it does not run where the one before it ran:", task)

    def check_payload(self, item: ResultItem, frames: Sequence[Frame]) -> None:
        """Check that what is told as a task's outcome is what an engine said of it."""
        made = self.made.get(item.inline)
        if made is None:
            raise WrongHistory(f"no engine ever said that: {item}")
        said = made.item.status
        hold(said is item.status or said in NOT_OVER, "another outcome:", item)
        if made.item.id != item.id:
            call, other = self.calls[item.id], self.calls.get(made.item.id)
            shares = other is not None and call.options.key == other.options.key != ""
            hold(shares or item.status is not DONE, "that is another task's value:", item)
        if item.buffers:
            hold(list(frames) == made.frames, "its frames are another's:", item)
            hold(item.buffers == made.item.buffers, "its buffers are another's:", item)

    def ended(self, item: ResultItem, frames: Sequence[Frame]) -> None:
        """Take what a client is told first of a task.

        That a client holds a value in shared memory is not known to the next hub, so values may go
        with their makers then.
        """
        task, status = item.id, item.status
        hold(status.ended, "that is no end:", item)
        hold(self.is_same_story(self.ends.get(task), item), "it has two ends:", task)
        self.ends.setdefault(task, item)
        if status is DONE:
            self.check_payload(item, frames)
            for name in blobs_of(item):
                kept = name in self.blobs or self.hub_deaths
                hold(kept, "its result's blob was freed too early:", task)
        self._check_end(item, frames)

    def _check_end(self, item: ResultItem, frames: Sequence[Frame]) -> None:
        task, status = item.id, item.status
        call, runs = self.calls[task], self.runs[task]
        if status is LOST:
            self._check_loss(task, decode_failure(item.inline))
        if call.options.key and status is FAILED and not call.item.needs:
            made = self.made[item.inline]
            known = made.item.id in call.known and not self.hub_deaths
            hold(not known, "it shares what had failed before:", task)
        if call.inherits:
            return
        if status is FAILED:
            hold(runs or task in self.suspects, "it failed without having run:", task)
            self.check_payload(item, frames)
        elif status is CANCELLED:
            hold(task in self.unwanted, "nobody who may had it cancelled:", task)
            again = call.spec.retries or self.is_unsure(task) or self.blind
            hold(not runs or again, "it was cancelled after it had begun:", task)

    def _check_loss(self, task: TaskId, why: Failure) -> None:
        """Check that a task was lost for a reason."""
        call, runs, ename = self.calls[task], self.runs[task], why.ename
        vague = self.agent_deaths or self.vague or task in self.suspects or call.inherits
        vague = vague or (self.hosts_missed and why.evalue != KILLED)
        if ename in {"EngineLost", "PoisonTask"}:
            hold(runs or vague or call.target is not None, "it was lost unbegun:", task)
        elif ename == "ClientClosed":
            waits = call.spec.function or call.options.after or call.options.follow
            hold(waits or call.inherits, "it was lost with its client:", task)
        elif ename == "TaskTimeout" and self.punctual and not call.options.patience:
            overran = call.item.inline.startswith(b"g")
            hold(overran or call.inherits, "it was stopped within its time:", task)

    def is_remembered(self, entry: Entry) -> None:
        """Check what the hub remembers of a task that has ended."""
        task = entry.id
        if client_of(task) == THE_HUB:
            return
        told = self.ends.get(task)
        if told is None and entry.kept:
            self._check_end(entry.item, entry.frames)
        same = told is None or told.status is entry.item.status or self._may_differ(told)
        hold(same, "another end is remembered:", task)

    def is_same_story(self, told: ResultItem | None, item: ResultItem) -> bool:
        """Tell whether a client may be told of a task's end again, in these words."""
        return told is None or told == item or self._may_differ(told)

    def _may_differ(self, told: ResultItem) -> bool:
        """Tell whether a hub need not know what one before it said of a task.

        That had not written down yet what it said, and it was its own decision, or the engine died
        before it said it again.
        """
        if told.id in self.crossed:
            return True
        by_the_hub = told.status in {CANCELLED, LOST} or self.calls[told.id].inherits
        return self.is_unsure(told.id) or bool(self.hub_deaths and by_the_hub)

    def is_unsure(self, task: TaskId) -> bool:
        """Tell whether a hub may have died before it had written down what became of a task.

        And either the engine died before it said it again, or it had to be tried again.
        """
        return bool(self.hub_deaths) and task in self.orphaned | self.contested


def blobs_of(item: TaskItem | ResultItem) -> list[str]:
    """Return the names of an item's blobs."""
    return [buffer.name for buffer in item.buffers if isinstance(buffer, Blob)]

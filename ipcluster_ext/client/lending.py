"""Answers that other tasks were given, and that the hub may ask for once more.

A task may depend on others whose end its client has not seen. Usually the hub knows how they
ended; where it has forgotten, it says what it lacks, and gets it from here: at once if the answer
is kept, when it arrives if it is under way, and otherwise as a failure, so that nothing waits for
ever.

The hub knows which answers lie in shared memory as long as somebody has them. A hub that was
started again does not, and is told.

Whoever has an answer may let go of it while tasks that depend on it have not ended. It is kept here
until they have: if the hub dies as it came, and its engine as well, nobody else has it.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence

from ipcluster_ext.client.pending import Outcome, Owner, Pending
from ipcluster_ext.client.submitted import Submitted
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.buffers import Dumped
from ipcluster_ext.protocol.frames import Frame, encode_failure, split
from ipcluster_ext.protocol.ids import TaskId, task_text
from ipcluster_ext.protocol.messages import Holding, Supply
from ipcluster_ext.protocol.parts import Blob, Failure, Options, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import TaskStatus
from ipcluster_ext.transport.blobs import Body

Place = Callable[[Dumped], Body]
Owners = tuple[Owner, ...]


class Lending:
    """Who has which answer.

    Parameters
    ----------
    pending
        What has not arrived.
    submitted
        Who has the answers of other tasks: a hub that was started again may ask for any that has
        ended lately.
    """

    def __init__(self, pending: Pending, submitted: Submitted) -> None:
        self._pending = pending
        self._submitted = submitted
        self._lent: weakref.WeakValueDictionary[TaskId, Owner] = weakref.WeakValueDictionary()
        self._held: weakref.WeakValueDictionary[TaskId, Owner] = weakref.WeakValueDictionary()
        self._awaited: set[TaskId] = set()
        self._kept: dict[TaskId, Owners] = {}

    def lend(self, tasks: Iterable[TaskId], owner: Owner) -> None:
        """Note who has, or will have, the answers of tasks that others depend on."""
        lent = self._lent
        for task in tasks:
            if lent.get(task) is not owner:
                lent[task] = owner

    def hold(self, task: TaskId, owner: Owner) -> None:
        """Note who has an answer that may lie in shared memory."""
        self._held[task] = owner

    def holds(self, task: TaskId) -> bool:
        """Tell whether anybody has such an answer."""
        return task in self._held

    @property
    def held(self) -> list[Outcome]:
        """The answers in shared memory that somebody has."""
        known = [owner.outcome(task) for task, owner in sorted(self._held.items())]
        return [outcome for outcome in known if outcome is not None and _is_shared(outcome.item)]

    # ------------------------------------------------------------ until dependent tasks have ended

    def keep(self, spec: TaskSpec, items: Iterable[TaskItem], count: int = 1) -> None:
        """Keep the answers on which tasks depend until these have ended.

        They are noted by the dependent task, and nothing leads from one to the next: so a chain of
        any length keeps what its unended tasks wait for, and goes without any depth of stack.

        Parameters
        ----------
        spec, items
            The tasks, as they are submitted.
        count
            How many tasks of consecutive ids each item is.
        """
        shared = () if spec.options is None else self._owners(_awaited(spec.options))
        for item in items:
            owners = (*shared, *self._owners(item.needs)) if item.needs else shared
            if owners:
                for task in map(TaskId, range(item.id, item.id + count)):
                    if self._pending.owner(task) is not None:  # or nobody would tell of its end
                        self._kept[task] = owners

    def _owners(self, tasks: Iterable[TaskId]) -> Owners:
        """Return who has, or will have, the answers of tasks, each once; the hub may ask them."""
        owners: dict[int, Owner] = {}
        for task in tasks:
            owner = self._pending.owner(task) or self._owner(task)
            if owner is not None:
                self.lend([task], owner)
                owners[id(owner)] = owner
        return tuple(owners.values())

    def _owner(self, task: TaskId) -> Owner | None:
        """Return who has the answer of a task that has ended, None if nobody has."""
        return self._lent.get(task) or self._submitted.owner(task)

    def ended(self, outcomes: Sequence[Outcome]) -> list[Owners]:
        """Keep nothing any more for tasks that have ended; the rest as for `let_go`."""
        return self.let_go([outcome.item.id for outcome in outcomes]) if self._kept else []

    def let_go(self, tasks: Iterable[TaskId]) -> list[Owners]:
        """Keep nothing any more for tasks that nobody waits for.

        Returns
        -------
        Who was kept. To be dropped without any lock: users' own destructors may run then.
        """
        kept = self._kept
        return [owners for task in tasks if (owners := kept.pop(task, ()))]

    def let_go_all(self) -> list[Owners]:
        """Keep nothing any more for any task; the rest as for `let_go`."""
        kept, self._kept = self._kept, {}
        return list(kept.values())

    # ------------------------------------------------------------ what the hub lacks

    def lacked(self, tasks: Iterable[TaskId]) -> list[tuple[TaskId, Outcome | None]]:
        """Learn what the hub lacks.

        Returns
        -------
        What can be said at once: the outcomes, None where there is none and never will be.
        """
        known: list[tuple[TaskId, Outcome | None]] = []
        for task in tasks:
            if self._pending.owner(task) is not None:
                self._awaited.add(task)
            else:
                owner = self._owner(task)
                known.append((task, None if owner is None else owner.outcome(task)))
        return known

    def arrived(self, outcomes: Sequence[Outcome]) -> list[tuple[TaskId, Outcome | None]]:
        """Return those of the outcomes that the hub lacks."""
        if not self._awaited:
            return []
        lacked = [outcome for outcome in outcomes if outcome.item.id in self._awaited]
        self._awaited.difference_update(outcome.item.id for outcome in lacked)
        return [(outcome.item.id, outcome) for outcome in lacked]


def supply(
    answers: Iterable[tuple[TaskId, Outcome | None]], place: Place
) -> tuple[Supply, list[Frame]]:
    """Make the message that gives the hub what it lacks.

    Parameters
    ----------
    answers
        The tasks, and how they ended.
    place
        Decides how large values travel.

    Returns
    -------
    The message, and its frames.
    """
    items: list[ResultItem] = []
    frames: list[Frame] = []
    for task, outcome in answers:
        item, own = _item(task, outcome, place)
        items.append(item)
        frames.extend(own)
    return Supply(items), frames


def holding(outcomes: Iterable[Outcome]) -> tuple[Holding, list[Frame]]:
    """Make the message that tells a hub which answers in shared memory somebody has.

    Parameters
    ----------
    outcomes
        The answers.

    Returns
    -------
    The message, and copies of what travels beside those values.
    """
    items: list[ResultItem] = []
    frames: list[Frame] = []
    for outcome in outcomes:
        if isinstance(outcome.payload, tuple):
            stream, buffers = outcome.payload
            parts = buffers if outcome.item.inline else [stream, *buffers]
            items.append(outcome.item)
            for described, part in zip(outcome.item.buffers, parts, strict=True):
                if isinstance(described, int):
                    frames.extend(split(memoryview(bytes(part))))
    return Holding(items), frames


def _awaited(options: Options) -> Iterator[TaskId]:
    """Yield the tasks whose end is waited for."""
    for condition in (options.after, options.follow):
        if condition is not None:
            yield from condition.tasks


def _is_shared(item: ResultItem) -> bool:
    return item.status is TaskStatus.DONE and any(isinstance(each, Blob) for each in item.buffers)


def _item(task: TaskId, outcome: Outcome | None, place: Place) -> tuple[ResultItem, list[Frame]]:
    if outcome is None or isinstance(outcome.payload, ProtocolError):
        text = f"the result of task {task_text(task)} is not kept anywhere any more"
        failure = encode_failure(Failure("UnknownTask", text, ""))
        return ResultItem(task, TaskStatus.LOST, 0.0, 0.0, failure), []
    item = outcome.item
    if outcome.payload is None:
        return item, []
    stream, buffers = outcome.payload
    body = place(Dumped(bytes(stream), buffers))
    whole = ResultItem(
        task, item.status, item.started, item.completed, body.inline, body.buffers
    )  # fmt: skip
    return whole, body.frames

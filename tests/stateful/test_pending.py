"""What a client is owed, whatever comes in whatever order."""

from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from ipcluster_ext.client.pending import Outcome, Pending
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, client_of
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.protocol.status import TaskStatus

CLIENT = ClientId(5)


class Waiter:
    """Somebody who waits for tasks, and notes what it is given."""

    def __init__(self) -> None:
        self.got: list[TaskId] = []

    def deliver(self, outcomes: Sequence[Outcome]) -> None:
        self.got.extend(outcome.item.id for outcome in outcomes)

    def note_started(self, task: TaskId) -> None:
        """Nothing of it matters here."""

    def note_output(self, task: TaskId, stream: str, text: str) -> None:
        """Nothing of it matters here."""

    def note_news(self, task: TaskId, topic: str, value: object) -> None:
        """Nothing of it matters here."""

    def outcome(self, task: TaskId) -> Outcome | None:
        """Nothing of it matters here."""

    def fail(self, error: Exception) -> None:
        """Nothing of it matters here."""


def outcome(task: TaskId) -> Outcome:
    return Outcome(EngineId(0), ResultItem(task, TaskStatus.DONE, 0.0, 0.0, b""), None)


class APending(RuleBasedStateMachine):
    """Compares the ledger with a list of who waits for what."""

    tasks: Bundle[TaskId] = Bundle("tasks")

    def __init__(self) -> None:
        super().__init__()
        self.pending = Pending(CLIENT)
        self.waiting: dict[TaskId, Waiter] = {}
        self.expected: list[tuple[Waiter, list[TaskId]]] = []
        self.made: list[TaskId] = []

    @rule(target=tasks, count=st.integers(1, 5))
    def reserve(self, count: int) -> TaskId:
        waiter = Waiter()
        first = self.pending.reserve(count, waiter)
        ids = [TaskId(first + place) for place in range(count)]
        assert not set(ids) & set(self.made)
        self.made.extend(ids)
        self.waiting.update(dict.fromkeys(ids, waiter))
        self.expected.append((waiter, []))
        return ids[-1]

    @rule(data=st.data(), strangers=st.lists(st.integers(1, 10**6).map(TaskId), max_size=2))
    def settle(self, data: st.DataObject, strangers: list[TaskId]) -> None:
        known = st.lists(st.sampled_from(self.made), max_size=8) if self.made else st.just([])
        come = data.draw(known) + strangers
        order = data.draw(st.permutations(come))

        deliveries = self.pending.settle(map(outcome, order))
        for owner, group in deliveries:
            assert group
            owner.deliver(group)

        for task in order:
            waiter = self.waiting.pop(task, None)
            if waiter is not None:
                next(got for owner, got in self.expected if owner is waiter).append(task)

    @rule(task=consumes(tasks))
    def forget(self, task: TaskId) -> None:
        self.pending.forget([task, TaskId(1)])
        self.waiting.pop(task, None)

    @rule()
    def abandon(self) -> None:
        owners = self.pending.abandon()

        assert len(owners) == len({id(owner) for owner in owners})
        assert {id(owner) for owner in owners} == {id(w) for w in self.waiting.values()}
        self.waiting.clear()

    @invariant()
    def owes_what_was_reserved_and_has_not_ended(self) -> None:
        assert self.pending.outstanding == set(self.waiting)
        assert len(self.pending) == len(self.waiting)

    @invariant()
    def knows_who_waits_for_what(self) -> None:
        assert all(self.pending.owner(task) is self.waiting.get(task) for task in self.made)
        owners = {id(owner) for owner in self.pending.owners}
        assert owners == {id(waiter) for waiter in self.waiting.values()}

    @invariant()
    def delivered_everything_once_and_to_the_right_one(self) -> None:
        assert [waiter.got for waiter, _ in self.expected] == [got for _, got in self.expected]

    @invariant()
    def made_ids_of_its_own_client_in_order(self) -> None:
        assert self.made == sorted(self.made)
        assert {client_of(task) for task in self.made} <= {CLIENT}


TestPending = APending.TestCase
TestPending.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)

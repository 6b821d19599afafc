"""Answers are kept as long as tasks that depend on them have not ended, and no longer."""

import gc
import weakref
from collections.abc import Callable, Sequence

import pytest

from ipcluster_ext.client.lending import Lending
from ipcluster_ext.client.pending import Outcome, Pending
from ipcluster_ext.client.submitted import Submitted
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.parts import Dependency, Options, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.owners import Owner

PLAIN = TaskSpec(Kind.APPLY)
LIMITED = TaskSpec(Kind.APPLY, options=Options(time_limit=5.0))
LONG = 100_000


def after(*tasks: TaskId) -> TaskSpec:
    return TaskSpec(Kind.APPLY, options=Options(after=Dependency(tasks)))


def following(*tasks: TaskId) -> TaskSpec:
    return TaskSpec(Kind.APPLY, options=Options(follow=Dependency(tasks)))


def done(task: TaskId) -> Outcome:
    return Outcome(EngineId(0), ResultItem(task, TaskStatus.DONE, 1.0, 2.0, b"out"), None)


class Tasks:
    """What a connection does with its tasks, without any wire.

    Attributes
    ----------
    lending, pending
        As a connection has them.
    """

    def __init__(self) -> None:
        self.pending = Pending(ClientId(5))
        self._submitted = Submitted(10)
        self.lending = Lending(self.pending, self._submitted)

    def submit(
        self, *needs: TaskId, count: int = 1, spec: TaskSpec = PLAIN
    ) -> tuple[TaskId, "weakref.ref[Owner]"]:
        """Submit a task whose answer nobody has but those who deliver it; several for a count."""
        owner = Owner()
        first = self.pending.reserve(count, owner)
        self._submitted.add(first, count, owner)
        self.lending.keep(spec, [TaskItem(first, b"", (), needs)], count)
        return first, weakref.ref(owner)

    def end(self, *tasks: TaskId) -> None:
        """Take their outcomes."""
        outcomes = [done(task) for task in tasks]
        deliveries = self.pending.settle(outcomes)
        let_go = self.lending.ended(outcomes)
        for owner, group in deliveries:
            owner.deliver(group)
        let_go.clear()

    def lacked(self, task: TaskId) -> Sequence[tuple[TaskId, Outcome | None]]:
        """Return what the hub is told that does not know how a task ended."""
        return self.lending.lacked([task])


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


class TestAnAnswerThatNobodyHas:
    def test_is_gone_if_no_task_depends_on_it(self, tasks: Tasks) -> None:
        first, answer = tasks.submit()
        tasks.submit(spec=LIMITED)

        tasks.end(first)

        assert answer() is None
        assert tasks.lacked(first) == [(first, None)]
        assert tasks.lending.let_go_all() == []

    @pytest.mark.parametrize("condition", [after, following])
    def test_is_kept_for_a_task_that_waits_for_its_end(
        self, tasks: Tasks, condition: Callable[[TaskId], TaskSpec]
    ) -> None:
        first, _ = tasks.submit()
        second, _ = tasks.submit(spec=condition(first))
        for _ in range(20):
            tasks.submit()  # so the first is not among the latest any more

        tasks.end(first)
        kept = tasks.lacked(first)
        tasks.end(second)

        assert kept == [(first, done(first))]
        assert tasks.lacked(first) == [(first, None)]

    def test_is_kept_until_all_tasks_have_ended_that_need_it(self, tasks: Tasks) -> None:
        first, answer = tasks.submit()
        each, _ = tasks.submit(first, count=3)
        last, _ = tasks.submit(first)

        tasks.end(first)
        tasks.end(each, TaskId(each + 2), last)
        kept = tasks.lacked(first)
        tasks.end(TaskId(each + 1))

        assert kept == [(first, done(first))]
        assert answer() is None

    def test_is_kept_for_a_task_that_needs_others_and_comes_after_others(
        self, tasks: Tasks
    ) -> None:
        answers = [tasks.submit() for _ in range(3)]
        needed, other, before = [task for task, _ in answers]
        last, _ = tasks.submit(needed, other, spec=after(before))

        tasks.end(needed, other, before)
        alive = [answer() is not None for _, answer in answers]
        tasks.end(last)

        assert alive == [True, True, True]
        assert [answer() for _, answer in answers] == [None, None, None]

    def test_is_kept_if_it_had_ended_before_and_somebody_has_lent_it(self, tasks: Tasks) -> None:
        owner = Owner()
        owner.deliver([done(TaskId(3))])
        tasks.lending.lend([TaskId(3)], owner)
        last, _ = tasks.submit(TaskId(3))

        del owner
        kept = tasks.lacked(TaskId(3))
        tasks.end(last)

        assert kept == [(3, done(TaskId(3)))]
        assert tasks.lacked(TaskId(3)) == [(3, None)]

    def test_is_not_kept_for_a_task_that_nobody_waits_for_any_more(self, tasks: Tasks) -> None:
        first, answer = tasks.submit()
        last, _ = tasks.submit(first)
        other, _ = tasks.submit(first)
        tasks.end(first)

        tasks.pending.forget([last])
        tasks.lending.let_go([last]).clear()
        needed_by_the_other = answer() is not None
        tasks.pending.forget([other])
        tasks.lending.let_go([other]).clear()

        assert needed_by_the_other
        assert answer() is None

    def test_is_not_kept_for_a_task_that_was_given_up_while_it_was_submitted(
        self, tasks: Tasks
    ) -> None:
        first, answer = tasks.submit()
        given_up = tasks.pending.reserve(1, Owner())
        tasks.pending.forget([given_up])

        tasks.lending.keep(PLAIN, [TaskItem(given_up, b"", (), (first,))])
        tasks.end(first)

        assert answer() is None

    def test_of_which_nothing_is_known_is_passed_over(self, tasks: Tasks) -> None:
        last, _ = tasks.submit(TaskId(3))

        tasks.end(last)

        assert tasks.lacked(TaskId(3)) == [(3, None)]

    def test_of_many_tasks_is_kept_once_for_a_task_that_needs_all_of_them(
        self, tasks: Tasks
    ) -> None:
        first, answer = tasks.submit(count=100)
        needs = [TaskId(first + place) for place in range(100)]
        tasks.submit(*needs)

        [[owner]] = tasks.lending.let_go_all()

        assert owner is answer()


class TestALongChain:
    """Every task needs the one before it, and nobody has their answers."""

    def make(self, tasks: Tasks) -> "list[tuple[TaskId, weakref.ref[Owner]]]":
        chain = [tasks.submit()]
        while len(chain) < LONG:
            chain.append(tasks.submit(chain[-1][0]))
        return chain

    def test_keeps_no_more_than_what_its_next_task_needs(self, tasks: Tasks) -> None:
        chain = self.make(tasks)

        for place, (task, _) in enumerate(chain[: LONG // 2]):
            tasks.end(task)
            assert place == 0 or chain[place - 1][1]() is None

        alive = [place for place, (_, answer) in enumerate(chain) if answer() is not None]
        assert alive == list(range(LONG // 2 - 1, LONG))

    def test_goes_as_a_whole_without_any_depth_of_stack(self, tasks: Tasks) -> None:
        chain = self.make(tasks)
        gc.disable()
        try:
            owners = tasks.pending.abandon()
            let_go = tasks.lending.let_go_all()
            owners.clear()
            let_go.clear()
            alive = sum(answer() is not None for _, answer in chain)
        finally:
            gc.enable()

        assert alive == 0
        assert tasks.lending.let_go_all() == []

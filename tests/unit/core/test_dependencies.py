import pytest

from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    Done,
    Lack,
    Release,
    Supply,
)
from ipcluster_ext.protocol.parts import (
    Blob,
    Dependency,
    Options,
    ResultItem,
    Retry,
)
from ipcluster_ext.protocol.status import TaskStatus
from tests.support.scripted import PICKLED, Client, Engine, Stage

FAILED, DONE, LOST, CANCELLED = (
    TaskStatus.FAILED,
    TaskStatus.DONE,
    TaskStatus.LOST,
    TaskStatus.CANCELLED,
)
BLOB = Blob("engine-1", 5_000_000)


@pytest.fixture
def engines(stage: Stage) -> list[Engine]:
    return stage.engines(2)


def after(
    *tasks: TaskId, every: bool = True, success: bool = True, failure: bool = False
) -> Options:
    return Options(after=Dependency(tasks, all=every, success=success, failure=failure))


class TestValues:
    def test_a_task_waits_for_the_value_that_it_needs_and_gets_it_first(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        [second] = client.submit(needs=[first])
        begun_before = [engine.ids for engine in engines]

        engines[0].finish()

        assert begun_before == [[first], []]
        where = next(engine for engine in engines if engine.ids)
        assert where.ids == [second]
        assert where.values[first].inline == b"out"

    def test_frames_of_a_value_come_with_it(self, client: Client, engines: list[Engine]) -> None:
        [first] = client.submit()
        [second] = client.submit(needs=[first])

        engines[0].say(Done([engines[0].outcome(buffers=(3,))]), frames=[b"abc"])

        where = next(engine for engine in engines if engine.ids == [second])
        assert where.value_frames[first] == [b"abc"]

    def test_frames_come_even_with_a_value_that_is_in_shared_memory_besides(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        [second] = client.submit(needs=[first])

        engines[0].say(Done([engines[0].outcome(buffers=(3, BLOB))]), frames=[b"abc"])

        where = next(engine for engine in engines if engine.ids == [second])
        assert where.value_frames[first] == [b"abc"]

    def test_a_value_is_sent_to_an_engine_once_and_forgotten_there_in_the_end(
        self, client: Client, stage: Stage
    ) -> None:
        [engine] = stage.engines(1)
        firsts = client.submit(20)
        tasks = [client.submit(needs=[first])[0] for first in firsts for _ in range(2)]

        while engine.todo:
            engine.finish()

        assert set(client.statuses) == {*firsts, *tasks}
        assert len(engine.values) < 20
        assert len(stage.hub.state.store) == 0

    def test_a_value_that_came_before_it_was_needed_is_had_from_the_history(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        engines[0].finish()

        [second] = client.submit(needs=[first])

        assert [engine.ids for engine in engines if engine.todo] == [[second]]

    def test_a_value_that_is_not_remembered_is_asked_for(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        engines[0].finish()
        stage.hub.state.history.forget([first])
        [second] = client.submit(needs=[first])
        asked = client.of(Lack)

        client.say(Supply([client.results[first]]))

        assert asked == [Lack([first])]
        assert [engine.ids for engine in engines if engine.todo] == [[second]]

    def test_what_nobody_can_supply_any_more_fails_what_needs_it(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        other = stage.client()
        [forgotten] = client.next_ids(1)
        [task] = other.submit(needs=[forgotten])

        client.leave()

        assert other.why(task)[0] == "ClientClosed"
        assert stage.hub.state.dependents == {}

    def test_the_failure_of_a_task_is_that_of_all_that_need_it(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        [second] = client.submit(needs=[first])
        [third] = client.submit(needs=[second])

        engines[0].fail()

        assert client.statuses == {first: FAILED, second: FAILED, third: FAILED}
        assert client.results[third].inline == client.results[first].inline

    def test_a_cancelled_task_takes_along_what_needs_it(
        self, client: Client, engines: list[Engine]
    ) -> None:
        client.submit(2)
        [first] = client.submit()
        [second] = client.submit(needs=[first])

        client.cancel(first)

        assert client.statuses == {first: CANCELLED, second: CANCELLED}

    def test_a_task_that_waits_can_be_cancelled(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        [second] = client.submit(needs=[first])

        client.cancel(second)
        engines[0].finish()

        assert client.statuses == {second: CANCELLED, first: DONE}

    def test_a_value_outlives_the_engine_that_was_to_use_it(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        [second] = client.submit(needs=[first])
        engines[0].finish()
        where = next(engine for engine in engines if engine.todo)

        where.die()

        elsewhere = next(engine for engine in engines if engine is not where)
        assert elsewhere.ids == [second]

    def test_a_value_in_shared_memory_is_held_while_its_client_has_it(
        self, client: Client, stage: Stage
    ) -> None:
        [engine] = stage.engines(1)
        [first] = client.submit()
        engine.finish(buffers=(BLOB,))
        client.acknowledge()
        [second] = client.submit(needs=[first])
        client.say(Release([first]))
        held_before = stage.hub.state.blobs.counts

        engine.finish()

        assert client.statuses == {first: DONE, second: DONE}
        assert (held_before, stage.hub.state.blobs.counts) == ({BLOB.name: 1}, {})

    def test_a_task_that_needs_a_later_one_is_refused(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [task] = client.submit(needs=[TaskId(client.number << 32 | 7)])

        assert client.why(task)[0] == "InvalidDependency"


class TestOrder:
    def test_a_task_runs_after_all_of_those_it_names(
        self, client: Client, engines: list[Engine]
    ) -> None:
        firsts = client.submit(2)
        [last] = client.submit(options=after(*firsts))

        engines[0].finish()
        begun_between = [engine.ids for engine in engines if last in engine.ids]
        engines[1].finish()

        assert begun_between == []
        assert [engine.ids for engine in engines if engine.todo] == [[last]]

    def test_a_task_runs_after_any_of_those_it_names(
        self, client: Client, engines: list[Engine]
    ) -> None:
        firsts = client.submit(2)
        [last] = client.submit(options=after(*firsts, every=False))

        engines[0].finish()

        assert engines[0].ids == [last]

    def test_one_failure_makes_it_impossible_at_once(
        self, client: Client, engines: list[Engine]
    ) -> None:
        firsts = client.submit(2)
        [last] = client.submit(options=after(*firsts))

        engines[0].fail()

        assert client.why(last)[0] == "ImpossibleDependency"

    def test_a_task_may_wish_for_a_failure(self, client: Client, engines: list[Engine]) -> None:
        [first] = client.submit()
        [last] = client.submit(options=after(first, success=False, failure=True))

        engines[0].fail()

        assert [engine.ids for engine in engines if engine.todo] == [[last]]

    def test_a_success_makes_the_wish_for_a_failure_impossible(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        [last] = client.submit(options=after(first, success=False, failure=True))

        engines[0].finish()

        assert client.why(last)[0] == "ImpossibleDependency"

    def test_what_the_client_has_seen_counts(self, client: Client, engines: list[Engine]) -> None:
        met = Options(after=Dependency((), met=2))
        unmet = Options(after=Dependency((), met=1, unmet=1))

        [good], [bad] = client.submit(options=met), client.submit(options=unmet)

        assert engines[0].ids == [good]
        assert client.why(bad)[0] == "ImpossibleDependency"

    def test_what_ended_while_the_submission_was_under_way_counts(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        engines[0].fail()

        [last] = client.submit(options=after(first))

        assert client.why(last)[0] == "ImpossibleDependency"

    def test_a_task_follows_to_the_engine_of_another(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        client.submit(3)
        [last] = client.submit(options=Options(follow=Dependency((first,))))

        engines[0].finish(seconds=1.0)
        while engines[0].ids and last not in engines[0].ids:
            engines[0].finish(seconds=1.0)

        assert last in engines[0].ids

    def test_a_task_cannot_follow_two_that_ran_on_two_engines(
        self, client: Client, engines: list[Engine]
    ) -> None:
        firsts = client.submit(2)
        [last] = client.submit(options=Options(follow=Dependency(tuple(firsts))))

        engines[0].finish()
        engines[1].finish()

        assert client.why(last)[0] == "ImpossibleDependency"

    def test_a_task_that_follows_to_an_engine_that_it_may_not_run_on_is_refused(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit(engines=[0])
        options = Options(follow=Dependency((first,)))
        [last] = client.submit(engines=[1], options=options)

        engines[0].finish()

        assert client.why(last)[0] == "ImpossibleDependency"

    def test_patience_ends(self, stage: Stage, client: Client, engines: list[Engine]) -> None:
        [first] = client.submit()
        options = Options(after=Dependency((first,)), patience=2.0)
        [last] = client.submit(options=options)
        assert stage.hub.deadline is not None

        stage.turn(2.0)

        assert client.why(last)[0] == "DependencyTimeout"

    def test_a_thousand_failures_in_a_row_do_no_harm(
        self, client: Client, engines: list[Engine]
    ) -> None:
        previous = client.submit()
        for _ in range(1_200):
            previous = client.submit(needs=previous)

        engines[0].fail()

        assert set(client.statuses.values()) == {FAILED}
        assert len(client.statuses) == 1_201

    def test_a_lost_engine_is_told_of_by_its_id(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        [second] = client.submit(needs=[first])

        engines[0].die(began=first)

        assert client.statuses == {first: LOST, second: LOST}
        assert client.why(second) == client.why(first)

    def test_what_a_stranger_supplies_for_an_unfinished_task_is_passed_over(
        self, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        [second] = client.submit(needs=[first])

        client.say(Supply([ResultItem(first, DONE, 0.0, 0.0, b"lie")]))

        assert [engine.ids for engine in engines] == [[first], []]
        assert second not in client.statuses
        assert EngineId(0) == engines[0].number


class TestWhatNobodySays:
    def test_a_need_that_failed_leaves_nobody_waiting_for_the_others(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        [unknown] = client.next_ids(1)
        [failed] = client.submit()
        engines[0].fail()

        [task] = client.submit(needs=[unknown, failed])

        assert client.statuses[task] is FAILED
        assert stage.hub.state.dependents == {}
        assert client.of(Lack) == []

    def test_a_client_that_leaves_before_it_has_said_what_is_lacking_leaves_nothing_behind(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        [unknown] = client.next_ids(1)
        other = stage.client()
        other.submit(needs=[unknown])

        other.leave()

        assert stage.hub.state.tasks == {}
        assert stage.hub.state.dependents == {}

    def test_a_task_that_pauses_is_not_woken_by_the_end_of_another(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        first, second = client.submit(2)
        [task] = client.submit(
            retries=1,
            options=Options(
                retry=Retry(backoff=10.0), after=Dependency((first, second), all=False)
            ),
        )
        engines[0].finish()
        engines[0].fail()

        engines[1].finish()
        too_early = [engine.ids for engine in engines]
        stage.turn(10.0)

        assert too_early == [[], []]
        assert [task] in [engine.ids for engine in engines]

    def test_a_function_is_expected_as_long_as_a_task_wants_it_that_waits_for_another(
        self, stage: Stage, client: Client, engines: list[Engine]
    ) -> None:
        [first] = client.submit()
        [second] = client.submit(function=b"f", needs=[first])
        [third] = client.submit(function=b"f")

        client.cancel(third)
        client.define(b"f")
        engines[0].finish()

        where = next(engine for engine in engines if engine.ids == [second])
        assert where.functions == {b"f": PICKLED}

"""What watchers do to the work of others: take it back, stop it, run what failed again."""

from ipcluster_ext.protocol.feed import Redo, Redone, Retried, Status, Watch, Withdraw, WorkRow
from ipcluster_ext.protocol.ids import ClientId, TaskId, client_of
from ipcluster_ext.protocol.messages import Cancelled, Fetch, Halt, Resubmit
from ipcluster_ext.protocol.status import TaskStatus
from tests.support.comebacks import return_agent, return_client, return_engine
from tests.support.scripted import Client, Engine, Stage

CANCELLED = TaskStatus.CANCELLED


def seen(watcher: Client) -> list[WorkRow]:
    """Return all work that is shown."""
    watcher.forget()
    watcher.say(Watch(1, 0.1, ("work",)))
    watcher.acknowledge()
    return watcher.of(Status)[-1].work


def withdraw(watcher: Client, row: WorkRow, *, begun: bool = False) -> None:
    watcher.say(Withdraw(1, row.number, row.client, row.began, begun))


def redo(watcher: Client, row: WorkRow) -> Redone:
    watcher.forget()
    watcher.say(Redo(2, row.number, row.client, row.began))
    [answer] = watcher.of(Redone)
    return answer


class TestWorkThatIsTakenBack:
    def test_ends_as_cancelled_with_its_owner_but_for_what_runs(
        self, watcher: Client, client: Client, engine: Engine
    ) -> None:
        tasks = client.submit(3)
        [row] = seen(watcher)

        withdraw(watcher, row)
        engine.give_back()

        assert client.statuses == dict.fromkeys(tasks[1:], CANCELLED)
        assert {task for answer in watcher.of(Cancelled) for task in answer.ids} == set(tasks[1:])
        assert engine.ids == tasks[:1]

    def test_is_stopped_where_it_runs_if_that_is_asked_for(
        self, watcher: Client, client: Client, engine: Engine
    ) -> None:
        tasks = client.submit(2)
        [row] = seen(watcher)

        withdraw(watcher, row, begun=True)

        assert [task for halt in engine.of(Halt) for task in halt.ids] == tasks[:1]
        assert client.statuses == {tasks[1]: CANCELLED}

    def test_is_of_its_owner_alone(self, watcher: Client, client: Client, engine: Engine) -> None:
        del engine
        client.submit()
        others = watcher.submit(2)
        row = next(row for row in seen(watcher) if row.client == watcher.number)

        withdraw(client, row)

        assert watcher.statuses == dict.fromkeys(others, CANCELLED)
        assert client.statuses == {}

    def test_is_the_one_that_was_seen_and_no_other_of_its_number(
        self, watcher: Client, client: Client, engine: Engine
    ) -> None:
        del engine
        client.submit(2)
        [row] = seen(watcher)

        for wrong in (
            Withdraw(1, row.number, ClientId(7), row.began),
            Withdraw(2, row.number, row.client, row.began - 1.0),
            Withdraw(3, row.number + 1, row.client, row.began),
        ):
            watcher.say(wrong)

        assert [answer.ids for answer in watcher.of(Cancelled)] == [[], [], []]
        assert client.statuses == {}


class TestWhatItsOwnerHasRunAgain:
    def test_is_not_run_by_others(self, watcher: Client, client: Client, engine: Engine) -> None:
        first, second = client.submit(2)
        engine.fail()
        engine.fail()
        [row] = seen(watcher)
        assert row.retried == 0

        client.say(Retried([first]))

        [row] = seen(watcher)
        assert (row.failed, row.retried) == (2, 1)
        answer = redo(watcher, row)
        assert (answer.count, answer.missing) == (1, {})
        client.say(Retried([second]))
        assert [row.retried for row in seen(watcher)] == [2, 0]

    def test_counts_once_and_only_if_it_had_failed(
        self, watcher: Client, client: Client, engine: Engine
    ) -> None:
        tasks = client.submit(3)
        engine.fail()
        engine.finish()

        client.say(Retried([*tasks, tasks[0], TaskId(7)]), Retried(tasks[:1]))

        [row] = seen(watcher)
        assert (row.failed, row.retried) == (1, 1)

    def test_counts_for_the_work_that_it_was_part_of(
        self, stage: Stage, watcher: Client, client: Client, engine: Engine
    ) -> None:
        tasks: list[TaskId] = []
        for _ in range(3):
            tasks += client.submit()
            engine.fail()
            stage.turn(60.0)

        client.say(Retried(tasks[1:2]))

        assert [row.retried for row in seen(watcher)] == [0, 1, 0]

    def test_may_be_so_by_the_name_of_its_task(
        self, watcher: Client, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()
        engine.fail()

        client.say(Resubmit(9, [task], client.next_ids(1)[0]))

        assert [row.retried for row in seen(watcher)] == [1]

    def test_is_known_to_a_hub_that_was_told_while_it_took_over(
        self, stage: Stage, watcher: Client, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()
        engine.fail()
        stage.crash()
        return_client(client)
        client.say(Retried([task]))
        assert engine.agent is not None

        return_agent(engine.agent, [engine])
        return_engine(engine)

        entry = stage.hub.state.history.get(task)
        assert entry is not None
        assert entry.is_retried
        del watcher


class TestWhatFailed:
    def test_runs_again_as_work_of_nobody_that_anybody_can_fetch(
        self, watcher: Client, client: Client, engine: Engine
    ) -> None:
        tasks = client.submit(3)
        engine.fail()
        engine.finish()
        engine.fail()
        [row] = seen(watcher)

        answer = redo(watcher, row)

        assert (answer.count, answer.missing) == (2, {})
        assert answer.client not in {client.number, watcher.number}
        again = list(engine.ids)
        assert [client_of(task) for task in again] == [answer.client] * 2
        engine.finish(2)
        watcher.say(Fetch(3, again))
        assert watcher.statuses == dict.fromkeys(again, TaskStatus.DONE)
        assert set(client.results) == set(tasks)

    def test_is_seen_as_work_of_its_owners_session(
        self, stage: Stage, watcher: Client, engine: Engine
    ) -> None:
        stage.hub.state.history.introduce(watcher.number, "fits.ipynb")
        watcher.submit()
        engine.fail()
        [row] = seen(watcher)

        redo(watcher, row)

        assert [each.session for each in seen(watcher)] == ["fits.ipynb", "fits.ipynb"]

    def test_runs_again_once(self, watcher: Client, client: Client, engine: Engine) -> None:
        client.submit()
        engine.fail()
        [row] = seen(watcher)
        first = redo(watcher, row)

        second = redo(watcher, row)

        assert (first.count, second.count, second.missing) == (1, 0, {})

    def test_of_other_work_of_the_kind_is_left_alone(
        self, stage: Stage, watcher: Client, client: Client, engine: Engine
    ) -> None:
        client.submit()
        engine.fail()
        stage.turn(60.0)
        client.submit()
        engine.fail()
        early, late = seen(watcher)

        answer = redo(watcher, late)

        assert (early.failed, late.failed, answer.count) == (1, 1, 1)
        assert len(engine.ids) == 1

    def test_is_not_run_if_its_arguments_are_not_kept(
        self, stage: Stage, watcher: Client, client: Client, engine: Engine
    ) -> None:
        [task] = client.submit()
        engine.fail()
        [row] = seen(watcher)
        entry = stage.hub.state.history.get(task)
        assert entry is not None
        entry.drop_request()

        answer = redo(watcher, row)

        assert answer.count == 0
        assert answer.missing == {"what it was called with is not kept any more": 1}

    def test_is_counted_as_retried(self, watcher: Client, client: Client, engine: Engine) -> None:
        client.submit(2)
        engine.fail()
        engine.fail()
        [row] = seen(watcher)

        redo(watcher, row)

        [old, new] = seen(watcher)
        assert (row.retried, old.failed, old.retried, new.retried) == (0, 2, 2, 0)

    def test_of_no_work_is_nothing(self, watcher: Client, engine: Engine) -> None:
        del engine

        watcher.say(Redo(2, 9, ClientId(1), 0.0))

        assert watcher.of(Redone) == [Redone(2, ClientId(0), 0, {})]

    def test_outlives_the_hub(self, stage: Stage, watcher: Client, client: Client) -> None:
        agent = stage.agent(1)
        engine = agent.start(agent.to_start[-1])
        client.submit()
        engine.fail()
        [row] = seen(watcher)
        answer = redo(watcher, row)
        again = TaskId(answer.client << 32)

        stage.crash()

        assert again in stage.hub.state.tasks

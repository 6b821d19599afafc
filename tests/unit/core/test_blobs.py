import pytest

from ipcluster_ext.core.blobs import Blobs
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Done, FreeBlobs, Release
from ipcluster_ext.protocol.parts import Blob, ResultItem
from ipcluster_ext.protocol.status import TaskStatus
from tests.support.scripted import Agent, Client, Engine, Stage

BLOB = Blob("client-1", 5_000_000)
RESULT = Blob("engine-1", 5_000_000)


@pytest.fixture
def agent(stage: Stage) -> Agent:
    return stage.agent(2)


class TestOfTasks:
    def test_a_tasks_blob_is_kept_while_it_runs_and_freed_when_it_ends(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit(1, buffers=(BLOB,))
        freed_before = list(agent.freed)

        engine.finish()

        assert (freed_before, agent.freed) == ([], ["client-1"])

    def test_a_blob_of_several_tasks_is_freed_when_the_last_ends(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit(2, buffers=(BLOB,))
        engine.finish(seconds=1.0)
        freed_before = list(agent.freed)

        engine.finish()

        assert (freed_before, agent.freed) == ([], ["client-1"])

    def test_a_task_that_runs_again_keeps_its_blob(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(1, buffers=(BLOB,), retries=2)
        engine.fail()
        engine.die(began=task)
        freed_before = list(agent.freed)

        agent.start(EngineId(0)).finish()

        assert (freed_before, agent.freed) == ([], ["client-1"])

    def test_a_cancelled_task_frees_its_blob(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        _, queued = client.submit(2)
        [task] = client.submit(1, buffers=(BLOB,))

        client.cancel(queued, task)

        assert agent.freed == ["client-1"]

    def test_a_lost_task_frees_its_blob(self, client: Client, agent: Agent, engine: Engine) -> None:
        [task] = client.submit(1, buffers=(BLOB,))

        engine.die(began=task)

        assert agent.freed == ["client-1"]

    def test_a_task_that_comes_twice_holds_its_blob_once(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit(1, buffers=(BLOB,))
        client.count = 0
        client.submit(1, buffers=(BLOB,))

        engine.finish()

        assert agent.freed == ["client-1"]

    @pytest.mark.parametrize("engines", [[0, 1], [7, 0, 1], [0, 7, 1], [0, 1, 7], [7, 8, 0, 1]])
    def test_a_blob_for_several_engines_is_freed_when_the_last_is_done(
        self, engines: list[int], client: Client, agent: Agent, engine: Engine
    ) -> None:
        other = agent.start(EngineId(1))
        client.submit_each(engines, buffers=(BLOB,))
        engine.finish()
        freed_before = list(agent.freed)

        other.finish()

        assert (freed_before, agent.freed) == ([], ["client-1"])

    def test_a_blob_for_engines_that_are_all_missing_is_freed_at_once_and_once(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit_each([7, 8], buffers=(BLOB,))

        assert agent.freed == ["client-1"]

    def test_a_client_that_is_gone_leaves_no_blobs_of_waiting_tasks(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit(1, function=b"never sent", buffers=(BLOB,))

        client.leave()

        assert agent.freed == ["client-1"]


class TestOfResults:
    def test_a_results_blob_is_freed_when_the_client_has_received_it_and_needs_it_no_more(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(1)
        engine.finish(buffers=(RESULT,))
        client.acknowledge()
        freed_before = list(agent.freed)

        client.say(Release([task]))

        assert (freed_before, agent.freed) == ([], ["engine-1"])

    def test_a_results_blob_is_kept_for_others_if_the_client_is_gone(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit(1)
        client.leave()

        engine.finish(buffers=(RESULT,))

        assert agent.freed == []

    def test_a_results_blob_is_freed_if_the_client_leaves_before_it_has_received_it(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit(1)
        engine.finish(buffers=(RESULT,))

        client.leave()

        assert agent.freed == ["engine-1"]

    def test_the_blob_of_a_failure_that_leads_to_another_run_is_freed(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit(1, retries=1)

        engine.fail(buffers=(RESULT,))

        assert agent.freed == ["engine-1"]

    def test_the_blob_of_a_result_that_nobody_waits_for_is_freed(
        self, stage: Stage, client: Client, agent: Agent, engine: Engine
    ) -> None:
        [task] = client.submit(1)
        outcome = engine.outcome(buffers=(RESULT,))
        engine.say(done := Done([outcome]))
        client.acknowledge()
        client.say(Release([task]))

        engine.say(done)

        assert agent.freed == ["engine-1", "engine-1"]

    def test_every_agent_is_told(self, stage: Stage, client: Client, agent: Agent) -> None:
        other = stage.agent(0)
        agent.start(EngineId(0))
        client.submit(1, buffers=(BLOB,))

        agent.start(EngineId(1)).agent.leave()

        assert other.of(FreeBlobs) == [FreeBlobs(["client-1"])]

    def test_a_result_that_nobody_waits_for_does_not_free_what_a_task_needs(
        self, client: Client, agent: Agent, engine: Engine
    ) -> None:
        client.submit(1, buffers=(BLOB,))
        lie = ResultItem(TaskId(99), TaskStatus.DONE, 0.0, 0.0, b"", (BLOB,))

        engine.say(Done([lie]))

        assert agent.freed == []


class TestCounts:
    def test_a_blob_is_unneeded_once_as_many_released_it_as_held_it(self) -> None:
        blobs = Blobs()
        blobs.hold(["a", "b"], times=2)

        blobs.release(["a", "b"])
        blobs.release(["b"])

        assert blobs.counts == {"a": 1}
        assert blobs.take_unneeded() == ["b"]
        assert blobs.take_unneeded() == []

    def test_a_blob_that_is_needed_again_before_anybody_was_told_is_not_unneeded(self) -> None:
        blobs = Blobs()
        blobs.hold(["a"])
        blobs.release(["a"])

        blobs.hold(["a"])

        assert blobs.take_unneeded() == []

    def test_a_blob_that_became_unneeded_twice_is_told_once(self) -> None:
        blobs = Blobs()

        blobs.offer(["a"])
        blobs.offer(["a"])

        assert blobs.take_unneeded() == ["a"]

    def test_a_blob_that_somebody_needs_cannot_be_offered_away(self) -> None:
        blobs = Blobs()
        blobs.hold(["a"])

        blobs.offer(["a"])

        assert blobs.counts == {"a": 1}
        assert blobs.take_unneeded() == []

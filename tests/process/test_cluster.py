import asyncio
import gc
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import cast

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.protocol.process import POLICIES, PolicyName
from ipcluster_ext.transport.files import connection_file
from tests.support.clusters import Started, pids
from tests.support.leftovers import leftovers_of, processes_of, shared_memory_of
from tests.support.waiting import wait_until


def engine_here(_: int) -> int:
    time.sleep(0.0005)
    task = ipp.current_task()
    return -1 if task is None else task.engine


class TestStarting:
    def test_gives_a_client_whose_engines_work(self, started: Started) -> None:
        cluster, client = started

        assert client.ids == [0, 1]
        assert client.cluster is cluster
        assert client[:].apply_sync(pow, 2, 3) == [8, 8]

    def test_is_in_the_session_of_its_owner_and_in_groups_of_its_own(
        self, started: Started
    ) -> None:
        _, client = started

        family = [client.hub_pid, *client[:].apply_sync(os.getpid)]

        assert {os.getsid(pid) for pid in family} == {os.getsid(0)}
        assert len({os.getpgid(pid) for pid in [os.getpid(), *family]}) == 4

    def test_is_told_by_the_cluster(self, started: Started) -> None:
        cluster, _ = started

        assert cluster.running
        assert cluster.agent_pid is not None
        assert repr(cluster) == (
            f"<Cluster {cluster.cluster_id}: n=2, running, agent {cluster.agent_pid}>"
        )

    def test_makes_folders_for_this_user_only(self, started: Started) -> None:
        cluster, _ = started
        (blobs,) = shared_memory_of(cluster.cluster_id)

        assert [oct(path.stat().st_mode)[-3:] for path in (cluster.folder, blobs)] == ["700"] * 2
        assert {
            path.name: oct(path.stat().st_mode)[-2:]
            for path in [*cluster.folder.iterdir(), *blobs.iterdir()]
            if oct(path.stat().st_mode)[-2:] != "00"
        } == {}

    @pytest.mark.parametrize("policy", POLICIES)
    def test_with_any_policy_spreads_work_over_all_engines(self, policy: PolicyName) -> None:
        with ipp.Cluster(n=2, policy=policy, hwm=1) as client:
            values = client.load_balanced_view().map_sync(abs, range(-200, 0))
            engines = client.load_balanced_view().map_async(engine_here, range(200)).get()

        assert values == list(range(200, 0, -1))
        assert set(engines) == {0, 1}

    def test_remembers_as_many_tasks_as_it_was_told(self) -> None:
        with ipp.Cluster(n=1, history=50) as client:
            client.load_balanced_view().map_sync(abs, range(500))

            assert 0 < len(client.hub_history()) <= 50

    def test_with_an_unknown_policy_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no policy 'best'; policies: leastload, lru, "):
            ipp.Cluster(n=1, policy=cast("PolicyName", "best"))

    def test_twice_is_refused(self, started: Started) -> None:
        cluster, _ = started

        with pytest.raises(ipp.ClusterError, match="is running already"):
            cluster.start_cluster_sync()

    def test_under_an_id_that_is_taken_is_refused(self, started: Started) -> None:
        other = ipp.Cluster(n=1, cluster_id=started.cluster.cluster_id)

        with pytest.raises(ipp.ClusterError, match="choose another cluster_id"):
            other.start_cluster_sync()
        assert pids(started.client)

    def test_of_two_clusters_gives_each_its_own_engines(self, started: Started) -> None:
        with ipp.Cluster(n=1) as other:
            assert not set(pids(other)) & set(pids(started.client))
        assert pids(started.client)

    def test_again_after_a_stop_works(self) -> None:
        cluster = ipp.Cluster(n=1)
        with cluster as client:
            first = pids(client)
        with cluster as client:
            assert pids(client) != first

    def test_more_engines_later_works(self, started: Started) -> None:
        cluster, client = started

        assert cluster.start_engines_sync(2) == [2, 3]
        client.wait_for_engines(4, timeout=10)
        assert len(set(pids(client))) == 4

    @pytest.mark.parametrize("n", [0, -3])
    def test_no_engines_is_refused(self, n: int) -> None:
        with pytest.raises(ValueError, match=f"at least one engine, not {n}; leave n out"):
            ipp.Cluster(n=n)

    @pytest.mark.parametrize("cluster_id", ["../etc", "a b", "-a", "x" * 17])
    def test_an_id_that_cannot_name_files_is_refused(self, cluster_id: str) -> None:
        with pytest.raises(ValueError, match="cannot be a cluster's id"):
            ipp.Cluster(n=1, cluster_id=cluster_id)

    def test_without_n_gives_one_engine_for_each_processor(self) -> None:
        assert ipp.Cluster().n == os.cpu_count()

    def test_32_engines_takes_a_few_seconds(self) -> None:
        began = time.monotonic()
        with ipp.Cluster(n=32) as client:
            ready = time.monotonic()
            assert len(set(pids(client))) == 32
            stopping = time.monotonic()
        stopped = time.monotonic()

        assert ready - began < 10
        assert stopped - stopping < 3


class TestStopping:
    def test_leaves_nothing(self, runtime: Path) -> None:
        cluster = ipp.Cluster(n=2)
        client = cluster.start_and_connect_sync()
        client.close()
        cluster.stop_cluster_sync()

        assert leftovers_of(runtime) == []
        assert shared_memory_of(cluster.cluster_id) == []
        assert not cluster.running

    def test_twice_is_fine_and_so_is_before_the_start(self) -> None:
        cluster = ipp.Cluster(n=1)
        cluster.stop()
        cluster.start_cluster_sync()
        cluster.stop()
        cluster.stop()

        assert repr(cluster) == f"<Cluster {cluster.cluster_id}: n=1, stopped>"

    def test_happens_when_the_body_raises(self, runtime: Path) -> None:
        with pytest.raises(KeyError), ipp.Cluster(n=1):
            raise KeyError("x")

        assert leftovers_of(runtime) == []

    def test_happens_when_nobody_holds_the_cluster(self, runtime: Path) -> None:
        cluster = ipp.Cluster(n=1)
        cluster.start_cluster_sync()
        del cluster
        gc.collect()

        assert leftovers_of(runtime) == []

    def test_ends_what_engines_have_started(self, runtime: Path) -> None:
        with ipp.Cluster(n=1) as client:
            client[0].apply_sync(start_stray)
            wait_until(lambda: any("sleep 987" in line for line in processes_of(runtime)))

        assert leftovers_of(runtime) == []

    def test_ends_engines_that_do_not_listen(self, runtime: Path) -> None:
        with ipp.Cluster(n=2) as client:
            os.kill(pids(client)[0], signal.SIGSTOP)

        assert leftovers_of(runtime) == []

    def test_is_met_by_a_clear_error_afterwards(self) -> None:
        cluster = ipp.Cluster(n=1)
        cluster.start_cluster_sync()
        cluster.stop()

        with pytest.raises(ipp.ClusterStopped, match="is not running"):
            cluster.connect_client_sync()


def start_stray() -> None:
    """Start a process that leaves the engine's process group and outlives its parent."""
    subprocess.run(["sh", "-c", "setsid sleep 987 >/dev/null 2>&1 &"], check=True)


class TestEngines:
    def test_one_that_is_killed_comes_back_under_its_id(self, started: Started) -> None:
        _, client = started
        before = pids(client)
        os.kill(before[1], signal.SIGKILL)

        wait_until(lambda: client.engine_info(1).pid != before[1])
        client.wait_for_engines(2, timeout=10)

        assert client.ids == [0, 1]
        after = pids(client)
        assert (after[0] == before[0], after[1] == before[1]) == (True, False)

    def test_what_a_killed_one_was_running_is_lost_with_the_cause(self, started: Started) -> None:
        _, client = started

        with pytest.raises(ipp.EngineLost, match=r"engine 0 was lost .*killed by SIGKILL"):
            client[0].apply_sync(os.kill, pids(client)[0], signal.SIGKILL)

    def test_one_can_be_restarted(self, started: Started) -> None:
        cluster, client = started
        before = pids(client)

        cluster.restart_engine_sync(0)
        wait_until(lambda: client.engine_info(0).pid != before[0])
        client.wait_for_engines(2, timeout=10)

        assert [a == b for a, b in zip(before, pids(client), strict=True)] == [False, True]

    def test_all_can_be_restarted(self, started: Started) -> None:
        cluster, client = started
        before = pids(client)

        cluster.restart_engines_sync()
        wait_until(lambda: [client.engine_info(i).pid != before[i] for i in (0, 1)] == [True, True])
        client.wait_for_engines(2, timeout=10)

        assert not set(before) & set(pids(client))

    def test_one_can_be_stopped(self, started: Started) -> None:
        cluster, client = started

        cluster.stop_engine_sync(0)
        wait_until(lambda: client.ids == [1])

        assert len(pids(client)) == 1

    def test_one_can_be_interrupted(self, started: Started) -> None:
        cluster, client = started
        result = client[0].apply_async(time.sleep, 60)
        wait_until(lambda: client.queue_status()[0]["queue"])

        def interrupted() -> bool:
            cluster.signal_engine_sync(signal.SIGINT, 0)
            return result.wait(0.2)

        wait_until(interrupted)

        with pytest.raises(ipp.RemoteError, match="KeyboardInterrupt"):
            result.get()

    def test_one_that_is_not_there_is_named(self, started: Started) -> None:
        with pytest.raises(ipp.NoSuchEngine, match="there is no engine 7"):
            started.cluster.stop_engine_sync(7)


class TestAsync:
    def test_the_cluster_is_an_asynchronous_context_manager(self) -> None:
        async def use() -> object:
            async with ipp.Cluster(n=2) as client:
                return await client[:].apply_async(pow, 2, 3)

        assert asyncio.run(use()) == [8, 8]

    def test_the_blocking_twins_work_inside_a_running_loop(self) -> None:
        async def use() -> object:
            with ipp.Cluster(n=1) as client:
                return client[:].apply_sync(pow, 2, 3)

        assert asyncio.run(use()) == [8]

    def test_a_start_that_is_cancelled_leaves_nothing(self, runtime: Path) -> None:
        async def use() -> None:
            task = asyncio.create_task(ipp.Cluster(n=2).start_and_connect())
            await asyncio.to_thread(wait_until, lambda: processes_of(runtime))
            task.cancel()
            await task

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(use())
        wait_until(lambda: not leftovers_of(runtime))


def test_a_connection_file_is_private(started: Started) -> None:
    cluster, _ = started

    assert cluster.connection_file == connection_file(cluster.folder)
    assert cluster.connection_file.stat().st_mode & 0o777 == 0o600

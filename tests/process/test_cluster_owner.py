import os
import signal
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster.home import make_home, sweep_leftovers
from ipcluster_ext.transport.processes import start_of
from tests.support.clusters import Started, pids, python
from tests.support.leftovers import leftovers_of, processes_of, shared_memory_of
from tests.support.waiting import wait_until


class TestTheProcessThatStartedIt:
    def test_takes_everything_with_it_when_it_is_killed(self, runtime: Path) -> None:
        script = """
            import ipcluster_ext as ipp
            cluster = ipp.Cluster(n=4)
            client = cluster.start_and_connect_sync()
            client[:].push({"a": b"x" * 4_000_000})
            print(cluster.cluster_id, flush=True)
            client[:].apply_async(__import__("time").sleep, 100)
            input()
        """
        with python(script) as process:
            assert process.stdout is not None
            cluster = process.stdout.readline().strip()
            assert shared_memory_of(cluster)
            process.kill()

            wait_until(lambda: not leftovers_of(runtime) and not shared_memory_of(cluster), 30)

    def test_takes_everything_with_it_when_it_is_killed_while_starting(self, runtime: Path) -> None:
        script = "import ipcluster_ext as ipp; ipp.Cluster(n=4).start_and_connect_sync()"
        with python(script) as process:
            wait_until(lambda: processes_of(runtime))
            process.kill()
            wait_until(lambda: not leftovers_of(runtime), 30)

    def test_takes_everything_with_it_when_it_ends_without_a_stop(self, runtime: Path) -> None:
        script = "import ipcluster_ext as ipp; rc = ipp.Cluster(n=2).start_and_connect_sync()"
        with python(script) as process:
            assert process.communicate() == ("", "")

        assert leftovers_of(runtime) == []

    def test_may_leave_a_cluster_running_on_request(self, runtime: Path) -> None:
        script = """
            import ipcluster_ext as ipp
            cluster = ipp.Cluster(n=1, shutdown_atexit=False)
            cluster.start_and_connect_sync().close()
            print(cluster.agent_pid, cluster.connection_file)
        """
        with python(script) as process:
            pid, file = process.communicate()[0].split()
        try:
            with ipp.Client(file) as client:
                client.wait_for_engines(1, timeout=10)
                assert client[:].apply_sync(pow, 2, 3) == [8]
        finally:
            os.kill(int(pid), signal.SIGTERM)
        wait_until(lambda: not leftovers_of(runtime))

    @pytest.mark.parametrize("until", ["processes_of(runtime)", "rc"])
    def test_interrupted_leaves_nothing(self, runtime: Path, until: str) -> None:
        script = """
            import ipcluster_ext as ipp
            with ipp.Cluster(n=4) as rc:
                print("rc", flush=True)
                rc[:].apply_async(__import__("time").sleep, 100).get()
        """
        with python(script) as process:
            if until == "rc":
                assert process.stdout is not None
                process.stdout.readline()
            else:
                wait_until(lambda: processes_of(runtime))
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)

        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert leftovers_of(runtime) == []

    @pytest.mark.parametrize("end", ["sys.exit()", "cluster.stop(); os._exit(0)"])
    def test_may_fork_without_the_fork_ending_the_cluster(self, end: str) -> None:
        script = f"""
            import os, sys
            import ipcluster_ext as ipp
            cluster = ipp.Cluster(n=1)
            cluster.start_cluster_sync()
            pid = os.fork()
            if not pid:
                {end}
            os.waitpid(pid, 0)
            print(cluster.running)
            with cluster.connect_client_sync() as rc:
                rc.wait_for_engines(1)
                print(rc[:].apply_sync(pow, 2, 3))
        """
        with python(script) as process:
            assert process.communicate() == ("True\n[8]\n", "")


class TestLeftovers:
    def test_of_an_agent_that_was_killed_are_swept_by_the_next_start(self, runtime: Path) -> None:
        script = """
            import os, signal
            import ipcluster_ext as ipp
            cluster = ipp.Cluster(n=1)
            rc = cluster.start_and_connect_sync()
            print(cluster.cluster_id, cluster.agent_pid, flush=True)
            os.kill(cluster.agent_pid, signal.SIGSTOP)  # or it would start another hub
            os.kill(rc.hub_pid, signal.SIGKILL)  # which would end the cluster
            os.kill(cluster.agent_pid, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        """
        with python(script) as process:
            cluster, agent = process.communicate()[0].split()
        wait_until(lambda: start_of(int(agent)) is None)
        assert (runtime / cluster).exists()

        sweep_leftovers()

        assert leftovers_of(runtime) == []
        assert shared_memory_of(cluster) == []

    def test_of_a_cluster_that_is_just_starting_are_none(self, runtime: Path) -> None:
        home = make_home("starting")
        try:
            sweep_leftovers()

            assert all(folder.exists() for folder in home.folders)
        finally:
            home.sweep()
        assert leftovers_of(runtime) == []

    def test_of_a_running_cluster_are_none(self, started: Started) -> None:
        sweep_leftovers()

        assert pids(started.client)

    def test_that_are_empty_folders_go(self, runtime: Path) -> None:
        (runtime / "empty").mkdir()

        sweep_leftovers()

        assert list(runtime.iterdir()) == []

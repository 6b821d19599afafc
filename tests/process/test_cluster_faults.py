import os
import signal
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started, pids
from tests.support.leftovers import leftovers_of, processes_of
from tests.support.scripted_hub import instead_of_hubs
from tests.support.waiting import wait_until


class TestFailures:
    def test_of_the_hub_to_start_are_told_with_its_words(
        self, runtime: Path, customized: Path
    ) -> None:
        customized.write_text(instead_of_hubs("lambda: print(undefined)"))

        with pytest.raises(ipp.StartupError, match="'undefined' is not defined"):
            ipp.Cluster(n=1).start_cluster_sync()
        assert leftovers_of(runtime) == []

    def test_to_name_a_folder_to_work_in_are_told_before_anything_starts(
        self, runtime: Path, tmp_path: Path
    ) -> None:
        cluster = ipp.Cluster(n=1, cwd=str(tmp_path / "nowhere"))

        with pytest.raises(ipp.ClusterError, match="nowhere is no folder"):
            cluster.start_cluster_sync()
        assert leftovers_of(runtime) == []

    def test_of_the_agent_to_start_are_told_with_its_words(
        self, runtime: Path, customized: Path
    ) -> None:
        customized.write_text(
            "import sys\nif 'ipcluster_ext.agent' in sys.orig_argv: sys.exit('no agent today')"
        )

        with pytest.raises(ipp.StartupError, match="no agent today"):
            ipp.Cluster(n=1).start_cluster_sync()
        assert leftovers_of(runtime) == []

    def test_of_every_engine_are_told_with_their_words(
        self, runtime: Path, customized: Path
    ) -> None:
        customized.write_text(
            "import os, sys\n"
            "if 'ipcluster_ext.engine.zygote' in sys.orig_argv:\n"
            "    os.register_at_fork(after_in_child=lambda: os._exit(7))\n"
        )

        with pytest.raises(ipp.StartupError, match="exit code 7; it did not come up 5 times"):
            ipp.Cluster(n=2).start_and_connect_sync()
        assert leftovers_of(runtime) == []

    def test_of_a_fork_are_overcome(self, customized: Path) -> None:
        customized.write_text(
            "import os, sys\n"
            "def fork(answers=[0, 0, 1], fork=os.fork):\n"
            "    if answers and not answers.pop(0): raise BlockingIOError(11, 'no more')\n"
            "    return fork()\n"
            "if 'ipcluster_ext.engine.zygote' in sys.orig_argv: os.fork = fork\n"
        )

        with ipp.Cluster(n=2) as client:
            log = (client.cluster.folder / "agent.log").read_text()
            assert log.count("it could not be started: [Errno 11] no more") == 2
            assert len(set(pids(client))) == 2

    def test_of_engines_to_come_up_in_time_are_told(self, runtime: Path, customized: Path) -> None:
        customized.write_text(
            "import os, signal, sys\n"
            "if 'ipcluster_ext.engine.zygote' in sys.orig_argv:\n"
            "    os.register_at_fork(after_in_child=signal.pause)\n"
        )

        with pytest.raises(ipp.StartupError, match="1 engines"):
            ipp.Cluster(n=1, engine_timeout=1.0).start_and_connect_sync()
        assert leftovers_of(runtime) == []

    def test_of_the_zygote_cost_a_restart_of_the_engines(
        self, started: Started, runtime: Path
    ) -> None:
        _, client = started
        before = pids(client)
        (zygote,) = [
            int(line.split(":")[0])
            for line in processes_of(runtime)
            if "engine.zygote" in line and int(line.split(":")[0]) not in before
        ]
        os.kill(zygote, signal.SIGKILL)

        wait_until(lambda: not {client.engine_info(i).pid for i in client.ids} & set(before))
        client.wait_for_engines(2, timeout=10)
        assert client.ids == [0, 1]
        assert not set(pids(client)) & set(before)


class TestWhereItCannotFork:
    @pytest.fixture(autouse=True)
    def _hostile(self, customized: Path) -> None:
        customized.write_text(
            "import sys, threading\n"
            "if 'ipcluster_ext.engine.zygote' in sys.orig_argv:\n"
            "    threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        )

    def test_engines_start_one_by_one(self) -> None:
        with ipp.Cluster(n=2) as client:
            assert client[:].apply_sync(pow, 2, 3) == [8, 8]
            assert (
                "start one by one: 2 threads" in (client.cluster.folder / "agent.log").read_text()
            )

    def test_a_killed_engine_comes_back(self) -> None:
        with ipp.Cluster(n=1) as client:
            before = pids(client)
            os.kill(before[0], signal.SIGKILL)
            wait_until(lambda: client.engine_info(0).pid != before[0])
            client.wait_for_engines(1, timeout=10)
            assert pids(client) != before

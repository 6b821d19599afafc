"""What a client does with engines: waiting, signals, shutting down, preparing, versions."""

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.parts import EngineInfo
from ipcluster_ext.protocol.status import EngineStatus
from tests.support.clusters import Started, pids
from tests.support.gates import Gate, pass_through
from tests.support.leftovers import leftovers_of
from tests.support.waiting import wait_until


class TestWaitingForEngines:
    def test_may_be_left_to_a_future(self, started: Started) -> None:
        client = started.client

        assert client.wait_for_engines(2, block=False).result(10) is None
        with pytest.raises(TimeoutError, match=r"2 of 9 engines are ready after 0\.1 s"):
            client.wait_for_engines(9, timeout=0.1, block=False).result(10)

    def test_can_show_how_many_there_are(
        self, started: Started, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(TimeoutError):
            started.client.wait_for_engines(3, timeout=1.0, interactive=True)

        assert "2 of 3" in capsys.readouterr().err

    def test_fails_when_an_engine_stops_meanwhile(self, started: Started) -> None:
        waiting = started.client.wait_for_engines(3, block=False)

        started.client.stop_engines(1)

        with pytest.raises(ipp.EngineError, match="engine 1 stopped meanwhile"):
            waiting.result(10)


class TestShuttingDown:
    def test_ends_engines(self, started: Started) -> None:
        started.client.shutdown(1, block=True)

        assert started.client.ids == [0]

    def test_can_bring_them_back(self, started: Started) -> None:
        client = started.client
        before = pids(client)
        client[:].push({"a": 1}, block=True)

        done = client.shutdown(restart=True)

        done.result(20)
        after = pids(client)
        assert set(before).isdisjoint(after)
        with pytest.raises(NameError):
            client[0].get("a")

    def test_can_end_the_cluster_that_this_process_has_started(self, started: Started) -> None:
        started.client.shutdown(hub=True, block=True)

        assert not started.cluster.running
        with pytest.raises(ipp.HubGone):
            started.client[0].apply_sync(os.getpid)

    def test_can_end_the_cluster_of_another(self, started: Started, runtime: Path) -> None:
        with ipp.Client(started.cluster.connection_file) as other:
            other.shutdown(hub=True, block=True)

        wait_until(lambda: leftovers_of(runtime) == [])

    def test_cannot_restart_the_hub(self, started: Started) -> None:
        with pytest.raises(ValueError, match="start a new one"):
            started.client.shutdown(hub=True, restart=True)

    def test_refuses_engines_that_do_not_exist(self, started: Started) -> None:
        with pytest.raises(ipp.NoSuchEngine):
            started.client.shutdown(7)


class TestSignals:
    def test_interrupt_the_task_that_runs(self, started: Started, gate: Gate) -> None:
        running = started.client[0].apply_async(pass_through, gate.path)
        wait_until(running.running)

        sent = started.client.send_signal(signal.SIGINT, 0, block=True)

        assert sent.result() == [0]
        assert isinstance(running.exception(10), ipp.RemoteError)

    def test_that_do_not_exist_are_refused(self, started: Started) -> None:
        with pytest.raises(ValueError, match="no signal 'SIGNONSENSE'"):
            started.client.send_signal("SIGNONSENSE")
        with pytest.raises(ipp.NoSuchEngine):
            started.client.send_signal("SIGINT", targets=9)


class TestPreparations:
    def test_run_now_and_on_every_engine_that_comes(self, started: Started) -> None:
        client = started.client
        client.on_engine_start(_prepare, "ready", level=2)
        assert client[:].apply_sync(os.getenv, "PREPARED") == ["ready-2"] * 2

        client.shutdown(0, restart=True, block=True)
        client.start_engines(1)
        client.wait_for_engines(3, timeout=20)

        assert client[:].apply_sync(os.getenv, "PREPARED") == ["ready-2"] * 3

    def test_are_replaced_by_those_of_the_same_name(self, started: Started) -> None:
        client = started.client
        client.on_engine_start(_prepare, "old")
        client.on_engine_start(_prepare, "new")

        client.shutdown(0, restart=True, block=True)

        assert client[0].apply_sync(os.getenv, "PREPARED") == "new-0"

    def test_can_be_given_up(self, started: Started) -> None:
        client = started.client
        client.on_engine_start(_prepare, "once").cancel()

        client.shutdown(0, restart=True, block=True)

        assert client[:].apply_sync(os.getenv, "PREPARED") == [None, "once-0"]

    def test_raise_where_they_fail_and_are_forgotten(self, started: Started) -> None:
        client = started.client

        with pytest.raises(ipp.CompositeError, match="ZeroDivisionError"):
            client.on_engine_start(divmod, 1, 0)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            client.shutdown(0, restart=True, block=True)
            assert client[0].apply_sync(abs, -1) == 1

    def test_that_fail_later_are_warned_of(self, started: Started, tmp_path: Path) -> None:
        client = started.client
        marker = tmp_path / "marker"
        marker.touch()
        client.on_engine_start(_read, marker)
        marker.unlink()

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            client.shutdown(0, restart=True, block=True)
            assert client[0].apply_sync(abs, -1) == 1
            wait_until(lambda: caught)

        assert "preparing engine 0 failed" in str(caught[0].message)

    def test_cannot_wait_for_answers(self, started: Started, gate: Gate) -> None:
        waits = started.client[0].apply_async(pass_through, gate.path)

        with pytest.raises(TypeError, match="pass on its value"):
            started.client.on_engine_start(_prepare, waits)
        gate.open()


def _prepare(text: str, level: int = 0) -> None:
    os.environ["PREPARED"] = f"{text}-{level}"


def _read(path: Path) -> str:
    return path.read_text()


class TestVersions:
    def test_are_told_of_everybody(self, started: Started) -> None:
        versions = started.client.versions(["tqdm"])

        assert set(versions["engines"]) == {0, 1}
        assert versions["engines"][0] == versions["client"]
        assert versions["hub"]["python"] == versions["client"]["python"]
        assert "tqdm" in versions["client"]
        assert versions.mismatches == {}
        assert str(versions).startswith("client: python 3.")

    def test_of_an_engine_that_is_busy_are_not_waited_for(
        self, started: Started, gate: Gate
    ) -> None:
        running = started.client[0].apply_async(pass_through, gate.path)
        wait_until(running.running)

        versions = started.client.versions(timeout=0.1)

        assert versions["engines"][0] is None
        gate.open()

    def test_of_python_that_differ_are_refused_before_anything_is_sent(
        self, started: Started
    ) -> None:
        roster = started.client.connection.roster
        other = EngineInfo(EngineId(9), EngineStatus.READY, python="2.7")
        roster.update([other])

        with pytest.raises(ipp.PythonMismatch, match=r"engine 9 Python 2\.7"):
            started.client[0].apply_async(abs, -1)

        roster.update([EngineInfo(EngineId(9), EngineStatus.STOPPED)])
        assert started.client[0].apply_sync(abs, -1) == 1


class TestConnecting:
    def test_finds_the_cluster_that_runs(
        self, started: Started, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with ipp.connect() as client:
            assert client.cluster_id == started.cluster.cluster_id
            assert client[:].apply_sync(abs, -1) == [1, 1]
        said = f"connected to cluster {started.cluster.cluster_id}, which has 2 engines"
        assert said in capsys.readouterr().err

    def test_takes_a_cluster_an_id_or_a_file(self, started: Started) -> None:
        cluster = started.cluster
        for given in (cluster, cluster.cluster_id, cluster.connection_file):
            with ipp.connect(given) as client:
                assert client.ids == [0, 1]
        with ipp.connect(cluster_id=cluster.cluster_id) as client:
            assert client.ids == [0, 1]

    def test_starts_a_cluster_where_none_runs(
        self, runtime: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with ipp.connect(n=1, cluster_id="mine") as client:
            assert client[:].apply_sync(abs, -1) == [1]
            said = "no cluster mine was running: started mine with 1 engine; "
            assert said in capsys.readouterr().err
            with ipp.connect(n=1, cluster_id="mine") as again:
                assert again.hub_pid == client.hub_pid
                assert again.cluster.cluster_id == "mine"
            client.shutdown(hub=True, block=True)
        wait_until(lambda: leftovers_of(runtime) == [])

    def test_by_what_stands_in_the_file(self, started: Started) -> None:
        import json

        info = json.loads(started.cluster.connection_file.read_text())

        with ipp.Client(info) as client:
            assert client.ids == [0, 1]
        with pytest.raises(ipp.ClusterError, match="not what stands in a connection file"):
            ipp.Client({"url": "tcp://127.0.0.1:1"})

    def test_from_an_engine_finds_its_own_cluster(self, started: Started) -> None:
        assert started.client[0].apply_sync(_connect) == started.cluster.cluster_id

    def test_says_what_is_missing(self, runtime: Path) -> None:
        with pytest.raises(ipp.ClientError, match=r"no cluster is running; start one with"):
            ipp.Client()
        with pytest.raises(ipp.ClusterError, match=r"there is no connection file .*nowhere"):
            ipp.Client(cluster_id="nowhere", timeout=0.1)
        with pytest.raises(ipp.ClientError, match="sshserver: clients connect"):
            ipp.Client(sshserver="far")


def _connect() -> str:
    with ipp.Client() as client:
        return client.cluster_id


class TestTheClientItself:
    def test_has_what_ipyparallels_have(self, started: Started) -> None:
        client = started.client

        assert (client.block, client.debug, client.profile) == (False, False, "")
        assert (client.curve_serverkey, client.cluster) == (None, started.cluster)
        assert client.session != ""
        assert client.activate().apply(abs, -1) == [1, 1]
        assert client.activate(1).targets == 1
        for deprecated in (client.spin, client.spin_thread, client.stop_spin_thread):
            with pytest.warns(DeprecationWarning, match="does nothing"):
                deprecated()

    def test_empties_namespaces(self, started: Started) -> None:
        client = started.client
        client[:].push({"a": 1}, block=True)

        client.clear(1, block=True)

        assert client[0]["a"] == 1
        with pytest.raises(NameError):
            client[1].get("a")
        client.clear().get(10)
        with pytest.raises(NameError):
            client[0].get("a")

    def test_says_once_it_is_closed_where_results_can_be_had(
        self, started: Started, gate: Gate
    ) -> None:
        other = ipp.Client(started.cluster.connection_file)
        waits = other[0].apply_async(pass_through, gate.path, "through")
        other.close()
        other.close()
        gate.open()

        for asking in (waits.get, other.hub_history, lambda: other[0].apply_async(abs, -1)):
            with pytest.raises(ipp.ClientClosed, match=r"the client is closed; .*connect\(\)"):
                asking()
        assert started.client.get_result(waits.msg_ids[0]).get(10) == "through"
        assert repr(other).endswith(": closed>")

    def test_can_wait_before_it_closes_until_all_is_sent(self, started: Started) -> None:
        with ipp.Client(started.cluster.connection_file) as other:
            answer = other[0].apply_async(abs, -3)
            other.close(linger=5)

        assert started.client.get_result(answer.msg_ids[0]).get(10) == 3

    def test_may_be_dropped_while_somebody_has_its_answers(
        self, started: Started, gate: Gate
    ) -> None:
        answer = ipp.Client(started.cluster.connection_file)[0].apply_async(
            pass_through, gate.path, "through"
        )

        gate.open()

        assert answer.get(10) == "through"
        wait_until(lambda: not answer.connection.thread.is_alive())

    def test_makes_views_that_wait_if_it_does(self, started: Started) -> None:
        client = started.client
        client.block = True

        assert client[0].apply(abs, -1) == 1
        assert client.broadcast_view().apply(abs, -1) == [1, 1]
        assert client.load_balanced_view().apply(abs, -1) == 1


def test_a_client_of_another_process_gets_the_results_of_one_that_died(started: Started) -> None:
    script = (
        "import os, sys, ipcluster_ext as ipp\n"
        "ar = ipp.Client(sys.argv[1])[0].apply_async(pow, 2, 10)\n"
        "ar.get()\n"
        "print(ar.msg_ids[0], flush=True)\n"
        "os._exit(1)\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", script, started.cluster.connection_file],
        capture_output=True,
        text=True,
        check=False,
    )

    assert started.client.get_result(died.stdout.strip()).get(10) == 1024

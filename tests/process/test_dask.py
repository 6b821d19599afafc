"""Dask on a cluster's engines: workers in them, a scheduler beside the client, nothing left."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started, pids, python
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="class")
def dask(four: ipp.Client) -> Iterator[Any]:
    """Turn all four engines into workers, for the tests of a class."""
    yield four.become_dask()
    four.stop_dask()


def names_there() -> list[str]:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    assert shell is not None
    return sorted(name for name in shell.user_ns if "_worker" in name)


def scheduler_of(client: Any) -> int:
    """Return a scheduler's process."""
    return int(client.run_on_scheduler(os.getpid))


def runs(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return Path(f"/proc/{pid}").exists()


class TestBecomingDask:
    def test_has_dask_compute_in_the_engines(self, rc: ipp.Client, dask: Any) -> None:
        assert dask.submit(pow, 2, 5).result() == 32
        assert dask.gather(dask.map(abs, range(-20, 0))) == list(range(20, 0, -1))
        assert set(dask.run(os.getpid).values()) == set(pids(rc))

    def test_makes_workers_of_one_thread_with_the_engines_names(self, dask: Any) -> None:
        workers = dask.scheduler_info(n_workers=-1)["workers"].values()

        assert sorted((worker["name"], worker["nthreads"]) for worker in workers) == [
            (number, 1) for number in range(4)
        ]

    def test_leaves_the_workers_in_the_namespaces(self, rc: ipp.Client, dask: Any) -> None:
        rc.become_dask().close()  # other tests have cleared them

        assert rc[:].apply_sync(names_there) == [["dask_worker", "distributed_worker"]] * 4
        assert sorted(rc[:]["dask_worker.address"]) == sorted(dask.run(abs, 1))

    def test_listens_to_this_host_alone(self, dask: Any) -> None:
        addresses = [dask.scheduler.address, *dask.run(abs, 1)]

        assert {address.rpartition(":")[0] for address in addresses} == {"tcp://127.0.0.1"}

    def test_leaves_engines_free_for_tasks(self, rc: ipp.Client, dask: Any, gate: Gate) -> None:
        held = [dask.submit(pass_through, gate.path, number, pure=False) for number in range(4)]
        wait_until(lambda: set(map(len, dask.processing().values())) == {1})

        assert rc[:].apply_async(pow, 2, 3).get(10) == [8] * 4
        gate.open()
        assert dask.gather(held) == [0, 1, 2, 3]


class TestAWorker:
    def test_takes_arguments_and_so_does_the_scheduler(self, rc: ipp.Client) -> None:
        client = rc.become_distributed(
            targets=[1], scheduler_args={"worker_ttl": 123}, nthreads=2, name="mine"
        )

        (worker,) = client.scheduler_info()["workers"].values()
        assert (worker["name"], worker["nthreads"]) == ("mine", 2)
        assert client.run_on_scheduler(_time_to_live) == 123
        rc.stop_distributed()

    def test_is_for_the_engines_that_were_named_and_had_none(self, rc: ipp.Client) -> None:
        first = rc.become_dask([0, 1])
        second = rc.become_dask([1, 2])

        assert first.scheduler.address == second.scheduler.address
        assert set(second.run(os.getpid).values()) == set(pids(rc)[:3])
        rc.stop_dask([0])
        assert set(second.run(os.getpid).values()) == set(pids(rc)[1:3])
        rc.stop_dask([1, 2])
        assert (first.status, second.status) == ("closed", "closed")

    def test_may_have_a_nanny(self, rc: ipp.Client) -> None:
        client = rc.become_dask([0], nanny=True)

        (pid,) = client.run(os.getpid).values()

        assert pid not in pids(rc)
        rc.stop_dask()
        wait_until(lambda: not runs(pid))

    def test_that_does_not_start_leaves_nothing(self, rc: ipp.Client) -> None:
        with pytest.raises(TypeError, match="no_such_option"):
            rc.become_dask([1], no_such_option=True)

        assert rc[:].apply_sync(names_there) == [[]] * 4

    def test_is_not_started_without_a_scheduler(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.ClusterError, match="scheduler did not start"):
            rc.become_dask(scheduler_args={"host": "256.0.0.1"})


class TestStoppingDask:
    def test_leaves_nothing_and_may_be_repeated(self, rc: ipp.Client) -> None:
        client = rc.become_dask()
        scheduler = scheduler_of(client)

        rc.stop_dask()
        rc.stop_dask()

        assert client.status == "closed"
        assert not runs(scheduler)
        assert rc[:].apply_sync(names_there) == [[]] * 4

    def test_does_not_wait_for_busy_engines(
        self, rc: ipp.Client, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ipcluster_ext.integrations import dask

        client = rc.become_dask()
        scheduler = scheduler_of(client)
        busy = rc[1].apply_async(pass_through, gate.path)
        wait_until(busy.running)
        monkeypatch.setattr(dask, "ENDS_WITHIN", 0.2)

        rc.stop_dask()

        wait_until(lambda: not runs(scheduler))
        gate.open()
        busy.get(10)

    def test_happens_with_the_clients_end(self, started: Started) -> None:
        with ipp.Client(started.cluster.connection_file) as client:
            dask = client.become_dask()
            scheduler = scheduler_of(dask)

        assert dask.status == "closed"
        wait_until(lambda: not runs(scheduler))
        assert started.client[:].apply_sync(pow, 2, 3) == [8, 8]

    def test_happens_with_the_clusters_end(self, runtime: Path) -> None:
        cluster = ipp.Cluster(n=1)
        client = cluster.start_and_connect_sync()
        dask = client.become_dask()
        scheduler = scheduler_of(dask)
        dask.close()

        cluster.stop_cluster_sync()

        wait_until(lambda: not runs(scheduler))
        client.close()

    def test_happens_when_the_clients_process_is_killed(self, runtime: Path) -> None:
        process = python("""
            import os, time, ipcluster_ext as ipp
            rc = ipp.Cluster(n=1).start_and_connect_sync()
            print(rc.become_dask().run_on_scheduler(os.getpid), flush=True)
            time.sleep(300)
        """)
        assert process.stdout is not None
        assert process.stderr is not None
        scheduler = int(process.stdout.readline())

        process.send_signal(signal.SIGKILL)

        process.wait(10)
        process.stdout.close()
        process.stderr.close()
        wait_until(lambda: not runs(scheduler))


def test_without_dask_the_error_says_what_to_install() -> None:
    process = python("""
        import sys
        sys.modules["distributed"] = None
        import ipcluster_ext as ipp
        try:
            ipp.become_dask(None)
        except ImportError as error:
            print(error)
        ipp.stop_dask(None)
    """)

    out, err = process.communicate(timeout=60)

    assert err == ""
    assert "pip install 'ipcluster-ext[dask]'" in out


def _time_to_live(dask_scheduler: Any) -> float:
    return float(dask_scheduler.worker_ttl)

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started
from tests.support.leftovers import leftovers_of
from tests.support.waiting import wait_until


@pytest.fixture
def immortal(runtime: Path) -> Iterator[ipp.Cluster]:
    """Start a cluster that nobody in particular owns, of one engine."""
    cluster = ipp.Cluster(n=1, cluster_id="immortal", shutdown_atexit=False)
    cluster.start_cluster_sync()
    try:
        yield cluster
    finally:
        cluster.stop_cluster_sync()
        assert leftovers_of(runtime) == []


class TestAClusterThatRuns:
    def test_is_found_by_its_id_by_its_file_and_as_the_youngest(self, started: Started) -> None:
        cluster, _ = started

        found = [
            ipp.Cluster.from_id(cluster.cluster_id),
            ipp.Cluster.from_file(cluster.connection_file),
            ipp.Cluster.from_file(cluster_id=cluster.cluster_id),
            ipp.Cluster.from_file(),
            *ipp.Cluster.list(),
        ]

        assert [(each.cluster_id, each.n, each.running, each.agent_pid) for each in found] == [
            (cluster.cluster_id, 2, True, cluster.agent_pid)
        ] * 5

    def test_says_who_started_it_and_with_whom_it_ends(self, started: Started) -> None:
        about = ipp.Cluster.from_id(started.cluster.cluster_id).about

        assert (about.n, about.owner, about.profile, about.cwd) == (
            2,
            os.getpid(),
            "",
            str(Path.cwd()),
        )

    def test_can_be_connected_to_and_steered(self, started: Started) -> None:
        found = ipp.Cluster.from_id(started.cluster.cluster_id)
        more = found.start_engines_sync(1)

        with found.connect_client_sync() as client:
            client.wait_for_engines(3, timeout=30)
            assert client[more[0]].apply_sync(pow, 2, 3) == 8
        assert found.running

    def test_goes_on_when_what_found_it_is_forgotten(self, started: Started) -> None:
        found = ipp.Cluster.from_id(started.cluster.cluster_id)
        del found

        assert started.client[:].apply_sync(pow, 2, 3) == [8, 8]

    def test_can_be_stopped_by_who_found_it_and_its_starter_sees_that(
        self, immortal: ipp.Cluster, runtime: Path
    ) -> None:
        ipp.Cluster.from_id("immortal").stop_cluster_sync()

        assert not immortal.running
        assert leftovers_of(runtime) == []

    def test_whose_agent_is_deaf_is_stopped_by_force(
        self, immortal: ipp.Cluster, runtime: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ipcluster_ext.cluster.running.STOP_GRACE", 0.1)
        found = ipp.Cluster.from_id("immortal")
        assert immortal.agent_pid is not None
        os.kill(immortal.agent_pid, signal.SIGSTOP)

        found.stop_cluster_sync()

        assert not found.running
        wait_until(lambda: leftovers_of(runtime) == [])

    def test_gives_out_new_keys_to_who_found_it(self) -> None:
        with ipp.Cluster(n=1, ip="127.0.0.1") as client:
            found = ipp.Cluster.from_id(client.cluster_id)
            before = found.engine_file.read_text()

            found.rotate_keys_sync()

            assert found.engine_file.read_text() != before
            assert client[:].apply_sync(pow, 2, 3) == [8]

    def test_that_listens_for_this_host_only_has_no_keys_for_who_found_it(
        self, started: Started
    ) -> None:
        found = ipp.Cluster.from_id(started.cluster.cluster_id)

        with pytest.raises(ipp.ClusterError, match="has no keys"):
            found.rotate_keys_sync()


class TestWaitingForTheEnd:
    def test_is_over_when_somebody_else_stops_it(self, immortal: ipp.Cluster) -> None:
        found = ipp.Cluster.from_id("immortal")
        assert not found.wait_sync(timeout=0)

        with ThreadPoolExecutor(1) as waiting:
            over = waiting.submit(found.wait_sync, 30)
            immortal.stop_cluster_sync()

            assert over.result(30)

    def test_is_over_at_once_for_one_that_was_not_started(self) -> None:
        assert ipp.Cluster(n=1).wait_sync()


class TestAClusterThatDoesNotRun:
    def test_is_found_by_nothing(self, started: Started, tmp_path: Path) -> None:
        cluster, _ = started
        nowhere = tmp_path / "client.json"

        with pytest.raises(ipp.ClusterError, match=f"running: {cluster.cluster_id}"):
            ipp.Cluster.from_id("nobody")
        with pytest.raises(ipp.ClusterError, match="no connection file"):
            ipp.Cluster.from_file(nowhere)
        with pytest.raises(ipp.ClusterError, match="no cluster of profile 'big' is running"):
            ipp.Cluster.from_file(profile="big")

    def test_any_more_is_found_by_nothing_either(self, immortal: ipp.Cluster) -> None:
        found = ipp.Cluster.from_id("immortal")
        immortal.stop_cluster_sync()

        assert not found.running
        assert ipp.Cluster.list() == []
        with pytest.raises(ipp.ClusterStopped):
            found.connect_client_sync()
        with pytest.raises(ipp.ClusterError, match="no cluster 'immortal' is running"):
            ipp.Cluster.from_id("immortal")


class TestAProfile:
    @pytest.fixture(autouse=True)
    def profile(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Make a profile called small."""
        folder = tmp_path / "ipcluster_ext" / "profiles"
        folder.mkdir(parents=True)
        (folder / "small.toml").write_text("n = 1\nhwm = 3\n[resources]\ngpu = 1\n")
        monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))

    def test_makes_a_cluster_which_remembers_that(self) -> None:
        with ipp.Cluster("small") as client:
            found = ipp.Cluster.from_file(profile="small")

            assert (client.cluster.n, client.cluster.hwm) == (1, 3)
            assert (found.cluster_id, found.profile) == (client.cluster_id, "small")
            view = client.load_balanced_view().options(resources={"gpu": 1})
            assert view.submit(pow, 2, 3).get(10) == 8

    def test_gives_way_to_what_is_said(self) -> None:
        cluster = ipp.Cluster(2, profile="small", hwm=0)

        assert (cluster.n, cluster.hwm, cluster.resources) == (2, 0, {"gpu": 1.0})

    def test_that_is_broken_hides_no_cluster_that_runs(
        self, started: Started, tmp_path: Path
    ) -> None:
        (tmp_path / "ipcluster_ext" / "profiles" / "default.toml").write_text("polcy = 1")

        found = [cluster.cluster_id for cluster in ipp.Cluster.list()]

        assert found == [started.cluster.cluster_id]

    def test_that_is_not_there_is_an_error_with_the_nearest_name(self) -> None:
        with pytest.raises(ipp.ClusterError, match=r"did you mean 'small'\?"):
            ipp.Cluster("smalll")

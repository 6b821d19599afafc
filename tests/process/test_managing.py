"""Several clusters by keys: those that run, whoever has started them, and those still to be."""

from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster import profiles


@pytest.fixture(autouse=True)
def config(runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test clusters and profiles of its own."""
    del runtime
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path / "site"))


def test_what_others_have_started_is_found_and_let_go_of_when_it_has_ended() -> None:
    manager = ipp.ClusterManager()
    profiles.create("one", n=1)

    with ipp.Cluster("one", cluster_id="mine"):
        assert list(manager.load_clusters()) == ["one:mine"]
        found = manager.get_cluster("one:mine")
        assert list(manager.load_clusters()) == ["one:mine"]
        assert manager.get_cluster("one:mine") is found
        assert found.running

        assert ipp.ClusterManager().load_clusters(profile="other") == {}

    assert manager.load_clusters() == {}


def test_one_that_was_made_here_is_started_and_stopped_like_any_other() -> None:
    manager = ipp.ClusterManager()
    key, cluster = manager.new_cluster(n=1, cluster_id="mine")

    manager.load_clusters()
    with manager.get_cluster(key) as client:
        assert client[0].apply_sync(pow, 2, 3) == 8
        assert list(manager.load_clusters().values()) == [cluster]

    assert key == "default:mine"
    assert manager.load_clusters() == {}


def test_every_profile_can_have_one() -> None:
    manager = ipp.ClusterManager()
    for name in ("one", "two"):
        profiles.create(name, n=1)
    manager.new_cluster(profile="two", cluster_id="mine")

    some = [key.partition(":")[0] for key in manager.load_clusters(init_default_clusters=True)]

    assert sorted(some) == ["default", "one", "two"]
    assert not any(cluster.running for cluster in manager.clusters.values())


def test_there_is_one_of_each_key() -> None:
    manager = ipp.ClusterManager()
    manager.new_cluster(n=1, cluster_id="mine")

    with pytest.raises(KeyError, match="there is a cluster 'default:mine' already"):
        manager.new_cluster(n=2, cluster_id="mine")
    with pytest.raises(KeyError, match="there is no cluster 'mine'; clusters: default:mine"):
        manager.get_cluster("mine")
    manager.remove_cluster("default:mine")

    assert repr(manager) == "<ClusterManager: no clusters>"

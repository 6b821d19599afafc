"""Which cluster the magics address: found or started when they are first used."""

import os
from collections.abc import Iterator
from typing import NamedTuple

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.protocol.foreman import LAUNCHED, Launch, Launches, Stage
from ipcluster_ext.transport.files import to_json, write_private
from tests.support.kernels import Notebook, opened
from tests.support.reading import by_engine, shown
from tests.support.waiting import wait_until


@pytest.fixture
def profiled(notebook: Notebook) -> Notebook:
    """Return a notebook whose user has a profile, ``night``, of one engine."""
    folder = notebook.folder / "jupyter"
    notebook.ok(f"import os; os.environ['JUPYTER_CONFIG_DIR'] = {str(folder)!r}")
    profile = folder / "ipcluster_ext" / "profiles" / "night.toml"
    profile.parent.mkdir(parents=True)
    profile.write_text("n = 1\n")
    return notebook


def clusters_of(notebook: Notebook) -> list[str]:
    return sorted(p.parent.name for p in notebook.runtime.glob("*/client.json"))


def test_loading_the_extension_starts_nothing_and_connects_to_nothing(notebook: Notebook) -> None:
    cell = notebook.ok("%load_ext ipcluster_ext\n%pxconfig")

    assert "runs on engines of no cluster yet" in cell.text
    assert notebook.value("'ipcluster_ext.client.client' in __import__('sys').modules") == "False"
    assert clusters_of(notebook) == []


def test_the_first_cell_starts_a_cluster_and_says_so(notebook: Notebook) -> None:
    notebook.ok("%load_ext ipcluster_ext")

    cell = notebook.ok("%%px --engines 2\nx = 1")

    (cluster,) = clusters_of(notebook)
    assert cell.text.endswith(
        f"ipcluster_ext: no cluster was running: started {cluster} with 2 engines; "
        "it ends with this process\n"
    )
    assert by_engine(notebook.ok("%px x").text) == ["Out[0]: 1", "Out[1]: 1"]


def test_the_cluster_that_runs_is_used(notebook: Notebook) -> None:
    with ipp.Cluster(n=1, cluster_id="mine"):
        cell = notebook.ok("%load_ext ipcluster_ext\n%px 7")

    assert shown(cell.text) == [
        "ipcluster_ext: connected to cluster mine, which has 1 engine",
        "Out[0]: 7",
    ]


def test_of_several_it_is_the_youngest_which_is_said_with_how_to_choose(
    notebook: Notebook,
) -> None:
    with ipp.Cluster(n=1, cluster_id="older"), ipp.Cluster(n=1, cluster_id="younger"):
        cell = notebook.ok("%load_ext ipcluster_ext\n%px 7")

    assert "connected to cluster younger, which has 1 engine; it is the youngest" in cell.text
    assert "older runs, too" in cell.text
    assert "%pxconfig --cluster ID" in cell.text


def test_a_client_that_is_open_goes_before_any_other_cluster(notebook: Notebook) -> None:
    notebook.ok(
        "import ipcluster_ext as ipp\nrc = ipp.Cluster(n=1, cluster_id='own')"
        ".start_and_connect_sync()"
    )
    with ipp.Cluster(n=1, cluster_id="other"):
        assert shown(notebook.ok("%px 7").text) == ["Out[0]: 7"]


def test_a_client_that_was_closed_is_not_used(notebook: Notebook) -> None:
    notebook.ok("import ipcluster_ext as ipp\nwith ipp.Cluster(n=1) as rc:\n    pass")
    notebook.ok("rc = ipp.Cluster(n=2, cluster_id='second').start_and_connect_sync()")

    assert by_engine(notebook.ok("%px 7").text) == ["Out[0]: 7", "Out[1]: 7"]


def test_a_cluster_of_a_profile_is_started_once_and_kept(profiled: Notebook) -> None:
    profiled.ok("%load_ext ipcluster_ext\n%px pass")

    first = profiled.ok("%%px --profile night\nx = 1")
    again = profiled.ok("%%px --profile night\nx")

    assert "no cluster of profile night was running: started " in first.text
    assert shown(again.text) == shown(profiled.ok("%px x").text) == ["Out[0]: 1"]


def test_a_profile_that_is_not_there_is_refused_with_the_nearest(profiled: Notebook) -> None:
    profiled.ok("%load_ext ipcluster_ext")

    cell = profiled.run("%%px --profile nigth\nx")

    assert cell.text.startswith("UsageError: there is no profile 'nigth' (did you mean 'night'?)")
    assert clusters_of(profiled) == []


def test_what_px_has_started_lives_on_when_another_is_used(profiled: Notebook) -> None:
    profiled.ok("%load_ext ipcluster_ext\n%px pass")
    profiled.ok("%%px --profile night\npass")
    profiled.ok("import gc; gc.collect()")

    assert len(clusters_of(profiled)) == 2


def test_a_cluster_that_has_ended_is_replaced(notebook: Notebook) -> None:
    notebook.ok("%load_ext ipcluster_ext")
    with ipp.Cluster(n=1, cluster_id="gone"):
        notebook.ok("%px x = 1")

    cell = notebook.ok("%%px --engines 1\n7")

    assert "no cluster was running: started" in cell.text


def test_a_kernel_that_is_interrupted_while_a_cluster_starts_leaves_none(
    notebook: Notebook,
) -> None:
    notebook.ok("%load_ext ipcluster_ext")
    cell = notebook.start("%%px --engines 8\n7")
    wait_until(lambda: clusters_of(notebook))
    notebook.interrupt()

    cell.wait()
    if "started" not in cell.text:  # else it came too late
        assert cell.text == "KeyboardInterrupt: stopped before the code was sent\n"
        assert list(notebook.runtime.iterdir()) == []


class TestAChoice:
    def test_survives_a_restart_of_the_kernel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        session = {"JPY_SESSION_NAME": "/home/me/study.ipynb"}
        with opened(environment=session) as notebook:
            monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(notebook.runtime))
            with ipp.Cluster(n=1, cluster_id="chosen"), ipp.Cluster(n=1, cluster_id="younger"):
                notebook.ok("%load_ext ipcluster_ext\n%pxconfig --cluster chosen")
                notebook.restart()
                cell = notebook.ok("%load_ext ipcluster_ext\n%px 7")
                notebook.ok("import ipcluster_ext as ipp\nipp.use_cluster(None)")

        assert shown(cell.text) == [
            "ipcluster_ext: connected to cluster chosen, which has 1 engine, as this notebook has "
            "chosen",
            "Out[0]: 7",
        ]

    def test_changes_what_px_addresses_from_then_on(self, notebook: Notebook) -> None:
        with ipp.Cluster(n=1, cluster_id="first"):
            notebook.ok("%load_ext ipcluster_ext\n%px x = 1")
            with ipp.Cluster(n=2, cluster_id="second"):
                notebook.ok("%pxconfig --cluster second")
                there = by_engine(notebook.ok("%px 'x' in globals()").text)
                assert there[:2] == ["Out[0]: False", "Out[1]: False"]
                notebook.ok("%pxconfig --cluster first")
                assert notebook.ok("%px x").text.endswith(": 1\n")

    def test_that_jupyterlab_brings_with_the_magics_gives_way_to_one_that_is_there(
        self, notebook: Notebook
    ) -> None:
        notebook.ok("from ipcluster_ext.magics.extension import prepare_notebook")
        with ipp.Cluster(n=1, cluster_id="older"), ipp.Cluster(n=1, cluster_id="younger"):
            notebook.ok("prepare_notebook(get_ipython(), 'older')")
            first = notebook.ok("%px 7").text
            notebook.ok("prepare_notebook(get_ipython(), 'younger')")
            same = notebook.ok("%px 7").text
            notebook.ok("prepare_notebook(get_ipython(), 'younger', replaces=True)")
            other = notebook.ok("%px 7").text

        assert "connected to cluster older, which has 1 engine, as this notebook has" in first
        assert shown(same) == ["Out[0]: 7"]
        assert "connected to cluster younger, which has 1 engine, as this notebook" in other

    def test_of_a_cluster_that_does_not_run_is_refused(self, notebook: Notebook) -> None:
        notebook.ok("%load_ext ipcluster_ext")
        with ipp.Cluster(n=1, cluster_id="there"):
            cell = notebook.run("%pxconfig --cluster absent")

        assert cell.text == ("UsageError: no cluster 'absent' is running; those that are: there\n")

    def test_that_has_ended_is_said_to_have(self, monkeypatch: pytest.MonkeyPatch) -> None:
        session = {"JPY_SESSION_NAME": f"study-{os.getpid()}.ipynb"}
        with opened(environment=session) as notebook:
            monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(notebook.runtime))
            notebook.ok("%load_ext ipcluster_ext")
            with ipp.Cluster(n=1, cluster_id="chosen"):
                notebook.ok("%pxconfig --cluster chosen")
            with ipp.Cluster(n=1, cluster_id="other"):
                cell = notebook.ok("%px 7")
                notebook.ok("import ipcluster_ext as ipp\nipp.use_cluster(None)")

        assert "cluster other, which has 1 engine, as chosen, which this notebook has" in cell.text


class Coming(NamedTuple):
    """A cluster without engines, one of which seems to be on its way."""

    rc: ipp.Client

    def fares(self, stage: Stage, state: str) -> None:
        """Say how its start fares, as whoever starts engines elsewhere does."""
        launch = Launch(set="n1", name="host n1", count=1, stage=stage, state=state)
        folder = self.rc.connection_file.parent
        write_private(folder / LAUNCHED, to_json(Launches(launches=[launch])))


class TestAClusterThatStarts:
    """Its hub is up, and an engine on its way, until the test says otherwise."""

    @pytest.fixture
    def coming(self, notebook: Notebook) -> Iterator[Coming]:
        """Start a hub, with an engine to come of which nobody knows more."""
        with ipp.Cluster(n=1, cluster_id="coming") as rc:
            rc.scale(0)
            wait_until(lambda: not rc.ids)
            coming = Coming(rc)
            coming.fares("starting", "connecting")
            notebook.ok("%load_ext ipcluster_ext")
            yield coming

    def test_is_waited_for(self, notebook: Notebook, coming: Coming) -> None:
        cell = notebook.start("%px 7")
        wait_until(lambda: "still starting" in cell.text)
        coming.rc.start_engines(1)
        coming.rc.wait_for_engines(1)
        coming.fares("up", "")
        cell.wait()

        assert "cluster coming is still starting; waiting for 1 engine; host n1: connecting" in (
            cell.text
        )
        assert "connected to cluster coming, which has 1 engine" in cell.text
        assert "Out[1:1]: 7" in cell.text

    def test_that_fails_says_why_and_starts_no_other(
        self, notebook: Notebook, coming: Coming
    ) -> None:
        cell = notebook.start("%px 7")
        wait_until(lambda: "still starting" in cell.text)
        coming.fares("failed", "permission denied")
        cell.wait()

        assert "cluster coming has not come up; host n1: permission denied" in cell.text
        assert clusters_of(notebook) == ["coming"]

    def test_is_not_waited_for_any_more_when_the_cell_is_stopped(
        self, notebook: Notebook, coming: Coming
    ) -> None:
        cell = notebook.start("%px 7")
        wait_until(lambda: "still starting" in cell.text)
        notebook.interrupt()
        cell.wait()

        assert "KeyboardInterrupt: stopped before the code was sent" in cell.text
        assert coming.rc.ids == []
        assert clusters_of(notebook) == ["coming"]

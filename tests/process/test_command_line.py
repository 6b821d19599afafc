import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cli.main import main, parser
from ipcluster_ext.protocol.parts import Bounds
from tests.support.leftovers import leftovers_of
from tests.support.waiting import wait_until

NO_CLUSTER, ALREADY_RUNNING = 12, 10


@pytest.fixture
def demo(runtime: Path) -> Iterator[ipp.Client]:
    """Start a cluster called demo, of one engine."""
    with ipp.Cluster(n=1, cluster_id="demo") as client:
        yield client
    assert leftovers_of(runtime) == []


def command(*words: str) -> subprocess.Popen[str]:
    """Run the command as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "ipcluster_ext", *words], stdout=subprocess.PIPE, text=True
    )


class TestStart:
    def test_stays_with_its_cluster_until_it_is_interrupted(self, runtime: Path) -> None:
        with command("start", "-n", "1", "--cluster-id", "shell") as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(4)]
            assert [cluster.cluster_id for cluster in ipp.Cluster.list()] == ["shell"]
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()

        assert lines[1:] == [
            "cluster shell: 1 engine ready\n",
            'in Python: ipcluster_ext.connect("shell")\n',
            "Ctrl-C stops it\n",
        ]
        assert (process.returncode, rest) == (0, "\ncluster shell has stopped\n")
        assert leftovers_of(runtime) == []

    def test_ends_with_its_cluster_whoever_stops_that(self) -> None:
        with command("start", "-n", "1", "--cluster-id", "shell") as process:
            assert process.stdout is not None
            while "Ctrl-C" not in process.stdout.readline():
                pass
            main(["stop", "shell"])

        assert process.returncode == 0

    def test_leaves_a_cluster_behind_that_was_asked_to_stay(
        self, runtime: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with command("start", "-n", "1", "--cluster-id", "stays", "--daemonize") as process:
            process.communicate()
        assert process.returncode == 0

        try:
            with ipp.connect("stays") as client:
                assert client[0].apply_sync(pow, 2, 3) == 8
            assert main(["start", "-n", "1", "--cluster-id", "stays"]) == ALREADY_RUNNING
        finally:
            assert main(["stop", "--all"]) == 0
        assert capsys.readouterr().out.endswith("cluster stays has stopped\n")
        assert leftovers_of(runtime) == []

    def test_refuses_what_makes_no_cluster(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["start", "-n", "0"]) == 1
        assert main(["start", "nowhere"]) == 1

        assert capsys.readouterr().err.splitlines() == [
            "ipcluster-ext: a cluster needs at least one engine, not 0; leave n out for one per "
            "processor",
            "ipcluster-ext: there is no profile 'nowhere'; profiles: none. 'ipcluster-ext profile "
            "create nowhere' makes one",
        ]

    @pytest.fixture(autouse=True)
    def config(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Have no profiles."""
        monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))


class TestWhatIsShown:
    def test_list_names_each_cluster_for_people_and_programs(
        self, demo: ipp.Client, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["list"]) == 0
        heads, row = capsys.readouterr().out.splitlines()
        assert main(["list", "--json"]) == 0
        (facts,) = json.loads(capsys.readouterr().out)

        assert heads.split()[:2] == ["CLUSTER", "ENGINES"]
        assert row.split()[:3] == ["demo", "1", "-"]
        assert f"process {os.getpid()} ends" in row
        assert (facts["cluster"], facts["n"], facts["owner"]) == ("demo", 1, os.getpid())
        assert facts["connection_file"] == str(demo.connection_file)

    def test_status_is_about_engines_and_work(
        self, demo: ipp.Client, capsys: pytest.CaptureFixture[str]
    ) -> None:
        demo.load_balanced_view().options(label="powers").map_sync(pow, [2, 3], [3, 2])

        assert main(["status", "demo"]) == 0
        text = capsys.readouterr().out

        assert text.startswith("cluster demo: ready, 1 of 1 engines ready, 0 busy; 0 tasks queued")
        assert ["0", "idle"] in [line.split()[:2] for line in text.splitlines()]
        assert ["powers", "2", "0", "0", "0"] in [line.split()[:5] for line in text.splitlines()]

    def test_engines_come_as_json_too(
        self, demo: ipp.Client, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["engines", "--json"]) == 0
        (line,) = capsys.readouterr().out.splitlines()

        (engine,) = json.loads(line)["engines"]
        assert (engine["id"], engine["pid"]) == (0, demo[0].apply_sync(os.getpid))

    def test_tasks_are_those_of_the_history(
        self, demo: ipp.Client, capsys: pytest.CaptureFixture[str]
    ) -> None:
        view = demo.load_balanced_view()
        view.options(label="good").apply_sync(pow, 2, 3)
        view.options(label="bad").apply_async(divmod, 1, 0).wait()

        assert main(["tasks", "--status", "failed"]) == 0
        _, row = capsys.readouterr().out.splitlines()
        assert main(["tasks", "-n", "1", "--json"]) == 0
        (line,) = capsys.readouterr().out.splitlines()

        assert row.split()[1:4] == ["bad", "divmod", "failed"]
        assert "ZeroDivisionError" in row
        assert json.loads(line)["label"] == "bad"

    def test_logs_are_those_of_its_processes(
        self, demo: ipp.Client, capsys: pytest.CaptureFixture[str]
    ) -> None:
        demo[0].apply_sync(os.write, 2, b"from below\n")

        assert main(["logs", "demo", "--engine", "0"]) == 0

        assert capsys.readouterr().out == "engine-0: from below\n"


class TestSteering:
    def test_scale_and_restart_change_the_engines(self, demo: ipp.Client) -> None:
        before = demo[0].apply_sync(os.getpid)

        assert main(["scale", "2"]) == 0
        demo.wait_for_engines(2, timeout=30)
        assert main(["restart", "demo", "--engines", "0"]) == 0

        wait_until(lambda: demo[0].apply_sync(os.getpid) != before)
        assert main(["scale", "1"]) == 0
        wait_until(lambda: len(demo.ids) == 1)

    def test_adapt_leaves_the_number_of_engines_to_the_hub(
        self, demo: ipp.Client, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["adapt", "2:3", "demo", "--idle", "5"]) == 0
        demo.wait_for_engines(2, timeout=30)
        with demo.status_feed(parts=["totals"]) as feed:
            totals = feed.wait().totals
        assert main(["adapt", "off"]) == 0
        assert main(["adapt", "3:2", "demo"]) == 1
        said = capsys.readouterr()

        assert totals is not None
        assert totals.bounds == Bounds(2, 3, 5.0)
        assert said.out.splitlines() == [
            "cluster demo: 2 to 3 engines, as there is work",
            "cluster demo: the number of engines stays as it is",
        ]
        assert said.err.startswith("ipcluster-ext: there cannot be 3 to 2 engines")

    def test_needs_a_name_where_several_run(
        self, demo: ipp.Client, capsys: pytest.CaptureFixture[str]
    ) -> None:
        del demo
        with ipp.Cluster(n=1, cluster_id="other"):
            assert main(["status"]) == NO_CLUSTER

        assert capsys.readouterr().err == (
            "ipcluster-ext: 2 clusters are running; name one of them: other, demo\n"
        )

    @pytest.mark.parametrize("words", [["stop"], ["status"], ["scale", "2"], ["logs", "nobody"]])
    def test_needs_a_cluster(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(words) == NO_CLUSTER
        assert capsys.readouterr().err.startswith("ipcluster-ext: no cluster")


class TestCleaning:
    def test_deletes_what_a_dead_cluster_has_left(
        self, runtime: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with ipp.Cluster(n=1, cluster_id="dead") as client:
            deed = client.connection_file.read_text()
        folder = runtime / "dead"
        folder.mkdir(mode=0o700)
        (folder / "client.json").touch(mode=0o600)
        (folder / "client.json").write_text(deed)

        assert main(["clean"]) == 0
        assert main(["clean"]) == 0

        assert capsys.readouterr().out == f"deleted {folder}\nnothing was left behind\n"
        assert not folder.exists()


class TestTheDoctor:
    def test_finds_a_healthy_machine_healthy(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["doctor"]) == 0

        out = capsys.readouterr().out
        assert "engine process" in out
        assert out.endswith("Clusters can run here.\n")

    def test_says_what_to_do_about_what_is_wrong(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("platform.system", lambda: "Plan 9")

        assert main(["doctor"]) == 1

        out = capsys.readouterr().out
        assert "system: engines need Linux" in out
        assert out.endswith("Clusters cannot run here yet.\n")


class TestCompletion:
    @pytest.mark.parametrize(
        ("words", "proposed"),
        [
            (["sta"], {"start", "status"}),
            (["start", "--da"], {"--daemonize"}),
            (["profile", "c"], {"create", "check"}),
        ],
    )
    def test_proposes_commands_options_and_actions(
        self, words: list[str], proposed: set[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        main(["completion", "bash"])
        script = capsys.readouterr().out
        line = " ".join(["ipcluster-ext", *words])
        asked = (
            f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words)}\n_ipcluster_ext\n"
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )

        done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)

        assert set(done.stdout.split()) == proposed

    def test_knows_every_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            parser().parse_args(["--help"])
        named = capsys.readouterr().out
        main(["completion", "zsh"])
        script = capsys.readouterr().out

        for name in ("start", "stop", "list", "doctor", "completion", "profile"):
            assert name in named
            assert f"      {name}) words=" in script


class TestProfiles:
    @pytest.fixture(autouse=True)
    def config(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Have profiles of the test's own."""
        monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))

    def test_are_made_listed_shown_checked_and_started(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "ipcluster_ext" / "profiles" / "tiny.toml"
        words = ["create", "tiny", "-n", "1", "--description", "for tests"]
        assert main(["profile", *words]) == 0
        assert main(["profile", "list"]) == 0
        assert main(["profile", "check"]) == 0
        said = capsys.readouterr().out.splitlines()
        assert main(["profile", "show", "tiny"]) == 0
        shown = capsys.readouterr().out

        assert said == [
            f"wrote {file}",
            "start it with: ipcluster-ext start tiny",
            "NAME  LAUNCHER  N  DESCRIPTION",
            "tiny  local     1  for tests",
            "tiny: good",
        ]
        assert shown == f"# {file}\n{file.read_text()}"
        assert main(["start", "tiny", "--daemonize"]) == 0
        assert main(["stop"]) == 0

    def test_that_are_wrong_are_found_by_checking(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        main(["profile", "create", "tiny"])
        file = tmp_path / "ipcluster_ext" / "profiles" / "tiny.toml"
        file.write_text("polcy = 1")
        capsys.readouterr()

        assert main(["profile", "check", "tiny"]) == 1
        assert "did you mean 'policy'?" in capsys.readouterr().out

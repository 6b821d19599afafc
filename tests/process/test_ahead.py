"""Programs that run before anything of the cluster that wants them."""

import os
import shutil
import sys
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster.ahead import Ahead
from ipcluster_ext.cluster.launchers.local import LocalLauncher
from ipcluster_ext.cluster.launchers.ssh import SshLauncher
from ipcluster_ext.cluster.launchers.sshwords import SshOptions
from ipcluster_ext.cluster.orders import ClusterOrder
from ipcluster_ext.protocol.foreman import EngineSet
from ipcluster_ext.protocol.process import AgentConfig
from ipcluster_ext.transport import processes
from tests.support.leftovers import processes_of
from tests.support.runtimes import runtime
from tests.support.waiting import wait_until

__all__ = ["runtime"]

ECHO = ["sh", "-c", "echo ready; cat"]


class TestAProgramThatWasStartedAhead:
    def test_is_taken_over_as_it_runs(self, tmp_path: Path) -> None:
        errors = str(tmp_path / "errors")
        ahead = Ahead([(ECHO, errors)])

        with ahead.start(ECHO, errors) as program:
            ahead.end()

            assert program.communicate(b"said\n")[0] == b"ready\nsaid\n"
        assert program.returncode == 0

    def test_is_taken_over_once(self, tmp_path: Path) -> None:
        errors = str(tmp_path / "errors")
        ahead = Ahead([(ECHO, errors)])

        with ahead.start(ECHO, errors) as one, ahead.start(ECHO, errors) as other:
            assert one.pid != other.pid
            assert one.communicate()[0] == other.communicate()[0] == b"ready\n"

    def test_is_no_other_one(self, tmp_path: Path) -> None:
        errors = str(tmp_path / "errors")
        ahead = Ahead([(ECHO, errors)])

        with ahead.start(["sh", "-c", "echo other >&2"], errors) as other:
            assert other.communicate()[0] == b""
        assert Path(errors).read_text() == "other\n"
        ahead.end()

    def test_ends_if_nobody_wants_it(self, tmp_path: Path) -> None:
        note = tmp_path / "note"
        script = f"echo $$ > {note}.new && mv {note}.new {note} && cat"
        ahead = Ahead([(["sh", "-c", script], str(tmp_path / "errors"))])
        wait_until(note.exists)

        ahead.end()

        assert processes.start_of(int(note.read_text())) is None

    def test_is_missed_only_when_it_is_asked_for(self, tmp_path: Path) -> None:
        ahead = Ahead([(["/nowhere/ssh"], str(tmp_path / "errors"))])

        with pytest.raises(FileNotFoundError, match="/nowhere/ssh"):
            ahead.start(["/nowhere/ssh"], str(tmp_path / "errors"))


class TestAConnectionBySsh:
    def launcher(self, folder: Path, options: SshOptions) -> SshLauncher:
        config = AgentConfig(cluster="c", folder=str(folder), blobs="", count=0)
        engines = EngineSet(launcher="ssh", name="s")
        return SshLauncher(options, ClusterOrder(config, engines, alive=lambda: True))

    def test_is_one_of_each_host_with_engines(self, tmp_path: Path) -> None:
        launcher = self.launcher(tmp_path, SshOptions(hosts=["n1:2", "n2", "n3"]))

        programs = launcher.ahead(3)

        assert [words[-2] for words, _ in programs] == ["n1", "n2"]
        assert [errors for _, errors in programs] == [
            str(tmp_path / "set-s" / name) for name in ("n1.err", "n2.err")
        ]

    def test_waits_for_the_hub_if_it_is_the_way_there(self, tmp_path: Path) -> None:
        launcher = self.launcher(tmp_path, SshOptions(hosts=["n1"], tunnel="always"))

        assert launcher.ahead(1) == []


@pytest.mark.usefixtures("runtime")
@pytest.mark.filterwarnings("ignore:host 127.0.0.1")
def test_a_cluster_is_connected_to_each_host_once(tmp_path: Path) -> None:
    ssh, starts = tmp_path / "ssh", tmp_path / "starts"
    ssh.write_text(
        '#!/bin/sh\ncase " $* " in *" -G "*) exit 0;; esac\n'
        f'echo started >> {starts}\nfor word; do :; done\nexec sh -c "$word"\n'
    )
    ssh.chmod(0o700)
    options = {"hosts": ["127.0.0.1:1"], "program": str(ssh), "tunnel": "never"}

    with ipp.Cluster(launcher="ssh", launcher_options=options) as client:
        assert client[:].apply_sync(pow, 2, 3) == [8]

    assert starts.read_text() == "started\n"


def test_it_runs_before_the_agent_knows_what_its_cluster_is(runtime: Path, tmp_path: Path) -> None:
    folder, note = runtime / "x", tmp_path / "note"
    folder.mkdir()
    program = [sys.executable, "-c", "import sys; open(sys.argv[1], 'x'); input()", str(note)]

    agent = LocalLauncher().start(folder, cold=True, ahead=[(program, str(tmp_path / "errors"))])

    wait_until(note.exists)
    pid = agent.pid
    del agent
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    wait_until(lambda: processes_of(runtime) == [])
    assert (folder / "launcher.log").read_text() == ""
    shutil.rmtree(folder)

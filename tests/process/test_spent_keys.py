"""Keys of agents on other hosts, once what started them has ended and is not started again."""

from collections.abc import Callable
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster.launchers.contract import Order
from ipcluster_ext.cluster.launchers.ssh import SshProcess
from ipcluster_ext.cluster.launchers.sshwords import Host, SshOptions
from ipcluster_ext.protocol.process import AgentConfig, Reach, as_line, from_line
from ipcluster_ext.transport.files import hub_keys_file, read_private
from ipcluster_ext.transport.keys import HubKeys, mint
from ipcluster_ext.transport.knocking import NOT_ADMITTED
from tests.support.knocks import trouble_at
from tests.support.runtimes import runtime
from tests.support.waiting import wait_until

__all__ = ["runtime"]

PATIENCE = 30.0
MISSING = "echo 'No module named ipcluster_ext' >&2; exit 1"
REFUSED = "echo 'Permission denied (publickey).' >&2; exit 255"

Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Return a maker of programs that pass for ssh: they note what they are told, and then so."""

    def make(then: str) -> Path:
        path = tmp_path / "ssh"
        path.write_text(
            '#!/bin/sh\ncase " $* " in *" -G "*) exit 0;; esac\n'
            f"read -r line && printf '%s\\n' \"$line\" > {tmp_path}/noted.new\n"
            f"mv {tmp_path}/noted.new {tmp_path}/noted\n{then}\n"
        )
        path.chmod(0o700)
        return path

    return make


def told(folder: Path) -> AgentConfig:
    """Return what the agent was told."""
    return from_line((folder / "noted").read_bytes(), AgentConfig)


@pytest.mark.usefixtures("runtime")
@pytest.mark.filterwarnings("ignore:only 1 of 2 engines have come", "ignore:host 127.0.0.1")
@pytest.mark.parametrize("then", [MISSING, REFUSED])
def test_open_nothing_any_more(program: Program, tmp_path: Path, then: str) -> None:
    options = {"hosts": ["127.0.0.1:1"], "program": str(program(then))}
    far = ipp.EngineSet(launcher="ssh", n=1, options=options)
    cluster = ipp.Cluster(engines=[ipp.EngineSet(launcher="local", n=1), far])
    with cluster as client:
        reach = told(tmp_path).reach
        assert reach is not None
        wait_until(
            lambda: read_private(hub_keys_file(cluster.folder), HubKeys).agents == {}, PATIENCE
        )

        assert trouble_at(reach.at("127.0.0.1"), PATIENCE) == NOT_ADMITTED

        assert client[:].apply_async(pow, 2, 3).get(PATIENCE) == [8]
        for_clients = reach.for_clients("127.0.0.1")
        assert for_clients is not None
        assert trouble_at(for_clients, PATIENCE) == NOT_ADMITTED


class Stub(Order):
    """What an agent is told that is to reach no hub."""

    cluster = "c"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def argv(self, python: str) -> list[str]:
        return [python]

    def config(self, count: int, *, first: object = None) -> bytes:
        reach = Reach(addresses=[], port=1, server="s", keys=mint())
        return as_line(AgentConfig(cluster="c", folder="", blobs="", count=count, reach=reach))


class TestWhatSshHasStarted:
    @pytest.fixture
    def start(self, program: Program, tmp_path: Path) -> Callable[[str], SshProcess]:
        """Return a starter of connections that end in some way."""

        def start(then: str) -> SshProcess:
            options = SshOptions(hosts=["n1"], program=str(program(then)), tunnel="never")
            return SshProcess(Host(host="n1"), 1, options, Stub(tmp_path))

        return start

    @pytest.mark.parametrize(
        ("then", "gone"),
        [
            (MISSING, True),
            (REFUSED, True),
            ("echo up; exit 1", True),
            ("echo up; exit 255", False),  # the connection has ended, and perhaps nothing else
            ("echo up; kill -9 $$", False),
        ],
    )
    def test_has_spent_its_keys_unless_an_agent_may_go_on(
        self, start: Callable[[str], SshProcess], tmp_path: Path, then: str, gone: bool
    ) -> None:
        process = start(then)

        ended(process)

        reach = told(tmp_path).reach
        assert reach is not None
        assert process.spent() == ([reach.keys.public] if gone else [])

    def test_has_not_if_another_try_could_not_reach_the_agent(
        self, start: Callable[[str], SshProcess], program: Program
    ) -> None:
        process = start("echo up; exit 255")
        ended(process)
        program(REFUSED)

        ended(process)

        assert process.hopeless
        assert process.spent() == []

    def test_has_those_of_the_agent_that_was_found_there_as_well(
        self, start: Callable[[str], SshProcess], program: Program, tmp_path: Path
    ) -> None:
        process = start(MISSING)
        process.has_taken_over(["an older one"])
        ended(process)
        before = process.spent()
        program("echo up; exit 1")

        ended(process)

        reach = told(tmp_path).reach
        assert reach is not None
        assert (before, process.spent()) == ([], ["an older one", reach.keys.public])
        assert process.keep()["publics"] == process.spent()


def ended(process: SshProcess) -> None:
    """Connect, and wait for the end of that."""
    process.connect()
    process.tell()
    wait_until(lambda: process.poll() is not None, PATIENCE)

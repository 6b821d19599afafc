"""A cluster on another host, reached from here; and an agent there that joins one of this host."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cli.main import main
from tests.remote.clusters import LONG, host_name
from tests.remote.network import FarHost, Network
from tests.support.commands import command, read
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("swept")

NO_CLUSTER = 12


def there(far: Network, host: FarHost, *words: str) -> str:
    """Run our command on another host."""
    called = [
        "ssh", "-F", far.config, host.name, "env", f"IPCLUSTER_EXT_RUNTIME_DIR={host.runtime}",
        sys.executable, "-P", "-m", "ipcluster_ext", *words,
    ]  # fmt: skip
    return subprocess.run(called, check=True, capture_output=True, text=True).stdout


def way_to(far: Network, host: FarHost, *words: str) -> list[str]:
    """Return how to connect to a host by hand."""
    return [
        *("connect", "--ssh", host.name, "--python", sys.executable),
        *("--option", f"config={json.dumps(far.config)}"),
        *("--option", f'environment={{IPCLUSTER_EXT_RUNTIME_DIR="{host.runtime}"}}'),
        *words,
    ]


def tunnels() -> list[int]:
    """Return the connections that commands of this test have."""
    mine = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    found = []
    for child in mine:
        children = Path(f"/proc/{child}/task/{child}/children")
        if children.exists():
            found += [int(pid) for pid in children.read_text().split() if _is_ssh(pid)]
    return found


def _is_ssh(pid: str) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().strip() == "ssh"


def test_a_cluster_on_another_host_is_used_from_here(
    far: Network, runtime: Path, tmp_path: Path
) -> None:
    host = far.hosts[0]
    file = tmp_path / "away.json"
    there(far, host, "start", "-n", "2", "--cluster-id", "away", "--daemonize")
    try:
        with command(*way_to(far, host, "away", "--file", str(file))) as tunnel:
            said = read(tunnel, "Ctrl-C")
            with ipp.Client(file) as client:
                assert client[:].apply_async(host_name).get(LONG) == ["far1", "far1"]
                big = bytes(3_000_000)
                assert client[:].apply_async(len, big).get(LONG) == [len(big)] * 2

                (connection,) = tunnels()
                os.kill(connection, signal.SIGKILL)
                assert "connected again" in read(tunnel, "connected again")
                assert client[:].apply_async(pow, 2, 3).get(LONG) == [8, 8]
            tunnel.send_signal(signal.SIGINT)
            assert tunnel.wait(LONG) == 0
        assert said[0] == "connected to cluster away: 2 engines"
        assert not file.exists()
        with pytest.raises(ipp.ClusterError):
            ipp.Client(file, timeout=0.1)
    finally:
        there(far, host, "stop", "away")


def test_no_cluster_there_is_an_answer(
    far: Network, runtime: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(way_to(far, far.hosts[0], "nowhere"))

    assert code == NO_CLUSTER
    assert "host far1: no cluster 'nowhere' is running here; running: none" in (
        capsys.readouterr().err
    )


def test_a_host_that_cannot_be_asked_is_told_from_one_without_a_cluster(
    far: Network, runtime: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--option", f"config={json.dumps(far.config)}"]

    assert main(["connect", "--ssh", "nowhere.invalid", *config]) == 1
    assert main(["connect", "--ssh", "far1", "--python", "/no/python", *config]) == 1

    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("ipcluster-ext: host nowhere.invalid: there is no host of that name")
    assert said[1] == (
        "ipcluster-ext: host far1: there is no Python '/no/python' there; --python names another"
    )


def test_an_agent_there_joins_a_hub_here(far: Network, runtime: Path) -> None:
    host = far.hosts[1]
    with command("hub", "--cluster-id", "bare", "--location", far.address) as hub:
        read(hub, "Ctrl-C")
        cluster = ipp.Cluster.from_id("bare")
        file = far.folder / "engine.json"
        file.touch(mode=0o600)
        shutil.copyfile(cluster.engine_file, file)
        words = ["ssh", "-F", far.config, host.name, "env"]
        words += [f"IPCLUSTER_EXT_RUNTIME_DIR={host.runtime}", sys.executable, "-P", "-m"]
        words += ["ipcluster_ext", "agent", "--file", str(file)]
        with (
            subprocess.Popen(words, stdout=subprocess.DEVNULL) as agent,
            cluster.connect_client_sync() as client,
        ):
            client.wait_for_engines(1, timeout=LONG)
            assert client[:].apply_async(host_name).get(LONG) == ["far2"]
            cluster.stop_cluster_sync()
            assert agent.wait(LONG) == 0
        file.unlink()
        assert hub.wait(LONG) == 0
    wait_until(lambda: not host.leftovers(), LONG)

"""Clusters that are put together by hand: a hub alone, and agents that join it."""

import re
import signal
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cli.main import main
from ipcluster_ext.protocol.process import HUB_UNREACHABLE
from tests.support.commands import command, read
from tests.support.leftovers import leftovers_of
from tests.support.waiting import wait_until

PATIENCE = 30.0
ALREADY_RUNNING = 10


def test_agents_join_a_hub_and_leave_it(runtime: Path) -> None:
    with command("hub", "--cluster-id", "bare", "--ip", "127.0.0.1") as hub:
        said = read(hub, "Ctrl-C")
        folder = ipp.Cluster.from_id("bare").folder
        with ipp.connect("bare") as client:
            assert client.ids == []
            file = str(folder / "engine.json")
            with command("agent", "--file", file, "-n", "2") as agent:
                assert read(agent, "Ctrl-C")[0] == "2 engines of this host join bare"
                client.wait_for_engines(2, timeout=PATIENCE)
                assert client[:].apply_async(pow, 2, 3).get(PATIENCE) == [8, 8]
                agent.send_signal(signal.SIGINT)
                assert agent.wait(PATIENCE) == 0
            wait_until(lambda: client.ids == [], PATIENCE)
        hub.send_signal(signal.SIGINT)
        assert hub.wait(PATIENCE) == 0

    assert re.fullmatch(
        r"it listens at 127\.0\.0\.1, port \d+ for clients and \d+ for engines", said.pop(1)
    )
    assert said == [
        "cluster bare: its hub is up, without engines",
        f"for engines: ipcluster-ext agent --file FILE, with a copy of {folder}/engine.json",
        f"for clients: ipcluster_ext.Client(FILE), with a copy of {folder}/client.json",
        "Ctrl-C stops it",
    ]
    assert leftovers_of(runtime) == []


def test_engines_end_with_the_cluster_that_they_have_joined(runtime: Path) -> None:
    assert main(["hub", "--cluster-id", "bare", "--ip", "127.0.0.1", "--daemonize"]) == 0
    assert main(["hub", "--cluster-id", "bare"]) == ALREADY_RUNNING
    file = str(ipp.Cluster.from_id("bare").engine_file)

    with command("agent", "--file", file) as agent:
        read(agent, "Ctrl-C")
        assert main(["stop", "bare"]) == 0
        assert agent.wait(PATIENCE) == 0

    assert leftovers_of(runtime) == []


def test_engines_of_the_hubs_host_can_be_added(runtime: Path) -> None:
    del runtime
    cluster = ipp.Cluster(n=3).start_cluster_sync(0)
    try:
        with cluster.connect_client_sync() as client:
            assert client.ids == []
            client.scale(1, wait=True, timeout=PATIENCE)
            assert client[:].apply_async(pow, 2, 3).get(PATIENCE) == [8]
    finally:
        cluster.stop_cluster_sync()


def test_others_are_told_the_address_that_was_named(runtime: Path) -> None:
    del runtime
    with ipp.Cluster(n=1, ip="127.0.0.1", location="127.0.0.3") as client:
        assert client.cluster is not None
        for again in (client.cluster, ipp.Cluster.from_id(client.cluster_id)):
            texts = [again.engine_file.read_text(), again.connection_file.read_text()]
            assert all('"host":"127.0.0.3"' in text for text in texts)
            again.rotate_keys_sync()


def test_an_agent_that_finds_no_hub_says_where_it_looked(runtime: Path, tmp_path: Path) -> None:
    del runtime
    with ipp.Cluster(n=1, ip="127.0.0.1") as client:
        assert client.cluster is not None
        text = client.cluster.engine_file.read_text()
    file = tmp_path / "engine.json"
    file.touch(mode=0o600)
    file.write_text(text)

    with command("agent", "--file", str(file)) as agent:
        code = agent.wait(60)
        assert agent.stderr is not None
        said = agent.stderr.read()

    assert code == HUB_UNREACHABLE
    assert re.search(r"cannot reach the hub \(127\.0\.0\.1:\d+: Connection refused\)", said)


def test_an_agent_wants_a_private_file_for_engines(
    runtime: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del runtime
    missing = tmp_path / "engine.json"
    with ipp.Cluster(n=1, ip="127.0.0.1") as client:
        assert client.cluster is not None
        wrong = client.cluster.connection_file
        right = client.cluster.engine_file
        assert main(["agent", "--file", str(missing)]) == 1
        assert main(["agent", "--file", str(wrong)]) == 1
        assert main(["agent", "--file", str(right), "-n", "0"]) == 1
        right.chmod(0o644)
        assert main(["agent", "--file", str(right)]) == 1

    assert capsys.readouterr().err.splitlines() == [
        f"ipcluster-ext: there is no file {missing}",
        f"ipcluster-ext: {wrong} is for clients; agents need engine.json, which stands beside it",
        "ipcluster-ext: an agent cannot start 0 engines",
        f"ipcluster-ext: {right} is not private to this user; refusing to read it",
    ]

import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cli.main import main
from ipcluster_ext.transport.files import hub_keys_file, read_private
from ipcluster_ext.transport.keys import HubKeys
from ipcluster_ext.transport.processes import members
from tests.remote.clusters import (
    LONG,
    agent_of,
    folder_of,
    host_name,
    own_pid,
    processes_of,
    stages,
    where,
)
from tests.remote.network import Network
from tests.support.consoles import entered
from tests.support.leftovers import leftovers_of
from tests.support.listening import listening_of
from tests.support.waiting import wait_until

ENGINES = 2
SILENCE = 6.0


@pytest.fixture(scope="module")
def shared(far: Network, runtime: Path) -> Iterator[ipp.Client]:
    """Start some engines on either host, for tests that leave them as they were."""
    cluster = ipp.Cluster(
        launcher="ssh",
        launcher_options=far.options(hosts=far.tables(n=ENGINES)),
        host_silence=SILENCE,
        engine_timeout=LONG,
    )
    with cluster as client:
        yield client
    wait_until(lambda: not leftovers_of(runtime))
    wait_until(lambda: not any(host.leftovers() for host in far.hosts), timeout=30.0)


@pytest.fixture
def rc(shared: ipp.Client, far: Network) -> ipp.Client:
    """Lend the client, when all hosts are there."""
    for host in far.hosts:
        host.heal()
    shared.wait_for_engines(2 * ENGINES, timeout=LONG)
    wait_until(lambda: where(shared) == ["far1", "far1", "far2", "far2"], LONG)
    return shared


def test_engines_on_both_hosts_share_a_map(rc: ipp.Client) -> None:
    squares = rc.load_balanced_view().map_sync(pow, range(40), [2] * 40)

    assert squares == [number**2 for number in range(40)]
    assert set(rc.load_balanced_view().map_sync(_named, range(40))) == {"far1", "far2"}


def test_what_runs_there_is_found_by_its_folder_and_says_what_it_is(
    rc: ipp.Client, far: Network
) -> None:
    assert len(rc) == 2 * ENGINES
    host = far.hosts[0]
    listed = dict(line.split(": ", 1) for line in host.processes())
    [folder] = [path for path in host.runtime.iterdir() if path.is_dir()]

    found = members(str(folder))

    assert {int(pid) for pid in listed} <= set(found)
    kinds = Counter(_module(line) for line in listed.values())
    assert kinds == {"ipcluster_ext.agent": 1, "ipcluster_ext.engine.zygote": 1 + ENGINES}


def _module(line: str) -> str:
    words = line.split()
    return words[words.index("-m") + 1]


def _wait() -> None:
    threading.Event().wait()


def _named(_number: int) -> str:
    import time

    time.sleep(0.01)
    return socket.gethostname()


def test_the_cluster_says_where_it_listens_and_what_starts_its_engines(
    rc: ipp.Client, far: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rc.cluster is not None
    about = rc.cluster.about

    assert (about.n, about.launchers) == (2 * ENGINES, ["ssh"])
    listening = listening_of(rc.hub_pid)
    assert {ip for ip, _ in listening} == {far.address}
    (address,) = about.addresses
    assert address in {f"{ip}:{port}" for ip, port in listening}
    assert about.listening.startswith(f"{far.address}, port ")
    assert about.listening.endswith("for engines (the way to far1, far2)")
    assert f"listens at {about.listening}" in repr(rc.cluster)
    assert main(["status", rc.cluster_id]) == 0
    assert f"listens at {about.listening}" in capsys.readouterr().out
    assert f"listening at {about.listening}" in (folder_of(rc) / "hub.log").read_text()


def test_a_large_value_crosses_the_network_both_ways(rc: ipp.Client) -> None:
    value = bytes(3_000_000)

    assert rc[:].apply_async(lambda sent: sent, value).get(timeout=LONG) == [value] * len(rc)


def test_tasks_there_submit_tasks_and_may_wait_for_them(rc: ipp.Client) -> None:
    value = bytes(3_000_000)

    assert rc[:].apply_async(_have_measured, value).get(timeout=LONG) == [
        [len(value)] * len(rc)
    ] * len(rc)
    assert rc.load_balanced_view().apply_async(_fibonacci, 8).get(timeout=LONG) == 21


def test_front_ends_of_this_host_enter_engines_there(rc: ipp.Client) -> None:
    rc[0].push({"number": 41}).get(LONG)

    with entered(rc[0].connection_file(), patience=LONG) as console:
        assert console.run("import socket; number + 1, socket.gethostname()").value == (
            f"(42, {rc[0].apply_sync(host_name)!r})"
        )


def _have_measured(value: bytes) -> list[int]:
    return list(ipp.get_client()[:].apply_async(len, value).get(LONG))


def _fibonacci(number: int) -> int:
    if number < 2:
        return number
    view = ipp.get_client().load_balanced_view()
    both = [view.apply_async(_fibonacci, each) for each in (number - 1, number - 2)]
    return sum(int(each.get(LONG)) for each in both)


def test_who_takes_hold_of_the_cluster_elsewhere_can_steer_its_engines(rc: ipp.Client) -> None:
    assert rc.cluster is not None
    again = ipp.Cluster.from_id(rc.cluster.cluster_id)
    before = rc[:].apply_sync(own_pid)

    again.restart_engines_sync([0])
    wait_until(lambda: rc[0].apply_async(own_pid).get(timeout=LONG) != before[0], LONG)

    assert rc[1:].apply_sync(own_pid) == before[1:]


def test_a_connection_that_is_killed_comes_back_and_no_engine_dies(rc: ipp.Client) -> None:
    before = sorted(rc[:].apply_sync(own_pid))
    admitted = _admitted(rc)
    killed = processes_of(rc, "ssh -F")
    assert len(killed) == 2

    os.kill(killed[0], signal.SIGKILL)

    wait_until(lambda: "failed" in stages(rc), LONG)
    wait_until(lambda: stages(rc) == ["up", "up"], LONG)
    assert sorted(rc[:].apply_sync(own_pid)) == before
    assert _admitted(rc) == admitted


def _admitted(rc: ipp.Client) -> dict[str, str]:
    """Return the public keys of agents that the hub admits, and of clients on their hosts."""
    return read_private(hub_keys_file(folder_of(rc)), HubKeys).agents


def test_a_foreman_that_is_killed_is_followed_by_another_and_no_engine_dies(
    rc: ipp.Client,
) -> None:
    before = sorted(rc[:].apply_sync(own_pid))
    (foreman,) = processes_of(rc, "ipcluster_ext.cluster.foreman")
    connections = set(processes_of(rc, "ssh -F"))

    os.kill(foreman, signal.SIGKILL)

    wait_until(lambda: len(set(processes_of(rc, "ssh -F")) - connections) == 2, LONG)
    wait_until(lambda: stages(rc) == ["up", "up"], LONG)
    assert sorted(rc[:].apply_sync(own_pid)) == before
    assert not connections & set(processes_of(rc, "ssh -F"))


def test_an_agent_that_is_killed_is_started_again(rc: ipp.Client, far: Network) -> None:
    before = set(rc[:].apply_sync(own_pid))
    lost = far.hosts[0]
    there = rc[:].apply_sync(host_name).index(lost.name)
    begun = rc[rc.ids[there]].apply_async(_wait)
    wait_until(begun.running, LONG)

    os.kill(agent_of(lost), signal.SIGKILL)

    with pytest.raises(ipp.EngineLost, match="the agent of host far1 was killed"):
        begun.get(timeout=LONG)

    wait_until(lambda: stages(rc) == ["up", "up"], LONG)
    wait_until(lambda: where(rc) == ["far1", "far1", "far2", "far2"], LONG)
    assert len(before & set(rc[:].apply_sync(own_pid))) == ENGINES


def test_tasks_run_elsewhere_while_a_host_is_cut_off_and_it_is_taken_back(
    rc: ipp.Client, far: Network
) -> None:
    lost, left = far.hosts
    lost.cut()
    try:
        answers = [rc.load_balanced_view(retries=1).submit(host_name) for _ in range(8)]
        assert {each.result(timeout=LONG) for each in answers} <= {"far2"}
        wait_until(lambda: where(rc) == ["far2", "far2"], LONG)
    finally:
        lost.heal()

    wait_until(lambda: where(rc) == ["far1", "far1", "far2", "far2"], LONG)


def test_engines_are_added_and_stopped_on_other_hosts(rc: ipp.Client) -> None:
    assert rc.cluster is not None

    more = rc.cluster.start_engines_sync(2)
    rc.wait_for_engines(2 * ENGINES + 2, timeout=LONG)
    there = rc[more].apply_async(host_name).get(timeout=LONG)
    rc.cluster.stop_engines_sync(more)

    wait_until(lambda: len(rc) == 2 * ENGINES, LONG)
    assert sorted(there) == ["far1", "far2"]


def test_an_engine_of_this_host_can_join_those_of_others(rc: ipp.Client) -> None:
    assert rc.cluster is not None

    more = rc.cluster.start_engines_sync(1, where="local")
    rc.wait_for_engines(2 * ENGINES + 1, timeout=LONG)
    there = rc[more].apply_async(host_name).get(timeout=LONG)
    rc.cluster.stop_engines_sync(more)

    wait_until(lambda: len(rc) == 2 * ENGINES, LONG)
    assert there == [socket.gethostname()]

import os
import signal
import socket
import subprocess
import warnings
from contextlib import ExitStack
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster.arrivals import launches_of
from ipcluster_ext.transport.interfaces import EVERYWHERE
from ipcluster_ext.transport.processes import members
from tests.remote.clusters import LONG, folder_of, host_name, processes_of, stages
from tests.remote.network import FarHost, Network
from tests.support.listening import listening_of
from tests.support.takeovers import kill_hub, wait_for_another
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("swept")


def test_where_only_ssh_gets_through_the_hub_is_reached_through_it(
    far: Network, runtime: Path
) -> None:
    host = far.hosts[0]
    host.admit_only_ssh()
    try:
        with ipp.Cluster(
            hosts=far.tables(host, n=1), launcher_options=far.options(), engine_timeout=LONG
        ) as client:
            assert client[:].apply_sync(host_name) == ["far1"]
            (launch,) = launches_of(folder_of(client))
            assert launch.kept["tunnel"]
            assert client[0].apply_async(_ask_another).get(timeout=LONG) == ["far1"]

            (connection,) = processes_of(client, "ssh -F")
            os.kill(connection, signal.SIGKILL)
            wait_until(lambda: "failed" in stages(client), LONG)
            wait_until(lambda: stages(client) == ["up"], LONG)
            assert client[0].apply_async(_ask_another).get(timeout=LONG) == ["far1"]
    finally:
        host.admit_all()


def _ask_another() -> list[str]:
    """Submit a task, and wait for it."""
    return list(ipp.get_client()[:].apply_async(host_name).get(LONG))


def test_it_listens_on_the_ways_to_its_hosts_and_at_no_other_address(
    far: Network, runtime: Path
) -> None:
    near, distant = far.hosts
    with far.long_way(distant, delay=0.001, jitter=0.0, loss=0.0) as (here, config):

        def start(*hosts: FarHost, config: str) -> ipp.Cluster:
            options = far.options(config=config)
            return ipp.Cluster(
                hosts=far.tables(*hosts, n=1), launcher_options=options, engine_timeout=LONG
            )

        with start(near, config=far.config) as client:
            listening = listening_of(client.hub_pid)
            assert {ip for ip, _ in listening} == {far.address}
            for _, port in listening:
                assert distant.knocks(far.address, port) == "let in"
                assert distant.knocks(here, port) == "refused"
        with start(distant, config=config) as client:
            listening = listening_of(client.hub_pid)
            assert {ip for ip, _ in listening} == {here}
            for _, port in listening:
                assert distant.knocks(here, port) == "let in"
                assert distant.knocks(far.address, port) == "refused"
        with start(near, distant, config=config) as client:
            assert {ip for ip, _ in listening_of(client.hub_pid)} == {far.address, here}
            assert sorted(client[:].apply_sync(host_name)) == ["far1", "far2"]
            assert client.cluster is not None
            assert client.cluster.about.listening.endswith("(the way to far1; the way to far2)")
            asked = client[:].apply_async(_ask_another).get(timeout=LONG)
            assert list(map(sorted, asked)) == [["far1", "far2"]] * 2


def test_hosts_that_are_only_to_compute_get_no_keys_for_clients(
    far: Network, runtime: Path
) -> None:
    trusted, other = (far.tables(host, n=1) for host in far.hosts)
    options = far.options()
    with ipp.Cluster(
        engines=[{"hosts": trusted, **options}, {"hosts": other, "submits": False, **options}],
        engine_timeout=LONG,
    ) as client:
        keys = [bool(list(host.runtime.rglob("far-client.json"))) for host in far.hosts]
        names = client[:].apply_sync(host_name)
        first, second = (client[names.index(host.name)] for host in far.hosts)

        assert keys == [True, False]
        assert sorted(first.apply_async(_ask_another).get(timeout=LONG)) == ["far1", "far2"]
        with pytest.raises(ipp.error.RemoteError, match="has keys for engines only"):
            second.apply_async(_ask_another).get(timeout=LONG)


def test_everywhere_and_addresses_that_are_named_stay_what_they_are(
    far: Network, runtime: Path
) -> None:
    hosts, options = far.tables(far.hosts[0], n=1), far.options()
    for ip, expected in (("*", {EVERYWHERE}), (["lo", far.address], {"127.0.0.1", far.address})):
        with ipp.Cluster(
            hosts=hosts, launcher_options=options, ip=ip, engine_timeout=LONG
        ) as client:
            assert {each for each, _ in listening_of(client.hub_pid)} == expected
            assert client[:].apply_sync(host_name) == ["far1"]


def test_a_hub_that_takes_over_does_without_an_address_that_has_gone(
    far: Network, runtime: Path
) -> None:
    near, distant = far.hosts
    with ExitStack() as way:
        here, _ = way.enter_context(far.long_way(distant, delay=0.0, jitter=0.0, loss=0.0))
        with ipp.Cluster(
            hosts=far.tables(near, n=1),
            launcher_options=far.options(),
            ip=[here, far.address],
            location=far.address,
            engine_timeout=LONG,
        ) as client:
            assert client[:].apply_sync(host_name) == ["far1"]
            way.close()

            before = kill_hub(client)
            wait_for_another(client, before)

            assert client[:].apply_async(host_name).get(timeout=LONG) == ["far1"]
            assert {ip for ip, _ in listening_of(client.hub_pid)} == {far.address}
            said = (folder_of(client) / "hub.log").read_text()
            assert f"this host has the address {here} no longer" in said


def test_with_tunnels_alone_the_hub_listens_on_this_host_only(far: Network, runtime: Path) -> None:
    with ipp.Cluster(
        hosts=far.tables(far.hosts[1], n=1),
        launcher_options=far.options(tunnel="always"),
        engine_timeout=LONG,
    ) as client:
        assert client[:].apply_sync(host_name) == ["far2"]
        assert client.cluster is not None
        assert client.cluster.about.addresses[0].startswith("127.0.0.1:")


def test_hosts_that_fail_are_named_with_their_reasons_and_the_others_are_used(
    far: Network, runtime: Path
) -> None:
    good = far.tables(far.hosts[0], n=1)
    bad = [{"host": "nowhere.invalid", "n": 1}, {"host": "far2", "n": 1, "python": "/no/python"}]
    cluster = ipp.Cluster(
        1,
        engines=[{"hosts": [*good, *bad], **far.options()}],
        engine_timeout=LONG,
    )

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with cluster as client:
            names = sorted(client[:].apply_sync(host_name))

    assert names == sorted(["far1", socket.gethostname()])
    (said,) = [str(each.message) for each in warned if each.category is ipp.StartupWarning]
    assert said.startswith("only 2 of 4 engines have come; ")
    assert "host nowhere.invalid: there is no host of that name" in said
    assert "host far2: there is no Python '/no/python' there; python= of the launcher" in said


def test_if_no_host_lets_us_in_the_cluster_does_not_start_and_says_why(
    far: Network, runtime: Path, tmp_path: Path
) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "stranger"], check=True
    )
    config = tmp_path / "config"
    known = far.folder / "known_hosts"
    config.write_text(
        f"Host far1\n HostName {far.hosts[0].address}\n IdentityFile {tmp_path}/stranger\n"
        f" UserKnownHostsFile {known}\n"
        f"Host far2\n HostName {far.hosts[1].address}\n UserKnownHostsFile /dev/null\n"
        "Host *\n IdentitiesOnly yes\n StrictHostKeyChecking yes\n GlobalKnownHostsFile /dev/null\n"
    )

    with pytest.raises(ipp.StartupError) as caught:
        ipp.Cluster(
            hosts=["root@far1:1", "root@far2:1"],
            launcher_options=far.options(config=str(config)),
        ).start_and_connect_sync()

    assert "host root@far1: it does not let this user in without a password" in str(caught.value)
    assert "host root@far2: its host key is not known here" in str(caught.value)
    assert "not tried again" in caught.value.output


def test_a_host_that_was_away_for_longer_than_ssh_waits_comes_back_with_its_engines(
    far: Network, runtime: Path
) -> None:
    host = far.hosts[0]
    impatient = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2"]
    with ipp.Cluster(
        hosts=far.tables(host, n=1),
        launcher_options=far.options(arguments=impatient),
        engine_timeout=LONG,
    ) as client:
        client[:].push({"kept": 42}).get(timeout=LONG)
        host.cut()
        try:
            wait_until(lambda: stages(client) == ["failed"], LONG)
        finally:
            host.heal()

        wait_until(lambda: stages(client) == ["up"], LONG)
        assert client[:].pull("kept").get(timeout=LONG) == [42]
        assert client.ids == [0]


def test_a_long_way_that_loses_packets_is_good_enough(far: Network, runtime: Path) -> None:
    host = far.hosts[1]
    with (
        far.long_way(host, delay=0.03, jitter=0.003, loss=0.01) as (here, config),
        ipp.Cluster(
            2,
            engines=[{"hosts": far.tables(host, n=2), **far.options(config=config)}],
            location=here,
            engine_timeout=LONG,
        ) as client,
    ):
        view = client.load_balanced_view()
        assert view.map(pow, range(50), [2] * 50).get(timeout=LONG) == [
            number**2 for number in range(50)
        ]
        value = bytes(2_000_000)
        sent = client[:].apply_async(len, value).get(timeout=LONG)
        assert sent == [len(value)] * 4
        assert sorted(set(client[:].apply_async(host_name).get(timeout=LONG))) == sorted(
            {"far2", socket.gethostname()}
        )


def test_nothing_is_left_there_when_all_of_the_cluster_here_is_killed(
    far: Network, runtime: Path
) -> None:
    cluster = ipp.Cluster(
        hosts=far.tables(far.hosts[0], n=1), launcher_options=far.options(), engine_timeout=LONG
    )
    client = cluster.start_and_connect_sync()
    mine = members(str(cluster.folder))

    for pid in mine:
        os.kill(pid, signal.SIGKILL)
    client.close()
    cluster.stop_cluster_sync()

    wait_until(lambda: not far.hosts[0].leftovers(), timeout=60.0)


def test_a_profile_names_hosts_and_what_runs_there(
    far: Network, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    profiles = tmp_path / "ipcluster_ext" / "profiles"
    profiles.mkdir(parents=True)
    folder = far.hosts[0].runtime
    (profiles / "pair.toml").write_text(
        f"""
        launcher = "ssh"
        engine_timeout = {LONG}
        [launcher_options]
        config = "{far.config}"
        environment = {{IPCLUSTER_EXT_RUNTIME_DIR = "{folder}", WORD = "it's \\"quoted\\" $HOME"}}
        hosts = ["far1:1"]
        """
    )
    with ipp.Cluster("pair") as client:
        word = client[0].apply_sync(lambda: os.environ["WORD"])

    assert word == 'it\'s "quoted" $HOME'

"""Who is reached at an address, and what a connection file is worth that is not what it was."""

import os
import signal
import socket
import time
from pathlib import Path

import msgspec
import psutil
import pytest

import ipcluster_ext as ipp
from ipcluster_ext.transport.files import (
    ConnectionFile,
    connection_file,
    engine_file,
    read_private,
    to_json,
    write_private,
)
from ipcluster_ext.transport.thishost import host_identity
from tests.security.guarded import Guarded
from tests.support.leftovers import processes_of
from tests.support.listening import listening_of

SAYS_SO_WITHIN = 2.0


def elsewhere(info: ConnectionFile, **facts: object) -> dict[str, object]:
    """Return what stands in a file, as somebody on another host reads it."""
    other = msgspec.structs.replace(info, host="another-host", **facts)
    content: dict[str, object] = msgspec.json.decode(to_json(other))
    return content


class TestAddresses:
    def test_a_cluster_for_this_host_alone_listens_nowhere_on_tcp(self, runtime: Path) -> None:
        with ipp.Cluster(n=1) as client:
            assert listening_of(client.hub_pid) == set()
            assert not engine_file(client.cluster.folder).exists()

    def test_the_ports_are_those_that_were_asked_for(self, runtime: Path) -> None:
        ports = (_free_port(), _free_port())
        with ipp.Cluster(n=1, ip="127.0.0.1", ports=ports) as client:
            folder = client.cluster.folder
            assert listening_of(client.hub_pid) == {("127.0.0.1", port) for port in ports}
            files = [
                read_private(path, ConnectionFile)
                for path in (connection_file(folder), engine_file(folder))
            ]
        reached = [each.tcp for each in files if each.tcp is not None]
        assert [(each.host, each.port) for each in reached] == [
            ("127.0.0.1", port) for port in ports
        ]
        assert [each.role for each in files] == ["client", "engine"]

    def test_everywhere_is_told_to_others_as_an_address_of_this_host(self, runtime: Path) -> None:
        addresses = {
            each.address
            for entries in psutil.net_if_addrs().values()
            for each in entries
            if each.family is socket.AF_INET
        }
        with ipp.Cluster(n=1, ip="*") as client:
            info = read_private(connection_file(client.cluster.folder), ConnectionFile)
            assert info.tcp is not None
            assert info.tcp.host in addresses
            with ipp.Client(elsewhere(info)) as other:
                assert other[:].apply_async(pow, 2, 3).get(20) == [8]
                assert other.curve_serverkey == info.tcp.server.encode()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"ports": (1, 2)}, "give ip, too"),
            ({"ip": "*", "ports": (1, 70_000)}, "two numbers up to 65535"),
            ({"ip": "*", "ports": (1,)}, "two numbers up to 65535"),
            ({"ip": "*", "ports": (-1, 0)}, "two numbers up to 65535"),
        ],
    )
    def test_ports_that_cannot_be_are_refused_at_once(
        self, options: dict[str, object], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            ipp.Cluster(n=1, **options)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("ip", "message"),
        [("no-such-thing", "'no-such-thing' is no IPv4 address"), ("127.0.0.1", "already in use")],
    )
    def test_a_hub_that_cannot_listen_there_says_why_and_nothing_is_left(
        self, ip: str, message: str, runtime: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            cluster = ipp.Cluster(n=1, ip=ip, ports=(taken.getsockname()[1], 0))
            with pytest.raises(ipp.StartupError, match=message):
                cluster.start_cluster_sync()

        assert processes_of(runtime) == []
        assert not cluster.folder.exists()

    def test_keys_are_not_exchanged_where_there_are_none(self, runtime: Path) -> None:
        with (
            ipp.Cluster(n=1) as client,
            pytest.raises(ipp.ClusterError, match="started without ip="),
        ):
            client.cluster.rotate_keys_sync()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class TestASecondHub:
    def test_it_is_where_the_first_one_was_and_its_peers_by_tcp_come_back(
        self, runtime: Path
    ) -> None:
        with ipp.Cluster(n=1, ip="127.0.0.1") as own:
            info = read_private(connection_file(own.cluster.folder), ConnectionFile)
            client = ipp.Client(elsewhere(info))
            assert client[:].apply_async(pow, 2, 3).get(20) == [8]
            hub = client.hub_pid

            os.kill(hub, signal.SIGKILL)
            answer = client[:].apply_async(pow, 2, 5)

            assert answer.get(30) == [32]
            assert client.hub_pid != hub
            client.close()


@pytest.fixture(scope="module")
def stale(runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ConnectionFile]:
    """Return the connection file of a cluster that has ended, and what stands in it."""
    folder = tmp_path_factory.mktemp("stale")
    folder.chmod(0o700)
    cluster = ipp.Cluster(n=1, ip="127.0.0.1")
    with cluster:
        info = read_private(connection_file(cluster.folder), ConnectionFile)
    old = msgspec.structs.replace(info, written_at=time.time_ns() / 1e9 - 3 * 3600)
    write_private(folder / "client.json", to_json(old))
    return folder / "client.json", old


def refusal_of(content: object) -> tuple[str, float]:
    """Return what is said of a file, and how long that takes."""
    began = time.monotonic()
    with pytest.raises(ipp.IpclusterError) as refusal:
        ipp.Client(content)  # type: ignore[arg-type]
    return str(refusal.value), time.monotonic() - began


class TestStaleFiles:
    def test_of_a_cluster_that_has_ended_here_tells_its_age_and_its_process(
        self, stale: tuple[Path, ConnectionFile]
    ) -> None:
        path, info = stale

        said, took = refusal_of(path)

        assert took < SAYS_SO_WITHIN
        assert said.startswith(f"the hub at {path} is gone: the file was written 3 h ago, and")
        assert f"({info.agent_pid}) does not run any more; the file can be deleted" in said

    def test_of_one_elsewhere_that_nobody_answers_for_any_more(
        self, stale: tuple[Path, ConnectionFile]
    ) -> None:
        _, info = stale

        said, took = refusal_of(elsewhere(info))

        assert took < SAYS_SO_WITHIN
        assert "written 3 h ago) is gone: nobody answers there" in said

    def test_of_one_elsewhere_whose_port_belongs_to_somebody_else_who_is_told_nothing(
        self, stale: tuple[Path, ConnectionFile]
    ) -> None:
        _, info = stale
        assert info.tcp is not None
        with socket.create_server((info.tcp.host, info.tcp.port)) as other:
            other.settimeout(5)
            said, took = refusal_of(elsewhere(info))
            peer, _ = other.accept()
            with peer:
                peer.settimeout(0.1)
                heard = peer.recv(65536)

        assert took < SAYS_SO_WITHIN
        assert "is gone: who is there says nothing" in said
        assert heard[:10] == b"\xff" + bytes(7) + b"\x01\x7f", "the beginning of a greeting"
        assert len(heard) <= 64

    def test_of_one_elsewhere_whose_port_is_another_hubs(
        self, stale: tuple[Path, ConnectionFile], guarded: Guarded
    ) -> None:
        _, info = stale
        assert info.tcp is not None
        port = guarded.tcp(guarded.own).port
        moved = msgspec.structs.replace(info.tcp, port=port)

        said, took = refusal_of(elsewhere(info, tcp=moved))

        assert took < SAYS_SO_WITHIN
        assert "who answers there is not that hub" in said

    def test_of_one_elsewhere_that_listens_for_its_own_host_alone(self) -> None:
        info = ConnectionFile(cluster="far", folder="/run/far", agent_pid=1, agent_started=1)

        said, took = refusal_of(elsewhere(info))

        assert took < SAYS_SO_WITHIN
        assert "is of cluster far on host another-host, which listens for its own host only" in said

    def test_that_has_expired(self, stale: tuple[Path, ConnectionFile]) -> None:
        path, info = stale
        expired = msgspec.structs.replace(info, expires=time.time_ns() / 1e9 - 600)
        path = path.with_name("expired.json")
        write_private(path, to_json(expired))

        said, took = refusal_of(path)

        assert took < SAYS_SO_WITHIN
        assert said == f"{path} has expired 10 min ago; ask for another"

    def test_for_engines_is_not_for_clients(self, guarded: Guarded) -> None:
        path = engine_file(guarded.cluster.folder)

        said, _ = refusal_of(path)

        assert said == f"{path} is for engines; clients need client.json, which stands beside it"

    def test_of_this_host_is_known_as_such(self, guarded: Guarded) -> None:
        assert guarded.own.host == host_identity()

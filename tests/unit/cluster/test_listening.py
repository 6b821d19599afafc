"""Where a hub listens: decided from where engines come and which ways lead there."""

import os

import pytest

from ipcluster_ext.cluster.launchers.contract import Origins
from ipcluster_ext.cluster.launchers.lookups import some_of
from ipcluster_ext.cluster.launchers.mpi import MpiLauncher, MpiOptions
from ipcluster_ext.cluster.launchers.slurm import SlurmLauncher, SlurmOptions
from ipcluster_ext.cluster.launchers.sshroutes import origins_of
from ipcluster_ext.cluster.launchers.sshwords import SshOptions
from ipcluster_ext.cluster.listening import Ways, choose, chosen
from ipcluster_ext.protocol.foreman import EngineSet
from ipcluster_ext.protocol.process import TcpConfig

OWN = ("127.0.0.1", "10.1.0.1", "10.2.0.1", "192.168.0.7")


def way(address: str) -> str:
    """Send to either of two networks by its own card, and nowhere else."""
    for card in ("10.1.0.1", "10.2.0.1"):
        if address.startswith(card[:5]):
            return card
    raise OSError("Network is unreachable")


WAYS = Ways(own=lambda address: address in OWN, to=way, usual=lambda: "192.168.0.7")
ALONE = WAYS._replace(usual=lambda: "")


@pytest.mark.parametrize(
    ("origins", "ips", "why"),
    [
        (
            [Origins({"n1": "10.1.0.5", "n2": "10.1.0.6"})],
            ["10.1.0.1"],
            "the way to n1, n2",
        ),
        (
            [Origins({"n1": "10.1.0.5"}), Origins({"m1": "10.2.0.5", "n2": "10.1.0.6"})],
            ["10.1.0.1", "10.2.0.1"],
            "the way to n1, n2; the way to m1",
        ),
        (
            [Origins({f"n{number}": f"10.1.0.{number}" for number in range(5, 10)})],
            ["10.1.0.1"],
            "the way to n5, n6, n7 and 2 more",
        ),
        (
            [Origins({"here": "10.1.0.1", "localhost": "127.0.0.1"})],
            ["127.0.0.1"],
            "all engines are reached from this host",
        ),
        ([Origins({"here": "127.0.0.1", "n1": "10.1.0.5"})], ["10.1.0.1"], "the way to n1"),
        ([Origins({"nowhere": ""})], ["127.0.0.1"], "all engines are reached from this host"),
        (
            [Origins({"n1": "10.1.0.5"}), Origins(others="hosts that Slurm chooses")],
            ["10.1.0.1", "192.168.0.7"],
            "the way to n1; the way to hosts that Slurm chooses",
        ),
        ([Origins({"far": "172.16.0.1"})], ["192.168.0.7"], "the way to far"),
    ],
)
def test_the_hub_listens_on_the_ways_to_its_engines(
    origins: list[Origins], ips: list[str], why: str
) -> None:
    assert choose(origins, WAYS) == (ips, why)


def test_where_no_way_can_be_told_it_listens_everywhere_and_says_so() -> None:
    assert choose([Origins(others="hosts that Slurm chooses")], ALONE) == (
        ["*"],
        "this host has no address of its own for hosts that Slurm chooses",
    )


def test_what_users_say_stays_as_it_is() -> None:
    said = TcpConfig(ips=["*"])

    assert chosen(said, [EngineSet(launcher="ssh", n=1)], ["10.1.0.1"], WAYS) is said


def test_an_address_of_this_host_by_which_others_reach_it_is_where_to_listen() -> None:
    found = chosen(TcpConfig(ips=[]), [], ["198.51.100.4", "10.2.0.1"], WAYS)

    assert (found.ips, found.why) == (["10.2.0.1"], "as location= says")


def test_behind_an_address_that_is_another_ones_it_listens_on_the_way_to_its_engines() -> None:
    options = {"hosts": ["127.0.0.1"], "tunnel": "never", "program": "/nowhere/ssh"}
    sets = [EngineSet(launcher="ssh", n=1, options=options)]

    assert chosen(TcpConfig(ips=[]), sets, ["198.51.100.4"], WAYS).ips == ["127.0.0.1"]


def test_agents_that_come_by_themselves_may_come_from_anywhere() -> None:
    assert chosen(TcpConfig(ips=[]), [], [], WAYS).ips == ["192.168.0.7"]


class TestHostsThatABatchSystemChooses:
    def test_are_its_nodes_where_it_says_which_those_are(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nodes = ["127.0.0.5", "127.0.0.6", "no-such-host.invalid"]
        monkeypatch.setattr(SlurmLauncher, "nodes", lambda _: nodes)

        assert SlurmLauncher.origins(SlurmOptions()) == Origins(
            {"127.0.0.5": "127.0.0.5", "127.0.0.6": "127.0.0.6"}
        )

    @pytest.mark.parametrize("nodes", [[], ["no-such-host.invalid"]])
    def test_are_not_known_where_it_does_not(
        self, nodes: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(SlurmLauncher, "nodes", lambda _: nodes)

        assert SlurmLauncher.origins(SlurmOptions()) == Origins(others="hosts that Slurm chooses")

    def test_are_not_known_where_it_cannot_be_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nowhere")

        assert SlurmLauncher.origins(SlurmOptions()) == Origins(others="hosts that Slurm chooses")

    def test_are_asked_for_from_all_over_a_long_list(self) -> None:
        few, many = [str(n) for n in range(64)], [str(n) for n in range(1000)]

        assert some_of(few) == few
        assert some_of([]) == []
        assert some_of(many)[:3] == ["0", "16", "32"]
        assert len(some_of(many)) == 63


class TestRanksOfAnMpiProgram:
    @pytest.fixture(autouse=True)
    def no_job(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in list(os.environ):
            monkeypatch.delenv(name)

    def test_are_of_this_host_where_nothing_tells_of_others(self) -> None:
        assert MpiLauncher.origins(MpiOptions()) == Origins({"this host": "127.0.0.1"})

    @pytest.mark.parametrize(
        "options",
        [
            MpiOptions(args=["--hostfile", "hosts"]),
            MpiOptions(environment={"OMPI_MCA_orte_default_hostfile": "hosts"}),
        ],
    )
    def test_are_anywhere_where_it_is_told_of_hosts(self, options: MpiOptions) -> None:
        assert MpiLauncher.origins(options) == Origins(others="hosts that mpiexec chooses")

    @pytest.mark.parametrize("name", ["SLURM_JOB_ID", "PBS_NODEFILE", "HYDRA_HOST_FILE"])
    def test_are_anywhere_in_a_job(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, "1")

        assert MpiLauncher.origins(MpiOptions()) == Origins(others="hosts that mpiexec chooses")


class TestHostsThatSshReaches:
    def test_come_through_it_with_a_tunnel(self) -> None:
        options = SshOptions(tunnel="always", program="/nowhere/ssh")

        assert origins_of(options, ["n1", "ann@n2"]) == Origins(
            {"n1": "127.0.0.1", "ann@n2": "127.0.0.1"}
        )

    def test_are_what_their_names_stand_for(self) -> None:
        options = SshOptions(program="/nowhere/ssh")

        assert origins_of(options, ["ann@127.0.0.9", "no-such-host.invalid"]) == Origins(
            {"ann@127.0.0.9": "127.0.0.9", "no-such-host.invalid": ""}
        )

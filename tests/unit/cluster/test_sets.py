import os

import pytest

from ipcluster_ext.cluster.launchers.registry import find, listing, names, options_of
from ipcluster_ext.cluster.launchers.ssh import SshLauncher
from ipcluster_ext.cluster.sets import Plan, plan
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.foreman import EngineSet


def test_engines_are_here_if_nothing_else_is_said() -> None:
    assert plan(3) == Plan(3, [])
    assert plan(None) == Plan(os.cpu_count() or 1, [])


def test_hosts_are_for_ssh() -> None:
    assert plan(None, hosts=["n1:2", "n2:4"]) == Plan(
        0, [EngineSet(launcher="ssh", n=6, options={"hosts": ["n1:2", "n2:4"]}, name="ssh")]
    )


def test_a_number_is_spread_over_hosts() -> None:
    assert plan(5, hosts=["n1", "n2"]).total == 5


def test_hosts_without_numbers_have_as_many_engines_as_processors_here() -> None:
    assert plan(None, hosts=["n1", "n2"]).total == 2 * (os.cpu_count() or 1)


def test_further_sets_come_beside_those_of_this_host() -> None:
    made = plan(2, engines=[{"hosts": ["n1:4"]}, {"launcher": "ssh", "n": 3, "hosts": ["n2"]}])

    assert made.here == 2
    assert [(each.name, each.n) for each in made.sets] == [("ssh", 4), ("ssh-2", 3)]
    assert made.total == 9


def test_further_sets_alone_leave_this_host_without() -> None:
    assert plan(None, engines=[{"hosts": ["n1:4"]}]).here == 0


def test_a_set_may_be_of_this_host() -> None:
    assert plan(None, engines=[{"launcher": "local", "n": 2}]) == Plan(2, [])


def test_two_sets_have_two_names() -> None:
    with pytest.raises(ClusterError, match="two sets of engines are called 'a'"):
        plan(1, engines=[{"hosts": ["n1:1"], "name": "a"}, {"hosts": ["n2:1"], "name": "a"}])


@pytest.mark.parametrize("n", [0, -1])
def test_there_is_at_least_one_engine(n: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        plan(n, hosts=["n1"])


def test_the_nearest_launcher_is_named() -> None:
    with pytest.raises(ClusterError, match=r"no launcher 'shh' \(did you mean 'ssh'\?\)"):
        plan(1, launcher="shh")


def test_the_nearest_option_is_named() -> None:
    with pytest.raises(ClusterError, match=r"no option 'host' \(did you mean 'hosts'\?\)"):
        plan(1, launcher="ssh", options={"host": ["n1"]})


def test_a_value_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"launcher 'ssh': Expected `int`.*in `port`"):
        options_of("ssh", {"port": "x"})


def test_hosts_are_not_for_other_launchers() -> None:
    with pytest.raises(ClusterError, match="hosts= are for the launcher 'ssh'"):
        plan(1, launcher="slurm", hosts=["n1"])


def test_a_set_of_other_hosts_may_be_one_that_does_not_submit() -> None:
    said = plan(None, engines=[{"hosts": ["n1:2"], "submits": False}, {"hosts": ["n2:1"]}])

    assert [each.submits for each in said.sets] == [False, True]
    with pytest.raises(ClusterError, match="submits=False is for other hosts"):
        plan(None, engines=[{"launcher": "local", "n": 1, "submits": False}])


@pytest.mark.parametrize(
    ("launcher", "options", "fixed"),
    [
        ("mpi", {}, True),
        ("slurm", {"mode": "mpi"}, True),
        ("slurm", {}, False),
        ("ssh", {"hosts": ["n1"]}, False),
    ],
)
def test_a_set_says_whether_it_can_grow(
    launcher: str, options: dict[str, object], fixed: bool
) -> None:
    (engines,) = plan(2, launcher=launcher, options=options).sets

    assert ("MPI.COMM_WORLD cannot grow" in engines.fixed) is fixed


def test_this_host_takes_no_options() -> None:
    with pytest.raises(ClusterError, match="launcher 'local' has no options"):
        plan(1, options={"queue": "x"})


def test_launchers_are_found_by_name() -> None:
    assert find("ssh") is SshLauncher
    assert names()[0] == "local"
    assert "ssh" in names()


def test_launchers_are_listed_for_people() -> None:
    listed = {each.name: each for each in listing()}

    assert listed["ssh"].about == SshLauncher.__doc__
    assert "hosts" in listed["ssh"].options

"""Engines as the ranks of a real MPI program, Open MPI's, on this machine."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster.arrivals import launches_of
from ipcluster_ext.cluster.launchers.mpi import MpiLauncher, reason_in
from ipcluster_ext.errors import ClusterError, EngineError, EngineLost
from tests.batch.orders import SECRET, PretendOrder, environments, launcher, over
from tests.batch.real import engines_by
from tests.support.waiting import wait_until

ALLOWED = {
    f"{prefix}_ALLOW_RUN_AS_ROOT{suffix}": "1"
    for prefix in ("OMPI", "PRTE")
    for suffix in ("", "_CONFIRM")
}
"""What has Open MPI run for root as well: that is who runs tests in containers."""


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    if shutil.which("mpiexec") is None:
        pytest.skip("no MPI is installed: there is no mpiexec")


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ALLOWED.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def world(installed: None) -> Iterator[ipp.Client]:
    """Start a cluster of three ranks for all tests that only use it."""
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    with engines_by("mpi", 3, ALLOWED, oversubscribe=True) as client:
        yield client


def rank() -> int:
    from mpi4py import MPI

    return int(MPI.COMM_WORLD.Get_rank())


def total(number: int) -> int:
    from mpi4py import MPI

    return int(MPI.COMM_WORLD.allreduce(number + MPI.COMM_WORLD.Get_rank()))


class TestACluster:
    def test_the_ids_of_engines_are_their_ranks(self, world: ipp.Client) -> None:
        assert world.ids == [0, 1, 2]
        assert world[:].apply_async(rank).get(60) == [0, 1, 2]

    def test_engines_can_talk_in_a_task(self, world: ipp.Client) -> None:
        assert world[:].apply_async(total, 10).get(60) == [33, 33, 33]

    def test_engines_can_talk_in_a_cell(self, world: ipp.Client) -> None:
        cell = """
            from mpi4py import MPI
            world = MPI.COMM_WORLD
            everybody = world.gather(world.Get_rank() ** 2, root=0)
            size = world.Get_size()
        """
        world[:].execute("\n".join(line.strip() for line in cell.splitlines())).get(60)

        assert world[:].pull(["everybody", "size"]).get(60) == [
            [[0, 1, 4], 3],
            [None, 3],
            [None, 3],
        ]

    def test_a_buffer_goes_from_rank_to_rank(self, world: ipp.Client) -> None:
        def ring() -> float:
            import numpy as np
            from mpi4py import MPI

            world = MPI.COMM_WORLD
            mine = np.full(1000, float(world.Get_rank()))
            theirs = np.empty(1000)
            left = (world.Get_rank() - 1) % world.Get_size()
            right = (world.Get_rank() + 1) % world.Get_size()
            world.Sendrecv(mine, dest=right, recvbuf=theirs, source=left)
            return float(theirs.sum())

        assert world[:].apply_async(ring).get(60) == [2000.0, 0.0, 1000.0]

    def test_it_does_not_grow_and_says_what_to_do(self, world: ipp.Client) -> None:
        cluster = world.cluster
        assert cluster is not None

        for ask in (
            lambda: world.scale(5),
            lambda: world.start_engines(1),
            lambda: cluster.start_engines_sync(1),
        ):
            with pytest.raises(EngineError, match=r"COMM_WORLD cannot grow; stop the cluster and"):
                ask()

        assert world.ids == [0, 1, 2]

    def test_other_engines_may_be_beside_it(self, world: ipp.Client) -> None:
        more = world.start_engines(1, where="local")
        world.wait_for_engines(4, timeout=60)
        assert world.direct_view(more).apply_async(pow, 2, 3).get(60) == [8]

        world.stop_engines(more)

        wait_until(lambda: world.ids == [0, 1, 2], 60)
        assert world[:].apply_async(total, 10).get(60) == [33, 33, 33]

    def test_a_rank_that_dies_is_told_with_its_reason_and_all_start_again(
        self, world: ipp.Client
    ) -> None:
        pids = world[:].apply_async(os.getpid).get(60)
        answer = world[1].apply_async(os.kill, pids[1], signal.SIGKILL)

        with pytest.raises(EngineLost, match="killed by SIGKILL"):
            answer.get(60)

        wait_until(lambda: len(set(_pids(world)) - set(pids)) == 3, 60)
        assert world[:].apply_async(rank).get(60) == [0, 1, 2]
        assert world[:].apply_async(total, 0).get(60) == [3, 3, 3]

    def test_a_world_that_is_killed_from_outside_starts_again_under_the_same_ids(
        self, world: ipp.Client
    ) -> None:
        wait_until(lambda: len(_pids(world)) == 3, 60)
        pids = world[:].apply_async(os.getpid).get(60)
        assert world.cluster is not None
        (launch,) = launches_of(Path(world.cluster.folder))

        os.kill(launch.kept["pid"], signal.SIGKILL)

        wait_until(lambda: len(set(_pids(world)) - set(pids)) == 3, 60)
        assert world.ids == [0, 1, 2]
        assert world[:].apply_async(rank).get(60) == [0, 1, 2]


def _pids(client: ipp.Client) -> list[int]:
    """Return the processes of the engines, none if some of those are being lost."""
    try:
        return list(client[:].apply_async(os.getpid).get(10))
    except (ipp.IpclusterError, TimeoutError):
        return []


@pytest.mark.usefixtures("allowed")
class TestTheProgram:
    def test_all_ranks_read_one_private_file(self, order: PretendOrder) -> None:
        mpi = launcher(MpiLauncher, order, oversubscribe=True, environment={"TOLD": "a b"})

        (program,) = mpi.start(3)
        there = order.until_there(3)

        ranks = [int(said["environ"]["OMPI_COMM_WORLD_RANK"]) for said in there]
        assert sorted(ranks) == [0, 1, 2]
        assert [(said["count"], said["first"], said["mode"]) for said in there] == [
            (1, "rank", "600")
        ] * 3
        assert {said["environ"]["TOLD"] for said in there} == {"a b"}
        assert not any(SECRET.encode() in each for each in environments())
        assert (program.poll(), program.state()) == (None, "runs with 3 ranks")
        order.let_go(0)
        wait_until(lambda: over(program), 20)
        assert (program.poll(), program.state()) == (0, "has ended")
        assert list(order.folder.rglob("agent.json")) == []

    def test_it_ends_in_good_order_when_told(self, order: PretendOrder) -> None:
        (program,) = launcher(MpiLauncher, order, oversubscribe=True).start(2)
        order.until_there(2)

        program.terminate()
        wait_until(lambda: over(program), 20)

        assert "was told to end" in order.left  # Open MPI gives the others a second, no more

    def test_the_death_of_a_rank_is_its_end_and_says_which(self, order: PretendOrder) -> None:
        (program,) = launcher(MpiLauncher, order, oversubscribe=True).start(3)
        there = order.until_there(3)
        pids = {said["environ"]["OMPI_COMM_WORLD_RANK"]: said["pid"] for said in there}

        os.kill(pids["1"], signal.SIGKILL)
        wait_until(lambda: over(program), 20)

        assert program.poll() not in {0, None}
        assert "rank 1 with PID" in program.state()
        assert "exited on signal 9 (Killed)" in program.state()

    def test_more_ranks_than_processors_are_refused_with_the_reason(
        self, order: PretendOrder
    ) -> None:
        (program,) = launcher(MpiLauncher, order).start(1000)

        wait_until(lambda: over(program), 20)

        assert program.hopeless
        assert "not enough slots available" in program.state()

    def test_another_launcher_finds_the_program_of_one_that_is_gone(
        self, order: PretendOrder
    ) -> None:
        mpi = launcher(MpiLauncher, order, oversubscribe=True)
        (before,) = mpi.start(2)
        order.until_there(2)
        kept = before.keep()

        found = launcher(MpiLauncher, order).resume(kept)

        assert found.state() == "runs with 2 ranks"
        found.terminate()
        wait_until(lambda: over(before, found), 20)
        assert found.poll() == -255
        assert "was told to end" in order.left  # Open MPI gives the others a second, no more
        assert launcher(MpiLauncher, order).resume(kept) is None

    def test_a_program_that_is_missing_is_told_with_a_remedy(self, order: PretendOrder) -> None:
        mpi = launcher(MpiLauncher, order, mpiexec="/nowhere/mpiexec")

        assert mpi.check()[0].startswith("there is no /nowhere/mpiexec here: install an MPI")
        with pytest.raises(ClusterError, match="cannot be started: install an MPI"):
            mpi.start(1)
        assert list(order.folder.iterdir()) == []


def test_what_an_mpi_says_of_its_end_is_found_in_its_output() -> None:
    said = (
        "----\nPrimary job  terminated normally, but 1 process returned\n----\n"
        "mpiexec noticed that process rank 2 with PID 0 on node vm exited on signal 11 "
        "(Segmentation fault).\n"
    )
    mpich = "=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES\n=   EXIT CODE: 9\n"

    assert reason_in(said) == (
        "rank 2 with PID 0 on node vm exited on signal 11 (Segmentation fault)"
    )
    assert reason_in(mpich) == "BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES"
    assert reason_in("nothing of that kind") == ""


def test_whatever_the_path_of_the_other_hosts_python_it_is_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    mpi = launcher(MpiLauncher, PretendOrder(tmp_path), python="/opt/py/bin/python")

    assert mpi.command(4, tmp_path / "x")[:4] == ["mpiexec", "-n", "4", "/opt/py/bin/python"]

"""Jobs of a real Slurm of three nodes with two processors each, on this machine."""

import os
import re
import shutil
import signal
import warnings
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster.arrivals import launches_of
from ipcluster_ext.cluster.launchers.slurm import SlurmLauncher
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.foreman import Launch
from ipcluster_ext.transport.files import hub_keys_file, read_private
from ipcluster_ext.transport.keys import HubKeys
from tests.batch import slurms
from tests.batch.orders import (
    SECRET,
    PretendOrder,
    environments,
    launcher,
    over,
    secrets_of,
)
from tests.batch.real import engines_by
from tests.batch.test_mpi import ALLOWED, rank, total
from tests.support.gates import Gate, pass_through
from tests.support.listening import listening_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("slurm")


def variable(name: str) -> str:
    return os.environ[name]


def ask_all() -> list[int]:
    """Have all engines do a task, as a task."""
    return list(ipp.get_client()[:].apply_async(own_id).get(60))


def own_id() -> int:
    task = ipp.current_task()
    return -1 if task is None else task.engine


def test_an_array_has_a_job_with_an_agent_for_every_few_engines(order: PretendOrder) -> None:
    slurm = launcher(SlurmLauncher, order, engines_per_agent=2)

    jobs = slurm.start(5)
    there = order.until_there(3)

    assert [job.count for job in jobs] == [2, 2, 1]
    assert sorted(said["count"] for said in there) == [1, 2, 2]
    assert {said["first"] for said in there} == {None}
    wait_until(lambda: all(job.state().startswith("runs on n") for job in jobs))
    assert [job.poll() for job in jobs] == [None, None, None]
    order.let_go(0)
    wait_until(lambda: over(*jobs), 20)
    assert [(job.poll(), job.state()) for job in jobs] == [(0, "has ended")] * 3


def test_keys_are_in_one_private_file_and_nowhere_else(order: PretendOrder, slurm: Path) -> None:
    jobs = launcher(SlurmLauncher, order).start(2)
    there = order.until_there(2)

    configs = list(order.folder.rglob("agent.json"))
    seen = slurms.ask(slurm, "scontrol", "show", "job", "--details")
    script = slurms.ask(slurm, "scontrol", "write", "batch_script", jobs[0].submission, "-")

    assert [said["mode"] for said in there] == ["600", "600"]
    assert [SECRET.encode() in path.read_bytes() for path in configs] == [True]
    assert list(secrets_of(order.folder, but="agent.json")) == []
    assert list(secrets_of(slurm.parent, but="agent.json")) == []
    assert "--config" in script
    assert SECRET not in seen + script
    assert not any(SECRET.encode() in each for each in environments())
    order.let_go()
    wait_until(lambda: over(*jobs), 20)
    assert [path for path in configs if path.exists()] == []


def test_one_allocation_has_an_agent_on_each_node(order: PretendOrder) -> None:
    slurm = launcher(SlurmLauncher, order, mode="allocation", engines_per_agent=2)

    jobs = slurm.start(6)
    there = order.until_there(3)

    assert [job.count for job in jobs] == [6]
    assert sorted(said["environ"]["SLURMD_NODENAME"] for said in there) == ["n1", "n2", "n3"]
    assert [said["count"] for said in there] == [2, 2, 2]
    jobs[0].terminate()
    wait_until(lambda: over(*jobs), 20)
    assert jobs[0].state() == "was cancelled"
    assert order.left == ["was told to end"] * 3


def test_engines_come_as_the_system_has_room_and_the_others_say_what_they_wait_for(
    order: PretendOrder,
) -> None:
    jobs = launcher(SlurmLauncher, order, cpus_per_engine=2).start(4)
    order.until_there(3)

    wait_until(lambda: [job.state().partition(" (")[0] for job in jobs].count("waits in the queue"))
    waiting = [job.state() for job in jobs if job.state().startswith("waits")]
    assert waiting in (["waits in the queue (Resources)"], ["waits in the queue (Priority)"])
    for job in jobs:
        job.terminate()
    wait_until(lambda: over(*jobs), 20)
    assert order.left == ["was told to end"] * 3
    assert {job.state() for job in jobs} == {"was cancelled"}


def test_one_job_of_an_array_can_be_ended_alone(order: PretendOrder) -> None:
    first, second, third = launcher(SlurmLauncher, order).start(3)
    order.until_there(3)

    second.terminate()
    wait_until(lambda: over(second), 20)

    assert [first.poll(), third.poll()] == [None, None]
    first.kill()
    third.kill()
    wait_until(lambda: over(first, third), 20)


def test_a_job_that_fails_says_how_and_shows_its_last_words(order: PretendOrder) -> None:
    jobs = launcher(SlurmLauncher, order).start(2)
    order.until_there(2)

    order.let_go(3)
    wait_until(lambda: over(*jobs), 20)

    assert [job.poll() for job in jobs] == [3, 3]
    assert jobs[0].state() == "has failed: exit code 3 (NonZeroExitCode)"
    assert jobs[0].logs() == "some last words\n"


def test_a_job_that_slurm_refuses_is_refused_with_its_words(order: PretendOrder) -> None:
    with pytest.raises(ClusterError, match=r"Slurm refuses the job: .*invalid partition"):
        launcher(SlurmLauncher, order, queue="nowhere").start(1)

    assert list(order.folder.iterdir()) == []


def test_a_job_that_can_never_begin_says_why(order: PretendOrder) -> None:
    (job,) = launcher(SlurmLauncher, order, queue="short", time="8:00:00").start(1)

    wait_until(lambda: "PartitionTimeLimit" in job.state(), 20)

    assert job.state() == (
        "waits in the queue (PartitionTimeLimit: it asks for more time than the partition gives)"
    )
    job.terminate()
    wait_until(lambda: over(job), 20)


def test_a_job_whose_node_goes_down_is_not_there_any_more(order: PretendOrder, slurm: Path) -> None:
    (job,) = launcher(SlurmLauncher, order, directives=["--no-requeue", "--nodelist=n3"]).start(1)
    order.until_there(1)

    slurms.set_node(slurm, "n3", "DOWN")
    try:
        wait_until(lambda: over(job), 20)

        assert job.state() == "was lost with its node (n3)"
    finally:
        wait_until(lambda: "n3" not in slurms.ask(slurm, "squeue", "--noheader"), 20)
        slurms.set_node(slurm, "n3", "RESUME")


def test_a_job_says_that_its_nodes_are_down(order: PretendOrder, slurm: Path) -> None:
    slurms.set_node(slurm, "n2", "DOWN")
    try:
        (job,) = launcher(SlurmLauncher, order, directives=["--nodelist=n2"]).start(1)

        wait_until(lambda: "DOWN" in job.state() or "ReqNodeNotAvail" in job.state(), 20)
        job.terminate()
        wait_until(lambda: over(job), 20)
    finally:
        slurms.set_node(slurm, "n2", "RESUME")


def test_another_launcher_finds_the_jobs_of_one_that_is_gone(order: PretendOrder) -> None:
    before = launcher(SlurmLauncher, order).start(2)
    order.until_there(2)
    kept = [job.keep() for job in before]

    after = launcher(SlurmLauncher, order)
    found = [after.resume(each) for each in kept]

    assert [job.name for job in found] == [job.name for job in before]
    wait_until(lambda: all(job.state().startswith("runs on") for job in found))
    for job in found:
        job.terminate()
    wait_until(lambda: over(*found), 20)
    assert order.left == ["was told to end"] * 2


def test_engines_can_be_the_ranks_of_an_mpi_program(order: PretendOrder) -> None:
    slurm = launcher(SlurmLauncher, order, mode="mpi", mpiexec=["srun"])

    (job,) = slurm.start(4)
    there = order.until_there(4)

    assert job.count == 4
    assert [(said["count"], said["first"]) for said in there] == [(1, "rank")] * 4
    assert sorted(int(said["environ"]["SLURM_PROCID"]) for said in there) == [0, 1, 2, 3]
    job.terminate()
    wait_until(lambda: over(job), 20)


def test_a_signal_reaches_what_runs(order: PretendOrder) -> None:
    (job,) = launcher(SlurmLauncher, order).start(1)
    order.until_there(1)
    wait_until(lambda: job.state().startswith("runs"))

    job.send_signal(signal.SIGTERM)

    wait_until(lambda: over(job), 20)
    assert order.left == ["was told to end"]


def test_a_cluster_has_its_engines_in_jobs(slurm: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"

    with engines_by("slurm", 4, engines_per_agent=2, folder=str(shared)) as client:
        nodes = client[:].apply_async(variable, "SLURMD_NODENAME").get(60)
        answers = client.load_balanced_view().map_async(abs, range(-100, 0)).get(60)
        jobs = slurms.ask(slurm, "squeue", "--noheader", "--array", "--format=%j %T")
        listening = listening_of(client.hub_pid)
        asked = client[:].apply_async(ask_all).get(60)

    assert {ip for ip, _ in listening} == {"127.0.0.1"}  # that is where all nodes are
    assert asked == [[0, 1, 2, 3]] * 4
    assert client.ids == [0, 1, 2, 3]
    assert len(nodes) == 4
    assert set(nodes) <= {"n1", "n2", "n3"}
    assert answers == [*range(100, 0, -1)]
    assert len(jobs.split()) == 4
    assert set(jobs.split()[1::2]) == {"RUNNING"}
    assert slurms.ask(slurm, "squeue", "--noheader") == ""
    assert list(shared.iterdir()) == []


def test_a_cluster_has_its_engines_in_one_allocation() -> None:
    with engines_by("slurm", 6, mode="allocation", engines_per_agent=2) as client:
        nodes = client[:].apply_async(variable, "SLURMD_NODENAME").get(60)

    assert sorted(nodes) == ["n1", "n1", "n2", "n2", "n3", "n3"]


def test_a_cluster_whose_jobs_are_refused_does_not_start_and_says_why() -> None:
    with (
        pytest.raises(ipp.IpclusterError, match="invalid partition"),
        engines_by("slurm", 2, queue="nowhere"),
    ):
        pytest.fail("it started")


def test_a_cluster_whose_jobs_never_begin_does_not_start_and_says_what_they_wait_for(
    slurm: Path,
) -> None:
    why = r"waits in the queue \(Partition\w+: "

    with (
        pytest.raises(ipp.IpclusterError, match=why),
        engines_by("slurm", 2, within=3.0, queue="short", time="8:00:00"),
    ):
        pytest.fail("it started")
    assert slurms.ask(slurm, "squeue", "--noheader") == ""


def test_more_engines_are_more_jobs_and_fewer_are_fewer(slurm: Path) -> None:
    def jobs() -> int:
        return len(slurms.ask(slurm, "squeue", "--noheader", "--array").splitlines())

    with engines_by("slurm", 1, restart=True) as client:
        assert client.cluster is not None
        client.cluster.scale_sync(3)
        wait_until(lambda: len(client.ids) == 3, 60)
        most = jobs()
        client.cluster.scale_sync(2)
        wait_until(lambda: jobs() == 2, 60)
        wait_until(lambda: "ended" in [each.stage for each in launched(client)], 60)

        assert (len(client.ids), most) == (2, 3)


def test_the_keys_of_jobs_that_have_all_ended_open_nothing_any_more(slurm: Path) -> None:
    del slurm

    def admitted() -> list[str]:
        assert client.cluster is not None
        return list(read_private(hub_keys_file(client.cluster.folder), HubKeys).agents)

    with engines_by("slurm", 2, restart=True) as client:
        assert client.cluster is not None
        (before,) = admitted()
        client.cluster.scale_sync(0)
        wait_until(lambda: admitted() == [], 60)

        client.cluster.scale_sync(1)
        client.wait_for_engines(1, timeout=60)

        (after,) = admitted()
        assert after != before
        assert client[:].apply_async(pow, 2, 3).get(60) == [8]


def test_jobs_are_submitted_as_there_is_work_and_end_when_there_is_none(
    slurm: Path, tmp_path: Path
) -> None:
    def jobs() -> int:
        return len(slurms.ask(slurm, "squeue", "--noheader", "--array").splitlines())

    gate = Gate(tmp_path / "gate")
    with engines_by("slurm", 1, restart=True) as client:
        client.adapt(1, 3, idle_timeout=1.0)
        view = client.load_balanced_view()
        answers = [view.apply_async(pass_through, gate.path, number) for number in range(5)]
        wait_until(lambda: len(client.ids) == 3, 60)
        most = jobs()
        gate.open()

        assert [answer.get(60) for answer in answers] == [0, 1, 2, 3, 4]
        wait_until(lambda: jobs() == 1, 60)
        assert (most, len(client.ids)) == (3, 1)


def test_a_cluster_goes_on_with_those_that_run_while_others_wait(slurm: Path) -> None:
    del slurm

    for within in (8.0, 30.0, 100.0):  # so long that those that run are there
        with warnings.catch_warnings(record=True) as told, suppress(ipp.errors.StartupError):
            warnings.simplefilter("always", ipp.errors.StartupWarning)
            with engines_by("slurm", 4, within=within, cpus_per_engine=2) as client:
                assert client[:].apply_async(abs, -1).get(60) == [1, 1, 1]
            break

    said = [str(each.message) for each in told]
    assert any(re.search(r"only 3 of 4 .*job \d+_\d: waits in the", each) for each in said), said


def test_a_job_that_ends_too_early_is_submitted_again_where_that_is_wished(slurm: Path) -> None:
    with engines_by("slurm", 2, restart=True) as client:
        before = client[:].apply_async(variable, "SLURM_JOB_ID").get(60)
        array, _ = launched(client)[0].name.removeprefix("job ").split("_")

        slurms.ask(slurm, "scancel", f"{array}_1")
        wait_until(lambda: len(client.ids) == 1, 60)
        wait_until(lambda: len(client.ids) == 2, 60)

        after = client[:].apply_async(variable, "SLURM_JOB_ID").get(60)
        assert len({*before, *after}) == 3


def test_the_ranks_of_an_mpi_program_can_be_engines_in_a_job() -> None:
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    if shutil.which("mpiexec") is None:
        pytest.skip("no MPI is installed: there is no mpiexec")
    one_node = ["--nodes=1"]  # the nodes have names that only Slurm knows

    with engines_by("slurm", 2, ALLOWED, mode="mpi", directives=one_node) as client:
        ranks = client[:].apply_async(rank).get(60)
        totals = client[:].apply_async(total, 10).get(60)

    assert (client.ids, ranks, totals) == ([0, 1], [0, 1], [21, 21])


def test_jobs_of_a_foreman_that_is_killed_go_on_under_another(slurm: Path) -> None:
    with engines_by("slurm", 2) as client:
        client[:].push({"kept": 1}).get(60)
        (foreman,) = foremen(client)

        os.kill(foreman, signal.SIGKILL)
        wait_until(lambda: foremen(client) not in ([], [foreman]), 20)

        assert client[:].pull("kept").get(60) == [1, 1]
        assert len(slurms.ask(slurm, "squeue", "--noheader", "--array").splitlines()) == 2
    assert slurms.ask(slurm, "squeue", "--noheader") == ""


def test_engines_whose_node_goes_down_are_lost_and_those_of_another_go_on(slurm: Path) -> None:
    apart = ["--no-requeue", "--exclusive"]

    with engines_by("slurm", 2, directives=apart) as client:
        nodes = client[:].apply_async(variable, "SLURMD_NODENAME").get(60)
        slurms.set_node(slurm, nodes[1], "DOWN")
        try:
            wait_until(lambda: client.ids == [0], 60)
            wait_until(lambda: "failed" in [each.stage for each in launched(client)], 60)

            states = [each.state for each in launched(client) if each.stage == "failed"]
            assert states == [f"was lost with its node ({nodes[1]})"]
            assert client[0].apply_async(abs, -1).get(60) == 1
        finally:
            slurms.set_node(slurm, nodes[1], "RESUME")


def launched(client: ipp.Client) -> list[Launch]:
    """Return how what a cluster has started fares, by its foreman's book."""
    assert client.cluster is not None
    return launches_of(Path(client.cluster.folder))


def foremen(client: ipp.Client) -> list[int]:
    """Return the processes that start engines for a cluster."""
    (hub,) = [psutil.Process(client.hub_pid)]
    agent = hub.parent()
    assert agent is not None
    found = []
    for each in agent.children():
        with suppress(psutil.NoSuchProcess):
            if "ipcluster_ext.cluster.foreman" in each.cmdline():
                found.append(each.pid)
    return found

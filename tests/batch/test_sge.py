"""Jobs of a real Grid Engine of one host with four slots, on this machine."""

import os
import signal

import pytest

from ipcluster_ext.cluster.launchers.sge import SgeLauncher
from ipcluster_ext.errors import ClusterError
from tests.batch.orders import PretendOrder, launcher, over
from tests.batch.real import engines_by
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("grid_engine")


def variable(name: str) -> str:
    return os.environ[name]


def test_an_array_has_a_job_with_an_agent_for_every_few_engines(order: PretendOrder) -> None:
    sge = launcher(SgeLauncher, order, engines_per_agent=2, time="1:00:00")

    jobs = sge.start(3)
    there = order.until_there(2)

    assert [job.count for job in jobs] == [2, 1]
    assert sorted((said["count"], said["environ"]["NSLOTS"]) for said in there) == [
        (1, "1"),
        (2, "2"),
    ]
    assert [said["mode"] for said in there] == ["600", "600"]
    wait_until(lambda: all(job.state().startswith("runs on ") for job in jobs))
    order.let_go(0)
    wait_until(lambda: over(*jobs), 30)
    assert [(job.poll(), job.state()) for job in jobs] == [(0, "has ended")] * 2


def test_jobs_that_are_cancelled_let_their_agents_end_in_good_order(order: PretendOrder) -> None:
    first, second, third = jobs = launcher(SgeLauncher, order).start(3)
    order.until_there(3)

    second.terminate()
    wait_until(lambda: over(second), 30)
    assert [first.poll(), third.poll()] == [None, None]
    first.terminate()
    third.terminate()
    wait_until(lambda: over(*jobs), 30)

    assert {job.state() for job in jobs} == {"was cancelled"}
    assert order.left == ["was told to end"] * 3


def test_a_job_that_fails_says_how_and_shows_its_last_words(order: PretendOrder) -> None:
    jobs = launcher(SgeLauncher, order).start(2)
    order.until_there(2)

    order.let_go(3)
    wait_until(lambda: over(*jobs), 30)

    assert [(job.poll(), job.state()) for job in jobs] == [(3, "has ended with exit code 3")] * 2
    assert jobs[0].logs() == "some last words\n"


def test_a_job_that_can_never_begin_says_why(order: PretendOrder) -> None:
    (job,) = launcher(SgeLauncher, order, cpus_per_engine=40).start(1)

    wait_until(lambda: "(" in job.state(), 20)

    assert job.state() == (
        'waits in the queue (cannot run in PE "smp" because it only offers 0 slots)'
    )
    job.terminate()
    wait_until(lambda: over(job), 30)


def test_a_job_in_error_says_which(order: PretendOrder) -> None:
    (job,) = launcher(SgeLauncher, order, directives=["-o /nowhere/at/all"]).start(1)

    wait_until(lambda: "/nowhere" in job.state(), 20)

    assert job.state().startswith("cannot begin, and waits until qmod -cj clears it (")
    job.terminate()
    wait_until(lambda: over(job), 30)


def test_a_job_that_grid_engine_refuses_is_refused_with_its_words(order: PretendOrder) -> None:
    with pytest.raises(ClusterError, match=r"Grid Engine refuses the job: .*unknown queue"):
        launcher(SgeLauncher, order, queue="nowhere.q").start(1)

    assert list(order.folder.iterdir()) == []


def test_a_job_that_is_ended_for_its_time_says_so(order: PretendOrder) -> None:
    (job,) = launcher(SgeLauncher, order, directives=["-l h_rt=0:0:2"]).start(1)
    order.until_there(1)

    wait_until(lambda: over(job), 60)

    assert "was ended by Grid Engine" in job.state() or "was told to end" in job.state()


def test_another_launcher_finds_the_jobs_of_one_that_is_gone(order: PretendOrder) -> None:
    before = launcher(SgeLauncher, order).start(2)
    order.until_there(2)

    after = launcher(SgeLauncher, order)
    found = [after.resume(job.keep()) for job in before]
    for job in found:
        job.send_signal(signal.SIGTERM)
        job.terminate()

    wait_until(lambda: over(*found), 30)
    assert order.left == ["was told to end"] * 2


def test_no_other_signal_can_be_sent(order: PretendOrder) -> None:
    (job,) = launcher(SgeLauncher, order).start(1)
    order.until_there(1)
    wait_until(lambda: job.state().startswith("runs"))

    with pytest.raises(ClusterError, match="cannot send signal 10"):
        job.send_signal(signal.SIGUSR1)
    job.terminate()
    wait_until(lambda: over(job), 30)


def test_a_cluster_has_its_engines_in_jobs() -> None:
    with engines_by("sge", 4, engines_per_agent=2) as client:
        jobs = client[:].apply_async(variable, "SGE_TASK_ID").get(60)
        answers = client.load_balanced_view().map_async(abs, range(-100, 0)).get(60)
        cluster = client.cluster
        assert cluster is not None
        listening = cluster.about.listening

    assert listening.endswith("(all engines are reached from this host)")
    assert sorted(jobs) == ["1", "1", "2", "2"]
    assert answers == [*range(100, 0, -1)]

"""PBS, LSF and HTCondor, played by small programs: none of them can be had here."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipcluster_ext.cluster.launchers.batch import BatchLauncher
from ipcluster_ext.cluster.launchers.htcondor import CondorLauncher
from ipcluster_ext.cluster.launchers.lsf import LsfLauncher
from ipcluster_ext.cluster.launchers.pbs import PbsLauncher
from ipcluster_ext.errors import ClusterError
from tests.batch import standins
from tests.batch.orders import SECRET, PretendOrder, environments, launcher, over, secrets_of
from tests.support.waiting import wait_until

SYSTEMS: list[type[BatchLauncher]] = [PbsLauncher, LsfLauncher, CondorLauncher]
Kind = type[BatchLauncher]

every = pytest.mark.parametrize("kind", SYSTEMS, ids=lambda kind: kind.SYSTEM)


@pytest.fixture(autouse=True)
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder in which the stand-ins have their jobs; all have ended after the test."""
    folder = tmp_path / "system"
    folder.mkdir()
    programs = standins.install(folder)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(standins.FOLDER, str(folder / "jobs"))
    yield folder / "jobs"
    (folder / "jobs" / "hold").unlink(missing_ok=True)
    jobs = standins.Jobs()
    for path in jobs.folder.glob("job-*.json"):
        wait_until(lambda path=path: '"ended"' in path.read_text(), 20)  # type: ignore[misc]


@every
def test_an_array_has_a_job_for_every_few_engines(kind: Kind, order: PretendOrder) -> None:
    jobs = launcher(kind, order, engines_per_agent=2, memory="2G", time="1:00:00").start(5)
    there = order.until_there(3)

    assert [job.count for job in jobs] == [2, 2, 1]
    assert sorted(said["count"] for said in there) == [1, 2, 2]
    assert {said["mode"] for said in there} == {"600"}
    wait_until(lambda: all(job.state() == "runs on node1" for job in jobs))
    order.let_go(0)
    wait_until(lambda: over(*jobs), 20)
    assert [(job.poll(), job.state()) for job in jobs] == [(0, "has ended")] * 3


@every
def test_keys_are_in_one_private_file_only(kind: Kind, order: PretendOrder, tmp_path: Path) -> None:
    jobs = launcher(kind, order).start(2)
    order.until_there(2)

    assert list(secrets_of(tmp_path, but="agent.json")) == []
    assert not any(SECRET.encode() in each for each in environments())
    order.let_go()
    wait_until(lambda: over(*jobs), 20)
    assert list(order.folder.rglob("agent.json")) == []


@every
def test_a_job_that_fails_says_how_and_shows_its_last_words(
    kind: Kind, order: PretendOrder
) -> None:
    jobs = launcher(kind, order).start(2)
    order.until_there(2)

    order.let_go(3)
    wait_until(lambda: over(*jobs), 20)

    assert [(job.poll(), job.state()) for job in jobs] == [(3, "has ended with exit code 3")] * 2
    assert jobs[1].logs() == "some last words\n"


@every
def test_jobs_are_cancelled_one_by_one_or_all_by_one_word(
    kind: Kind, order: PretendOrder, system: Path
) -> None:
    first, second, third = jobs = launcher(kind, order).start(3)
    order.until_there(3)
    wait_until(lambda: all(job.state() == "runs on node1" for job in jobs))

    second.terminate()
    wait_until(lambda: over(second), 20)
    assert [first.poll(), third.poll()] == [None, None]
    first.terminate()
    third.kill()
    wait_until(lambda: over(*jobs), 20)

    assert {job.state() for job in jobs} == {"was cancelled"}
    assert "was told to end" in order.left
    more = launcher(kind, order).start(3)
    for job in more:
        job.terminate()
    wait_until(lambda: over(*more), 20)
    assert (system / "ended").read_text().splitlines()[-1] == more[0].submission


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (PbsLauncher, "waits in the queue (Not Running: Insufficient amount of resource: ncpus)"),
        (LsfLauncher, "waits in the queue (Insufficient amount of resource: ncpus)"),
        (
            CondorLauncher,
            "is held; condor_release lets it go (Insufficient amount of resource: ncpus)",
        ),
    ],
)
def test_a_job_that_waits_says_why(
    kind: Kind, said: str, order: PretendOrder, system: Path
) -> None:
    (system / "hold").write_text("Insufficient amount of resource: ncpus")
    (job,) = launcher(kind, order).start(1)

    wait_until(lambda: job.state() == said)

    assert job.poll() is None
    job.terminate()
    wait_until(lambda: over(job), 20)


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [
        (PbsLauncher, {"queue": "nowhere"}, "PBS refuses the job: qsub: Unknown queue"),
        (LsfLauncher, {"queue": "nowhere"}, "LSF refuses the job: nowhere: No such queue"),
        (
            CondorLauncher,
            {"directives": ["nonsense = 1"]},
            "HTCondor refuses the job: ERROR: on Line 3",
        ),
        (CondorLauncher, {"queue": "q"}, "HTCondor has no queues"),
        (CondorLauncher, {"mode": "allocation"}, "HTCondor: mode = 'allocation' cannot be"),
    ],
)
def test_what_is_refused_is_refused_with_its_words(
    kind: Kind, given: dict[str, object], why: str, order: PretendOrder
) -> None:
    with pytest.raises(ClusterError, match=why):
        launcher(kind, order, **given).start(1)

    assert list(order.folder.iterdir()) == []


@pytest.mark.parametrize("kind", [PbsLauncher, LsfLauncher])
def test_one_allocation_has_an_agent_on_each_node(kind: Kind, order: PretendOrder) -> None:
    given = {"mode": "allocation", "engines_per_agent": 2, "environment": {"TOLD": "it's $HOME"}}

    (job,) = launcher(kind, order, **given).start(6)
    there = order.until_there(3)

    assert job.count == 6
    assert sorted(said["environ"]["STANDIN_HOST"] for said in there) == list(standins.HOSTS)
    assert {said["environ"]["TOLD"] for said in there} == {"it's $HOME"}
    wait_until(lambda: job.state() == "runs on node1")
    job.terminate()
    wait_until(lambda: over(job), 20)
    assert order.left == ["was told to end"] * 3


@pytest.mark.parametrize("kind", [PbsLauncher, LsfLauncher])
def test_engines_can_be_the_ranks_of_an_mpi_program(kind: Kind, order: PretendOrder) -> None:
    slow = launcher(kind, order, mode="mpi", mpiexec=[sys.executable, "-c", MPIEXEC])

    (job,) = slow.start(3)
    there = order.until_there(3)

    assert [(said["count"], said["first"]) for said in there] == [(1, "rank")] * 3
    wait_until(lambda: job.state() == "runs on node1")
    job.terminate()
    wait_until(lambda: over(job), 20)


MPIEXEC = """\
import signal, subprocess, sys
ranks = [subprocess.Popen(sys.argv[3:]) for _ in range(int(sys.argv[2]))]
signal.signal(signal.SIGTERM, lambda *_: [rank.terminate() for rank in ranks])
sys.exit(max(rank.wait() for rank in ranks))
"""


@every
def test_another_launcher_finds_the_jobs_of_one_that_is_gone(
    kind: Kind, order: PretendOrder
) -> None:
    before = launcher(kind, order).start(2)
    order.until_there(2)

    after = launcher(kind, order)
    found = [after.resume(job.keep()) for job in before]
    wait_until(lambda: all(job.state() == "runs on node1" for job in found))
    for job in found:
        job.send_signal(signal.SIGTERM)

    wait_until(lambda: over(*found), 20)
    assert order.left == ["was told to end"] * 2


@every
def test_a_system_that_does_not_answer_ends_no_job(
    kind: Kind, order: PretendOrder, system: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (job,) = launcher(kind, order).start(1)
    order.until_there(1)
    query = system.parent / "bin" / kind.COMMANDS[1]
    text = query.read_text()
    query.write_text("#!/bin/sh\necho cannot connect to the server >&2; exit 1\n")

    wait_until(lambda: job.poll() is not None or "cannot connect" in caplog.text)

    assert job.poll() is None
    query.write_text(text)
    job.terminate()
    wait_until(lambda: over(job), 20)
    order.let_go()


@every
def test_a_program_that_is_missing_is_told_with_a_remedy(
    kind: Kind, order: PretendOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = launcher(kind, order).check()
    monkeypatch.setenv("PATH", "/nowhere")
    slow = launcher(kind, order)

    assert there == []
    assert slow.check() == [
        f"there is no {name} here: start the cluster on a host from which jobs can be submitted"
        for name in (*kind.COMMANDS, *kind.TELLING)
    ]
    with pytest.raises(ClusterError, match=f"there is no {kind.COMMANDS[0]} here: start"):
        slow.start(1)


@every
def test_hostile_values_never_reach_the_batch_system(
    kind: Kind, order: PretendOrder, system: Path
) -> None:
    hostile = ["$(id)", "a b", "a\nb", "-x", "'", "a;b", "`id`"]
    for option in ("queue", "account", "memory", "time"):
        for value in hostile:
            with pytest.raises(ClusterError):
                launcher(kind, order, **{option: value}).start(1)
    for value in ("a\nb", "\x1b[1m", ""):
        with pytest.raises(ClusterError):
            launcher(kind, order, directives=[value]).start(1)

    assert list(system.iterdir()) == []

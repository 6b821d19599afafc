"""Jobs of a batch system as they are seen, without any batch system."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ipcluster_ext.cluster.launchers import htcondor, lsf, pbs, sge
from ipcluster_ext.cluster.launchers.jobfiles import JobFiles, in_memory, place, whereabouts
from ipcluster_ext.cluster.launchers.jobs import BatchJob, Cadence, Desk, Sight
from ipcluster_ext.cluster.launchers.slurm import read_queue
from ipcluster_ext.errors import ClusterError


class QuietDesk(Desk):
    def look(self) -> None: ...

    def cancel(self, job: BatchJob, *, force: bool) -> None:
        raise NotImplementedError

    def signal(self, job: BatchJob, signum: int) -> None:
        raise NotImplementedError


def job_in(folder: Path, *, again: bool = False) -> BatchJob:
    files = JobFiles.below(folder / "jobs")
    return BatchJob(QuietDesk(), "7", "7_2", index=2, count=4, files=files, again=again)


def test_a_batch_system_is_asked_quickly_at_first_and_every_few_seconds_later() -> None:
    cadence = Cadence(5.0)

    asked = [tick / 4 for tick in range(120) if cadence.due(tick / 4)]

    assert asked[:6] == [0.0, 0.25, 0.75, 1.75, 3.75, 7.75]
    assert asked[6:] == [12.75, 17.75, 22.75, 27.75]


def test_what_was_asked_for_is_looked_at_soon_but_together_with_what_follows() -> None:
    cadence = Cadence(5.0)
    for now in (0.0, 1.0, 2.0, 4.0, 8.0):
        assert cadence.due(now)

    cadence.hurry(9.0)
    cadence.hurry(9.1)

    assert not cadence.due(9.2)
    assert cadence.due(9.25)
    assert cadence.due(9.5)


def test_a_job_that_is_unknown_has_ended_with_what_its_script_wrote(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job.files.code(2).write_text("3\n")

    job.see(None, system="Slurm")

    assert (job.poll(), job.state()) == (3, "has ended with exit code 3")


def test_a_job_that_is_unknown_for_some_time_was_ended_without_a_word(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job.see(Sight("runs", "runs on n1"), system="Slurm")

    codes = []
    for _ in range(4):
        job.see(None, system="Slurm")
        codes.append(job.poll())

    assert codes == [None, None, None, -255]
    assert job.state() == "was ended by Slurm, which does not say why"


def test_a_job_that_runs_once_more_has_not_ended(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job.files.code(2).write_text("143\n")  # of its first life

    job.see(Sight("waits", "waits in the queue"), system="Slurm")

    assert job.poll() is None


@pytest.mark.parametrize(
    ("sight", "again", "hopeless"),
    [
        (Sight("runs", "runs on n1"), False, False),
        (Sight("ended", "was lost with its node"), True, False),
        (Sight("ended", "was lost with its node"), False, True),
        (Sight("ended", "could not begin", 1, hopeless=True), True, True),
        (Sight("ended", "has ended", 0), True, True),
    ],
)
def test_a_job_is_submitted_again_only_if_it_failed_and_that_is_wished(
    sight: Sight, again: bool, hopeless: bool, tmp_path: Path
) -> None:
    job = job_in(tmp_path, again=again)

    job.see(sight, system="Slurm")

    assert job.hopeless == hopeless


def test_a_job_that_was_told_to_end_by_its_system_has_not_done_so_by_itself(
    tmp_path: Path,
) -> None:
    job = job_in(tmp_path, again=True)
    job.files.code(2).write_text("0 TERM\n")

    job.see(Sight("ended", "was cancelled"), system="Slurm")

    assert not job.hopeless


def test_the_files_of_a_submission_go_once_its_jobs_have_ended(tmp_path: Path) -> None:
    files = JobFiles.below(tmp_path / "jobs")
    files.write("#!/bin/bash", b"keys")

    modes = [f"{path.stat().st_mode & 0o777:o}" for path in (files.config, files.script)]
    files.finish()

    assert modes == ["600", "700"]
    assert not files.config.exists()
    assert files.script.exists()
    del files
    assert not (tmp_path / "jobs").exists()


def test_files_of_jobs_that_may_still_run_stay(tmp_path: Path) -> None:
    files = JobFiles.below(tmp_path / "jobs")
    files.write("#!/bin/bash", b"keys")
    folder = files.folder

    del files

    assert sorted(path.name for path in folder.iterdir()) == ["agent.json", "job.sh"]


def test_a_folder_of_the_home_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert whereabouts("~/x", Path("/tmp"), "abc") == tmp_path / "x" / "abc"
    assert whereabouts("", Path("/dev/shm/x"), "abc") == (
        tmp_path / ".local/state/ipcluster-ext-jobs/abc"
    )
    with pytest.raises(ClusterError, match="has to be an absolute path"):
        whereabouts("x", Path("/tmp"), "abc")


def test_the_last_files_of_a_cluster_take_its_folder_along(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    folder = place(str(tmp_path / "shared"), tmp_path / "cluster", "abc")
    first, second = JobFiles.below(folder), JobFiles.below(folder)

    first.finish()
    del first
    left = len(list(folder.iterdir()))
    second.finish()
    del second

    assert left == 2
    assert not folder.exists()


def test_a_folder_in_memory_is_told_from_one_on_disk(tmp_path: Path) -> None:
    assert in_memory(Path("/dev/shm/x"))
    assert not in_memory(Path("/proc/1"))


def test_jobs_have_their_files_in_the_clusters_folder(tmp_path: Path) -> None:
    assert place("", tmp_path, "abc") == tmp_path / "jobs"


def test_a_folder_that_was_named_loses_what_ended_clusters_left_there(tmp_path: Path) -> None:
    running, ended = tmp_path / "running", tmp_path / "ended"
    running.mkdir()
    ended.mkdir()
    shared = tmp_path / "shared"
    place(str(shared), running, "aaa")
    place(str(shared), ended, "bbb")
    ended.rmdir()

    mine = place(str(shared), running, "ccc")

    assert mine == shared / "ccc"
    assert sorted(path.name for path in shared.iterdir()) == ["aaa", "ccc"]


def test_what_squeue_says_is_told_in_words() -> None:
    said = (
        "1_1|PENDING|0||Resources|\n1_2|RUNNING|0|n1|None|\n2|FAILED|768|n1|NonZeroExitCode|\n"
        "3|TIMEOUT|15|n1|TimeLimit|\n4|CANCELLED|0|||\n5|FAILED|1||BadConstraints|\n"
        "6|COMPLETED|0|n2|None|\n7|PENDING|0||Nodes required for job are DOWN, DRAINED|\n"
        "8|OUT_OF_MEMORY|9|n1|OutOfMemory|\n9|FAILED|139|n1|RaisedSignal:11(Core_dumped)|\n\n"
    )

    assert read_queue(said) == {
        "1_1": Sight("waits", "waits in the queue (Resources)"),
        "1_2": Sight("runs", "runs on n1"),
        "2": Sight("ended", "has failed: exit code 3 (NonZeroExitCode)", 3),
        "3": Sight("ended", "was ended at its time limit", -15),
        "4": Sight("ended", "was cancelled"),
        "5": Sight(
            "ended",
            "could not begin: no node has what it asks for (BadConstraints)",
            1,
            hopeless=True,
        ),
        "6": Sight("ended", "has ended", 0),
        "7": Sight("waits", "waits in the queue (Nodes required for job are DOWN, DRAINED)"),
        "8": Sight("ended", "was ended for using too much memory", -9),
        "9": Sight("ended", "has failed: signal 11 (RaisedSignal:11(Core_dumped))", -11),
    }


GARBAGE = [
    "",
    "\n\n",
    "garbage",
    "|||||||",
    "{",
    "[1, null, {}]",
    "Job Id: \n = ",
    "\x00\x1b[1m",
    "<",
]


@pytest.mark.parametrize("text", [*GARBAGE, "<a><job_list/></a>", "x|" * 99, "Job Id: 1\n x = "])
def test_no_answer_that_cannot_be_read_is_more_than_an_error(text: str) -> None:
    for read in (
        read_queue,
        lsf.read_list,
        lambda text: dict(pbs.read_entries(text)),
        lambda text: [htcondor._sight(ad) for ad in htcondor.read_ads(text)],  # noqa: SLF001
        sge.read_reasons,
        sge.read_account,
        lambda text: list(sge.read_jobs(text)),
    ):
        try:
            read(text)
        except (ClusterError, ET.ParseError):
            continue

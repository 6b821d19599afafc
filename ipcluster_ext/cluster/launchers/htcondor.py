"""Engines in jobs of HTCondor.

It cannot be had where this is developed: tested against stand-ins that answer as its
documentation says. Jobs see the file system of the host that submits them.
"""

import json
import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ipcluster_ext.cluster.launchers.batch import BatchLauncher
from ipcluster_ext.cluster.launchers.batchoptions import BatchOptions, Shape
from ipcluster_ext.cluster.launchers.contract import WrongOption
from ipcluster_ext.cluster.launchers.jobfiles import JobPaths
from ipcluster_ext.cluster.launchers.jobs import BatchJob, Sight
from ipcluster_ext.cluster.launchers.jobscript import line, mebibytes, seconds, word
from ipcluster_ext.errors import ClusterError

_ID = re.compile(r"(\d+)\.\d+")
_IDLE, _RUNNING, _REMOVED, _COMPLETED, _HELD, _OUTPUT, _SUSPENDED = range(1, 8)
_ATTRIBUTES = (
    "ClusterId,ProcId,JobStatus,HoldReason,RemoteHost,LastRejMatchReason,"
    "ExitCode,ExitBySignal,ExitSignal,RemoveReason"
)


class CondorOptions(BatchOptions, frozen=True):
    """What the HTCondor launcher can be told.

    Attributes
    ----------
    requirements
        What a machine has to be like, in HTCondor's words: ``"OpSysMajorVer == 9"``.

    Others: as for every batch system; ``account`` is the accounting group, and there are no queues.
    """

    requirements: str = ""


class CondorLauncher(BatchLauncher):
    """Engines in jobs of HTCondor.

    The lines of the script that begin with ``#CONDOR`` are the submit description.
    """

    Options = CondorOptions
    SYSTEM = "HTCondor"
    COMMANDS = ("condor_submit", "condor_q", "condor_rm")
    MODES = ("array",)
    PREFIX = "#CONDOR"
    INDEX = '"$1"'
    FIRST_INDEX = 0
    EXAMPLE: ClassVar[str] = """\
description = "Engines by HTCondor"
launcher = "htcondor"
n = 16

[launcher_options]
memory = "4G"               # for each agent
# time = "8:00:00"          # hours first
# account = "group_physics"
# gpus = 1                  # for each agent
# engines_per_agent = 4     # engines that share a job
# requirements = "OpSysMajorVer == 9"
# folder = "~/ipcluster"    # which the machines see, too
# directives = ["rank = Memory"]
"""

    def submission(self, script: Path) -> tuple[list[str], str]:
        """Return ``condor_submit``, and the submit description that it reads."""
        prefix = f"{self.PREFIX} "
        lines = script.read_text().splitlines()
        description = [each.removeprefix(prefix) for each in lines if each.startswith(prefix)]
        jobs = description.pop(next(i for i, each in enumerate(description) if _queues(each)))
        return ["condor_submit", "-terse", "-"], "\n".join([*description, jobs, ""])

    def directives(self, shape: Shape, paths: JobPaths) -> list[str]:
        """Return the submit description."""
        options = self.options
        if options.queue:
            msg = "HTCondor has no queues: leave 'queue' out, and say what machines you need"
            raise WrongOption(msg, "queue")
        said = [
            "universe = vanilla",
            f"batch_name = {self.job_name}",
            f"executable = {paths.script}",
            "arguments = $(Process)",
            f"output = {paths.folder}/log-$(Process)",
            f"error = {paths.folder}/log-$(Process)",
            f"log = {paths.folder}/events",
            "should_transfer_files = NO",
            "kill_sig = SIGTERM",
            f"request_cpus = {shape.cpus}",
        ]
        if options.memory:
            said.append(f"request_memory = {mebibytes(options.memory)}M")
        if options.gpus:
            said.append(f"request_gpus = {options.gpus}")
        if options.account:
            said.append(f"accounting_group = {word(options.account, option='account')}")
        if options.requirements:
            said.append(f"requirements = {line(options.requirements, option='requirements')}")
        if options.time:
            said.append(f"allowed_job_duration = {seconds(options.time)}")
        return [*said, f"queue {shape.agents}"]

    def element(self, submission: str, index: int) -> str:
        """Return the id of one job of a cluster, as HTCondor calls an array."""
        return f"{submission}.{index}"

    def submitted(self, output: str) -> str:
        """Return the id of the cluster of jobs."""
        found = _ID.search(output)
        if found is None:
            msg = f"condor_submit did not tell the job's id: {output!r}"
            raise ClusterError(msg)
        return found[1]

    def query(self, submissions: Sequence[str]) -> Mapping[str, Sight]:
        """Ask ``condor_q``, which knows jobs as long as they are in the queue."""
        said = self.run(["condor_q", "-json", "-attributes", _ATTRIBUTES, *submissions])
        if said.code:
            msg = f"condor_q does not answer: {said.complaint}"
            raise ClusterError(msg)
        return {
            job: _sight(facts)
            for facts in read_ads(said.output)
            for job in _names(facts["ClusterId"], facts["ProcId"])
        }

    def epitaph(self, job: BatchJob) -> Sight | None:
        """Ask ``condor_history`` how a job has ended."""
        name = self.element(job.submission, job.index)
        attributes = ["-json", "-limit", "1", "-attributes", _ATTRIBUTES]
        said = self.run(["condor_history", *attributes, name])
        ads = read_ads(said.output) if said.code == 0 else []
        return _sight(ads[0]) if ads else None

    def cancellation(self, ids: Sequence[str], *, force: bool) -> list[str]:
        """Return a ``condor_rm``; its force is for machines that are gone."""
        del force
        return ["condor_rm", *ids]

    def signalling(self, job: str, signum: int) -> list[str]:
        """Return a ``condor_rm``, if that is what the signal means: no other can be sent."""
        if signum not in {signal.SIGTERM, signal.SIGKILL}:
            msg = f"HTCondor cannot send signal {signum} to a job; it can remove it"
            raise ClusterError(msg)
        return ["condor_rm", job]


def _queues(command: str) -> bool:
    return command.split()[:1] == ["queue"]


def _names(cluster: int, process: int) -> list[str]:
    """Return what a job is called; one that is alone goes by its cluster's name, too."""
    return [f"{cluster}.{process}", *([str(cluster)] if process == 0 else [])]


def read_ads(text: str) -> list[dict[str, Any]]:
    """Read a list of jobs in JSON, which is nothing at all if there are none (pure).

    Raises
    ------
    ClusterError
        It is something else.
    """
    if not text.strip():
        return []
    try:
        ads = json.loads(text)
    except ValueError:
        msg = f"HTCondor's answer cannot be read: {text[:200]!r}"
        raise ClusterError(msg) from None
    known = ads if isinstance(ads, list) else []
    return [ad for ad in known if isinstance(ad, dict) and {"ClusterId", "ProcId"} <= ad.keys()]


def _sight(facts: Mapping[str, Any]) -> Sight:
    status = facts.get("JobStatus")
    if status == _HELD:
        reason = facts.get("HoldReason", "no reason is given")
        return Sight("waits", f"is held; condor_release lets it go ({reason})")
    if status in {_RUNNING, _OUTPUT, _SUSPENDED}:
        host = str(facts.get("RemoteHost", "")).rpartition("@")[2]
        what = "is suspended" if status == _SUSPENDED else "runs"
        return Sight("runs", f"{what} on {host}" if host else what)
    if status == _REMOVED:
        reason = facts.get("RemoveReason", "")
        return Sight("ended", f"was removed ({reason})" if reason else "was removed")
    if status == _COMPLETED:
        return _end(facts)
    why = facts.get("LastRejMatchReason", "")
    return Sight("waits", f"waits in the queue ({why})" if why else "waits in the queue")


def _end(facts: Mapping[str, Any]) -> Sight:
    if facts.get("ExitBySignal"):
        signum = int(facts.get("ExitSignal") or 0)
        return Sight("ended", f"was ended by signal {signum}", -signum)
    code = int(facts.get("ExitCode") or 0)
    return Sight("ended", f"has ended with exit code {code}" if code else "has ended", code)

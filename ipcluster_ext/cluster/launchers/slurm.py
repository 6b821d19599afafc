"""Engines in jobs of Slurm."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ipcluster_ext.cluster.launchers import commands
from ipcluster_ext.cluster.launchers.batch import BatchLauncher
from ipcluster_ext.cluster.launchers.batchoptions import BatchOptions, Shape
from ipcluster_ext.cluster.launchers.jobfiles import JobPaths
from ipcluster_ext.cluster.launchers.jobs import Sight
from ipcluster_ext.cluster.launchers.jobscript import clock, mebibytes, seconds, word
from ipcluster_ext.errors import ClusterError

_DAY = 86_400
_FIELDS = ("JobArrayID", "State", "exit_code", "NodeList", "Reason")
_WAITS = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"})
_RUNS = frozenset(
    {"RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING"}
    | {"STAGE_OUT"}
)
_ENDS = {
    "CANCELLED": "was cancelled",
    "TIMEOUT": "was ended at its time limit",
    "DEADLINE": "was ended at its deadline",
    "OUT_OF_MEMORY": "was ended for using too much memory",
    "NODE_FAIL": "was lost with its node",
    "BOOT_FAIL": "could not begin, as its node did not start",
    "PREEMPTED": "had to make room for another job",
    "REVOKED": "was taken over by another cluster",
}
_NEVER = {
    "BadConstraints": "no node has what it asks for",
    "PartitionConfig": "the partition does not allow what it asks for",
    "PartitionTimeLimit": "it asks for more time than the partition gives",
    "PartitionNodeLimit": "it asks for more nodes than the partition gives",
    "InvalidAccount": "the account may not be used",
    "InvalidQOS": "the quality of service may not be used",
    "JobHeldUser": "it is held; scontrol release lets it go",
    "JobHeldAdmin": "it is held by an administrator",
    "DependencyNeverSatisfied": "what it depends on has failed",
}
_SIGNALLED = 0x7F
_NODE_ADDRESS = re.compile(r"\bNodeAddr=(\S+)")


class SlurmOptions(BatchOptions, frozen=True):
    """What the Slurm launcher can be told.

    Attributes
    ----------
    qos
        The quality of service.
    constraint
        Features that nodes have to have.
    reservation
        A reservation to use.

    Others: as for every batch system; ``queue`` is the partition.
    """

    qos: str = ""
    constraint: str = ""
    reservation: str = ""


class SlurmLauncher(BatchLauncher):
    """Engines in jobs of Slurm."""

    Options = SlurmOptions
    SYSTEM = "Slurm"
    COMMANDS = ("sbatch", "squeue", "scancel")
    PREFIX = "#SBATCH"
    INDEX = '"$SLURM_ARRAY_TASK_ID"'
    EXAMPLE: ClassVar[str] = """\
description = "Engines by Slurm"
launcher = "slurm"
n = 16

[launcher_options]
queue = "short"             # the partition
time = "8:00:00"            # hours first
memory = "4G"               # for each agent
# account = "project"
# gpus = 1                  # for each agent
# engines_per_agent = 4     # engines that share a job of the array, or a node
# mode = "allocation"       # all nodes at once; "mpi": every engine a rank
# prologue = ["module load python"]
# directives = ["--exclusive"]
"""

    @classmethod
    def nodes(cls, timeout: float) -> list[str]:
        """Return the addresses of all nodes.

        Raises
        ------
        ClusterError
            Slurm does not answer.
        """
        asked = ["scontrol", "--oneliner", "show", "nodes"]
        said = commands.run(asked, timeout=timeout, remedy=cls.REMEDY)
        return list(dict.fromkeys(_NODE_ADDRESS.findall(said.output)))

    def submission(self, script: Path) -> tuple[list[str], str]:
        """Return the command that submits a script."""
        return ["sbatch", "--parsable", str(script)], ""

    def directives(self, shape: Shape, paths: JobPaths) -> list[str]:
        """Return what ``sbatch`` reads in the script."""
        options = self.options
        said = [f"--job-name={self.job_name}", *self._size(shape)]
        said.append(f"--output={paths.folder}/log-{'%a' if shape.array else 0}")
        if shape.array:
            said.append(f"--array={self.FIRST_INDEX}-{shape.agents}")
        if options.memory:
            said.append(f"--mem={mebibytes(options.memory)}M")
        if options.gpus:
            said.append(f"--gpus-per-node={options.gpus}")
        if options.time:
            span = seconds(options.time)
            said.append(f"--time={span // _DAY}-{clock(span % _DAY)}")
        named = {
            "queue": "partition",
            "account": "account",
            "qos": "qos",
            "constraint": "constraint",
            "reservation": "reservation",
        }
        for option, name in named.items():
            if value := getattr(options, option):
                said.append(f"--{name}={word(value, option=option)}")
        return said

    def _size(self, shape: Shape) -> list[str]:
        if shape.mode == "mpi":
            return [f"--ntasks={shape.agents}", f"--cpus-per-task={shape.cpus}"]
        tasks = ["--ntasks-per-node=1", f"--cpus-per-task={shape.cpus}"]
        return [f"--nodes={shape.nodes}", *tasks]

    def step(self, shape: Shape) -> str:
        """Return the ``srun`` that starts an agent on each node, none of which ends the others."""
        options = [f"--nodes={shape.agents}", f"--ntasks={shape.agents}", "--ntasks-per-node=1"]
        options += [f"--cpus-per-task={shape.cpus}", "--input=none"]
        return shlex.join(["srun", *options, "--kill-on-bad-exit=0", "--wait=0"])

    def submitted(self, output: str) -> str:
        """Return the id; behind a semicolon follows the name of the Slurm cluster."""
        submission = output.strip().partition(";")[0]
        if not submission.isdecimal():
            msg = f"sbatch did not tell the job's id: {output!r}"
            raise ClusterError(msg)
        return submission

    def query(self, submissions: Sequence[str]) -> Mapping[str, Sight]:
        """Ask ``squeue``, which remembers jobs for some minutes after their end."""
        fields = ",".join(f"{field}:|" for field in _FIELDS)
        command = ["squeue", "--noheader", "--array", "--states=all", f"--Format={fields}"]
        said = self.run([*command, f"--jobs={','.join(submissions)}"])
        if said.code and "Invalid job id" not in said.errors:  # all are gone
            msg = f"squeue does not answer: {said.complaint}"
            raise ClusterError(msg)
        return read_queue(said.output)

    def cancellation(self, ids: Sequence[str], *, force: bool) -> list[str]:
        """Return a ``scancel``, which kills after some seconds whatever has not ended by then."""
        return ["scancel", *(["--signal=KILL", "--full"] if force else []), *ids]

    def signalling(self, job: str, signum: int) -> list[str]:
        """Return a ``scancel`` that sends a signal to the processes of a job."""
        return ["scancel", f"--signal={signum}", "--full", job]


def read_queue(output: str) -> dict[str, Sight]:
    """Read what ``squeue`` says (pure).

    Parameters
    ----------
    output
        A line for each job, with a ``|`` after each field.
    """
    seen: dict[str, Sight] = {}
    for entry in output.splitlines():
        job, state, code, nodes, reason, *_ = [*entry.strip().split("|"), *[""] * len(_FIELDS)]
        if job:
            seen[job] = _sight(state, code, nodes, reason)
    return seen


def _sight(state: str, code: str, nodes: str, reason: str) -> Sight:
    why = "" if reason in {"", "None", "(null)"} else reason
    if state in _WAITS:
        because = f"{why}: {_NEVER[why]}" if why in _NEVER else why
        return Sight("waits", f"waits in the queue ({because})" if why else "waits in the queue")
    if state in _RUNS:
        return Sight("runs", f"runs on {nodes}" if nodes else "runs")
    if state == "COMPLETED":
        return Sight("ended", "has ended", 0)
    status = int(code) if code.isdecimal() else 0
    signal, number = status & _SIGNALLED, status >> 8
    known = (-signal if signal else number) or None
    if state in _ENDS:
        detail = f" ({nodes})" if state == "NODE_FAIL" and nodes else ""
        return Sight("ended", _ENDS[state] + detail, known)
    if why in _NEVER:
        return Sight("ended", f"could not begin: {_NEVER[why]} ({why})", 1, hopeless=True)
    number_told = f"exit code {number}" if number else f"signal {signal}" if signal else state
    return Sight("ended", f"has failed: {number_told}" + (f" ({why})" if why else ""), known)

"""Engines in jobs of Grid Engine: Sun's, Univa's, Altair's, Some, Son of, Open."""

import os
import pwd
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree as ET

from ipcluster_ext.cluster.launchers import commands
from ipcluster_ext.cluster.launchers.batch import BatchLauncher
from ipcluster_ext.cluster.launchers.batchoptions import BatchOptions, Shape
from ipcluster_ext.cluster.launchers.jobfiles import JobPaths
from ipcluster_ext.cluster.launchers.jobs import BatchJob, Sight
from ipcluster_ext.cluster.launchers.jobscript import mebibytes, seconds, word
from ipcluster_ext.errors import ClusterError

_ID = re.compile(r"\d+")
_TASKS = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")
_EXPLAINED = re.compile(r"^(error reason +\d+|scheduling info): +(.+)$")
_SIGNALLED = 128


class SgeOptions(BatchOptions, frozen=True):
    """What the Grid Engine launcher can be told.

    Attributes
    ----------
    parallel_environment
        Where jobs with more than one processor run; ``qconf -spl`` lists them.
    memory_resource
        What ``memory`` is asked for as: ``mem_free``, or ``h_vmem`` where that is a limit.
    gpu_resource
        What ``gpus`` are asked for as.

    Others: as for every batch system; ``account`` is the project.
    """

    parallel_environment: str = "smp"
    memory_resource: str = "mem_free"
    gpu_resource: str = "gpu"


class SgeLauncher(BatchLauncher):
    """Engines in jobs of Grid Engine."""

    Options = SgeOptions
    SYSTEM = "Grid Engine"
    COMMANDS = ("qsub", "qstat", "qdel")
    TELLING = ("qconf",)
    MODES = ("array", "mpi")
    PREFIX = "#$"
    INDEX = '"$SGE_TASK_ID"'
    EXAMPLE: ClassVar[str] = """\
description = "Engines by Grid Engine"
launcher = "sge"
n = 16

[launcher_options]
queue = "all.q"
time = "8:00:00"            # hours first
# memory = "4G"             # for each agent
# account = "project"
# engines_per_agent = 4     # engines that share a job of the array
# parallel_environment = "smp"
# prologue = ["module load python"]
# directives = ["-l scratch=10G"]
"""

    @classmethod
    def nodes(cls, timeout: float) -> list[str]:
        """Return the names of all hosts on which jobs run.

        Raises
        ------
        ClusterError
            Grid Engine does not answer.
        """
        said = commands.run(["qconf", "-sel"], timeout=timeout, remedy=cls.REMEDY)
        return [] if said.code else said.output.split()

    def submission(self, script: Path) -> tuple[list[str], str]:
        """Return the command that submits a script."""
        return ["qsub", "-terse", str(script)], ""

    def directives(self, shape: Shape, paths: JobPaths) -> list[str]:
        """Return what ``qsub`` reads in the script; ``-notify`` has it say when it ends a job."""
        options = self.options
        index = "$TASK_ID" if shape.array else "0"
        said = [f"-N {self.job_name}", "-S /bin/bash", "-notify", "-j y"]
        said.append(f"-o {paths.folder}/log-{index}")
        if shape.array:
            said.append(f"-t {self.FIRST_INDEX}-{shape.agents}")
        slots = shape.agents * shape.cpus if shape.mode == "mpi" else shape.cpus
        if slots > 1:
            place = word(options.parallel_environment, option="parallel_environment")
            said.append(f"-pe {place} {slots}")
        if options.queue:
            said.append(f"-q {word(options.queue, option='queue')}")
        if options.account:
            said.append(f"-P {word(options.account, option='account')}")
        if options.time:
            said.append(f"-l h_rt={seconds(options.time)}")
        if options.memory:
            name = word(options.memory_resource, option="memory_resource")
            said.append(f"-l {name}={mebibytes(options.memory)}M")
        if options.gpus:
            said.append(f"-l {word(options.gpu_resource, option='gpu_resource')}={options.gpus}")
        return said

    def element(self, submission: str, index: int) -> str:
        """Return the id of one job of an array."""
        return f"{submission}.{index}"

    def submitted(self, output: str) -> str:
        """Return the id; that of an array is followed by its range."""
        found = _ID.match(output.strip())
        if found is None:
            msg = f"qsub did not tell the job's id: {output!r}"
            raise ClusterError(msg)
        return found[0]

    def query(self, submissions: Sequence[str]) -> Mapping[str, Sight]:
        """Ask ``qstat`` for all jobs of this user, and why those wait that do."""
        user = pwd.getpwuid(os.getuid()).pw_name
        said = self.run(["qstat", "-xml", "-u", user])
        if said.code:
            msg = f"qstat does not answer: {said.complaint}"
            raise ClusterError(msg)
        try:
            jobs = [each for each in read_jobs(said.output) if each[0] in submissions]
        except ET.ParseError as error:
            msg = f"qstat's answer cannot be read: {error}"
            raise ClusterError(msg) from None
        waiting = sorted({number for number, _, state, _ in jobs if _waits(state)})
        reasons: Mapping[str, str] = {}
        if waiting:
            reasons = read_reasons(self.run(["qstat", "-j", ",".join(waiting)]).output)
        return {
            each: _sight(state, queue, reasons.get(number, ""))
            for number, task, state, queue in jobs
            for each in ([f"{number}.{task}"] if task else [number])
        }

    def epitaph(self, job: BatchJob) -> Sight | None:
        """Ask ``qacct`` how a job has ended, which it knows some seconds after that."""
        task = ["-t", str(job.index)] if job.index else []
        said = self.run(["qacct", "-j", job.submission, *task])
        return read_account(said.output) if said.code == 0 else None

    def cancellation(self, ids: Sequence[str], *, force: bool) -> list[str]:
        """Return a ``qdel``; more force is the administrators' privilege."""
        del force
        return ["qdel", *ids]

    def signalling(self, job: str, signum: int) -> list[str]:
        """Return a ``qdel``, if that is what the signal means: no other can be sent."""
        if signum not in {signal.SIGTERM, signal.SIGKILL}:
            msg = f"Grid Engine cannot send signal {signum} to a job; it can end it"
            raise ClusterError(msg)
        return ["qdel", job]


def read_jobs(xml: str) -> Iterator[tuple[str, int, str, str]]:
    """Yield each job that ``qstat -xml`` lists: number, task or 0, state, queue (pure)."""
    for entry in ET.fromstring(xml).iter("job_list"):  # noqa: S314 - of qstat itself
        number, state, queue, tasks = (
            (entry.findtext(name) or "").strip()
            for name in ("JB_job_number", "state", "queue_name", "tasks")
        )
        for task in _tasks(tasks):
            yield number, task, state, queue


def _tasks(text: str) -> Iterator[int]:
    """Yield what ``"2"``, ``"2-8:2"`` or ``"2,5"`` names; 0 for a job that is no array."""
    if not text:
        yield 0
    for part in text.split(","):
        if found := _TASKS.fullmatch(part.strip()):
            first, last, step = found.groups()
            yield from range(int(first), int(last or first) + 1, int(step or 1))


def read_reasons(text: str) -> dict[str, str]:
    """Read why jobs wait, of what ``qstat -j`` says of them (pure)."""
    reasons: dict[str, str] = {}
    number = ""
    for entry in text.splitlines():
        if entry.startswith("job_number:"):
            number = entry.partition(":")[2].strip()
        elif found := _EXPLAINED.match(entry):
            reasons.setdefault(number, found[2].strip())  # errors stand first
    return reasons


def read_account(text: str) -> Sight | None:
    """Read how a job has ended, of what ``qacct -j`` says of it (pure)."""
    facts = dict(_fact(entry) for entry in text.splitlines() if " " in entry)
    if "exit_status" not in facts:
        return None
    status = facts["exit_status"].split()[0]
    code = int(status) if status.isdecimal() else 0
    told = f"exit code {code}" if code <= _SIGNALLED else f"signal {code - _SIGNALLED}"
    failed = facts.get("failed", "0").strip()
    why = failed.partition(":")[2].strip() or (told if code else "")
    text = f"was ended by Grid Engine: {why}; its memory was {facts.get('maxvmem', 'unknown')}"
    known = code if code <= _SIGNALLED else _SIGNALLED - code
    return Sight("ended", text if why else "has ended", known)


def _fact(entry: str) -> tuple[str, str]:
    name, _, value = entry.partition(" ")
    return name, value.strip()


def _waits(state: str) -> bool:
    return "q" in state or "E" in state


def _sight(state: str, queue: str, reason: str) -> Sight:
    because = f" ({reason})" if reason else ""
    if "E" in state:
        return Sight("waits", f"cannot begin, and waits until qmod -cj clears it{because}")
    if "h" in state:
        return Sight("waits", f"is held; qrls lets it go{because}")
    if "q" in state:
        return Sight("waits", f"waits in the queue{because}")
    if set(state) & set("sST"):
        return Sight("runs", f"is suspended on {queue}")
    return Sight("runs", f"runs on {queue.rpartition('@')[2]}" if queue else "runs")

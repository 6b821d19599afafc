"""Engines in jobs of PBS: OpenPBS and PBS Professional.

It cannot be had where this is developed: tested against stand-ins that answer as its
documentation says.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from ipcluster_ext.cluster.launchers.batch import BatchLauncher
from ipcluster_ext.cluster.launchers.batchoptions import BatchOptions, Shape
from ipcluster_ext.cluster.launchers.jobfiles import JobPaths
from ipcluster_ext.cluster.launchers.jobs import Sight
from ipcluster_ext.cluster.launchers.jobscript import clock, mebibytes, seconds, word
from ipcluster_ext.errors import ClusterError

_ID = re.compile(r"\d+(?:\[\])?(?:\.[A-Za-z0-9_.-]+)?")
_ENTRY = re.compile(r"^Job Id: *(\S+)$")
_FACT = re.compile(r"^ +([A-Za-z_.]+) = (.*)$")
_WAITS = frozenset("QHWTM")
_RUNS = frozenset("RESUB")
_BY_SIGNAL = 256


class PbsOptions(BatchOptions, frozen=True):
    """What the PBS launcher can be told: what every batch system can."""


class PbsLauncher(BatchLauncher):
    """Engines in jobs of PBS."""

    Options = PbsOptions
    SYSTEM = "PBS"
    COMMANDS = ("qsub", "qstat", "qdel")
    TELLING = ("pbsnodes",)
    PREFIX = "#PBS"
    INDEX = '"$PBS_ARRAY_INDEX"'
    EXAMPLE: ClassVar[str] = """\
description = "Engines by PBS"
launcher = "pbs"
n = 16

[launcher_options]
queue = "workq"
time = "8:00:00"            # hours first
memory = "4G"               # for each agent
# account = "project"
# gpus = 1                  # for each agent
# engines_per_agent = 4     # engines that share a job of the array, or a node
# mode = "allocation"       # all nodes at once; "mpi": every engine a rank
# prologue = ["module load python"]
# directives = ["-l filesystems=home"]
"""

    def directives(self, shape: Shape, paths: JobPaths) -> list[str]:
        """Return what ``qsub`` reads in the script."""
        options = self.options
        index = "^array_index^" if shape.array else "0"
        said = [f"-N {self.job_name}", "-S /bin/bash", "-j oe", "-W umask=077"]
        said.append(f"-o {paths.folder}/log-{index}")
        if shape.array:
            said.append(f"-J {self.FIRST_INDEX}-{shape.agents}")
        said.append(f"-l select={self._select(shape)}")
        if shape.mode == "allocation":
            said.append("-l place=scatter")
        if options.time:
            said.append(f"-l walltime={clock(seconds(options.time))}")
        if options.queue:
            said.append(f"-q {word(options.queue, option='queue')}")
        if options.account:
            said.append(f"-A {word(options.account, option='account')}")
        return said

    def _select(self, shape: Shape) -> str:
        chunks = 1 if shape.mode == "array" else shape.agents
        parts = [str(chunks), f"ncpus={shape.cpus}"]
        if shape.mode == "mpi":
            parts.append("mpiprocs=1")
        if self.options.memory:
            parts.append(f"mem={mebibytes(self.options.memory)}mb")
        if self.options.gpus:
            parts.append(f"ngpus={self.options.gpus}")
        return ":".join(parts)

    def element(self, submission: str, index: int) -> str:
        """Return the id of one job of an array: ``"12[3].server"`` of ``"12[].server"``."""
        return submission.replace("[]", f"[{index}]")

    def step(self, shape: Shape) -> str:
        """Return the ``pbsdsh`` that starts an agent on each node; it passes no variables on."""
        del shape
        variables = [f"{name}={value}" for name, value in self.options.environment.items()]
        return shlex.join(["pbsdsh", "--", *(["env", *variables] if variables else [])])

    def submitted(self, output: str) -> str:
        """Return the id, which names the server."""
        submission = output.strip()
        if not _ID.fullmatch(submission):
            msg = f"qsub did not tell the job's id: {output!r}"
            raise ClusterError(msg)
        return submission

    def query(self, submissions: Sequence[str]) -> Mapping[str, Sight]:
        """Ask ``qstat``, for jobs that have ended, too, as far as the server remembers them."""
        said = self.run(["qstat", "-x", "-f", "-t", *submissions])
        if said.code and "Unknown Job" not in said.errors and "has finished" not in said.errors:
            msg = f"qstat does not answer: {said.complaint}"
            raise ClusterError(msg)
        return {job: _sight(facts) for job, facts in read_entries(said.output)}

    def cancellation(self, ids: Sequence[str], *, force: bool) -> list[str]:
        """Return a ``qdel``."""
        return ["qdel", *(["-W", "force"] if force else []), *ids]

    def signalling(self, job: str, signum: int) -> list[str]:
        """Return a ``qsig``."""
        return ["qsig", "-s", str(signum), job]


def read_entries(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each job that ``qstat -f`` describes, and what it says of it (pure).

    Long lines are broken by the program; what follows a break begins with a tab.
    """
    job = ""
    facts: dict[str, str] = {}
    for line in text.replace("\n\t", "").splitlines():
        if entry := _ENTRY.match(line):
            if job:
                yield job, facts
            job, facts = entry[1], {}
        elif fact := _FACT.match(line):
            facts[fact[1]] = fact[2].strip()
    if job:
        yield job, facts


def _sight(facts: Mapping[str, str]) -> Sight:
    state = facts.get("job_state", "")
    comment = facts.get("comment", "")
    if state in _WAITS:
        held = "is held; qrls lets it go" if state == "H" else "waits in the queue"
        return Sight("waits", f"{held} ({comment})" if comment else held)
    if state in _RUNS:
        node = facts.get("exec_host", "").partition("/")[0]
        return Sight("runs", f"runs on {node}" if node else "runs")
    return _end(facts.get("Exit_status", ""), comment)


def _end(status: str, comment: str) -> Sight:
    """Return how a job has ended."""
    try:
        code = int(status)
    except ValueError:
        return Sight("ended", f"has ended ({comment})" if comment else "has ended")
    because = f" ({comment})" if comment else ""
    if code == 0:
        return Sight("ended", "has ended", 0)
    if code < 0:
        return Sight("ended", f"could not begin{because}", 1, hopeless=True)
    if code > _BY_SIGNAL:
        number = code - _BY_SIGNAL
        return Sight("ended", f"was ended by signal {number}{because}", -number)
    return Sight("ended", f"has ended with exit code {code}{because}", code)

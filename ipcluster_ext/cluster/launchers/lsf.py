"""Engines in jobs of IBM Spectrum LSF.

It cannot be had where this is developed: tested against stand-ins that answer as its
documentation says.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ipcluster_ext.cluster.launchers.batch import BatchLauncher
from ipcluster_ext.cluster.launchers.batchoptions import BatchOptions, Shape
from ipcluster_ext.cluster.launchers.jobfiles import JobPaths
from ipcluster_ext.cluster.launchers.jobs import Sight
from ipcluster_ext.cluster.launchers.jobscript import clock, mebibytes, seconds, word
from ipcluster_ext.errors import ClusterError

_ID = re.compile(r"Job <(\d+)> is submitted")
_FIELDS = ("jobid", "jobindex", "stat", "exit_code", "exec_host", "exit_reason", "pend_reason")
_WAITS = {"PEND": "waits in the queue", "PSUSP": "is held; bresume lets it go", "WAIT": "waits"}
_RUNS = {
    "RUN": "runs",
    "USUSP": "is suspended by its owner",
    "SSUSP": "is suspended by LSF",
    "PROV": "waits for its host to start",
    "UNKWN": "cannot be reached",
}
_SIGNALLED = 128
_MINUTE = 60


class LsfOptions(BatchOptions, frozen=True):
    """What the LSF launcher can be told: as every batch system; ``account`` is the project."""


class LsfLauncher(BatchLauncher):
    """Engines in jobs of LSF."""

    Options = LsfOptions
    SYSTEM = "LSF"
    COMMANDS = ("bsub", "bjobs", "bkill")
    PREFIX = "#BSUB"
    INDEX = '"$LSB_JOBINDEX"'
    EXAMPLE: ClassVar[str] = """\
description = "Engines by LSF"
launcher = "lsf"
n = 16

[launcher_options]
queue = "normal"
time = "8:00"               # hours first
memory = "4G"               # for each agent
# account = "project"
# gpus = 1                  # for each agent
# engines_per_agent = 4     # engines that share a job of the array, or a host
# mode = "allocation"       # all hosts at once; "mpi": every engine a rank
# prologue = ["module load python"]
"""

    def submission(self, script: Path) -> tuple[list[str], str]:
        """Return ``bsub``, which reads the script from its standard input."""
        return ["bsub"], script.read_text()

    def directives(self, shape: Shape, paths: JobPaths) -> list[str]:
        """Return what ``bsub`` reads in the script."""
        options = self.options
        array = f"[{self.FIRST_INDEX}-{shape.agents}]" if shape.array else ""
        slots = shape.cpus * (1 if shape.mode == "array" else shape.agents)
        span = {
            "array": "span[hosts=1]",
            "allocation": f"span[ptile={shape.cpus}]",
            "mpi": "",
        }[shape.mode]
        said = [f'-J "{self.job_name}{array}"', f"-o {paths.folder}/log-{'%I' if array else 0}"]
        said += [f"-n {slots}", *([f'-R "{span}"'] if span else [])]
        if options.memory:
            said.append(f'-R "rusage[mem={mebibytes(options.memory)}MB]"')
        if options.gpus:
            said.append(f'-gpu "num={options.gpus}"')
        if options.time:
            minutes = -(-seconds(options.time) // _MINUTE)
            said.append(f"-W {clock(minutes * _MINUTE)[:-3]}")
        if options.queue:
            said.append(f"-q {word(options.queue, option='queue')}")
        if options.account:
            said.append(f"-P {word(options.account, option='account')}")
        return said

    def element(self, submission: str, index: int) -> str:
        """Return the id of one job of an array."""
        return f"{submission}[{index}]"

    def step(self, shape: Shape) -> str:
        """Return the ``blaunch`` that starts an agent on each host."""
        del shape
        return """blaunch -z "$(sort -u "$LSB_DJOB_HOSTFILE" | tr '\\n' ' ')\""""

    def submitted(self, output: str) -> str:
        """Return the id."""
        found = _ID.search(output)
        if found is None:
            msg = f"bsub did not tell the job's id: {output!r}"
            raise ClusterError(msg)
        return found[1]

    def query(self, submissions: Sequence[str]) -> Mapping[str, Sight]:
        """Ask ``bjobs``, which remembers jobs for an hour after their end."""
        fields = f"{' '.join(_FIELDS)} delimiter='|'"
        said = self.run(["bjobs", "-a", "-noheader", "-o", fields, *submissions])
        if said.code and "is not found" not in said.errors:
            msg = f"bjobs does not answer: {said.complaint}"
            raise ClusterError(msg)
        return read_list(said.output)

    def cancellation(self, ids: Sequence[str], *, force: bool) -> list[str]:
        """Return a ``bkill``, which announces itself by SIGINT and SIGTERM."""
        return ["bkill", *(["-s", "KILL"] if force else []), *ids]

    def signalling(self, job: str, signum: int) -> list[str]:
        """Return a ``bkill`` that sends a signal."""
        return ["bkill", "-s", str(signum), job]


def read_list(text: str) -> dict[str, Sight]:
    """Read what ``bjobs`` says (pure).

    Parameters
    ----------
    text
        A line for each job, with ``|`` between its fields and ``-`` for one that is empty.
    """
    seen: dict[str, Sight] = {}
    for line in text.splitlines():
        fields = ["" if each.strip() == "-" else each.strip() for each in line.split("|")]
        if len(fields) >= len(_FIELDS):
            job, index, state, code, host, ended, pending = fields[: len(_FIELDS)]
            name = f"{job}[{index}]" if index not in {"", "0"} else job
            seen[name] = _sight(state, code, host, why=pending if state in _WAITS else ended)
    return seen


def _sight(state: str, code: str, host: str, *, why: str) -> Sight:
    because = f" ({why.rstrip(';').strip()})" if why else ""
    if state in _WAITS:
        return Sight("waits", _WAITS[state] + because)
    if state in _RUNS:
        return Sight("runs", f"{_RUNS[state]} on {host}" if host else _RUNS[state])
    if state == "DONE":
        return Sight("ended", "has ended", 0)
    number = int(code) if code.isdecimal() else None
    if number is None:
        return Sight("ended", f"was ended{because}")
    if number > _SIGNALLED:
        signum = number - _SIGNALLED
        return Sight("ended", f"was ended by signal {signum}{because}", -signum)
    return Sight("ended", f"has ended with exit code {number}{because}", number)

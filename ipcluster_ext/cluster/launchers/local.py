"""Agents on this host, as children of this process."""

import contextlib
import os
import site
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ipcluster_ext.cluster.ahead import Program
from ipcluster_ext.cluster.launchers.held import HeldAgent, readable
from ipcluster_ext.cluster.launchers.homeagent import HomeLauncher, StartedAgent
from ipcluster_ext.protocol.process import AgentConfig, as_line
from ipcluster_ext.transport import processes

UNKNOWN_CODE = -255
_TAIL = 16384


class LocalLauncher(HomeLauncher):
    """Starts the agents of clusters on this host."""

    def start(
        self, folder: Path, *, cold: bool = False, ahead: Sequence[Program] = ()
    ) -> StartedAgent:
        """Start an agent in a process group of its own: Ctrl-C in a terminal is not for it."""
        stdin, to_agent = os.pipe()
        from_agent, stdout = os.pipe()
        errors = os.memfd_create("ipcluster-ext-agent")  # has no name, so nothing is left of it
        try:
            pid = processes.start(
                "ipcluster_ext.agent",
                stdin=stdin,
                stdout=stdout,
                stderr=errors,
                own_group=True,
                environment=_environment(folder, cold=cold),
            )
            agent = LocalAgent(pid, to_agent, from_agent, errors)
        except BaseException:
            _close(to_agent, from_agent, errors)
            raise
        finally:
            _close(stdin, stdout)
        agent.say(_line(ahead))
        return agent


class LocalAgent(HeldAgent, StartedAgent):
    """An agent on this host.

    Parameters
    ----------
    pid
        Its process.
    told_by
        The file descriptor by which it is told what to do: the writing end of a pipe.
    output, errors
        Those of what it writes: the reading end of a pipe, and a file.
    """

    def __init__(self, pid: int, told_by: int, output: int, errors: int) -> None:
        super().__init__(pid)
        self._told_by = told_by
        self._hang_up = weakref.finalize(self, _close, told_by)
        self._hang_up.atexit = False
        self._output = output
        self._errors = errors
        self._code: int | None = None
        self._burial = threading.Lock()
        weakref.finalize(self, _close, self._output, self._errors).atexit = False

    def say(self, line: bytes) -> None:
        """Write a line that it reads; if it has ended, that is noticed in a moment."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._told_by, line)

    def tell(self, config: AgentConfig) -> None:
        """Tell it what its cluster is to be."""
        self.say(as_line(config))
        self._hang_up()

    def wait(self, timeout: float | None) -> int | None:
        """Wait until it has ended, no longer than so many seconds; return its exit code.

        That is -255 if somebody else took it away.
        """
        if self._code is None and self.has_ended(timeout):
            with self._burial:
                if self._code is None:
                    self._code = _bury(self._pid)
        return self._code

    def wait_until_up(self, timeout: float) -> bool:
        """Wait until the hub has answered the agent; False if the agent ended."""
        if not readable(self._output, timeout):
            msg = f"the host agent did not say that it is up within {timeout} s"
            raise TimeoutError(msg)
        return bool(os.read(self._output, 64))

    def logs(self) -> str:
        """Return the last lines that it wrote to its standard error."""
        size = os.fstat(self._errors).st_size
        return os.pread(self._errors, _TAIL, max(0, size - _TAIL)).decode(errors="replace")


def _line(ahead: Sequence[Program]) -> bytes:
    return (msgspec.json.encode(ahead) if ahead else b"") + b"\n"


def _close(*fds: int) -> None:
    for fd in fds:
        os.close(fd)


def _bury(pid: int) -> int:
    """Return the exit code of a child that has ended."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return UNKNOWN_CODE


def _environment(folder: Path, *, cold: bool) -> dict[str, str]:
    """Return the agent's environment: it names the cluster, and finds this package."""
    environment = dict(os.environ)
    environment[processes.CLUSTER_VARIABLE] = str(folder)
    if cold:
        environment[processes.COLD] = "yes"
    root = str(Path(__file__).parents[3])
    path = environment.get("PYTHONPATH")
    known = [*site.getsitepackages(), site.getusersitepackages()]
    if root not in known and root not in (path or "").split(os.pathsep):
        environment["PYTHONPATH"] = f"{root}{os.pathsep}{path}" if path else root
    return environment

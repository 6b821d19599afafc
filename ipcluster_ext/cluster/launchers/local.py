"""Agents on this host, as children of this process."""

import contextlib
import os
import select
import signal
import site
import threading
import weakref
from pathlib import Path

import msgspec

from ipcluster_ext.cluster.launchers.base import AgentProcess, Launcher
from ipcluster_ext.protocol.process import AgentConfig
from ipcluster_ext.transport import processes

UNKNOWN_CODE = -255
_TAIL = 16384
_KILLED_WITHIN = 2.0


class LocalLauncher(Launcher):
    """Starts agents on this host."""

    def start(self, config: AgentConfig) -> AgentProcess:
        """Start an agent in a session of its own."""
        stdin, to_agent = os.pipe()
        from_agent, stdout = os.pipe()
        errors = os.memfd_create("ipcluster-ext-agent")  # has no name, so nothing is left of it
        try:
            pid = processes.start(
                "ipcluster_ext.agent",
                stdin=stdin,
                stdout=stdout,
                stderr=errors,
                own_session=True,
                environment=_environment(config.folder),
            )
            with contextlib.suppress(BrokenPipeError):  # its end is noticed in a moment
                os.write(to_agent, msgspec.json.encode(config) + b"\n")
        except BaseException:
            _close(from_agent, errors)
            raise
        finally:
            _close(stdin, to_agent, stdout)
        return LocalAgent(pid, from_agent, errors)


class LocalAgent(AgentProcess):
    """An agent on this host.

    Parameters
    ----------
    pid
        Its process.
    output, errors
        File descriptors of what it writes: the reading end of a pipe, and a file.
    """

    def __init__(self, pid: int, output: int, errors: int) -> None:
        self._pid = pid
        self._output = output
        self._errors = errors
        self._code: int | None = None
        self._burial = threading.Lock()
        self._end = os.pidfd_open(pid)
        weakref.finalize(self, _close, self._output, self._errors, self._end).atexit = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid

    def poll(self) -> int | None:
        """Return its exit code, None while it runs; -255 if somebody else took it away."""
        return self.wait(0.0)

    def wait(self, timeout: float | None) -> int | None:
        """Wait until it has ended, no longer than so many seconds."""
        if self._code is None and _readable(self._end, timeout):
            with self._burial:
                if self._code is None:
                    self._code = _bury(self._pid)
        return self._code

    def wait_until_up(self, timeout: float) -> bool:
        """Wait until the hub has answered the agent; False if the agent ended."""
        if not _readable(self._output, timeout):
            msg = f"the host agent did not say that it is up within {timeout} s"
            raise TimeoutError(msg)
        return bool(os.read(self._output, 64))

    def send_signal(self, signum: int) -> None:
        """Send it a signal; if it has ended, do nothing."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._end, signum)

    def stop(self, grace: float) -> int | None:
        """End it: by SIGTERM, and by SIGKILL after so many seconds."""
        self.send_signal(signal.SIGTERM)
        if self.wait(grace) is None:
            self.send_signal(signal.SIGKILL)
        return self.wait(_KILLED_WITHIN)

    def logs(self) -> str:
        """Return the last lines that it wrote to its standard error."""
        size = os.fstat(self._errors).st_size
        return os.pread(self._errors, _TAIL, max(0, size - _TAIL)).decode(errors="replace")


def _close(*fds: int) -> None:
    for fd in fds:
        os.close(fd)


def _bury(pid: int) -> int:
    """Return the exit code of a child that has ended."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return UNKNOWN_CODE


def _readable(fd: int, timeout: float | None) -> bool:
    """Wait until a file descriptor is readable or ended; False if the time was up first."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if timeout is None else timeout * 1000))


def _environment(folder: str) -> dict[str, str]:
    """Return the agent's environment: it names the cluster, and finds this package."""
    environment = dict(os.environ)
    environment[processes.CLUSTER_VARIABLE] = folder
    root = str(Path(__file__).parents[3])
    path = environment.get("PYTHONPATH")
    known = [*site.getsitepackages(), site.getusersitepackages()]
    if root not in known and root not in (path or "").split(os.pathsep):
        environment["PYTHONPATH"] = f"{root}{os.pathsep}{path}" if path else root
    return environment

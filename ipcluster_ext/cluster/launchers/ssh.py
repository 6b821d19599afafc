"""Engines on other hosts by ``ssh``: one connection for each host, on which its agent hangs.

The system's own program is used, with the user's own configuration, keys, agent and known hosts.
The connection carries the agent's configuration, and is its lifeline; what engines and hub say to
each other goes by TCP, or where that cannot be through a tunnel of the same connection.
"""

import contextlib
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from msgspec import structs

from ipcluster_ext.cluster.ahead import Program
from ipcluster_ext.cluster.launchers.contract import Launcher, Options, Order, Origins, Process
from ipcluster_ext.cluster.launchers.sshroutes import origins_of
from ipcluster_ext.cluster.launchers.sshwords import (
    OWN_FAILURE,
    Host,
    SshOptions,
    Tunnel,
    Verdict,
    arguments,
    check_variable,
    command_line,
    hosts_of,
    shares,
    total,
    verdict,
)
from ipcluster_ext.protocol.process import HUB_UNREACHABLE, AgentConfig, as_line, from_line
from ipcluster_ext.transport.files import tail
from ipcluster_ext.transport.processes import CLUSTER_VARIABLE, signal_one, start_of

END_OF_AGENT = b"end\n"
"""What an agent that is to end reads from its standard input."""
UP = b"up\n"
"""What it writes when the hub has welcomed it."""
SEARCH_FOR = 3.0
"""So long an agent looks for the hub before a tunnel is made for it, in seconds."""
_TAIL = 8192
_PORTS = (20_000, 32_000)
"""Where tunnels begin, two ports each: below those that systems give out by themselves."""


class SshLauncher(Launcher):
    """Engines on hosts that ssh reaches: one connection and one host agent each."""

    Options: ClassVar[type[Options]] = SshOptions
    EXAMPLE: ClassVar[str] = """\
description = "engines on other hosts, by ssh"
launcher = "ssh"
n = 8                       # in all; spread over the hosts that have no number of their own

[launcher_options]
hosts = ["n1", "ann@n2:4"]  # as one tells them ssh; :4 for so many engines there
# python = "~/venv/bin/python"      # the Python there, with ipcluster-ext; the one of this host
# tunnel = "auto"           # or always, never: whether hub and engines talk through ssh
# connect_timeout = 10      # seconds
# config = "~/.ssh/config"  # ssh -F; further: port, user, identity, jump, arguments
# environment = {OMP_NUM_THREADS = "1"}
"""

    options: SshOptions

    @classmethod
    def origins(cls, options: SshOptions) -> Origins:
        """Return the hosts with their addresses, as ``ssh`` and the system know them.

        Raises
        ------
        ClusterError
            The hosts are not named well.
        """
        return origins_of(options, [host.host for host in hosts_of(options.hosts)])

    @classmethod
    def usual(cls, options: SshOptions) -> int | None:
        """Return how many engines the hosts make: as many as processors here, without a number.

        Raises
        ------
        ClusterError
            The hosts are not named well.
        """
        return total(hosts_of(options.hosts), each=os.cpu_count() or 1)

    def start(self, count: int) -> Sequence[Process]:
        """Start so many engines, on all hosts at the same time.

        Raises
        ------
        ClusterError
            The hosts are not named well, or have not so many places.
        """
        started = [self._connect(host, share) for host, share in self._places(count) if share]
        for process in started:
            process.tell()
        return started

    def look_through(self, count: int) -> None:
        """Refuse hosts and variables that cannot be, and hosts with too few places.

        Raises
        ------
        WrongOption
            Says which of them.
        """
        self._places(count)

    def _places(self, count: int) -> list[tuple[Host, int]]:
        """Return the hosts, and how many engines each is to have."""
        for name, value in self.options.environment.items():
            check_variable(name, value)
        hosts = hosts_of(self.options.hosts)
        return list(zip(hosts, shares(hosts, count), strict=True))

    def ahead(self, count: int) -> Sequence[Program]:
        """Return the connections to all hosts, but for those whose tunnels lead to the hub."""
        if self.options.tunnel == "always":
            return []
        places = [(host, share) for host, share in self._places(count) if share]
        return [SshProcess(*place, self.options, self.order).program() for place in places]

    def _connect(self, host: Host, count: int) -> "SshProcess":
        process = SshProcess(host, count, self.options, self.order)
        process.connect()
        return process

    def again(self, process: Process) -> Process | None:
        """Connect once more; an agent that still runs there is taken hold of."""
        if isinstance(process, SshProcess):
            process.connect()
            process.tell()
            return process
        return None

    def resume(self, kept: dict[str, Any]) -> Process | None:
        """Connect once more to a host where another foreman has started an agent."""
        host = next((h for h in hosts_of(self.options.hosts) if h.host == kept["host"]), None)
        if host is None:
            return None
        if start_of(kept["pid"]) == kept["started"]:
            signal_one(kept["pid"], signal.SIGKILL)  # it holds on to a lifeline that nobody has
        process = SshProcess(host, kept["count"], self.options, self.order)
        process.tunnel_port = kept["tunnel"]
        process.has_taken_over(kept["publics"])
        process.connect()
        process.tell()
        return process

    def check(self) -> list[str]:
        """Return what is missing here to use ssh."""
        if shutil.which(self.options.program) is None:
            missing = (
                f"there is no program {self.options.program!r}; install an ssh client "
                "(openssh-client), or name it with program="
            )
            return [missing]
        return []


class SshProcess(Process):
    """A connection to a host, and what runs at its other end.

    Parameters
    ----------
    host
        The host.
    count
        How many engines it is to have.
    options, order
        As for the launcher.
    """

    polite = True

    def __init__(self, host: Host, count: int, options: SshOptions, order: Order) -> None:
        self.name = f"host {host.host}"
        self.count = count
        self.up: bool | None = False
        self.tunnel_port = _a_port() if options.tunnel == "always" else 0
        self._host = host
        self._options = options
        self._order = order
        self._python = host.python or options.python or sys.executable
        label = re.sub(r"[^\w.@-]", "_", host.host)
        self._errors = Path(order.folder, f"{label}.err")
        self._home = _home_name(order, host)
        self._program: subprocess.Popen[bytes] | None = None
        self._heard = b""
        self._config: AgentConfig | None = None
        self._publics: list[str] = []
        self._may_live = False
        self._ending = False

    def has_taken_over(self, publics: list[str]) -> None:
        """Note that there may be an agent already, with one of these public keys."""
        self._publics, self._may_live = publics, True

    def program(self) -> Program:
        """Return the ``ssh`` that is to be started, and where it writes its errors."""
        tunnel = Tunnel(self.tunnel_port, self._order.doors()) if self.tunnel_port else None
        environment = {**self._options.environment, **self._host.environment}
        environment[CLUSTER_VARIABLE] = self._home  # what runs there can be found by that
        agent = [*self._order.argv(self._python), "--config", "-", "--home", self._home]
        command = command_line(agent, environment)
        words = arguments(self._options, self._host.host, command, tunnel)
        words[0] = str(Path(words[0]).expanduser())
        return words, str(self._errors)

    def connect(self) -> None:
        """Start ``ssh``; what it runs there waits for `tell`.

        Raises
        ------
        OSError
            There is no such program, or there are too many processes.
        """
        self.up, self._heard = False, b""
        self._program = self._order.program(self.program())
        if self._program.stdout is not None:
            os.set_blocking(self._program.stdout.fileno(), False)

    def tell(self) -> None:
        """Tell the agent what it is to do, by each connection the same: it has one pair of keys.

        Raises
        ------
        ClusterError
            The hub is not there.
        """
        if self._config is None:
            self._config = from_line(self._order.config(self.count), AgentConfig)
            if self._config.reach is not None:
                self._publics = [*self._publics, self._config.reach.keys.public]
        config = self._config
        reach = config.reach
        if reach is not None and self.tunnel_port:
            reach = reach.through(self.tunnel_port, self.tunnel_port + 1)
        elif reach is not None and self._options.tunnel == "auto":
            reach = structs.replace(reach, search_for=SEARCH_FOR)
        cwd = self._host.cwd or self._options.cwd or config.cwd
        self._say(as_line(structs.replace(config, reach=reach, cwd=cwd)))

    def _say(self, line: bytes) -> None:
        if self._program is not None and self._program.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ValueError):  # it is gone, and says why
                self._program.stdin.write(line)
                self._program.stdin.flush()

    # ------------------------------------------------------------ how it fares

    def poll(self) -> int | None:
        """Return the exit code of ``ssh``, None while it runs."""
        if self._program is None:
            return OWN_FAILURE
        self._hear(self._program)
        code = self._program.poll()
        if code is None:
            return None
        self._hear(self._program)
        if self._wants_tunnel(code):
            self._close()
            self.tunnel_port = _a_port()
            self.connect()
            self.tell()
            return None
        self._close()
        if self.up and code >= 0 and code != OWN_FAILURE:
            self._may_live = False  # it was there, and this is how it has ended
        self.hopeless = self._verdict().hopeless
        if "forwarding failed" in self.logs():
            self.tunnel_port = _a_port()  # somebody else has that one
        return code

    def _hear(self, program: subprocess.Popen[bytes]) -> None:
        if self.up or program.stdout is None or program.stdout.closed:
            return
        self._heard = (self._heard + (program.stdout.read() or b""))[-_TAIL:]
        self.up = UP in self._heard
        self._may_live = self._may_live or self.up

    def _wants_tunnel(self, code: int) -> bool:
        """Tell whether the hub was not to be reached from there, and there is another way."""
        first = not self.tunnel_port and not self._ending
        return first and code == HUB_UNREACHABLE and self._options.tunnel == "auto"

    def _close(self) -> None:
        if self._program is not None:
            for pipe in (self._program.stdin, self._program.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()

    def _verdict(self) -> Verdict:
        code = OWN_FAILURE if self._program is None else self._program.returncode
        return verdict(
            host=self._host.host,
            python=self._python,
            code=code,
            said=self.logs(),
            up=bool(self.up),
        )

    def state(self) -> str:
        """Return how it fares, and once it has ended: why."""
        if self._program is not None and self._program.returncode is None:
            if not self.up:
                return "connects"
            return "runs, reached through ssh" if self.tunnel_port else "runs"
        return "ended" if self._ending else self._verdict().reason

    def logs(self) -> str:
        """Return the last that ``ssh`` and the agent wrote to their standard error."""
        return tail(self._errors, _TAIL)

    def spent(self) -> list[str]:
        """Return the keys for the host, unless an agent may go on there without a connection."""
        return [] if self._may_live else self._publics

    def keep(self) -> dict[str, Any]:
        """Return which host it is, and which process holds the connection."""
        pid = self._program.pid if self._program is not None else 0
        return {
            "host": self._host.host,
            "count": self.count,
            "pid": pid,
            "started": start_of(pid) or 0,
            "tunnel": self.tunnel_port,
            "publics": self._publics,
        }

    # ------------------------------------------------------------ its end

    def send_signal(self, signum: int) -> None:
        """Send ``ssh`` a signal; if it has ended, do nothing."""
        if self._program is not None:
            self._program.send_signal(signum)

    def terminate(self) -> None:
        """Have the agent end, and with it the connection."""
        self._ending = True
        self._say(END_OF_AGENT)
        if self._program is not None and self._program.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._program.stdin.close()

    def kill(self) -> None:
        """End the connection; the agent ends when it does not hear the hub either."""
        self._ending = True
        if self._program is not None:
            self._program.kill()


def _a_port() -> int:
    return random.randrange(*_PORTS, 2)


def _home_name(order: Order, host: Host) -> str:
    """Name the folder of a host's agent, the same for each connection: so it is found again."""
    which = f"{order.cluster} {order.folder.name} {host.host}"
    digest = hashlib.blake2b(which.encode(), digest_size=4).hexdigest()
    return f"{order.cluster[:7]}-{digest}"

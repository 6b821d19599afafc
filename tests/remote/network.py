"""Hosts for tests: a network namespace each, with an address, a host's name, and an sshd."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.wan import READY
from tests.support.clusters import ROOT
from tests.support.waiting import wait_until

_SSHD = "/usr/sbin/sshd"
_NEEDED = ("ip", "iptables", "ssh", "ssh-keygen", "unshare", "nsenter")

_SERVER = """\
Port 22
ListenAddress 0.0.0.0
HostKey {folder}/host_key
PidFile {folder}/{name}.pid
AuthorizedKeysFile {folder}/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
MaxStartups 100:30:200
MaxSessions 100
"""

_KNOCK = """
import socket, sys
with socket.socket() as visitor:
    visitor.settimeout(10)
    try:
        visitor.connect((sys.argv[1], int(sys.argv[2])))
    except ConnectionRefusedError:
        print("refused")
    else:
        print("let in")
"""

_CLIENT = """\
Host {names}
  User root
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  KexAlgorithms curve25519-sha256
"""
"""The key exchange is one that takes no time: what older ssh programs choose by themselves takes as
long as Python's own start, what those of today choose does not."""

_LOGIN_FILES = (".bashrc", ".bash_profile", ".bash_login", ".profile")
"""What a shell reads when somebody logs in. The hosts have none: this one's may be a user's own."""


def unable() -> str:
    """Return why no hosts can be made here, empty if they can."""
    if os.geteuid():
        return "only root can make networks"
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if not Path(_SSHD).exists():
        missing.append("sshd")
    if missing:
        return f"not installed: {', '.join(missing)}"
    tried = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False)
    return tried.stderr.strip()


@dataclass
class FarHost:
    """A host that ssh reaches by its name.

    Attributes
    ----------
    name
        Its name.
    address
        Its address.
    network
        The name of its network namespace.
    runtime
        Where agents there have their folders.
    """

    name: str
    address: str
    network: str
    card: str
    runtime: Path

    def run(self, *words: str) -> str:
        """Run a command in its network."""
        return _run("ip", "netns", "exec", self.network, *words)

    def cut(self) -> None:
        """Take it from the network."""
        _run("ip", "link", "set", self.card, "down")

    def heal(self) -> None:
        """Put it back."""
        _run("ip", "link", "set", self.card, "up")

    def admit_only_ssh(self) -> None:
        """Let through nothing that it begins, and only ssh towards it."""
        for rule in (
            ("-A", "OUTPUT", "-o", "lo", "-j", "ACCEPT"),
            ("-A", "OUTPUT", "-p", "tcp", "--sport", "22", "-j", "ACCEPT"),
            ("-A", "OUTPUT", "-j", "DROP"),
        ):
            self.run("iptables", *rule)

    def admit_all(self) -> None:
        """Undo that."""
        self.run("iptables", "-F")

    def knocks(self, address: str, port: int) -> str:
        """Connect from there; return what became of it, as ``"refused"``."""
        return self.run(sys.executable, "-c", _KNOCK, address, str(port)).strip()

    def processes(self) -> list[str]:
        """Return the processes of agents and engines there, as ``"pid: command"``."""
        found: list[str] = []
        for pid in _run("ip", "netns", "pids", self.network).split():
            with contextlib.suppress(OSError):
                line = Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if "ipcluster_ext" in line:
                    found.append(f"{pid}: {line}")
        return found

    def leftovers(self) -> list[str]:
        """Return processes and files that are left there."""
        return [*self.processes(), *map(str, self.runtime.rglob("*"))]


@dataclass
class Network:
    """Some hosts, reached from this one.

    Attributes
    ----------
    folder
        Where keys and configurations are.
    hosts
        The hosts.
    address
        By which they reach this one.
    """

    folder: Path
    address: str
    hosts: list[FarHost] = field(default_factory=list)

    @property
    def config(self) -> str:
        """What ``ssh -F`` is to be told."""
        return str(self.folder / "ssh_config")

    def options(self, **more: object) -> dict[str, object]:
        """Return options for the launcher, without the hosts."""
        return {"config": self.config, "connect_timeout": 5, **more}

    def tables(self, *hosts: FarHost, n: int) -> list[dict[str, object]]:
        """Return hosts for the launcher, with so many engines each."""
        return [
            {
                "host": host.name,
                "n": n,
                "environment": {"IPCLUSTER_EXT_RUNTIME_DIR": str(host.runtime)},
            }
            for host in hosts or self.hosts
        ]

    @contextmanager
    def long_way(
        self, host: FarHost, *, delay: float, jitter: float, loss: float
    ) -> Iterator[tuple[str, str]]:
        """Add another way to a host, a bad one.

        Yields
        ------
        The address of this host on it, and what ``ssh -F`` is to be told so as to go there.
        """
        here, there = (f"10.217.{self.address.split('.')[2]}.{last}" for last in (1, 2))
        numbers = [str(number) for number in (delay, jitter, loss, 1)]
        carrier = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.wan", host.network, here, there, *numbers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        with carrier:
            try:
                assert carrier.stdout is not None
                assert carrier.stdout.readline().strip() == READY
                known = (self.folder / "host_key.pub").read_text().strip()
                with (self.folder / "known_hosts").open("a") as file:
                    file.write(f"{there} {known}\n")
                config = self.folder / f"long_way_{host.name}"
                config.write_text(
                    f"Host {host.name}\n  HostName {there}\n"
                    f"Host *\n  Include {self.folder / 'ssh_config'}\n"
                )
                yield here, str(config)
            finally:
                carrier.communicate()  # closes its input, and so it ends


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


@contextmanager
def network(count: int) -> Iterator[Network]:
    """Make so many hosts, which go in the end."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="ipxnet-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        tag = f"{os.getpid() % 0xFFFF:x}"
        third = os.getpid() % 250 + 1
        made = Network(folder, f"10.216.{third}.254")
        for key in ("host_key", "user_key"):
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key))
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        bridge = f"ipxb{tag}"
        _run("ip", "link", "add", bridge, "type", "bridge")
        stack.callback(_run, "ip", "link", "del", bridge)
        _run("ip", "address", "add", f"{made.address}/24", "dev", bridge)
        _run("ip", "link", "set", bridge, "up")
        Path("/run/sshd").mkdir(exist_ok=True)
        for number in range(1, count + 1):
            stack.enter_context(_host(made, number, tag=tag, bridge=bridge, third=third))
        _write_client(made)
        yield made


@contextmanager
def _host(made: Network, number: int, *, tag: str, bridge: str, third: int) -> Iterator[FarHost]:
    name = f"far{number}"
    host = FarHost(
        name=name,
        address=f"10.216.{third}.{number}",
        network=f"ipxh{tag}-{number}",
        card=f"ipxv{tag}-{number}",
        runtime=made.folder / f"r{number}",
    )
    host.runtime.mkdir(mode=0o700)
    with ExitStack() as stack:
        _run("ip", "netns", "add", host.network)
        stack.callback(_run, "ip", "netns", "del", host.network)
        ends = ("type", "veth", "peer", "name", "eth0", "netns", host.network)
        _run("ip", "link", "add", host.card, *ends)
        _run("ip", "link", "set", host.card, "master", bridge, "up")
        for words in (
            "link set lo up",
            f"address add {host.address}/24 dev eth0",
            "link set eth0 up",
        ):
            _run("ip", "-n", host.network, *words.split())
        stack.callback(_end_sshd, made.folder / f"{name}.pid", host)
        _start_sshd(made, host)
        made.hosts.append(host)
        yield host


def _start_sshd(made: Network, host: FarHost) -> None:
    """Start the host's sshd, in a system where the host has its own name, and a bare home."""
    config = made.folder / f"{host.name}.sshd"
    config.write_text(_SERVER.format(folder=made.folder, name=host.name))
    there = [path for name in _LOGIN_FILES if (path := Path.home() / name).exists()]
    apart = ["--uts", "--mount"]
    if subprocess.run(["unshare", *apart, "true"], check=False, capture_output=True).returncode:
        apart, there = ["--uts"], []  # some containers may not mount: there they log in as here
    script = "; ".join(
        [
            f"hostname {host.name}",
            *(f"mount --bind /dev/null {path}" for path in there),
            f"exec {_SSHD} -f {config} -E {made.folder}/{host.name}.log",
        ]
    )
    network = f"--net=/run/netns/{host.network}"
    _run("nsenter", network, "unshare", *apart, "sh", "-c", script)
    wait_until(lambda: (made.folder / f"{host.name}.pid").exists())


def _end_sshd(pid_file: Path, host: FarHost) -> None:
    """End the sshd, its sessions, and whatever still runs there."""
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
    inside = _run("ip", "netns", "pids", host.network).split()
    for pid in inside:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _run("ip", "netns", "pids", host.network).strip() and time.monotonic() < deadline:
        time.sleep(0.01)


def _write_client(made: Network) -> None:
    """Write what ssh reads: which host has which address and key."""
    key = (made.folder / "host_key.pub").read_text().strip()
    known = "".join(f"{host.address} {key}\n{host.name} {key}\n" for host in made.hosts)
    (made.folder / "known_hosts").write_text(known)
    blocks = [f"Host {host.name}\n  HostName {host.address}\n" for host in made.hosts]
    names = " ".join(host.name for host in made.hosts)
    blocks.append(_CLIENT.format(names=names, folder=made.folder))
    (made.folder / "ssh_config").write_text("".join(blocks))

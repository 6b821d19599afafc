"""A client in a network of its own, whose link to the cluster is cut for a while."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import ipcluster_ext as ipp
from tests.chaos import work
from tests.chaos.members import Members
from tests.chaos.report import Report
from tests.chaos.stage import runtime_folder
from tests.chaos.wan import READY, Quality
from tests.support.clusters import ROOT
from tests.support.leftovers import leftovers_of
from tests.support.waiting import wait_until

PATIENCE = 120.0
FAR = Quality(delay=0.04, jitter=0.005, loss=0.02)
"""What a bad way is like."""
_NOWHERE = "02:00:00:00:00:66"
"""An address that no card has: what is sent to it gets lost."""

_CLIENT = """
import sys, time
import ipcluster_ext as ipp
from ipcluster_ext.client import reunion
from tests.chaos import work
reunion.HUB_BACK_WITHIN = 1.0  # that is for hubs of the same host
client = ipp.Client({file!r})
client[:].push({{"kept": 42}}, block=True)
view = client.load_balanced_view()
print("connected", flush=True)
input()
answers = [view.submit(work.task, {log!r}, number, {seconds!r}) for number in range({count})]
answers[{count} // 10].get()
print("begun", flush=True)
values = [answer.get() for answer in answers]
print(values == [work.value_of(number) for number in range({count})], flush=True)
print(time.monotonic(), flush=True)
print(client[:]["kept"], flush=True)
client.close()
"""


def unable() -> str:
    """Return why no network can be made here, empty if one can."""
    if os.geteuid():
        return "only root can make networks"
    if shutil.which("ip") is None:
        return "there is no ip command"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    tried = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False)
    return tried.stderr.strip()


class Link:
    """A pair of virtual cards, one of them in a network of its own.

    Attributes
    ----------
    network
        The name of that network.
    here
        The address on this side.
    """

    def __init__(self, tag: str) -> None:
        self.network = f"ipx{tag}"
        self._near, self._far = f"ipxn{tag}", f"ipxf{tag}"
        third = int(tag, 16) % 250 + 1
        self.here, self._there = f"10.213.{third}.1", f"10.213.{third}.2"
        self._addresses: dict[str, str] = {}

    def make(self) -> None:
        """Make it."""
        far, near, network = self._far, self._near, self.network
        _ip("netns", "add", network)
        _ip("link", "add", near, "type", "veth", "peer", "name", far)
        _ip("link", "set", far, "netns", network)
        _ip("address", "add", f"{self.here}/24", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", network, "address", "add", f"{self._there}/24", "dev", far)
        _ip("-n", network, "link", "set", far, "up")
        _ip("-n", network, "link", "set", "lo", "up")
        self._addresses = {near: _card(_ip("-n", network, "link", "show", far))}
        self._addresses[far] = _card(_ip("link", "show", near))

    def cut(self) -> None:
        """Have whatever is sent get lost, either way, without anybody being told."""
        self._neighbours(_NOWHERE, _NOWHERE)

    def heal(self) -> None:
        """Undo that."""
        self._neighbours(self._addresses[self._near], self._addresses[self._far])

    def _neighbours(self, seen_here: str, seen_there: str) -> None:
        _ip(*_NEIGHBOUR, self._there, "lladdr", seen_here, "dev", self._near, "nud", "permanent")
        there = ("-n", self.network, *_NEIGHBOUR, self.here, "lladdr", seen_there)
        _ip(*there, "dev", self._far, "nud", "permanent")

    def remove(self) -> None:
        """Remove it; the other end goes with the network."""
        for command in (["link", "del", self._near], ["netns", "del", self.network]):
            subprocess.run(["ip", *command], capture_output=True, check=False)


_NEIGHBOUR = ("neighbour", "replace")


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert not done.returncode, f"ip {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def _card(shown: str) -> str:
    found = re.search(r"link/ether (\S+)", shown)
    assert found is not None, shown
    return found[1]


@contextmanager
def link() -> Iterator[Link]:
    """Make a link, which goes in the end."""
    made = Link(f"{os.getpid() % 0xFFFF:x}")
    try:
        made.make()
        yield made
    finally:
        made.remove()


@contextmanager
def long_way(made: Link, quality: Quality, seed: int) -> Iterator[str]:
    """Add another way to the network behind a link, a bad one; yield the address on this side."""
    third = made.here.split(".")[2]
    here, there = f"10.214.{third}.1", f"10.214.{third}.2"
    numbers = [str(number) for number in (*quality, seed)]
    carrier = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.wan", made.network, here, there, *numbers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with carrier:
        assert carrier.stdout is not None
        assert carrier.stdout.readline().strip() == READY
        yield here
        carrier.communicate()  # closes its input, and so it ends


def slow(count: int = 400, *, quality: Quality = FAR, seed: int = 1) -> Report:
    """Have a client work behind a long way that loses packets.

    Parameters
    ----------
    count
        How many tasks, of 10 ms each.
    quality
        What that way is like.
    seed
        Decides which packets are lost.
    """
    report = Report(
        f"a client whose link takes {quality.delay * 1000:g} ms one way, give or take "
        f"{quality.jitter * 1000:g}, and loses {quality.loss:.0%}",
        "all complete, none ran twice, engines keep their variables",
    )
    return _suffer(report, lambda _made, _members: None, count, 0.01, (quality, seed))


def cut(seconds: float, *, count: int = 400) -> Report:
    """Cut the link of a client whose tasks run, and heal it.

    Parameters
    ----------
    seconds
        For how long.
    count
        How many tasks; they take about half of that time.
    """

    def trouble(made: Link, _members: Members) -> None:
        made.cut()
        _hold(seconds)
        made.heal()

    report = Report(
        f"a client's link cut for {seconds:g} s while its tasks run",
        "all complete, none ran twice, engines keep their variables, it goes on when it is healed",
    )
    return _suffer(report, trouble, count, 4 * seconds / 2 / count)


def hub_killed(*, count: int = 400) -> Report:
    """Kill the hub of a client on another host whose tasks run.

    Parameters
    ----------
    count
        How many tasks.
    """

    def trouble(_made: Link, members: Members) -> None:
        for hub in members.hubs():
            members.kill(hub)

    report = Report(
        "the hub killed, its client on another host",
        "all complete, none ran twice, engines keep their variables",
    )
    return _suffer(report, trouble, count, 0.01)


def _suffer(
    report: Report,
    trouble: Callable[[Link, Members], None],
    count: int,
    each: float,
    far: tuple[Quality, int] | None = None,
) -> Report:
    """Have a client far away submit tasks, and trouble come over it."""
    with ExitStack() as stack:
        made = stack.enter_context(link())
        runtime = stack.enter_context(runtime_folder())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        address = made.here if far is None else stack.enter_context(long_way(made, *far))
        log = Path(folder, "log")
        cluster = ipp.Cluster(n=4, ip=address)
        cluster.start_cluster_sync()
        try:
            with ipp.Client(cluster.connection_file) as watching:
                watching.wait_for_engines(4, timeout=30)
            file = _for_another_host(cluster.connection_file, Path(folder))
            script = _CLIENT.format(file=str(file), log=str(log), seconds=each, count=count)
            left = each * count * 0.9 / 4
            _follow(report, made, script, lambda: trouble(made, Members(runtime)), left)
        finally:
            cluster.stop_cluster_sync()
        begun = work.read(log).begun
        report.never("ran not exactly once", [n for n in range(count) if begun[n] != 1])
        report.figures["tasks"] = count
        wait_until(lambda: not leftovers_of(runtime))
    return report


def _for_another_host(file: Path, folder: Path) -> Path:
    """Write a connection file as it would be used on another host."""
    said = json.loads(file.read_text())
    copy = folder / "client.json"
    copy.touch(mode=0o600)
    copy.write_text(json.dumps(said | {"host": "another", "folder": ""}))
    return copy


def _follow(
    report: Report, made: Link, script: str, trouble: Callable[[], None], left: float
) -> None:
    """Run the client, and have trouble come once its tasks have begun, with so much work left."""
    client = subprocess.Popen(
        ["ip", "netns", "exec", made.network, sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with client:
        try:
            said = _lines(client)
            assert next(said) == "connected"
            assert client.stdin is not None
            client.stdin.write("\n")
            client.stdin.flush()
            assert next(said) == "begun"
            began = time.monotonic()
            trouble()
            over = max(time.monotonic(), began + left)
            report.never("wrong results", next(said) != "True")
            report.limit("seconds until it had all results", float(next(said)) - over, 2.0)
            report.never("variables lost", next(said) != "[42, 42, 42, 42]")
        finally:
            client.kill()


def _lines(client: subprocess.Popen[str]) -> Iterator[str]:
    """Yield what a client says; its errors are raised."""
    assert client.stdout is not None
    assert client.stderr is not None
    for line in client.stdout:
        yield line.strip()
    raise AssertionError(client.stderr.read())


def _hold(seconds: float) -> None:
    """Let a fault last."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(left)

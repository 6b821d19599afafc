"""``doctor``: looks whether clusters can run here, and says what to do where they cannot."""

import argparse
import os
import platform
import resource
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, NamedTuple

from ipcluster_ext.cli.tables import table
from ipcluster_ext.cluster.home import leftovers
from ipcluster_ext.cluster.launchers.registry import listing, missing
from ipcluster_ext.display.figures import size
from ipcluster_ext.errors import ClusterError, IpclusterError
from ipcluster_ext.transport.files import runtime_folder
from ipcluster_ext.transport.keys import check_encryption
from ipcluster_ext.transport.thishost import SHARED_MEMORY

Verdict = Literal["good", "note", "bad"]

_PACKAGES = ("ipykernel", "ipython", "pyzmq", "msgspec", "cloudpickle", "jupyterlab", "ipywidgets")
_USUAL_FILES = 256
_LITTLE_MEMORY = 256 * 1024 * 1024


class Finding(NamedTuple):
    """What was looked at, what was found, and what to do if that is not good."""

    verdict: Verdict
    what: str
    found: str
    remedy: str = ""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the others."""
    command = commands.add_parser("doctor", help="look whether clusters can run here")
    command.add_argument("--no-start", action="store_true", help="start no cluster to try it")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    findings = list(_findings())
    if not options.no_start and all(finding.verdict != "bad" for finding in findings):
        findings.append(_trial())
    rows = [(each.verdict, each.what, each.found) for each in findings]
    sys.stdout.write(f"{table(['', 'WHAT', 'FOUND'], rows)}\n")
    remedies = [each for each in findings if each.remedy]
    for each in remedies:
        sys.stdout.write(f"\n{each.what}: {each.remedy}\n")
    bad = any(each.verdict == "bad" for each in findings)
    sys.stdout.write("\nClusters cannot run here yet.\n" if bad else "\nClusters can run here.\n")
    return 1 if bad else 0


def _findings() -> Iterator[Finding]:
    """Look at everything that needs no cluster."""
    yield _system()
    yield _python()
    yield from (_package(name) for name in _PACKAGES)
    for look in (_runtime, _shared_memory, _open_files, _leftovers, _ports, _encryption):
        yield _guarded(look)
    yield from _launchers()


def _guarded(look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except (IpclusterError, OSError) as error:
        what = (look.__doc__ or "").removesuffix(".").removeprefix("Look at ")
        return Finding("bad", what, str(error), "see the message")


def _system() -> Finding:
    name = platform.system()
    if name == "Linux":
        return Finding("good", "system", f"{name} {platform.release()}")
    return Finding("bad", "system", name, "engines need Linux (pidfd, eventfd, /dev/shm)")


def _python() -> Finding:
    return Finding("good", "Python", f"{platform.python_version()} in {sys.prefix}")


def _package(name: str) -> Finding:
    try:
        return Finding("good", name, version(name))
    except PackageNotFoundError:
        return Finding("bad", name, "not installed", f"pip install {name}")


def _runtime() -> Finding:
    """Look at the runtime folder."""
    return Finding("good", "runtime folder", str(runtime_folder()))


def _shared_memory() -> Finding:
    """Look at shared memory."""
    usage = shutil.disk_usage(SHARED_MEMORY)
    found = f"{size(usage.free)} of {size(usage.total)} free in {SHARED_MEMORY}"
    if usage.free >= _LITTLE_MEMORY:
        return Finding("good", "shared memory", found)
    remedy = (
        "large arrays go through sockets instead, which is slower; in a container give more, "
        "as with --shm-size=2g"
    )
    return Finding("note", "shared memory", found, remedy)


def _open_files() -> Finding:
    """Look at the limit of open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = "no limit" if hard == resource.RLIM_INFINITY else f"{soft}, can be raised to {hard}"
    if hard == resource.RLIM_INFINITY or hard >= _USUAL_FILES:
        return Finding("good", "open files", found)
    remedy = f"raise the limit: ulimit -Hn {4 * _USUAL_FILES}"
    return Finding("bad", "open files", found, remedy)


def _leftovers() -> Finding:
    """Look at what dead clusters have left."""
    found = leftovers()
    if not found:
        return Finding("good", "leftovers", "none")
    remedy = "'ipcluster-ext clean' deletes them; so does the next cluster that starts"
    return Finding("note", "leftovers", ", ".join(map(str, found)), remedy)


def _ports() -> Finding:
    """Look at TCP ports."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=2.0):
            return Finding("good", "TCP on this host", "ports can be opened (for other hosts)")


def _encryption() -> Finding:
    """Look at encryption."""
    check_encryption()
    return Finding("good", "encryption", "libzmq has CURVE (for other hosts)")


def _launchers() -> Iterator[Finding]:
    """Look at what starts engines on other hosts."""
    for each in listing()[1:]:
        try:
            trouble = missing(each.name, {})
        except ClusterError as error:
            trouble = [str(error)]
        found = trouble[0] if trouble else "can be used"
        # many are for sites that have nothing of the kind, and need no remedy there
        yield Finding("note" if trouble else "good", f"launcher {each.name}", found)


def _trial() -> Finding:
    """Start a cluster, and have an engine compute something."""
    import ipcluster_ext  # rooms meet at the root only

    began = time.monotonic()
    try:
        with ipcluster_ext.Cluster(1, profile="default") as client:
            engine = client[0].apply_sync(os.getpid)
            took = time.monotonic() - began
            return Finding("good", "a cluster", f"engine process {engine} answers in {took:.1f} s")
    except (ClusterError, IpclusterError, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Finding("bad", "a cluster", first, str(error))

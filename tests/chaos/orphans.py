"""Those who keep a cluster alive are killed: nothing may be left of it."""

import signal
import subprocess
import time
from pathlib import Path
from typing import Literal

import ipcluster_ext as ipp
from tests.chaos.members import Members
from tests.chaos.report import Report
from tests.chaos.stage import runtime_folder
from tests.support.clusters import python
from tests.support.leftovers import leftovers_of, shared_memory_of
from tests.support.waiting import wait_until

PATIENCE = 30.0

Burden = Literal["sleep", "children", "daemons", "nested", "native", "stopped"]
"""What the engines are busy with when their owner dies."""

_OWNER = """
import os, signal, sys
import ipcluster_ext as ipp
from tests.chaos import orphans
cluster = ipp.Cluster(n=3)
client = cluster.start_and_connect_sync()
client[:].push({{"a": b"x" * 4_000_000}}, block=True)
answer = client[:].apply_async(orphans.burden, {burden!r})
orphans.wait_for_output(answer)
print(cluster.cluster_id, flush=True)
if {burden!r} == "stopped":
    for engine in client.ids:
        os.kill(client.engine_info(engine).pid, signal.SIGSTOP)
print("ready", flush=True)
input()
"""


def burden(kind: Burden) -> None:
    """Be busy, as a task; write a line once it is."""
    import ctypes
    import os
    import sys
    import threading

    if kind == "children":
        subprocess.Popen(["sh", "-c", "sleep 1000 & sleep 1000"])
    elif kind == "daemons":
        _daemon()
    elif kind == "nested":
        inner = ipp.Cluster(n=1)
        inner.start_and_connect_sync()[:].apply_async(time.sleep, 1000)
    sys.stdout.write("busy\n")
    sys.stdout.flush()
    if kind == "native":
        wait = threading.Event()
        threading.Timer(0.5, wait.set).start()  # the line has to leave first
        wait.wait()
        ctypes.PyDLL(None).sleep(1000)  # holds the interpreter's lock
    threading.Event().wait(1000)
    os.abort()


def _daemon() -> None:
    """Start a process that leaves its session and its parent."""
    import os

    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    os.execvp("sleep", ["sleep", "1000"])  # noqa: S606 - that is the process to be left behind


def wait_for_output(answer: ipp.AsyncResult) -> None:
    """Wait until every engine has written a line."""
    wait_until(lambda: all("busy" in text for text in answer.stdout), PATIENCE)


def owner_killed(burden: Burden) -> Report:
    """Kill the process that has started a cluster, whose engines are busy with something.

    Parameters
    ----------
    burden
        With what.
    """
    report = Report(
        f"the owner of a cluster killed, its engines busy: {burden}",
        "no process, file or shared memory is left",
    )
    with runtime_folder() as runtime:
        with python(_OWNER.format(burden=burden)) as owner:
            assert owner.stdout is not None
            cluster = owner.stdout.readline().strip()
            ready = owner.stdout.readline().strip()
            if ready != "ready":
                owner.kill()
                raise AssertionError(owner.communicate()[1])
            report.figures["processes"] = Members(runtime).count()
            owner.kill()
            killed_at = time.monotonic()
        report.limit("seconds until all is gone", _gone(report, runtime, cluster, killed_at), 3.0)
    return report


def agent_killed() -> Report:
    """Kill the agent of a cluster whose owner lives, and waits for an answer."""
    report = Report(
        "the agent killed", "the client gets HubGone; nothing is left although its owner lives"
    )
    with runtime_folder() as runtime:
        cluster = ipp.Cluster(n=3)
        client = cluster.start_and_connect_sync()
        client[:].push({"a": b"x" * 4_000_000}, block=True)
        answer = client[:].apply_async(time.sleep, 1000)
        (agent,) = Members(runtime).agents()
        Members(runtime).send(agent, signal.SIGKILL)
        killed_at = time.monotonic()
        error = answer.exception(PATIENCE)
        told = time.monotonic() - killed_at
        report.never("another error than HubGone", not isinstance(error, ipp.HubGone) and error)
        gone = _gone(report, runtime, cluster.cluster_id, killed_at)
        client.close()
        cluster.stop_cluster_sync()
        report.limit("seconds until HubGone", told, 2.0)
        report.limit("seconds until all is gone", gone, 5.0)
    return report


def _gone(report: Report, runtime: Path, cluster: str, since: float) -> float:
    """Return how long it took until nothing was left."""

    def left() -> list[str]:
        return [*leftovers_of(runtime), *map(str, shared_memory_of(cluster))]

    try:
        wait_until(lambda: not left(), PATIENCE)
    except AssertionError:
        report.never("left", left())
    return time.monotonic() - since

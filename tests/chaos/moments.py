"""The hub is killed at every moment of a cluster's start and stop."""

import threading
import time
from random import Random

import ipcluster_ext as ipp
from tests.chaos.members import Members
from tests.chaos.report import Report
from tests.chaos.stage import runtime_folder
from tests.support.leftovers import leftovers_of, shared_memory_of
from tests.support.waiting import wait_until

STARTING, STOPPING = 0.8, 0.12
"""How long, in seconds, a start and a stop take; kills are spread over as much."""
PATIENCE = 30.0


def while_starting(points: int, *, seed: int = 0) -> Report:
    """Kill the hub while its cluster starts, so many times.

    Parameters
    ----------
    points, seed
        How many moments, and what decides them.
    """
    report = Report(
        f"the hub killed at {points} moments of its cluster's start",
        "the cluster works, or its start fails with a reason; nothing is left",
    )
    times: list[float] = []
    for delay in _spread(points, STARTING, seed):
        with runtime_folder() as runtime:
            cluster = ipp.Cluster(n=2)
            killer = _Killer(Members(runtime), delay)
            began = time.monotonic()
            try:
                with cluster.start_and_connect_sync() as client:
                    times.append(time.monotonic() - began)
                    killer.join()
                    values = client[:].apply_async(pow, 2, 3).get(PATIENCE)
                    report.never(f"wrong after a kill at {delay:.3f} s", values != [8, 8])
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                report.never(f"after a kill at {delay:.3f} s", repr(error))
            finally:
                killer.join()
                cluster.stop_cluster_sync()
            report.never("left", [*leftovers_of(runtime), *shared_memory_of(cluster.cluster_id)])
    report.figures |= {"kills": points}
    report.figures["seconds to start, median"] = round(sorted(times)[len(times) // 2], 2)
    report.limit("seconds to start, longest", max(times), 5.0)
    return report


def while_stopping(points: int, *, seed: int = 0) -> Report:
    """Kill the hub while its cluster stops, so many times.

    Parameters
    ----------
    points, seed
        How many moments, and what decides them.
    """
    report = Report(
        f"the hub killed at {points} moments of its cluster's stop", "nothing is left, no exception"
    )
    times: list[float] = []
    for delay in _spread(points, STOPPING, seed):
        with runtime_folder() as runtime:
            cluster = ipp.Cluster(n=2)
            client = cluster.start_and_connect_sync()
            killer = _Killer(Members(runtime), delay)
            began = time.monotonic()
            cluster.stop_cluster_sync()
            times.append(time.monotonic() - began)
            killer.join()
            client.close()
            try:
                wait_until(lambda: not leftovers_of(runtime))
            except AssertionError:
                report.never(f"left after a kill at {delay:.3f} s", leftovers_of(runtime))
            report.never("left", shared_memory_of(cluster.cluster_id))
    report.figures |= {"kills": points}
    report.limit("seconds to stop, longest", max(times), 2.0)
    return report


def _spread(points: int, over: float, seed: int) -> list[float]:
    """Return so many moments, one in each of as many equal parts of a span."""
    chance = Random(seed)
    return [(place + chance.random()) * over / points for place in range(points)]


class _Killer(threading.Thread):
    """Kills the hub after a while, or as soon as there is one by then."""

    def __init__(self, members: Members, delay: float) -> None:
        super().__init__(name="chaos", daemon=True)
        self._members = members
        self._at = time.monotonic() + delay
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        self._over.wait(max(0.0, self._at - time.monotonic()))
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            killed = [hub for hub in self._members.hubs() if self._members.kill(hub)]
            if killed:
                return
            if self._over.wait(0.005):
                return

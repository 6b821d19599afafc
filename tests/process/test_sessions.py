"""A kernel is killed, and the next one finds its work by the name of its session."""

import os
import signal
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.support.clusters import python
from tests.support.gates import Gate
from tests.support.waiting import wait_until

PATIENCE = 60.0
KERNEL = """
    import pathlib, sys, time
    import ipcluster_ext as ipp

    gate = pathlib.Path({gate!r})

    def wait(number):
        while not gate.exists():
            time.sleep(0.002)
        return number * number

    cluster = ipp.Cluster(n=2, cluster_id="lasting", shutdown_atexit=False)
    cluster.start_cluster_sync()
    rc = ipp.connect(cluster, session="train")
    rc.wait_for_engines(2)
    view = rc.load_balanced_view()
    done = [view.submit(pow, 2, number) for number in range(20)]
    values = [answer.get() for answer in done]
    failed = view.submit(divmod, 1, 0)
    failed.wait()
    going = [view.submit(wait, number) for number in range(20)]
    while not going[0].running():
        time.sleep(0.002)
    unread = view.submit(bytes, 3_000_000)
    assert rc.connection.settle(10)  # the hub has all of it
    print(rc.session, flush=True)
    input()
"""


@pytest.mark.parametrize("with_hub", [False, True])
def test_work_outlives_the_kernel(runtime: Path, gate: Gate, *, with_hub: bool) -> None:
    del runtime
    kernel = python(KERNEL.format(gate=str(gate.path)))
    try:
        assert kernel.stdout is not None
        assert kernel.stdout.readline() == "train\n"
    finally:
        kernel.kill()
        kernel.communicate()

    client = ipp.connect("lasting", session="train")
    try:
        if with_hub:
            before = client.hub_pid
            os.kill(before, signal.SIGKILL)
            wait_until(lambda: client.hub_pid != before)
        gate.open()
        records = client.history(session="train")
        values = client.get_result(records).get(PATIENCE, return_exceptions=True)

        assert client.session == "train"
        assert values[:20] == [2**number for number in range(20)]
        assert isinstance(values[20], ZeroDivisionError)
        assert values[21:41] == [number**2 for number in range(20)]
        assert values[41:] == [bytes(3_000_000)]
    finally:
        client.shutdown(hub=True, block=True)

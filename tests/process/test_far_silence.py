"""A host that is not heard for long and comes back, and an agent that is left alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster import running
from ipcluster_ext.protocol.process import Patience
from tests.support.far import Far, one_engine, pass_and_tell
from tests.support.gates import Gate, pass_through
from tests.support.takeovers import kill_hub, wait_for_another
from tests.support.waiting import wait_until

SOON = Patience(quiet=0.3, lease=0.8, handover=1.0, host_silence=2.0, solitude=6.0, orphanhood=2.0)
"""Patience that a test can wait for the end of."""
PATIENCE = 30.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clusters that start have little patience."""
    monkeypatch.setattr(running, "PATIENCE", SOON)


@pytest.fixture
def far(cluster: ipp.Cluster, client: ipp.Client) -> Iterator[Far]:
    """Start a far agent with one engine, which is ready."""
    with one_engine(cluster, client, SOON) as far:
        yield far


def members(far: Far) -> list[psutil.Process]:
    """Return the processes of a far agent, itself last."""
    agent = psutil.Process(far.process.pid)
    return [*agent.children(recursive=True), agent]


@contextmanager
def stopped(far: Far) -> Iterator[None]:
    """Stop a whole host, as it were."""
    processes = members(far)
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in reversed(processes):
            process.resume()


class TestAHostThatIsNotHeard:
    def test_is_given_up_and_taken_back_with_all_that_is_in_its_engines(
        self, client: ipp.Client, far: Far, gate: Gate, caplog: pytest.LogCaptureFixture
    ) -> None:
        client[1].push({"a": 7}, block=True)
        begun = client[1].apply_async(pass_through, gate.path)
        wait_until(begun.running, PATIENCE)

        with stopped(far):
            with pytest.raises(ipp.error.EngineLost, match=r"has not been heard for \d s"):
                begun.get(PATIENCE)
            wait_until(lambda: client.ids == [0], PATIENCE)
        wait_until(lambda: client.ids == [0, 1], PATIENCE)

        assert client[1].apply_async(pow, 2, 3).get(PATIENCE) == 8  # what had begun was stopped
        assert client[1].pull("a", block=True) == 7
        wait_until(lambda: "is given up; its engines: 1" in caplog.text, PATIENCE)
        wait_until(lambda: "is heard again; its engines: 1" in caplog.text, PATIENCE)

    def test_has_what_may_be_tried_again_tried_elsewhere(
        self, client: ipp.Client, far: Far, gate: Gate
    ) -> None:
        [here] = client[[0]].apply_sync(os.getpid)
        busy = client[0].apply_async(pass_through, gate.path)
        wait_until(busy.running, PATIENCE)
        begun = client.load_balanced_view(retries=1).apply_async(pass_and_tell, gate)
        wait_until(begun.running, PATIENCE)

        with stopped(far):
            wait_until(lambda: client.ids == [0], PATIENCE)
            gate.open()
            assert begun.get(PATIENCE) == here

        wait_until(lambda: client.ids == [0, 1], PATIENCE)
        assert client[1].apply_async(pow, 2, 3).get(PATIENCE) == 8

    def test_may_come_back_to_another_hub(self, client: ipp.Client, far: Far, gate: Gate) -> None:
        client[1].push({"a": 7}, block=True)
        begun = client[1].apply_async(pass_through, gate.path)
        wait_until(begun.running, PATIENCE)

        with stopped(far):
            with pytest.raises(ipp.error.EngineLost):
                begun.get(PATIENCE)
            before = kill_hub(client)
            wait_for_another(client, before)
        wait_until(lambda: client.ids == [0, 1], PATIENCE)

        gate.open()
        assert client[1].pull("a", block=True) == 7


class TestAnAgentThatIsLeftAlone:
    @pytest.mark.parametrize("hung_up", [True, False])
    def test_ends_by_itself_after_a_while(
        self, cluster: ipp.Cluster, client: ipp.Client, far: Far, hung_up: bool
    ) -> None:
        processes = members(far)
        if hung_up:
            far.hang_up()
        hub, agent = psutil.Process(client.hub_pid), psutil.Process(cluster.agent_pid)

        for process in (agent, hub):
            process.suspend()
        for process in (agent, hub):
            process.kill()

        code, said = far.ended(PATIENCE)
        assert code == 1
        assert f"the hub has not been heard for {2 if hung_up else 6} s" in said
        assert not any(process.is_running() for process in processes)

    def test_stays_with_a_hub_that_is_heard(self, client: ipp.Client, far: Far) -> None:
        far.hang_up()

        for _ in range(3):
            assert client[1].apply_async(pow, 2, 3).get(PATIENCE) == 8
        assert client[1].apply_async(pow, 2, 3).get(PATIENCE) == 8
        assert far.process.poll() is None

    def test_ends_at_once_with_the_home_agent(
        self, cluster: ipp.Cluster, client: ipp.Client, far: Far
    ) -> None:
        processes = members(far)

        psutil.Process(cluster.agent_pid).kill()

        assert far.ended(PATIENCE) == (0, "")
        assert not any(process.is_running() for process in processes)

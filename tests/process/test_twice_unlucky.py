"""Two things go wrong at once, one of them the hub."""

import asyncio
import os
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started, pids
from tests.support.gates import Gate, pass_through
from tests.support.leftovers import leftovers_of
from tests.support.waiting import wait_until

PATIENCE = 60.0


def hub_of(agent: psutil.Process) -> psutil.Process:
    """Return the hub's process."""
    [hub] = [child for child in agent.children() if "ipcluster_ext.hub" in child.cmdline()]
    return hub


def agent_of(client: ipp.Client) -> psutil.Process:
    assert client.cluster is not None
    return psutil.Process(client.cluster.agent_pid)


@contextmanager
def without_successor(client: ipp.Client) -> Iterator[None]:
    """Kill the hub, and let no other come within the block."""
    agent = agent_of(client)
    hub = hub_of(agent)
    agent.suspend()
    hub.kill()
    try:
        wait_until(lambda: hub.status() == psutil.STATUS_ZOMBIE)
        yield
    finally:
        agent.resume()


class TestAHubWhoseJournalIsDamaged:
    def test_is_followed_by_one_that_says_so_to_those_who_come_back(
        self, started: Started, runtime: Path
    ) -> None:
        client = started.client
        client[:].apply_sync(os.getpid)
        [journal] = runtime.rglob("journal.db")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with without_successor(client):
                for path in journal.parent.glob("journal.db-*"):
                    path.unlink()
                journal.write_bytes(b"no journal at all" * 1000)
            wait_until(lambda: told, PATIENCE)

        assert any("journal" in str(warning.message) for warning in told)
        assert client[:].apply_sync(pow, 2, 3) == [8, 8]


class TestAnAgentThatDiesWithItsHub:
    def test_is_the_end_of_the_cluster(self, runtime: Path) -> None:
        cluster = ipp.Cluster(n=2)
        client = cluster.start_and_connect_sync()
        engines = [psutil.Process(pid) for pid in pids(client)]
        answer = client[:].apply_async(time.sleep, 1000)
        agent = agent_of(client)
        both = [agent, hub_of(agent)]

        for process in both:
            process.send_signal(signal.SIGSTOP)
        for process in both:
            process.kill()

        with pytest.raises(ipp.HubGone):
            answer.get(PATIENCE)
        with pytest.raises(ipp.HubGone):
            client[:].apply_sync(os.getpid)
        client.close()
        psutil.wait_procs(engines, PATIENCE)
        assert not any(engine.is_running() for engine in engines)
        cluster.stop_cluster_sync()
        wait_until(lambda: not leftovers_of(runtime), PATIENCE)


class TestAnEngineThatIsStoppedWhenTheHubDies:
    def test_does_not_keep_new_clients_waiting(self, started: Started) -> None:
        cluster, client = started
        stopped = psutil.Process(client[0].apply_sync(os.getpid))
        stopped.suspend()
        try:
            hub = hub_of(agent_of(client))
            hub.kill()
            hub.wait(PATIENCE)
            with cluster.connect_client_sync() as other:  # or it gives up
                answer = other.load_balanced_view().apply_async(pow, 2, 3)
                stopped.resume()
                assert answer.get(PATIENCE) == 8
        finally:
            stopped.resume()

        assert client[:].apply_sync(pow, 2, 3) == [8, 8]

    def test_keeps_what_it_has_begun(self, started: Started, tmp_path: Path, gate: Gate) -> None:
        client = started.client
        log = tmp_path / "log"
        answers = client[:].apply_async(note_and_wait, log, gate.path)
        wait_until(lambda: log.exists() and len(log.read_text().split()) == 2, PATIENCE)
        stopped = psutil.Process(int(log.read_text().split()[0]))
        stopped.suspend()
        try:
            before = client.hub_pid
            hub = hub_of(agent_of(client))
            hub.kill()
            hub.wait(PATIENCE)
            wait_until(lambda: client.hub_pid != before, PATIENCE)
        finally:
            stopped.resume()
        gate.open()

        assert answers.get(PATIENCE) == [7, 7]
        assert len(log.read_text().split()) == 2


def note_and_wait(log: Path, gate: Path) -> object:
    """Note which process this is, once for each time that it runs."""
    with log.open("a") as file:
        file.write(f"{os.getpid()} ")
    return pass_through(gate, 7)


class TestAnEngineThatDiesAfterAHubThatDidNotHearIt:
    def test_leaves_a_coroutine_that_had_ended_lost_and_not_done_twice(
        self, started: Started, gate: Gate, tmp_path: Path
    ) -> None:
        client, log = started.client, tmp_path / "log"
        answer = client.load_balanced_view().apply_async(end_and_be_heard, gate.path, log)
        wait_until(lambda: log.exists() and log.read_text())
        pid = int(log.read_text())
        hub = hub_of(agent_of(client))

        hub.suspend()
        gate.open()
        wait_until(lambda: log.read_text() == f"{pid}\nended\nsaid\n")
        os.kill(pid, signal.SIGKILL)
        hub.kill()

        with pytest.raises(ipp.EngineLost):
            answer.get(PATIENCE)
        assert log.read_text() == f"{pid}\nended\nsaid\n"


async def end_and_be_heard(gate: Path, log: Path) -> None:
    """End, and note it when that has been said."""

    def note(word: object) -> None:
        with log.open("a") as file:
            file.write(f"{word}\n")

    note(os.getpid())
    await asyncio.to_thread(pass_through, gate)
    note("ended")
    asyncio.get_running_loop().call_later(0.1, note, "said")

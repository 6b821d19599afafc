import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster.home import make_home
from ipcluster_ext.cluster.launchers.homeagent import AgentProcess
from ipcluster_ext.cluster.launchers.local import LocalLauncher
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.process import AgentConfig
from ipcluster_ext.transport.homes import Home
from ipcluster_ext.transport.processes import start_of
from tests.support.clusters import Started
from tests.support.gates import pass_through
from tests.support.leftovers import leftovers_of, processes_of, shared_memory_of
from tests.support.scripted_hub import ENGINES, SITECUSTOMIZE, greetings, instead_of_hubs
from tests.support.waiting import wait_until

Start = Callable[..., AgentProcess]


@pytest.fixture
def home() -> Iterator[Home]:
    made = make_home("bereft")
    yield made
    made.sweep()


@pytest.fixture
def start(home: Home) -> Iterator[Start]:
    """Return a function that starts the agent of the cluster, which is up when it returns."""
    started: list[AgentProcess] = []

    def start(silence: float = 20.0) -> AgentProcess:
        config = AgentConfig(
            cluster=home.cluster,
            folder=str(home.folder),
            blobs=home.blobs,
            count=2,
            hub_silence=silence,
        )
        agent = LocalLauncher().start(home.folder)
        agent.tell(config)
        started.append(agent)
        home.hand_over(agent.pid)
        assert agent.wait_until_up(10)
        return agent

    yield start
    for agent in started:
        agent.stop(5.0)


def hub_of(runtime: Path) -> int:
    """Return the process of the hub, 0 if there is none at the moment."""
    found = [line for line in processes_of(runtime) if "-m ipcluster_ext.hub" in line]
    return int(found[0].split(":")[0]) if found else 0


def follower_of(hub: int, runtime: Path) -> int:
    """Return the process of the hub that has followed another."""
    wait_until(lambda: hub_of(runtime) not in {0, hub})
    return hub_of(runtime)


class TestTheAgent:
    def test_tells_the_next_hub_which_engines_it_has(
        self, customized: Path, start: Start, home: Home
    ) -> None:
        customized.write_text(SITECUSTOMIZE)
        start()
        wait_until(lambda: greetings(home.folder).agents)

        heard = greetings(home.folder)
        (hello,) = heard.agents
        assert hello.again
        assert [(life.engine, life.boot, life.up) for life in hello.engines] == [
            (engine, heard.first[engine], True) for engine in ENGINES
        ]
        assert [life.resources for life in hello.engines] == [{"gpu": 1.0}, {"gpu": 1.0}]

    def test_tells_the_next_hub_of_deaths_that_the_last_one_missed(
        self, customized: Path, start: Start, home: Home, runtime: Path
    ) -> None:
        customized.write_text(SITECUSTOMIZE)
        agent = start()
        wait_until(lambda: greetings(home.folder).agents)
        hub = hub_of(runtime)
        os.kill(hub, signal.SIGSTOP)
        (engine,) = [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/fd")
            if log_of(path.parent) == home.folder / "engine-1.log"
        ]
        os.kill(engine, signal.SIGKILL)
        wait_until(lambda: "engine 1 " in (home.folder / "agent.log").read_text())
        os.kill(hub, signal.SIGKILL)
        wait_until(lambda: greetings(home.folder).exits)

        heard = greetings(home.folder)
        first, second = (hello.engines[1] for hello in heard.agents)
        assert [(exited.engine, exited.boot) for exited in heard.exits] == [(1, first.boot)]
        assert second.boot != first.boot == heard.first[EngineId(1)]
        assert agent.poll() is None

    def test_kills_a_hub_that_answers_nothing(self, start: Start, runtime: Path) -> None:
        start(silence=0.5)
        hub = hub_of(runtime)
        os.kill(hub, signal.SIGSTOP)

        assert follower_of(hub, runtime)
        assert start_of(hub) is None

    def test_leaves_a_hub_alone_that_was_stopped_for_a_moment(
        self, start: Start, home: Home, runtime: Path
    ) -> None:
        start()
        hub = hub_of(runtime)
        os.kill(hub, signal.SIGSTOP)
        os.kill(hub, signal.SIGCONT)

        with ipp.Client(home.folder / "client.json") as client:
            assert client.hub_pid == hub

    def test_writes_down_what_a_dead_hub_said(
        self, start: Start, home: Home, runtime: Path
    ) -> None:
        start()
        hub = hub_of(runtime)
        os.kill(hub, signal.SIGABRT)
        follower_of(hub, runtime)

        log = (home.folder / "agent.log").read_text()
        assert re.search(r"the hub died: killed by SIGABRT; another is started in 0 s\n", log)
        assert re.search(r"^    Fatal Python error: Aborted", log, re.MULTILINE)


def log_of(process: Path) -> Path | None:
    """Return the file behind a process's standard error, None if it is gone."""
    try:
        return (process / "fd" / "2").readlink()
    except OSError:
        return None


class TestAClusterWhoseHubDies:
    def test_goes_on_with_another_in_the_same_place(self, started: Started, runtime: Path) -> None:
        cluster, client = started
        hub = client.hub_pid
        os.kill(hub, signal.SIGKILL)

        follower = follower_of(hub, runtime)
        assert cluster.running
        with ipp.Client(cluster.connection_file) as other:
            assert other.hub_pid == follower

    def test_while_it_is_stopped_leaves_nothing(self, runtime: Path) -> None:
        cluster = ipp.Cluster(n=2)
        client = cluster.start_and_connect_sync()
        agent, hub = cluster.agent_pid, client.hub_pid
        assert agent is not None
        os.kill(agent, signal.SIGSTOP)
        os.kill(agent, signal.SIGTERM)
        os.kill(hub, signal.SIGKILL)
        os.kill(agent, signal.SIGCONT)

        wait_until(lambda: not cluster.running)
        client.close()
        assert leftovers_of(runtime) == []
        cluster.stop_cluster_sync()

    def test_as_it_starts_starts_nevertheless(self, customized: Path) -> None:
        flag = customized.with_name("once")
        customized.write_text(
            "import os, pathlib\n"
            f"flag = pathlib.Path({str(flag)!r})\n"
            "def run():\n"
            "    if not flag.exists():\n"
            "        flag.touch()\n"
            "        os.kill(os.getpid(), 9)\n"
            "    return real()\n" + instead_of_hubs("run")
        )
        with ipp.Cluster(n=2) as client:
            assert client[:].apply_sync(pow, 2, 3) == [8, 8]
        assert flag.exists()

    def test_whenever_it_starts_ends_with_the_reason(self, runtime: Path, customized: Path) -> None:
        customized.write_text(instead_of_hubs("lambda: 1 / 0"))
        with pytest.raises(
            ipp.StartupError, match=r"(?s)the hub died 5 times in .* exit code 1.*ZeroDivisionError"
        ):
            ipp.Cluster(n=1).start_cluster_sync()
        assert leftovers_of(runtime) == []

    def test_again_and_again_ends_and_tells_clients_why(
        self, customized: Path, runtime: Path
    ) -> None:
        flag = customized.with_name("no more")
        customized.write_text(
            "import pathlib, sys\n"
            "if 'ipcluster_ext.agent' in sys.orig_argv:\n"
            "    from ipcluster_ext.agent import succession\n"
            "    succession.MOST_DEATHS = 3\n"
            + instead_of_hubs(f"lambda: pathlib.Path({str(flag)!r}).exists() or real()")
        )
        cluster = ipp.Cluster(n=1)
        client = cluster.start_and_connect_sync()
        answer = client[:].apply_async(pass_through, customized.with_name("never"))
        flag.touch()
        os.kill(client.hub_pid, signal.SIGKILL)

        why = "the hub died 3 times in .*, the last time: exit code 1"
        with pytest.raises(ipp.HubGone, match=f"the cluster's processes are gone: {why}; start a"):
            answer.get(20)
        assert re.fullmatch(why, cluster.ended_because)
        assert leftovers_of(runtime) == []
        client.close()
        cluster.stop_cluster_sync()


class TestTheHubOfADeadAgent:
    @pytest.mark.parametrize("stopped", [False, True], ids=["runs", "was stopped"])
    def test_ends_the_cluster(self, runtime: Path, stopped: bool) -> None:
        cluster = ipp.Cluster(n=2)
        client = cluster.start_and_connect_sync()
        client[:].push({"a": b"x" * 4_000_000}, block=True)
        agent = cluster.agent_pid
        assert agent is not None
        if stopped:
            os.kill(client.hub_pid, signal.SIGSTOP)
        os.kill(agent, signal.SIGKILL)

        wait_until(lambda: not leftovers_of(runtime))
        wait_until(lambda: not shared_memory_of(cluster.cluster_id))
        with pytest.raises(ipp.HubGone):
            client.queue_status()
        client.close()
        cluster.stop_cluster_sync()

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ipcluster_ext.client.client import Client
from ipcluster_ext.cluster.home import make_home
from ipcluster_ext.cluster.launchers.homeagent import AgentProcess
from ipcluster_ext.cluster.launchers.local import LocalLauncher
from ipcluster_ext.protocol.process import AgentConfig
from ipcluster_ext.transport import processes
from ipcluster_ext.transport.files import connection_file
from ipcluster_ext.transport.homes import Home
from tests.support.leftovers import leftovers_of, processes_of, shared_memory_of
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
Start = Callable[..., AgentProcess]


@pytest.fixture
def home() -> Iterator[Home]:
    made = make_home("tested")
    yield made
    made.sweep()


@pytest.fixture
def start(home: Home) -> Iterator[Start]:
    """Return a function that starts the agent of the cluster, by default with two engines."""
    started: list[AgentProcess] = []

    def start(count: int = 2, owner: int = 0) -> AgentProcess:
        config = AgentConfig(
            cluster=home.cluster,
            folder=str(home.folder),
            blobs=home.blobs,
            count=count,
            owner=owner,
        )
        agent = LocalLauncher().start(home.folder)
        agent.tell(config)
        started.append(agent)
        home.hand_over(agent.pid)
        return agent

    yield start
    for agent in started:
        agent.stop(5.0)


@pytest.fixture
def client(start: Start, home: Home) -> Iterator[Client]:
    """Connect to a cluster of two engines that are ready."""
    assert start().wait_until_up(10)
    with Client(connection_file(home.folder)) as client:
        client.wait_for_engines(2, timeout=10)
        yield client


def boxes(home: Home) -> list[str]:
    return sorted(path.name.split(".")[1] for path in Path(home.blobs).glob("*.box"))


class TestTheEnd:
    @pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
    def test_comes_with_a_signal_and_leaves_nothing(
        self, start: Start, home: Home, runtime: Path, signum: int
    ) -> None:
        agent = start()
        assert agent.wait_until_up(10)
        wait_until(lambda: boxes(home) == ["0", "1"])

        agent.send_signal(signum)

        assert agent.wait(5) == 0
        assert leftovers_of(runtime) == []
        assert not Path(home.blobs).exists()

    def test_may_come_before_the_first_engine(self, start: Start, runtime: Path) -> None:
        agent = start(count=16)
        assert agent.wait_until_up(10)

        assert agent.stop(5) == 0
        assert leftovers_of(runtime) == []

    def test_comes_at_once_if_the_owner_is_gone_already(self, start: Start, runtime: Path) -> None:
        owner = subprocess.Popen(["true"])
        owner.wait()

        assert start(owner=owner.pid).wait(5) == 0
        assert leftovers_of(runtime) == []

    def test_comes_with_the_end_of_the_owner(self, start: Start, runtime: Path) -> None:
        with subprocess.Popen(["sleep", "100"]) as owner:
            agent = start(owner=owner.pid)
            assert agent.wait_until_up(10)
            owner.kill()

            assert agent.wait(5) == 0
        assert leftovers_of(runtime) == []

    def test_comes_if_nobody_says_what_to_do(self, runtime: Path) -> None:
        reader, writer = os.pipe()
        os.close(writer)
        pid = processes.start(
            "ipcluster_ext.agent",
            stdin=reader,
            stdout=2,
            stderr=2,
            own_group=True,
            environment={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                processes.CLUSTER_VARIABLE: f"{runtime}/x",
            },
        )
        os.close(reader)

        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
        wait_until(lambda: processes_of(runtime) == [])

    def test_comes_with_the_end_of_whoever_was_to_say_it(self, home: Home, runtime: Path) -> None:
        agent = LocalLauncher().start(home.folder)
        home.hand_over(agent.pid)
        pid = agent.pid

        del agent

        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
        assert leftovers_of(runtime) == []
        assert shared_memory_of(home.cluster) == []

    def test_by_force_takes_every_process_with_it(
        self, client: Client, home: Home, runtime: Path
    ) -> None:
        agent = client[0].apply_sync(grandparent_of_an_engine)
        os.kill(agent, signal.SIGKILL)

        wait_until(lambda: processes_of(runtime) == [])


def grandparent_of_an_engine() -> int:
    """Return the agent: the engine's parent is the zygote."""
    import os
    from pathlib import Path

    stat = Path(f"/proc/{os.getppid()}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


class TestAnEngine:
    def test_comes_back_however_often_it_dies(self, client: Client) -> None:
        for _ in range(4):
            pid = client.engine_info(0).pid
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: client.engine_info(0).pid not in {0, pid})  # type: ignore[misc]
            client.wait_for_engines(2, timeout=10)
        assert client.ids == [0, 1]

    def test_takes_what_it_has_started_with_it(self, client: Client, runtime: Path) -> None:
        child = client[0].apply_async(start_child).get(10)
        assert processes.start_of(child) is not None

        os.kill(client.engine_info(0).pid, signal.SIGKILL)

        wait_until(lambda: processes.start_of(child) is None)

    def test_leaves_no_black_box(self, client: Client, home: Home) -> None:
        first = {path.name for path in Path(home.blobs).glob("*.box")}
        pid = client.engine_info(0).pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: client.engine_info(0).pid not in {0, pid})

        assert boxes(home) == ["0", "1"]
        assert {path.name for path in Path(home.blobs).glob("*.box")} != first

    def test_that_exits_is_reported_with_its_code(self, client: Client, home: Home) -> None:
        client[0].apply_async(os._exit, 3).wait(10)

        assert "exit code 3" in (home.folder / "agent.log").read_text()

    def test_writes_what_is_below_python_to_its_log(self, client: Client, home: Home) -> None:
        client[1].apply_async(os.write, 2, b"from below\n").get(10)

        assert "from below" in (home.folder / "engine-1.log").read_text()


def start_child() -> int:
    """Start a process that stays in the engine's process group."""
    import subprocess

    return subprocess.Popen(["sleep", "987"]).pid

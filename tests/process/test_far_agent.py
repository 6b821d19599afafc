"""Engines of an agent that reaches the hub by TCP and shares no file with it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster.keyring import admit_agent, turn_away_agents
from ipcluster_ext.protocol.process import Reach
from ipcluster_ext.transport.files import far_client_file
from tests.support.clusters import python
from tests.support.far import Far, config_of, reach_as_launched, reach_of
from tests.support.leftovers import leftovers_of, shared_memory_of
from tests.support.waiting import wait_until

Start = Callable[..., Far]
PATIENCE = 30.0


@pytest.fixture
def start(cluster: ipp.Cluster) -> Iterator[Start]:
    """Return a function that starts a far agent, by default with two engines."""
    started: list[Far] = []

    def start(count: int = 2, reach: Reach | None = None, **how: Any) -> Far:
        config = config_of(cluster, count, reach=reach or reach_of(cluster), **how)
        started.append(Far.start(config))
        return started[-1]

    yield start
    for far in started:
        far.close()


@pytest.fixture
def far(start: Start, client: ipp.Client) -> Far:
    """Start a far agent whose two engines are ready."""
    far = start()
    client.wait_for_engines(3, timeout=PATIENCE)
    return far


class TestAFarAgent:
    def test_brings_engines_that_work_like_any(self, client: ipp.Client, far: Far) -> None:
        assert client.ids == [0, 1, 2]
        assert client[:].apply_sync(pow, 2, 3) == [8, 8, 8]
        assert list(client.load_balanced_view().map_sync(abs, range(-50, 0))) == [*range(50, 0, -1)]

    def test_says_that_it_is_up(self, far: Far) -> None:
        assert far.process.stdout is not None
        assert far.process.stdout.readline() == b"up\n"

    def test_has_folders_of_its_own_until_it_is_told_to_end(
        self, runtime: Path, cluster: ipp.Cluster, client: ipp.Client, far: Far
    ) -> None:
        folders = {Path(folder) for folder in client[:].apply_sync(own_folder)}
        assert len(folders) == 2
        assert {folder.parent for folder in folders} == {runtime}

        far.say(b"end\n")

        assert far.ended() == (0, "")
        assert list(runtime.iterdir()) == [cluster.folder]
        assert [path.name for path in shared_memory_of(cluster.cluster_id[:7])] == [
            f"ipcluster-ext-{os.getuid()}-{cluster.cluster_id}"
        ]
        wait_until(lambda: client.ids == [0])

    def test_tries_one_address_after_the_other(
        self, cluster: ipp.Cluster, client: ipp.Client, start: Start
    ) -> None:
        addresses = ["no-such-host.invalid", "127.0.0.1"]

        start(1, reach=reach_of(cluster, addresses=addresses))

        client.wait_for_engines(2, timeout=PATIENCE)

    def test_gives_its_engines_the_ids_it_was_told_if_they_are_free(
        self, client: ipp.Client, start: Start
    ) -> None:
        start(2, first=4)
        client.wait_for_engines(3, timeout=PATIENCE)
        start(2, first=5)
        client.wait_for_engines(5, timeout=PATIENCE)

        assert client.ids == [0, 4, 5, 6, 7]

    def test_ends_with_the_cluster(
        self, cluster: ipp.Cluster, client: ipp.Client, far: Far
    ) -> None:
        cluster.stop_cluster_sync()

        assert far.ended() == (0, "")


class TestAnAgentThatHasNoOtherEngines:
    """As in a batch job."""

    def test_ends_in_good_order_when_they_are_stopped(
        self, cluster: ipp.Cluster, client: ipp.Client, start: Start
    ) -> None:
        far = start(2, reach=reach_of(cluster, closed=True))
        client.wait_for_engines(3, timeout=PATIENCE)

        client.stop_engines([1])
        wait_until(lambda: client.ids == [0, 2])
        assert far.process.poll() is None
        client.stop_engines([2])

        assert far.ended() == (0, "")

    def test_ends_with_the_first_that_dies_if_they_are_ranks(
        self, cluster: ipp.Cluster, client: ipp.Client, start: Start
    ) -> None:
        far = start(1, reach=reach_of(cluster, closed=True, once=True))
        client.wait_for_engines(2, timeout=PATIENCE)

        result = client[1].apply_async(os._exit, 3)

        code, said = far.ended()
        assert (code, "exit code 3" in said) == (1, True)
        with pytest.raises(ipp.error.EngineLost, match="has one life"):
            result.get(PATIENCE)
        wait_until(lambda: client.ids == [0])

    def test_is_full(self, cluster: ipp.Cluster, client: ipp.Client, start: Start) -> None:
        start(1, reach=reach_of(cluster, closed=True))
        client.wait_for_engines(2, timeout=PATIENCE)

        assert client.start_engines(1) == [2]

        client.wait_for_engines(3, timeout=PATIENCE)
        folders = client[:].apply_sync(own_folder)
        assert folders[0] == folders[2] != folders[1]


class TestAnAgentThatHasJoinedByHand:
    def test_has_engines_whose_tasks_submit_none_and_say_what_to_do(
        self, client: ipp.Client, far: Far
    ) -> None:
        with pytest.raises(ipp.error.RemoteError, match="has keys for engines only") as caught:
            client[1].apply_sync(submit)

        assert "have the cluster start it with a set of engines that submits" in str(caught.value)
        assert client[0].apply_sync(submit) == 8


class TestKeysOfItsOwn:
    def test_stay_when_those_of_others_are_exchanged(
        self, cluster: ipp.Cluster, client: ipp.Client, start: Start
    ) -> None:
        keys = [admit_agent(cluster.folder)[0] for _ in range(2)]
        for pair in keys:
            start(1, reach=reach_of(cluster, keys=pair))
        client.wait_for_engines(3, timeout=PATIENCE)

        cluster.rotate_keys_sync()

        assert client[:].apply_async(pow, 2, 3).get(PATIENCE) == [8, 8, 8]
        start(1, reach=reach_of(cluster))
        client.wait_for_engines(4, timeout=PATIENCE)

    def test_are_turned_away_without_those_of_others(
        self, cluster: ipp.Cluster, client: ipp.Client, start: Start
    ) -> None:
        (one, _), (other, _) = (admit_agent(cluster.folder) for _ in range(2))
        for pair in (one, other):
            start(1, reach=reach_of(cluster, keys=pair))
        client.wait_for_engines(3, timeout=PATIENCE)
        folders = client[:].apply_sync(own_folder)

        turn_away_agents(cluster.folder, [one.public])

        wait_until(lambda: len(client.ids) == 2, PATIENCE)
        _, staying = client.ids
        assert client[staying].apply_async(own_folder).get(PATIENCE) == folders[staying]

    def test_are_seen_nowhere_but_in_a_file_for_tasks(
        self, runtime: Path, cluster: ipp.Cluster, client: ipp.Client, start: Start
    ) -> None:
        reach = reach_as_launched(cluster)
        assert reach.clients is not None
        pairs = (reach.keys, reach.clients.keys)
        own, for_clients = (pair.secret.reveal().encode() for pair in pairs)
        far = start(2, reach=reach)
        client.wait_for_engines(3, timeout=PATIENCE)

        agent = psutil.Process(far.process.pid)
        for process in [agent, *agent.children(recursive=True)]:
            for name in ("cmdline", "environ"):
                said = Path(f"/proc/{process.pid}/{name}").read_bytes()
                assert (own in said, for_clients in said) == (False, False)
        files = [path for path in runtime.rglob("*") if path.is_file()]
        assert [path for path in files if own in path.read_bytes()] == []
        (file,) = (path for path in files if for_clients in path.read_bytes())
        assert file == far_client_file(file.parent)
        assert file.parent != cluster.folder
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


class TestItsEnd:
    def test_comes_with_the_owner_of_the_cluster(self, runtime: Path) -> None:
        owner = python(
            """
            import signal
            import ipcluster_ext as ipp
            cluster = ipp.Cluster(n=1, ip="127.0.0.1")
            cluster.start_and_connect_sync()
            print(cluster.cluster_id, flush=True)
            signal.pause()
            """
        )
        assert owner.stdout is not None
        cluster = ipp.Cluster.from_id(owner.stdout.readline().strip())
        far = Far.start(config_of(cluster, 1, reach=reach_of(cluster)))
        try:
            with cluster.connect_client_sync() as client:
                client.wait_for_engines(2, timeout=PATIENCE)

            owner.kill()

            assert far.ended() == (0, "")
            wait_until(lambda: leftovers_of(runtime) == [])
        finally:
            far.close()
            owner.kill()
            owner.communicate()


class TestAConfigurationInAFile:
    def test_is_read_if_nobody_else_can(
        self, cluster: ipp.Cluster, client: ipp.Client, tmp_path: Path
    ) -> None:
        config = config_of(cluster, 1, reach=reach_of(cluster), first="rank")
        far = Far.start(config, file=tmp_path / "config", environment={"PMI_RANK": "7"})
        try:
            far.hang_up()  # means nothing: it is no lifeline
            client.wait_for_engines(2, timeout=PATIENCE)
            assert client.ids == [0, 7]
        finally:
            far.close()

    def test_is_refused_if_others_can_read_it(self, cluster: ipp.Cluster, tmp_path: Path) -> None:
        path = tmp_path / "config"
        path.touch(mode=0o644)
        far = Far.start(config_of(cluster, 1, reach=reach_of(cluster)), file=path)
        try:
            code, said = far.ended()
        finally:
            far.close()

        assert code == 78
        assert said == (
            f"the agent cannot start: {path} is not private to this user; refusing to read it\n"
        )


def submit() -> int:
    return int(ipp.get_client().load_balanced_view().apply_sync(pow, 2, 3))


def own_folder() -> str:
    return os.environ["IPCLUSTER_EXT_CLUSTER"]

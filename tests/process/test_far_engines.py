"""Engines that share no memory with hub and client: work, values, output and mishaps."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cli.main import main
from ipcluster_ext.client.feed import StatusFeed
from tests.support.consoles import entered
from tests.support.far import Far, config_of, reach_as_launched
from tests.support.gates import Gate, pass_through
from tests.support.leftovers import leftovers_of, shared_memory_of
from tests.support.takeovers import kill_hub, wait_for_another
from tests.support.waiting import wait_until

Array = npt.NDArray[np.float64]
LARGE = 400_000
"""Elements of an array that travels through shared memory where it can: 3.2 MB."""
HERE, THERE = [0, 1], [2, 3]
PATIENCE = 30.0


@pytest.fixture(scope="module")
def mixed() -> Iterator[ipp.Client]:
    """Start two engines here, and two that pass for another host's."""
    folder = Path(tempfile.mkdtemp(prefix="ipx-", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(folder))
        cluster = ipp.Cluster(n=2, ip="127.0.0.1")
        client = cluster.start_and_connect_sync()
        far = None
        try:
            client.wait_for_engines(2, timeout=PATIENCE)
            far = Far.start(config_of(cluster, 2, reach=reach_as_launched(cluster)))
            with client:
                client.wait_for_engines(4, timeout=PATIENCE)
                yield client
            cluster.stop_cluster_sync()
            assert far.ended() == (0, "")
            assert leftovers_of(folder) == []
            assert shared_memory_of(cluster.cluster_id[:7]) == []
        finally:
            cluster.stop_cluster_sync()
            if far is not None:
                far.close()
            shutil.rmtree(folder)


@pytest.fixture
def rc(mixed: ipp.Client) -> Iterator[ipp.Client]:
    """Lend the module's client; whatever the test does, its cluster has to stay usable."""
    yield mixed
    mixed.wait_for_engines(4, timeout=PATIENCE)
    assert mixed[:].apply_async(pow, 2, 3).get(PATIENCE) == [8, 8, 8, 8]
    mixed[:].clear().get(PATIENCE)


def double(array: Array) -> Array:
    return array * 2


def write_into(array: Array) -> tuple[bool, float]:
    before = float(array.sum())
    array[:] = -1.0
    return array.flags.writeable, before


def grow(size: int, value: float) -> Array:
    return np.full(size, value)


def add(one: Array, other: Array) -> float:
    return float((one + other).sum())


def count_up(size: int) -> Iterator[Array]:
    for value in range(4):
        yield np.full(size, float(value))


class TestArrays:
    @pytest.mark.parametrize("size", [10, 10_000, LARGE])
    def test_go_there_and_come_back(self, rc: ipp.Client, size: int) -> None:
        array = np.ones(size)

        back = rc[:].apply_sync(double, array)

        assert [each.sum() for each in back] == [2.0 * size] * 4
        assert rc[:].apply_sync(write_into, array) == [(True, float(size))] * 4
        assert array.sum() == size

    def test_go_there_in_maps_and_by_push(self, rc: ipp.Client) -> None:
        arrays = [np.full(LARGE, float(value)) for value in range(8)]

        assert list(rc[THERE].map_sync(np.sum, arrays)) == [LARGE * value for value in range(8)]
        rc[:].push({"a": arrays[3]}, block=True)

        assert rc[:].pull("a.sum()", block=True) == [3.0 * LARGE] * 4

    @pytest.mark.parametrize("makers", [HERE, THERE])
    @pytest.mark.parametrize("users", [HERE, THERE])
    @pytest.mark.parametrize("size", [10_000, LARGE])
    def test_go_from_engine_to_engine(
        self, rc: ipp.Client, makers: list[int], users: list[int], size: int
    ) -> None:
        first = rc[makers[0]].apply_async(grow, size, 1.0)
        second = rc[makers[1]].apply_async(grow, size, 2.0)

        sums = [rc[user].apply_async(add, first, second) for user in users]

        assert [each.get(PATIENCE) for each in sums] == [3.0 * size] * 2
        assert first.get(PATIENCE).sum() == size

    def test_come_in_streams(self, rc: ipp.Client) -> None:
        stream = rc.load_balanced_view(THERE).stream(count_up, LARGE)

        assert [item.sum() for item in stream] == [0.0, LARGE, 2.0 * LARGE, 3.0 * LARGE]

    def test_leave_no_memory_taken(self, rc: ipp.Client) -> None:
        array = np.ones(LARGE)
        for _ in range(60):
            assert rc[THERE].apply_sync(np.sum, array) == [LARGE] * 2

        nbytes = sum(path.stat().st_size for path in blobs(rc))

        assert nbytes <= 20 * array.nbytes


def blobs(rc: ipp.Client) -> list[Path]:
    """Return the files that hold arrays."""
    (folder,) = shared_memory_of(rc.cluster_id)
    return [path for path in folder.iterdir() if not path.suffix]


class TestWork:
    def test_is_shared_by_all(self, rc: ipp.Client) -> None:
        result = rc.load_balanced_view().map_async(abs, range(-10, 0))
        assert result.get(PATIENCE) == [*range(10, 0, -1)]
        pids = set(rc[:].apply_sync(os.getpid))

        seen: set[int] = set()
        while seen != pids:
            seen.update(rc.load_balanced_view().map_sync(own_pid, range(100)))

    def test_prints_and_fails_as_anywhere(self, rc: ipp.Client) -> None:
        ran = rc[THERE].execute("print('from', engine_id)", block=False)
        ran.get(PATIENCE)

        assert ran.stdout == ["from 2\n", "from 3\n"]
        with pytest.raises(ipp.error.RemoteError, match="ZeroDivisionError"):
            rc[THERE[0]].apply_sync(divmod, 1, 0)

    def test_is_interrupted(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[THERE[0]].apply_async(pass_through, gate.path)
        wait_until(result.running, PATIENCE)

        result.interrupt()

        with pytest.raises(ipp.error.RemoteError, match="KeyboardInterrupt"):
            result.get(PATIENCE)

    def test_is_lost_with_an_engine_that_comes_back(self, rc: ipp.Client) -> None:
        [pid] = rc[[THERE[1]]].apply_sync(os.getpid)
        result = rc[THERE[1]].apply_async(end_by_signal)

        with pytest.raises(ipp.error.EngineLost, match="SIGKILL"):
            result.get(PATIENCE)

        assert rc[THERE[1]].apply_async(os.getpid).get(PATIENCE) != pid

    def test_prints_more_than_is_passed_on(self, rc: ipp.Client) -> None:
        result = rc[THERE[0]].apply_async(print, "x" * 9_000_000)
        result.get(PATIENCE)

        assert len(result.stdout) < 9_000_000
        assert result.full_output() == "x" * 9_000_000 + "\n"

    def test_leaves_lines_in_a_log_that_can_be_read_from_here(
        self,
        rc: ipp.Client,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(rc.connection_file.parents[1]))
        rc[:].apply_sync(os.write, 2, b"from a library\n")

        assert [lines[-1] for lines in rc[:].log()] == ["from a library"] * 4
        assert main(["logs", rc.cluster_id, "-n", "1"]) == 0
        said = capsys.readouterr().out.splitlines()
        assert [line for line in said if line.startswith("engine-")] == [
            f"engine-{engine}: from a library" for engine in range(4)
        ]

    def test_goes_on_when_the_hub_dies(self, rc: ipp.Client, gate: Gate) -> None:
        rc[THERE].push({"a": 7}, block=True)
        running = rc[THERE].apply_async(pass_through, gate.path)
        wait_until(running.running, PATIENCE)
        many = rc.load_balanced_view().map_async(abs, range(500))

        before = kill_hub(rc)
        gate.open()
        wait_for_another(rc, before)

        assert many.get(PATIENCE) == list(range(500))
        running.get(PATIENCE)
        assert rc[THERE].pull("a", block=True) == [7, 7]
        assert rc[:].apply_async(double, np.ones(LARGE)).get(PATIENCE)[3].sum() == 2 * LARGE


class TestFrontEndsOfThisHost:
    def test_enter_by_a_private_file_that_goes_with_the_client(self, rc: ipp.Client) -> None:
        with ipp.Client(rc.connection_file) as client:
            files = [Path(file) for file in client[THERE].connection_file()]
            again = client[THERE[0]].connection_file()
            sockets = [*files[0].parent.glob(f"k{THERE[0]}-*"), *files]
            modes = {path.stat().st_mode & 0o777 for path in sockets}

        assert again == str(files[0])
        assert files[0].parent == rc.connection_file.parent
        assert (len(sockets), modes) == (7, {0o600})
        assert not any(path.exists() for path in sockets)

    def test_share_the_namespace(self, rc: ipp.Client) -> None:
        rc[THERE[0]].push({"number": 41}, block=True)

        with entered(rc[THERE[0]].connection_file()) as console:
            assert console.run("number += 1; number").value == "42"
            assert console.run("print('x' * 300_000)").text() == "x" * 300_000 + "\n"
            assert console.run("input('name? ')", answer="Ann").value == "'Ann'"

        assert rc[THERE[0]].pull("number", block=True) == 42

    @pytest.mark.parametrize("engine", [HERE[0], THERE[0]])
    def test_are_no_work_unless_a_cell_of_theirs_runs(
        self, rc: ipp.Client, gate: Gate, engine: int
    ) -> None:
        waiting = (
            "from pathlib import Path\nfrom tests.support.gates import pass_through\n"
            f"pass_through(Path({str(gate.path)!r}))"
        )
        with rc.status_feed() as feed, entered(rc[engine].connection_file()) as console:
            assert console.run("1 + 1").value == "2"
            wait_until(lambda: states(feed) == {"idle"}, PATIENCE)
            known = feed.latest.totals
            assert known is not None

            console.reply(console.client.complete("pri"))

            assert (known.busy, known.running, known.queued) == (0, 0, 0)
            assert rc.queue_status()[engine]["queue"] == rc.queue_status()[engine]["tasks"] == 0
            rc.purge_results("all")  # nothing goes on that would have to be waited for
            assert rc.hub_history() == []
            assert [row.label for row in feed.latest.work if row.title == "front ends"] == []
            cell = console.send(waiting)
            wait_until(lambda: states(feed) == {"idle", "busy"}, PATIENCE)
            gate.open()
            assert console.reply(cell)["status"] == "ok"
            wait_until(lambda: states(feed) == {"idle"}, PATIENCE)

    def test_are_answered_while_tasks_run(self, rc: ipp.Client, gate: Gate) -> None:
        rc[THERE[0]].push({"a_long_name": 1}, block=True)
        with entered(rc[THERE[0]].connection_file()) as console:
            running = rc[THERE[0]].apply_async(pass_through, gate.path)
            wait_until(running.running, PATIENCE)

            matches = console.reply(console.client.complete("a_long"))["matches"]
            gate.open()

            assert matches == ["a_long_name"]
            assert running.get(PATIENCE) is None

    def test_come_and_go_two_at_a_time(self, rc: ipp.Client) -> None:
        file = rc[THERE[0]].connection_file()
        for _ in range(2):
            with entered(file) as first, entered(file) as second:
                assert first.run("shared = 7").kinds == ["execute_input"]
                assert second.run("shared").value == "7"
        assert rc.wait(timeout=PATIENCE)

    def test_see_another_engine_when_theirs_has_died(self, rc: ipp.Client) -> None:
        first = Path(rc[THERE[1]].connection_file())
        with entered(first) as console:
            assert console.run("1 + 1").value == "2"
            with pytest.raises(ipp.error.EngineLost):
                rc[THERE[1]].apply_async(end_by_signal).get(PATIENCE)
            wait_until(lambda: not first.exists(), PATIENCE)

        rc.wait_for_engines(4, timeout=PATIENCE)
        with entered(rc[THERE[1]].connection_file()) as console:
            assert console.run("2 + 2").value == "4"

    def test_go_on_when_the_hub_dies(self, rc: ipp.Client) -> None:
        with entered(rc[THERE[0]].connection_file()) as console:
            assert console.run("kept = 5").reply["status"] == "ok"

            before = kill_hub(rc)
            wait_for_another(rc, before)

            assert console.run("kept").value == "5"


def states(feed: StatusFeed) -> set[str]:
    """Return what states engines are in."""
    return {engine.state for engine in feed.latest.engines}


class TestTasksOfTasks:
    @pytest.mark.parametrize("doers", [HERE, THERE])
    def test_are_done_anywhere(self, rc: ipp.Client, doers: list[int]) -> None:
        assert rc[THERE].apply_async(submit_to, doers).get(PATIENCE) == [[8, 8]] * 2

    def test_carry_arrays_both_ways(self, rc: ipp.Client) -> None:
        doubled = rc[THERE[0]].apply_async(have_doubled, np.ones(LARGE), [HERE[0], THERE[1]])

        assert [each.sum() for each in doubled.get(PATIENCE)] == [2.0 * LARGE] * 2

    def test_are_done_by_the_engine_itself_while_their_task_waits(self, rc: ipp.Client) -> None:
        assert rc[THERE[0]].apply_async(count_down, 5, THERE[0]).get(PATIENCE) == 5

    def test_take_no_more_places_than_there_are(self, rc: ipp.Client) -> None:
        assert rc.load_balanced_view(THERE).apply_async(fibonacci, 7).get(PATIENCE) == 13

    @pytest.mark.parametrize("way", ["client", "connect"])
    def test_belong_to_the_engines_own_cluster_however_that_is_found(
        self, rc: ipp.Client, way: str
    ) -> None:
        assert (
            rc[THERE].apply_async(whose, way).get(PATIENCE) == [(rc.cluster_id, [0, 1, 2, 3])] * 2
        )

    def test_are_finished_when_the_hub_has_died_meanwhile(self, rc: ipp.Client, gate: Gate) -> None:
        waits = rc[THERE[0]].apply_async(have_passed, gate, HERE[0])
        wait_until(lambda: has_some(rc, HERE[0]), PATIENCE)

        before = kill_hub(rc)
        gate.open()
        wait_for_another(rc, before)

        assert waits.get(PATIENCE) == "passed"


def submit_to(engines: list[int]) -> list[int]:
    return list(ipp.get_client()[engines].apply_async(pow, 2, 3).get(PATIENCE))


def have_doubled(array: Array, engines: list[int]) -> list[Array]:
    return list(ipp.get_client()[engines].apply_async(double, array).get(PATIENCE))


def count_down(number: int, engine: int) -> int:
    """Count, each number in a task of the one before it."""
    if not number:
        return 0
    below = ipp.get_client()[engine].apply_async(count_down, number - 1, engine)
    return 1 + int(below.get(PATIENCE))


def fibonacci(number: int) -> int:
    if number < 2:
        return number
    view = ipp.get_client().load_balanced_view(THERE)
    both = [view.apply_async(fibonacci, each) for each in (number - 1, number - 2)]
    return sum(int(each.get(PATIENCE)) for each in both)


def whose(way: str) -> tuple[str, list[int]]:
    with ipp.Client() if way == "client" else ipp.connect() as client:
        return client.cluster_id, list(map(int, client.ids))


def has_some(rc: ipp.Client, engine: int) -> bool:
    """Tell whether an engine has a task."""
    status = rc.queue_status([engine])[engine]
    return bool(status["queue"] or status["tasks"])


def have_passed(gate: Gate, engine: int) -> str:
    return str(
        ipp.get_client()[engine].apply_async(pass_through, gate.path, "passed").get(PATIENCE)
    )


def own_pid(_: object) -> int:
    return os.getpid()


def end_by_signal() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

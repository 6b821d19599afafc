import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started
from tests.support.gates import Gate, pass_through
from tests.support.leftovers import shared_memory_of
from tests.support.waiting import wait_until

Array = npt.NDArray[np.float64]
LARGE = 300_000
"""Elements of an array that travels through shared memory: 2.4 MB."""
PATIENCE = 60.0


def blobs(rc: ipp.Client) -> list[Path]:
    """Return the files that hold arrays, and not what else is in the folder."""
    (folder,) = shared_memory_of(rc.cluster_id)
    return [path for path in folder.iterdir() if not path.suffix]


def forget_quickly(rc: ipp.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process and the engines keep no memory for use again, and look often."""
    monkeypatch.setattr("ipcluster_ext.transport.pool.KEPT_FOR", 0.0)
    monkeypatch.setattr("ipcluster_ext.client.connection.PING_EVERY", 0.05)
    code = (
        "import ipcluster_ext.engine.wire as wire, ipcluster_ext.transport.pool as pool\n"
        "pool.KEPT_FOR, wire.IDLE = 0.0, 0.05"
    )
    rc[:].execute(code, block=True)


def write_into(array: Array) -> tuple[bool, float]:
    """Change an array that came as an argument; return what it held, and whether it could be."""
    before = float(array.sum())
    array[:] = -1.0
    return array.flags.writeable, before


def double(array: Array) -> Array:
    """Return a new array."""
    return array * 2


class TestArrays:
    @pytest.mark.parametrize("size", [10, 10_000, LARGE])
    def test_can_be_written_to_at_the_engine_and_here(self, rc: ipp.Client, size: int) -> None:
        array = np.ones(size)
        array.flags.writeable = False

        for view in (rc[0], rc.load_balanced_view()):
            assert view.apply_sync(write_into, array) == (True, size)
            back = view.apply_sync(double, array)
            back += 1
            assert (back.sum(), array.sum()) == (3 * size, size)

    @pytest.mark.parametrize("size", [10, 10_000, LARGE])
    def test_of_one_engine_are_not_those_of_another(self, rc: ipp.Client, size: int) -> None:
        array = np.ones(size)
        rc[:].push({"a": array}, block=True)

        rc[1].execute("a += engine_id", block=True)
        rc[3].execute("a[:] = 0", block=True)

        assert rc[:].pull("a.sum()", block=True) == [size, 2 * size, size, 0]
        assert array.sum() == size

    @pytest.mark.parametrize("size", [10, 10_000, LARGE])
    def test_may_be_changed_here_as_soon_as_they_are_sent(self, rc: ipp.Client, size: int) -> None:
        array = np.ones(size)

        pushed = rc[:].push({"a": array})
        applied = rc.load_balanced_view().map_async(np.sum, [array] * 4)
        array[:] = 5
        pushed.get(10)

        assert rc[:].pull("a.sum()", block=True) == [size] * 4
        assert applied.get(10) == [size] * 4

    def test_may_be_changed_at_the_engine_as_soon_as_they_are_returned(
        self, rc: ipp.Client
    ) -> None:
        rc[0].execute(f"import numpy as np; kept = np.ones({LARGE})", block=True)
        result = rc[0].pull("kept")
        rc[0].execute("kept[:] = 5", block=True)

        assert result.get(10).sum() == LARGE

    def test_that_were_pulled_twice_are_two(self, rc: ipp.Client) -> None:
        rc[0].push({"a": np.ones(LARGE)}, block=True)
        first, second = rc[0]["a"], rc[0]["a"]

        first[:] = 0

        assert second.sum() == LARGE

    @pytest.mark.parametrize(
        "make",
        [
            lambda: np.arange(LARGE).reshape(600, -1).T,
            lambda: np.asfortranarray(np.arange(LARGE).reshape(600, -1)),
            lambda: np.arange(2 * LARGE)[::2],
            lambda: np.zeros((0, 5)),
            lambda: np.array(3.5),
            lambda: np.zeros(LARGE, dtype=[("a", "i4"), ("b", "U3")]),
            lambda: np.array(["x" * 9] * LARGE),
            lambda: np.array([{"a": 1}, None] * 1000, dtype=object),
            lambda: np.ma.masked_less(np.arange(LARGE), 5),
            lambda: np.datetime64("2026-01-01") + np.arange(LARGE),
        ],
        ids=[
            "transposed", "fortran", "strided", "empty", "scalar", "structured", "text", "objects",
            "masked", "dates",
        ],
    )  # fmt: skip
    def test_of_any_layout_come_back_equal(self, rc: ipp.Client, make: Callable[[], Array]) -> None:
        array = make()

        back = rc.load_balanced_view().apply_async(lambda array: array, array).get(10)

        assert type(back) is type(array)
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert back.flags.writeable
        assert np.array_equal(back, array)

    def test_travel_inside_other_things(self, rc: ipp.Client) -> None:
        value = {"a": [np.ones(LARGE), np.zeros(5)], "b": (np.ones(LARGE), "text")}

        back = rc[0].apply_sync(lambda value: value, value)

        assert [part.sum() for part in (*back["a"], back["b"][0])] == [LARGE, 0, LARGE]
        assert back["b"][1] == "text"

    @pytest.mark.parametrize("kind", [bytes, bytearray])
    def test_are_not_all_that_is_large(self, rc: ipp.Client, kind: type) -> None:
        value = kind(b"\x01" * 3_000_000)

        back = rc[0].apply_sync(lambda value: value, value)

        assert type(back) is kind
        assert back == value

    def test_stay_in_the_namespace_of_the_engine(self, rc: ipp.Client) -> None:
        rc[0].execute("def keep(array):\n    global kept\n    kept = array", block=True)
        rc[0].apply_sync(rc[0]["keep"], np.ones(LARGE))
        for _ in range(5):
            rc[0].apply_sync(double, np.zeros(LARGE))

        assert rc[0].pull("kept.sum()", block=True) == LARGE


class TestMemoryThatIsUsedAgain:
    def test_is_none_that_somebody_here_still_reads(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()
        kept: list[Array] = []
        for n in range(24):
            array = view.apply_async(np.full, LARGE, float(n)).get(10)
            if n % 3 == 0:
                kept.append(array if n % 2 else array[1000:1003])
            del array

        assert [(a[0], a[-1]) for a in kept] == [(n, n) for n in (0, 3, 6, 9, 12, 15, 18, 21)]

    def test_is_none_that_an_engine_still_reads(self, rc: ipp.Client) -> None:
        for n in range(12):
            rc[n % 4].push({f"a{n // 4}": np.full(LARGE, float(n))}, block=True)
            rc[:].push({"other": np.full(LARGE, -1.0)}, block=True)

        sums = rc[:].pull(["a0.sum()", "a1.sum()", "a2.sum()"], block=True)

        assert sums == [[n * LARGE, (n + 4) * LARGE, (n + 8) * LARGE] for n in range(4)]

    def test_may_hold_arrays_of_several_sizes(self, rc: ipp.Client) -> None:
        sizes = [LARGE, LARGE - 7, LARGE // 2 + 1, LARGE + 1, 2 * LARGE, LARGE]

        for _ in range(4):
            arrays = [rc[0].apply_async(double, np.ones(size)).get(10) for size in sizes]
            assert [(a.size, a.sum()) for a in arrays] == [(size, 2 * size) for size in sizes]


class TestFiles:
    def test_are_gone_when_nobody_needs_them(
        self, rc: ipp.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        forget_quickly(rc, monkeypatch)
        rc[:].push({"a": np.ones(LARGE)}, block=True)
        result = rc.load_balanced_view().map_async(double, [np.ones(LARGE)] * 8)
        result.get(10)
        assert blobs(rc)

        del result
        gc.collect()
        rc[:].clear(block=True)
        rc[:].apply_sync(gc.collect)

        wait_until(lambda: not blobs(rc))

    def test_of_results_that_nobody_asked_for_go_as_well(
        self, rc: ipp.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        forget_quickly(rc, monkeypatch)
        results = [rc[:].apply_async(np.ones, LARGE) for _ in range(3)]
        assert rc.wait(results, timeout=10)

        del results

        wait_until(lambda: not blobs(rc))

    def test_of_a_client_that_left_are_kept_for_others_until_the_cluster_ends(
        self, started: Started, gate: Gate
    ) -> None:
        rc = started.client
        with ipp.Client(rc.connection.name) as client:
            client[0].apply_async(pass_through, gate.path)
            client[0].apply_async(double, np.ones(LARGE))
            [argument] = blobs(rc)

        gate.open()

        wait_until(lambda: [path for path in blobs(rc) if path != argument] != [])

    def test_of_tasks_that_were_cancelled_go_as_well(
        self, rc: ipp.Client, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        forget_quickly(rc, monkeypatch)
        rc[0].apply_async(pass_through, gate.path)
        result = rc[0].apply_async(double, np.ones(LARGE))

        assert result.cancel()

        wait_until(lambda: not blobs(rc))

    def test_hold_what_is_pushed_to_many_once(self, rc: ipp.Client, gate: Gate) -> None:
        rc[:].apply_async(pass_through, gate.path)
        before = set(blobs(rc))

        pushed = rc[:].push({"a": np.ones(6_500_000)})
        new = [path for path in blobs(rc) if path not in before]
        gate.open()

        assert [path.stat().st_size for path in new] == [52_000_000]
        assert pushed.get(10) == [None] * 4
        assert rc[:].pull("a.sum()", block=True) == [6_500_000] * 4


class TestAHubThatDies:
    """The next one learns from clients and makers what is needed and what is not."""

    def test_takes_no_result_from_whoever_holds_it_and_the_next_one_frees_it_in_the_end(
        self, started: Started, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rc = started.client
        forget_quickly(rc, monkeypatch)
        view = rc.load_balanced_view()
        result = view.apply_async(np.full, LARGE, 7.0)
        assert result.wait(PATIENCE)
        wait_until(lambda: len(blobs(rc)) == 1)
        [held] = blobs(rc)
        arrived = rc.hub_pid

        os.kill(arrived, signal.SIGKILL)
        wait_until(lambda: rc.hub_pid != arrived, PATIENCE)

        total = view.apply_async(np.sum, result).get(PATIENCE)
        assert (total, blobs(rc)) == (7.0 * LARGE, [held])
        assert result.get(PATIENCE).sum() == 7.0 * LARGE
        del result
        gc.collect()
        rc[:].apply_async(gc.collect).get(PATIENCE)
        wait_until(lambda: not blobs(rc), PATIENCE)

    def test_leaves_nothing_that_it_had_no_time_to_free(
        self, started: Started, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rc = started.client
        forget_quickly(rc, monkeypatch)
        for _ in range(4):
            kill_hub_in_the_middle(rc)

        gc.collect()
        rc[:].apply_async(gc.collect).get(PATIENCE)
        wait_until(lambda: not blobs(rc), PATIENCE)


def kill_hub_in_the_middle(rc: ipp.Client) -> None:
    """Kill the hub when the first of some tasks has ended, and wait for all."""
    view, before = rc.load_balanced_view(), rc.hub_pid
    answers = [view.apply_async(double, np.ones(LARGE)) for _ in range(8)]
    wait_until(lambda: any(answer.done() for answer in answers))

    os.kill(before, signal.SIGKILL)

    wait_until(lambda: rc.hub_pid != before, PATIENCE)
    assert [answer.get(PATIENCE).sum() for answer in answers] == [2 * LARGE] * 8

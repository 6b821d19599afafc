"""The contract of ``concurrent.futures.Executor``, as the standard library's own users know it."""

import asyncio
import gc
import itertools
import os
import threading
import traceback
import weakref
from concurrent.futures import (
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    BrokenExecutor,
    CancelledError,
    Executor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started, python
from tests.support.gates import Gate, pass_through
from tests.support.notebooks import cell
from tests.support.waiting import wait_until


@pytest.fixture
def executor(rc: ipp.Client) -> ipp.Executor:
    """Return an executor over all engines."""
    return rc.executor()


@pytest.fixture
def single(rc: ipp.Client) -> ipp.Executor:
    """Return an executor over one engine."""
    return rc.executor(targets=[1])


@pytest.fixture
def through(gate: Gate) -> partial[object]:
    """Return a task that waits at the gate and returns what it is given."""
    return partial(pass_through, gate.path)


def fail(reason: str) -> NoReturn:
    raise ValueError(reason)


def divide(a: int, b: int) -> float:
    return a / b


def set_up(value: str) -> None:
    assert "SET_UP" not in os.environ
    os.environ["SET_UP"] = value


def is_set_up(_: object) -> str | None:
    return os.environ.get("SET_UP")


def take_down() -> str | None:
    return os.environ.pop("SET_UP", None)


def own_engine(_: object = None) -> int:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    assert shell is not None
    return int(shell.user_ns["engine_id"])


class TestSubmit:
    def test_returns_a_future_of_the_value(self, executor: ipp.Executor) -> None:
        assert isinstance(executor, Executor)
        assert executor.submit(pow, 2, exp=5).result() == 32

    def test_passes_on_arguments_with_its_own_names(self, executor: ipp.Executor) -> None:
        assert executor.submit(dict, self=1, fn=2).result() == {"self": 1, "fn": 2}

    def test_makes_futures_pending_then_running_then_done(
        self, single: ipp.Executor, gate: Gate, through: Any
    ) -> None:
        first, second = single.submit(through, 1), single.submit(through, 2)
        wait_until(first.running)

        assert (first.done(), second.running(), second.done()) == (False, False, False)
        gate.open()
        assert [first.result(10), second.result(10)] == [1, 2]
        assert (first.running(), first.done(), second.running()) == (False, True, False)

    def test_raises_what_the_function_raised_with_the_remote_traceback(
        self, executor: ipp.Executor
    ) -> None:
        future = executor.submit(fail, "as expected")

        with pytest.raises(ValueError, match="as expected") as caught:
            future.result()
        assert future.exception() is caught.value
        assert isinstance(caught.value, ipp.RemoteError)
        assert "in fail" in caught.value.traceback
        assert "as expected" in "".join(traceback.format_exception(caught.value))

    def test_times_out_and_can_be_asked_again(
        self, executor: ipp.Executor, gate: Gate, through: Any
    ) -> None:
        future = executor.submit(through, "late")

        with pytest.raises(TimeoutError):
            future.result(timeout=0.01)
        with pytest.raises(TimeoutError):
            future.exception(timeout=0)
        gate.open()
        assert future.result(10) == "late"

    def test_refuses_at_once_what_cannot_be_pickled(self, executor: ipp.Executor) -> None:
        with pytest.raises(ipp.SerializationError):
            executor.submit(abs, threading.Lock())
        with pytest.raises(TypeError, match="callable"):
            executor.submit(5)  # type: ignore[arg-type]

    def test_works_from_many_threads_with_different_functions(self, executor: ipp.Executor) -> None:
        names = cell("functions = [eval(f'lambda x: (x, {n})') for n in range(8)]")["functions"]

        def use(number: int) -> list[Any]:
            return [executor.submit(names[number], item).result(10) for item in range(40)]

        with ThreadPoolExecutor(8) as threads:
            got = list(threads.map(use, range(8)))

        assert got == [[(item, number) for item in range(40)] for number in range(8)]

    def test_keeps_no_future_that_is_done(self, executor: ipp.Executor) -> None:
        future = executor.submit(bytes, 10)
        future.result()
        gone = weakref.ref(future)
        wait_until(lambda: repr(executor).endswith(": 0 tasks>"))

        del future
        gc.collect()

        wait_until(lambda: gone() is None)


class TestTheStandardLibrarysFunctions:
    def test_wait_waits_for_all(self, executor: ipp.Executor) -> None:
        futures = {executor.submit(abs, -number) for number in range(20)}

        assert wait(futures) == (futures, set())

    def test_wait_returns_with_the_first_one(
        self, executor: ipp.Executor, gate: Gate, through: Any
    ) -> None:
        held, quick = executor.submit(through), executor.submit(abs, -1)

        assert wait([held, quick], return_when=FIRST_COMPLETED) == ({quick}, {held})
        assert wait([held], timeout=0.01) == (set(), {held})
        gate.open()
        assert wait([held, quick]) == ({held, quick}, set())

    def test_wait_returns_with_the_first_exception(
        self, executor: ipp.Executor, gate: Gate, through: Any
    ) -> None:
        held, bad = executor.submit(through), executor.submit(fail, "bad")

        assert wait([held, bad], return_when=FIRST_EXCEPTION) == ({bad}, {held})
        gate.open()
        held.result(10)

    def test_as_completed_yields_each_when_it_is_done(
        self, executor: ipp.Executor, gate: Gate, through: Any
    ) -> None:
        held = executor.submit(through, "held")
        others = [executor.submit(abs, -number) for number in range(5)]
        come = as_completed([held, *others], timeout=20)

        assert {next(come) for _ in others} == set(others)
        gate.open()
        assert [future.result() for future in come] == ["held"]

    def test_as_completed_times_out(self, executor: ipp.Executor, gate: Gate, through: Any) -> None:
        held = executor.submit(through)

        with pytest.raises(TimeoutError):
            list(as_completed([held], timeout=0.01))
        gate.open()
        held.result(10)

    def test_run_in_executor_awaits_it(self, executor: ipp.Executor) -> None:
        async def both() -> list[Any]:
            loop = asyncio.get_running_loop()
            calls = (loop.run_in_executor(executor, pow, 2, n) for n in range(4))
            return await asyncio.gather(
                *calls, loop.run_in_executor(executor, fail, "x"), return_exceptions=True
            )

        *values, error = asyncio.run(both())
        assert values == [1, 2, 4, 8]
        assert isinstance(error, ValueError)


class TestCallbacks:
    def test_run_in_order_with_the_future(self, executor: ipp.Executor) -> None:
        called: list[Any] = []
        future = executor.submit(abs, -3)
        future.add_done_callback(lambda done: called.append((1, done.result())))
        future.add_done_callback(lambda done: called.append((2, done)))

        wait_until(lambda: len(called) == 2)
        assert called == [(1, 3), (2, future)]

    def test_run_at_once_if_it_is_done_already(self, executor: ipp.Executor) -> None:
        future = executor.submit(abs, -3)
        future.result()
        called: list[int] = []

        future.add_done_callback(lambda done: called.append(done.result()))

        assert called == [3]

    def test_that_raise_leave_the_others_alone(
        self, executor: ipp.Executor, gate: Gate, through: Any
    ) -> None:
        called = threading.Event()
        future = executor.submit(through)
        future.add_done_callback(lambda _: 1 // 0)
        future.add_done_callback(lambda _: called.set())

        gate.open()

        assert called.wait(10)
        assert executor.submit(abs, -1).result(10) == 1

    def test_may_submit(self, executor: ipp.Executor) -> None:
        second: list[ipp.AsyncResult] = []
        first = executor.submit(abs, -1)
        first.add_done_callback(
            lambda done: second.append(executor.submit(abs, -1 - done.result()))
        )

        wait_until(lambda: second)
        assert second[0].result(10) == 2


class TestCancel:
    def test_stops_what_has_not_begun(
        self, single: ipp.Executor, gate: Gate, through: Any, tmp_path: Path
    ) -> None:
        running = single.submit(through, 1)
        wait_until(running.running)
        waiting = single.submit(Path.touch, tmp_path / "ran")
        called: list[bool] = []
        waiting.add_done_callback(lambda done: called.append(done.cancelled()))

        assert (waiting.cancel(), waiting.cancelled(), waiting.done()) == (True, True, True)
        assert waiting.cancel()
        assert called == [True]
        with pytest.raises(CancelledError):
            waiting.result()
        with pytest.raises(CancelledError):
            waiting.exception()
        gate.open()
        assert running.result(10) == 1
        assert not (tmp_path / "ran").exists()

    def test_leaves_alone_what_runs_or_is_done(
        self, single: ipp.Executor, gate: Gate, through: Any
    ) -> None:
        future = single.submit(through, 1)
        wait_until(future.running)

        assert (future.cancel(), future.cancelled()) == (False, False)
        gate.open()
        assert (future.result(10), future.cancel()) == (1, False)


class TestMap:
    def test_keeps_the_order(self, executor: ipp.Executor) -> None:
        values = executor.map(divide, range(10), itertools.repeat(2))

        assert list(values) == [number / 2 for number in range(10)]

    @pytest.mark.parametrize("chunksize", [1, 3, 50])
    def test_takes_the_shortest_iterable(self, executor: ipp.Executor, chunksize: int) -> None:
        values = executor.map(pow, range(10), range(7), itertools.repeat(5), chunksize=chunksize)

        assert list(values) == [pow(n, n, 5) for n in range(7)]

    def test_of_nothing_is_empty(self, executor: ipp.Executor) -> None:
        assert list(executor.map(abs, [])) == []
        assert list(executor.map(abs)) == []

    def test_runs_although_nobody_asks_for_values(
        self, executor: ipp.Executor, tmp_path: Path
    ) -> None:
        executor.map(Path.touch, [tmp_path / "a", tmp_path / "b"])

        executor.shutdown()

        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]

    def test_yields_what_comes_before_an_exception(self, executor: ipp.Executor) -> None:
        values = executor.map(divide, [1, 1, 1, 1], [1, 1, 0, 1])

        assert [next(values), next(values)] == [1, 1]
        with pytest.raises(ZeroDivisionError):
            next(values)
        assert list(values) == []

    def test_raises_in_the_place_of_a_chunk(self, executor: ipp.Executor) -> None:
        values = executor.map(divide, [1, 1, 1, 1], [1, 1, 0, 1], chunksize=2)

        assert [next(values), next(values)] == [1, 1]
        with pytest.raises(ZeroDivisionError):
            next(values)

    @pytest.mark.parametrize("chunksize", [1, 2])
    def test_honours_its_timeout_from_the_call_on(
        self, executor: ipp.Executor, gate: Gate, through: Any, chunksize: int
    ) -> None:
        items = [1, 2, 3]
        values = executor.map(through, items, timeout=0.2, chunksize=chunksize)

        with pytest.raises(TimeoutError):
            next(values)
        gate.open()
        assert list(executor.map(through, items, timeout=20, chunksize=chunksize)) == items

    def test_reads_iterables_at_once(self, executor: ipp.Executor) -> None:
        items = iter(range(20))

        values = executor.map(abs, items)

        assert list(items) == []
        assert list(values) == list(range(20))

    def test_with_a_buffer_reads_as_values_are_taken(self, executor: ipp.Executor) -> None:
        items = itertools.count()

        values = executor.map(str, items, buffersize=4)

        assert next(items) == 4  # so many were read
        assert [next(values) for _ in range(3)] == ["0", "1", "2"]
        assert next(items) == 8

    def test_with_a_buffer_of_chunks_counts_chunks(self, executor: ipp.Executor) -> None:
        items = itertools.count()

        values = executor.map(str, items, buffersize=2, chunksize=3)

        assert next(items) == 6
        assert [next(values) for _ in range(6)] == list("012345")

    def test_with_a_buffer_yields_all_of_what_is_finite(self, executor: ipp.Executor) -> None:
        assert list(executor.map(abs, range(25), buffersize=3)) == list(range(25))

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"chunksize": 0}, ValueError),
            ({"chunksize": -1}, ValueError),
            ({"buffersize": 0}, ValueError),
            ({"buffersize": -1}, ValueError),
            ({"buffersize": "4"}, TypeError),
            ({"buffersize": 1.5}, TypeError),
        ],
    )
    def test_refuses_sizes_that_make_no_sense(
        self, executor: ipp.Executor, options: Any, error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            executor.map(abs, [1], **options)

    @pytest.mark.parametrize("chunksize", [1, 2])
    def test_cancels_the_rest_when_it_is_closed(
        self, single: ipp.Executor, gate: Gate, tmp_path: Path, chunksize: int
    ) -> None:
        values = single.map(partial(_record, gate.path, tmp_path), range(10), chunksize=chunksize)
        wait_until((tmp_path / "0").exists)
        gate.open()
        next(values)
        held = single.submit(pass_through, tmp_path / "never")
        wait_until(lambda: not values.close() and held.running())  # type: ignore[attr-defined]

        (tmp_path / "never").touch()

        held.result(10)
        assert len(list(tmp_path.iterdir())) <= 12

    def test_cancels_the_rest_when_it_raises(self, single: ipp.Executor, gate: Gate) -> None:
        blocked = single.submit(pass_through, gate.path)
        wait_until(blocked.running)
        values = single.map(abs, range(100), timeout=0.01)

        with pytest.raises(TimeoutError):
            next(values)

        wait_until(lambda: repr(single).endswith(": 1 tasks>"))  # all but the blocked one
        gate.open()
        blocked.result(10)

    def test_cancels_what_was_begun_when_an_item_cannot_be_pickled(
        self, single: ipp.Executor, gate: Gate
    ) -> None:
        blocked = single.submit(pass_through, gate.path)
        wait_until(blocked.running)

        with pytest.raises(ipp.SerializationError):
            single.map(abs, [1, 2, threading.Lock()])

        wait_until(lambda: repr(single).endswith(": 1 tasks>"))
        gate.open()
        blocked.result(10)

    def test_of_many_items_and_of_large_ones_is_right(self, executor: ipp.Executor) -> None:
        assert sum(executor.map(abs, range(20_000))) == sum(range(20_000))
        blocks = [bytes([number]) * 3_000_000 for number in range(8)]
        assert list(executor.map(len, blocks, buffersize=2)) == [3_000_000] * 8

    @pytest.mark.parametrize("chunksize", [1, 3])
    def test_keeps_no_value_that_was_taken(self, executor: ipp.Executor, chunksize: int) -> None:
        alive: list[bool] = []
        for value in executor.map(frozenset, [[1], [2], [3]], chunksize=chunksize):
            gone = weakref.ref(value)
            del value
            alive.append(gone() is not None)

        assert alive == [False] * 3

    def test_of_a_direct_view_deals_items_out(self, rc: ipp.Client) -> None:
        executor = rc[[0, 2]].executor

        assert set(executor.map(own_engine, range(40))) <= {0, 2}
        assert executor.submit(own_engine).result() == [0, 2]
        assert rc[3].executor.submit(own_engine).result() == 3


class TestShutdown:
    def test_waits_for_what_was_submitted_and_takes_no_more(
        self, rc: ipp.Client, gate: Gate, through: Any
    ) -> None:
        executor = rc.executor()
        futures = [executor.submit(through, number) for number in range(6)]
        threading.Timer(0.05, gate.open).start()

        executor.shutdown()

        assert all(future.done() for future in futures)
        for attempt in (partial(executor.submit, abs, 1), partial(executor.map, abs, [1])):
            with pytest.raises(RuntimeError, match="after shutdown"):
                attempt()
        executor.shutdown()
        assert rc[:].apply_sync(abs, -1) == [1, 1, 1, 1]

    def test_need_not_wait(self, executor: ipp.Executor, gate: Gate, through: Any) -> None:
        future = executor.submit(through, 1)

        executor.shutdown(wait=False)

        assert not future.done()
        gate.open()
        assert future.result(10) == 1

    def test_may_cancel_what_has_not_begun(
        self, single: ipp.Executor, gate: Gate, through: Any
    ) -> None:
        running = single.submit(through, 1)
        wait_until(running.running)
        waiting = [single.submit(through, number) for number in range(20)]
        threading.Timer(0.05, gate.open).start()

        single.shutdown(cancel_futures=True)

        assert running.result() == 1
        assert all(future.cancelled() for future in waiting)

    def test_ends_a_with_block(self, rc: ipp.Client) -> None:
        with rc.executor() as executor:
            future = executor.submit(abs, -1)

        assert future.done()
        with pytest.raises(RuntimeError):
            executor.submit(abs, -1)

    def test_ends_a_lazy_map(self, executor: ipp.Executor) -> None:
        values = executor.map(abs, itertools.count(), buffersize=2)
        next(values)

        executor.shutdown()

        with pytest.raises(RuntimeError):
            list(values)

    def test_is_not_needed_for_the_interpreter_to_end(self) -> None:
        process = python("""
            import time, ipcluster_ext as ipp
            from concurrent.futures import as_completed
            rc = ipp.Cluster(n=1).start_and_connect_sync()
            executor = rc.executor()
            futures = [executor.submit(time.sleep, 300) for _ in range(5)]
            print(len(futures), flush=True)
        """)

        out, err = process.communicate(timeout=60)

        assert (out, err, process.returncode) == ("5\n", "", 0)


class TestInitializer:
    def test_runs_on_each_engine_before_any_task(self, rc: ipp.Client) -> None:
        with ipp.Executor(
            rc.load_balanced_view(), initializer=set_up, initargs=("yes",)
        ) as executor:
            assert set(executor.map(is_set_up, range(40))) == {"yes"}
        assert rc[:].apply_sync(take_down) == ["yes"] * 4

    def test_runs_on_engines_that_start_later_until_the_shutdown(self, started: Started) -> None:
        client = started.client
        executor = ipp.Executor(client.load_balanced_view(), initializer=set_up, initargs=("yes",))
        assert executor.submit(is_set_up, 0).result() == "yes"

        client.restart_engines()
        client.wait_for_engines(2, timeout=20)

        wait_until(lambda: set(executor.map(is_set_up, range(20))) == {"yes"})
        executor.shutdown()
        client.restart_engines()
        wait_until(lambda: client[:].apply_sync(is_set_up, 0) == [None, None])

    def test_that_fails_breaks_the_executor(
        self, rc: ipp.Client, gate: Gate, through: Any, tmp_path: Path
    ) -> None:
        rc[:].apply_async(through)
        executor = ipp.Executor(rc.load_balanced_view(), initializer=fail, initargs=("no",))
        future = executor.submit(pass_through, tmp_path / "another")

        gate.open()

        with pytest.raises(BrokenExecutor, match="no"):
            future.result(10)
        with pytest.raises(BrokenExecutor, match="no"):
            executor.submit(abs, -1)
        (tmp_path / "another").touch()

    def test_has_to_be_callable(self, rc: ipp.Client) -> None:
        with pytest.raises(TypeError, match="callable"):
            ipp.Executor(rc.load_balanced_view(), initializer=5)  # type: ignore[arg-type]


def workers(executor: Executor) -> int:
    """Ask as Dask does."""
    return int(executor._max_workers)  # type: ignore[attr-defined]  # noqa: SLF001


class TestWorkers:
    def test_are_the_views_engines(self, rc: ipp.Client) -> None:
        assert workers(rc.executor()) == 4
        assert workers(rc.executor([1, 2])) == 2
        assert workers(rc[3].executor) == 1

    def test_may_be_fewer(self, rc: ipp.Client) -> None:
        executor = ipp.Executor(rc.load_balanced_view([1, 2, 3]), max_workers=2)

        assert workers(executor) == 2
        assert set(executor.map(own_engine, range(40))) <= {1, 2}

    def test_must_be_some(self, rc: ipp.Client) -> None:
        with pytest.raises(ValueError, match="max_workers"):
            ipp.Executor(rc.load_balanced_view(), max_workers=0)

    def test_follow_the_views_flags(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view(label="fits")

        assert view.executor.submit(abs, -1).label == "fits"
        assert ipp.Executor(view, max_workers=2).submit(abs, -1).label == "fits"


def test_is_found_under_ipyparallels_name(executor: ipp.Executor) -> None:
    assert type(executor) is ipp.ViewExecutor


def test_without_a_view_takes_the_running_cluster(started: Started) -> None:
    with ipp.Executor() as executor:
        assert workers(executor) == 2
        assert executor.submit(abs, -1).result() == 1


def test_is_a_pool_class_for_tqdm(started: Started, capsys: pytest.CaptureFixture[str]) -> None:
    from tqdm.contrib.concurrent import _executor_map  # type: ignore[attr-defined]
    from tqdm.std import tqdm

    assert _executor_map(ipp.Executor, abs, range(-5, 0), max_workers=2, tqdm_class=tqdm) == [
        5,
        4,
        3,
        2,
        1,
    ]
    assert "/5 [" in capsys.readouterr().err


def test_computes_dask_graphs(executor: ipp.Executor) -> None:
    dask = pytest.importorskip("dask")
    total = dask.delayed(sum)([dask.delayed(pow)(number, 2) for number in range(10)])

    assert dask.compute(total, scheduler=executor) == (285,)
    with dask.config.set(scheduler=executor):
        assert total.compute() == 285


def _record(gate: Path, folder: Path, number: int) -> int:
    (folder / str(number)).touch()
    pass_through(gate)
    return number

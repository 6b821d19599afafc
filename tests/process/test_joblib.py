"""The backend for joblib: what its users and scikit-learn's see."""

import gc
import multiprocessing
import os
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started, pids, python
from tests.support.gates import Gate, pass_through
from tests.support.notebooks import cell

joblib = pytest.importorskip("joblib")
Parallel, delayed, parallel_config = joblib.Parallel, joblib.delayed, joblib.parallel_config

Array = npt.NDArray[np.float64]


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    ipp.register_joblib_backend()


@pytest.fixture
def backend(rc: ipp.Client) -> Iterator[None]:
    """Use all four engines within the test."""
    with parallel_config("ipcluster_ext", view=rc.load_balanced_view()):
        yield


def square(number: int) -> int:
    return number * number


def fail(reason: str) -> NoReturn:
    raise ValueError(reason)


def own_pid(_: object = None) -> int:
    return os.getpid()


def about(array: Array) -> tuple[float, bool]:
    return float(array.sum()), array.flags.writeable


def change(array: Array) -> float:
    array += 1
    return float(array.sum())


def identity_of(array: Array) -> int:
    return id(array.base)


def kept(_: object = None) -> int:
    """Count the arrays that an engine keeps."""
    from ipcluster_ext.integrations import arrays

    return sum(map(len, arrays._kept.values()))  # noqa: SLF001 - nobody else needs to know


def inner(number: int) -> list[int]:
    return list(Parallel(n_jobs=2)(delayed(square)(number + step) for step in range(3)))


def explicit_inner(number: int) -> list[int]:
    ipp.register_joblib_backend()
    return list(Parallel(n_jobs=2, backend="ipcluster_ext")(delayed(square)(n) for n in [number]))


def threads_of_blas() -> set[int]:
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    return {library["num_threads"] for library in threadpool_info()}


@pytest.mark.usefixtures("backend")
class TestParallel:
    def test_returns_values_in_order(self) -> None:
        assert Parallel()(delayed(square)(n) for n in range(200)) == [n * n for n in range(200)]

    def test_runs_on_the_engines(self, rc: ipp.Client) -> None:
        got = Parallel(batch_size=1)(delayed(own_pid)(n) for n in range(40))

        assert set(got) <= set(pids(rc))

    def test_takes_functions_from_a_notebook(self) -> None:
        factor = cell("""
            def factor(n):
                return n * base
            base = 7
        """)["factor"]

        assert Parallel()(delayed(factor)(n) for n in range(3)) == [0, 7, 14]

    def test_raises_what_a_task_raised(self) -> None:
        with pytest.raises(ValueError, match="as expected"):
            Parallel()(delayed(fail)("as expected") for _ in range(20))

        assert Parallel()(delayed(square)(n) for n in range(4)) == [0, 1, 4, 9]

    def test_stops_what_runs_when_a_task_raises(self, rc: ipp.Client, gate: Gate) -> None:
        with pytest.raises(ValueError, match="first"):
            Parallel(batch_size=1)(
                [delayed(fail)("first"), *(delayed(pass_through)(gate.path) for _ in range(3))]
            )

        assert rc.wait(timeout=10)
        assert not gate.path.exists()

    def test_cancels_the_rest_when_a_task_raises(
        self, rc: ipp.Client, tmp_path: Path, gate: Gate
    ) -> None:
        folder = tmp_path / "began"
        folder.mkdir()

        with pytest.raises(ValueError, match="first"):
            Parallel(pre_dispatch="all", batch_size=1)(
                [delayed(fail)("first")]
                + [delayed(_wait_and_touch)(folder, n, gate.path) for n in range(400)]
            )
        gate.open()

        assert rc.wait(timeout=10)
        assert len(list(folder.iterdir())) < 400

    @pytest.mark.parametrize("place", [0, 30])
    def test_raises_what_cannot_be_pickled(self, place: int) -> None:
        items: list[Any] = list(range(40))
        items[place] = threading.Lock()

        with pytest.raises(ipp.SerializationError, match="lock"):
            Parallel(batch_size=1)(delayed(str)(item) for item in items)

    def test_raises_what_the_iterator_raised(self) -> None:
        with pytest.raises(ZeroDivisionError):
            Parallel(batch_size=1)(delayed(str)(1 // (30 - n)) for n in range(40))

    def test_lets_the_iterator_use_the_cluster(self, rc: ipp.Client) -> None:
        numbers = (rc[0].apply_sync(square, n) for n in range(40))

        got = Parallel(batch_size=1)(delayed(square)(n) for n in numbers)

        assert got == [n**4 for n in range(40)]

    def test_is_a_generator_if_wished(self) -> None:
        ordered = Parallel(return_as="generator")(delayed(square)(n) for n in range(30))
        unordered = Parallel(return_as="generator_unordered")(delayed(square)(n) for n in range(30))

        assert next(ordered) == 0
        assert list(ordered) == [n * n for n in range(1, 30)]
        assert sorted(unordered) == [n * n for n in range(30)]

    def test_times_out(self, gate: Gate) -> None:
        with pytest.raises(multiprocessing.TimeoutError):
            Parallel(timeout=0.1)(delayed(pass_through)(gate.path) for _ in range(2))

        gate.open()
        assert Parallel(timeout=20)(delayed(square)(n) for n in range(3)) == [0, 1, 4]

    def test_is_reusable_as_a_context_manager(self) -> None:
        with Parallel() as parallel:
            first = parallel(delayed(square)(n) for n in range(3))
            second = parallel(delayed(square)(n) for n in range(3, 6))

        assert first + second == [0, 1, 4, 9, 16, 25]

    def test_works_from_several_threads_at_once(self, rc: ipp.Client) -> None:
        got: dict[int, list[int]] = {}

        def use(number: int) -> None:
            with parallel_config("ipcluster_ext", view=rc[:]):
                got[number] = Parallel()(delayed(square)(n) for n in range(number, number + 50))

        threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert got == {n: [k * k for k in range(n, n + 50)] for n in range(4)}

    @pytest.mark.parametrize("task", [inner, explicit_inner])
    def test_may_be_nested_more_often_than_there_are_engines(self, task: Any) -> None:
        got = Parallel(batch_size=1)(delayed(task)(n) for n in range(20))

        assert [values[0] for values in got] == [n * n for n in range(20)]


class TestHowMany:
    @pytest.mark.parametrize(
        ("n_jobs", "expected"), [(None, 4), (-1, 4), (-2, 3), (2, 2), (3, 3), (99, 4), (1, 1)]
    )
    @pytest.mark.usefixtures("backend")
    def test_jobs_run_at_once(self, n_jobs: int | None, expected: int) -> None:
        parallel = Parallel(n_jobs=n_jobs)
        with parallel:
            assert parallel._effective_n_jobs() == expected  # noqa: SLF001 - joblib says it nowhere else

    @pytest.mark.usefixtures("backend")
    def test_zero_makes_no_sense(self) -> None:
        with pytest.raises(ValueError, match="n_jobs == 0"):
            Parallel(n_jobs=0)(delayed(square)(n) for n in range(2))

    @pytest.mark.usefixtures("backend")
    def test_jobs_use_no_more_engines(self) -> None:
        got = Parallel(n_jobs=2, batch_size=1)(delayed(own_pid)(n) for n in range(60))

        assert len(set(got)) <= 2

    def test_a_direct_view_limits_the_engines(self, rc: ipp.Client) -> None:
        with parallel_config("ipcluster_ext", view=rc[1:3]):
            got = Parallel(batch_size=1)(delayed(own_pid)(n) for n in range(60))

        assert set(got) <= set(pids(rc)[1:3])


@pytest.mark.usefixtures("backend")
class TestArrays:
    @pytest.mark.parametrize(("count", "writable"), [(100_000, True), (400_000, False)])
    def test_arrive_as_joblibs_options_say(self, count: int, *, writable: bool) -> None:
        array = np.arange(count, dtype=float)

        got = Parallel(batch_size=1)(delayed(about)(array) for _ in range(30))

        assert set(got) == {(array.sum(), writable)}

    @pytest.mark.parametrize("options", [{"max_nbytes": None}, {"mmap_mode": None}], ids=str)
    def test_may_all_be_changed_if_wished(self, options: Any) -> None:
        array = np.zeros(400_000)

        got = Parallel(batch_size=1, **options)(delayed(change)(array) for _ in range(30))

        assert set(got) == {400_000}
        assert array.sum() == 0

    def test_are_kept_while_a_run_lasts_and_no_longer(self, rc: ipp.Client) -> None:
        array = np.zeros(400_000)
        with Parallel(batch_size=1) as parallel:
            addresses = parallel(delayed(identity_of)(array) for _ in range(60))
            assert len(set(addresses)) < 30
            assert rc[:].apply_sync(kept) == [0] * 4
        gc.collect()

        assert Parallel()(delayed(about)(array) for _ in range(3)) == [(0, False)] * 3

    def test_that_changed_between_two_runs_are_sent_anew(self) -> None:
        array = np.zeros(50_000)
        for number in range(3):
            array[:] = number

            got = Parallel(batch_size=1)(delayed(about)(array) for _ in range(20))

            assert {total for total, _ in got} == {number * 50_000}

    def test_are_found_wherever_they_stand(self, rc: ipp.Client) -> None:
        array, seen = np.zeros(50_000), []
        tasks = (delayed(_count_kept)({"deep": [array]}) for _ in range(60))

        seen = Parallel(batch_size=1)(tasks)

        assert max(seen) == 1

    def test_that_nobody_needs_any_more_are_dropped(self) -> None:
        def tasks() -> Iterator[Any]:
            for number in range(40):
                array = np.full(50_000, float(number))
                for _ in range(3):
                    yield delayed(_count_kept)(array)

        assert max(Parallel(batch_size=1)(tasks())) < 20

    def test_come_again_to_an_engine_that_was_restarted(self, started: Started) -> None:
        array, view = np.ones(50_000), started.client.load_balanced_view(retries=3)

        def tasks() -> Iterator[Any]:
            for number in range(60):
                if number == 20:
                    os.kill(pids(started.client)[0], 9)
                yield delayed(about)(array)

        with parallel_config("ipcluster_ext", view=view):
            got = Parallel(batch_size=1, pre_dispatch=1)(tasks())

        assert got == [(50_000, True)] * 60

    def test_of_objects_and_maps_of_files_arrive(self, tmp_path: Path) -> None:
        objects = np.array([{"a": 1}] * 10_000, dtype=object)
        joblib.dump(np.ones(400_000), tmp_path / "ones")
        mapped = joblib.load(tmp_path / "ones", mmap_mode="r")

        assert Parallel()(delayed(len)(objects) for _ in range(5)) == [10_000] * 5
        assert Parallel()(delayed(about)(mapped) for _ in range(9)) == [(400_000, False)] * 9


class TestThreads:
    def test_within_a_task_are_one_for_each_library(self, rc: ipp.Client) -> None:
        assert rc[:].apply_sync(threads_of_blas) == [{1}] * 4

    def test_may_be_as_many_as_wished(self, rc: ipp.Client) -> None:
        pytest.importorskip("threadpoolctl")
        with parallel_config("ipcluster_ext", view=rc[:], inner_max_num_threads=2):
            got = Parallel()(delayed(threads_of_blas)() for _ in range(4))

        assert got == [{2}] * 4
        assert rc[:].apply_sync(threads_of_blas) == [{1}] * 4


class TestRegistering:
    def test_a_view_has_joblib_use_its_engines(self, rc: ipp.Client) -> None:
        rc.load_balanced_view([3]).register_joblib_backend("third")
        rc[[0, 1]].register_joblib_backend()
        try:
            with parallel_config("ipcluster_ext"):
                assert set(Parallel()(delayed(own_pid)() for _ in range(9))) <= set(pids(rc)[:2])
            with parallel_config("ipyparallel"):
                assert set(Parallel()(delayed(own_pid)() for _ in range(9))) <= set(pids(rc)[:2])
        finally:
            ipp.register_joblib_backend()

    def test_may_make_it_the_default(self) -> None:
        default = joblib.parallel.DEFAULT_BACKEND
        try:
            ipp.register_joblib_backend(make_default=True)
            assert joblib.parallel.DEFAULT_BACKEND == "ipcluster_ext"
        finally:
            joblib.parallel.DEFAULT_BACKEND = default

    def test_passes_flags_on_to_the_tasks(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()
        with parallel_config("ipcluster_ext", view=view, label="fits"):
            Parallel()(delayed(square)(n) for n in range(4))

        assert view.label == ""
        with (
            parallel_config("ipcluster_ext", view=view, nonsense=1),
            pytest.raises(KeyError, match="nonsense"),
        ):
            Parallel()(delayed(square)(n) for n in range(4))


class TestWithoutAView:
    def test_the_client_that_was_opened_last_is_used(
        self, rc: ipp.Client, started: Started
    ) -> None:
        with parallel_config("ipcluster_ext"):
            got = Parallel(batch_size=1)(delayed(own_pid)(n) for n in range(20))

        assert set(got) <= set(pids(started.client))

    def test_the_cluster_of_another_process_is_used(self, started: Started) -> None:
        assert said_by("""
            print(len(set(Parallel(batch_size=1)(delayed(own_pid)(n) for n in range(20)))) <= 2)
        """) == ("True\n", "")

    def test_a_cluster_is_started_and_stopped_afterwards(self, runtime: Path) -> None:
        out, err = said_by("""
            with parallel_config("ipcluster_ext", n_jobs=2):
                first = Parallel(batch_size=1)(delayed(own_pid)(n) for n in range(20))
                second = Parallel(batch_size=1)(delayed(own_pid)(n) for n in range(20))
                print(len(processes_of(runtime)) >= 4)
            print(len({*first, *second}) <= 2)
            wait_until(lambda: processes_of(runtime) == [])
        """)

        assert out == "True\nTrue\n"
        assert err.startswith("ipcluster_ext: no cluster was running; started one with 2 engines")
        assert len(err.splitlines()) == 1

    def test_a_cluster_lives_as_long_as_anybody_uses_it(self, runtime: Path) -> None:
        out, err = said_by("""
            def run(count):
                return Parallel(2, "ipcluster_ext", return_as="generator", batch_size=1)(
                    delayed(own_pid)(n) for n in range(count)
                )
            first, second = run(2), run(40)
            pids = {*first}
            del first
            print(len(pids | {*second}) <= 2)
        """)

        assert out == "True\n"
        assert len(err.splitlines()) == 1


def said_by(script: str) -> tuple[str, str]:
    """Run a script in a process that has no client; return what it wrote."""
    preamble = """
        import os
        from joblib import Parallel, delayed, parallel_config
        import ipcluster_ext as ipp
        from tests.process.test_joblib import own_pid
        from tests.support.leftovers import processes_of
        from tests.support.waiting import wait_until
        ipp.register_joblib_backend(make_default=True)
        runtime = os.environ["IPCLUSTER_EXT_RUNTIME_DIR"]
    """
    process = python(textwrap.dedent(preamble) + textwrap.dedent(script))
    return process.communicate(timeout=60)


def test_scikit_learn_searches_a_grid(rc: ipp.Client) -> None:
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_iris
    from sklearn.model_selection import GridSearchCV
    from sklearn.tree import DecisionTreeClassifier

    data, target = load_iris(return_X_y=True)
    grid = {"max_depth": [1, 2, 3]}
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), grid, cv=3)
    alone = search.fit(data, target).cv_results_["mean_test_score"]

    with parallel_config("ipcluster_ext", view=rc.load_balanced_view([0, 1])):
        spread = search.fit(data, target).cv_results_["mean_test_score"]

    assert list(spread) == list(alone)


def test_without_joblib_the_error_says_what_to_install() -> None:
    process = python("""
        import sys
        sys.modules["joblib"] = None
        import ipcluster_ext as ipp
        try:
            ipp.register_joblib_backend()
        except ImportError as error:
            print(error)
    """)

    out, err = process.communicate(timeout=60)

    assert err == ""
    assert "pip install 'ipcluster-ext[joblib]'" in out


def _wait_and_touch(folder: Path, number: int, gate: Path) -> None:
    pass_through(gate)
    (folder / str(number)).touch()


def _count_kept(_value: object) -> int:
    return kept()

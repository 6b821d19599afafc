import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pytest

import ipcluster_ext as ipp
from tests.support.leftovers import shared_memory_of
from tests.support.notebooks import cell
from tests.support.tasks import fail

MIB = 1024 * 1024


def error_of(result: ipp.AsyncResult) -> ipp.RemoteError:
    """Return the error that a task must raise."""
    error = result.exception(20)
    assert isinstance(error, ipp.RemoteError)
    return error


class Unloadable:
    """Can be pickled and not be unpickled."""

    def __init__(self, words: str = "no number") -> None:
        self.words = words

    def __reduce__(self) -> tuple[type[int], tuple[str]]:
        return int, (self.words,)


class TestWhatCannotTravel:
    def test_as_a_function_is_told_here(self, rc: ipp.Client) -> None:
        lock = threading.Lock()

        with pytest.raises(ipp.SerializationError, match=r"the function.*cannot pickle.*lock"):
            rc[0].apply_async(lambda: lock)

    def test_as_an_argument_is_told_here_with_its_place(self, rc: ipp.Client) -> None:
        arguments = {"a": [1, threading.Lock()]}

        for call in (rc[0].apply_async, rc.load_balanced_view().apply_async):
            with pytest.raises(ipp.SerializationError, match=r"an argument .*item 'a'.*lock"):
                call(len, arguments)

    def test_as_an_item_of_a_map_leaves_nothing_waiting(self, rc: ipp.Client) -> None:
        items = [*range(3000), threading.Lock()]

        for view in (rc[:], rc.load_balanced_view()):
            with pytest.raises(ipp.SerializationError, match="an item of the map"):
                view.map_async(id, items)

            assert rc.outstanding == set()

    def test_as_a_result_is_told_by_the_engine(self, rc: ipp.Client) -> None:
        error = error_of(rc[1].apply_async(threading.Lock))

        assert isinstance(error, ipp.SerializationError)
        assert str(error).startswith("[engine 1] SerializationError: the result cannot be sent")
        assert error.what == "the result"

    def test_as_a_result_may_be_nested_too_deeply(self, rc: ipp.Client) -> None:
        code = """
            def nested():
                value = []
                for _ in range(100_000): value = [value]
                return value
        """
        assert isinstance(error_of(rc[0].apply_async(cell(code)["nested"])), ipp.SerializationError)

    def test_as_one_of_the_results_of_a_map_spoils_its_chunk_only(self, rc: ipp.Client) -> None:
        result = rc.load_balanced_view().map_async(lock_if_two, range(4))

        values = result.get(10, return_exceptions=True)

        assert [type(value).__name__ for value in values] == [
            "int", "int", "SerializationError", "int",
        ]  # fmt: skip

    def test_out_of_its_pickle_is_an_error_of_the_task_if_an_argument(self, rc: ipp.Client) -> None:
        error = error_of(rc[0].apply_async(len, Unloadable()))

        assert isinstance(error, ValueError)
        assert "no number" in str(error)

    def test_out_of_its_pickle_is_raised_here_if_a_result(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(Unloadable)

        with pytest.raises(ValueError, match="no number") as caught:
            result.get(10)

        (note,) = caught.value.__notes__
        assert note == (
            f"raised while the result of task {result.msg_ids[0]} was unpickled here; "
            "engine 0 had computed it"
        )
        assert result.exception() is caught.value

    def test_to_an_engine_that_cannot_import_it_says_what_is_missing(
        self, rc: ipp.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "only_here.py").write_text("def f(): return 1\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        import only_here  # type: ignore[import-not-found]

        error = error_of(rc[0].apply_async(only_here.f))

        assert isinstance(error, ModuleNotFoundError)
        assert error.name == "only_here"

    def test_from_an_engine_whose_class_is_missing_here_says_so(
        self, rc: ipp.Client, tmp_path: Path
    ) -> None:
        (tmp_path / "only_at_engines.py").write_text("class Thing: pass\n")
        rc[0].execute(f"import sys; sys.path.insert(0, {str(tmp_path)!r})", block=True)
        rc[0].execute("import only_at_engines; thing = only_at_engines.Thing()", block=True)

        with pytest.raises(ModuleNotFoundError, match="only_at_engines"):
            rc[0]["thing"]


def lock_if_two(number: int) -> object:
    """Return what cannot be pickled for 2."""
    return threading.Lock() if number == 2 else number


class Shy(Exception):
    """Does not like to be looked at."""

    def __str__(self) -> str:
        raise SystemExit(1)

    def __repr__(self) -> str:
        raise KeyboardInterrupt

    def __reduce__(self) -> tuple[type, tuple[()]]:
        raise SystemExit(2)


class TestATask:
    @pytest.mark.parametrize(
        "kind", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, BaseException]
    )
    def test_that_wants_to_end_its_process_is_a_task_that_failed(
        self, rc: ipp.Client, kind: type[BaseException]
    ) -> None:
        before = rc[0].apply_sync(os.getpid)

        error = error_of(rc[0].apply_async(fail, kind, 3))

        assert (error.ename, error.evalue) == (kind.__name__, "3")
        assert type(error.__cause__) is kind
        assert rc[0].apply_async(os.getpid).get(10) == before

    def test_may_recurse_without_end(self, rc: ipp.Client) -> None:
        names = cell("def deep(n): return deep(n + 1)")

        error = error_of(rc[0].apply_async(names["deep"], 0))

        assert isinstance(error, RecursionError)
        assert len(error.traceback) < 20_000

    def test_may_ask_for_more_memory_than_there_is(self, rc: ipp.Client) -> None:
        assert isinstance(error_of(rc[0].apply_async(bytearray, 10**15)), MemoryError)

    def test_may_raise_50_megabytes(self, rc: ipp.Client) -> None:
        error = error_of(rc[0].apply_async(fail_at_length, 50_000_000))

        assert (error.ename, error.engine) == ("ValueError", 0)
        assert "characters left out" in error.evalue
        assert len(str(error)) + len(error.traceback) < 200_000

    def test_may_raise_what_has_no_form_in_utf8(self, rc: ipp.Client) -> None:
        error = error_of(rc[0].apply_async(fail, ValueError, "a\udc80b"))

        assert isinstance(error, ValueError)
        assert error.evalue == "a\\udc80b"

    def test_may_raise_what_cannot_be_looked_at(self, rc: ipp.Client) -> None:
        before = rc[0].apply_sync(os.getpid)

        error = error_of(rc[0].apply_async(fail, Shy))

        assert (error.ename, error.evalue) == ("Shy", "<str() of this Shy raised SystemExit>")
        assert rc[0].apply_async(os.getpid).get(10) == before

    def test_that_asks_a_question_gets_no_answer(self, rc: ipp.Client) -> None:
        assert error_of(rc[0].apply_async(input)).ename == "StdinNotImplementedError"

    def test_may_lose_its_streams(self, rc: ipp.Client) -> None:
        assert rc[0].apply_async(lose_streams).get(10) == "lost"
        assert rc[0].apply_async(pow, 2, 3).get(10) == 8

    def test_may_start_a_pool_of_processes(self, rc: ipp.Client) -> None:
        for _ in range(10):
            assert rc[:2].apply_async(count_in_a_pool).get(20) == [[1, 2, 3]] * 2

    def test_may_come_back_from_a_fork_twice(self, rc: ipp.Client) -> None:
        before = rc[0].apply_sync(os.getpid)

        fork = rc[0].apply_async(os.fork).get(10)

        assert rc[0].apply_async(os.waitpid, fork, 0).get(10) == (fork, 0)
        assert rc[0].apply_async(os.getpid).get(10) == before

    def test_may_run_other_programs(self, rc: ipp.Client) -> None:
        done = rc[0].apply_async(subprocess.run, ["sh", "-c", "exit 3"]).get(10)

        assert done.returncode == 3

    def test_may_change_the_folder(self, rc: ipp.Client, tmp_path: Path) -> None:
        folder = rc[0].apply_sync(os.getcwd)

        rc[0].apply_sync(os.chdir, str(tmp_path))

        assert rc[0].apply_sync(os.getcwd) == str(tmp_path)
        rc[0].apply_sync(os.chdir, folder)

    @pytest.mark.parametrize(
        ("code", "remedy"),
        [
            ("async def inner(): return 1\ndef outer(): return inner()", "async def"),
            ("def outer(): return (n for n in range(3))", r"view\.stream\(\)"),
            (
                "async def inner(): yield 1\ndef outer(): return inner()",
                "asynchronous generator; view",
            ),
        ],
    )
    def test_that_returns_a_promise_tells_what_to_do(
        self, code: str, remedy: str, rc: ipp.Client
    ) -> None:
        error = error_of(rc[0].apply_async(cell(code)["outer"]))

        assert isinstance(error, ipp.SerializationError)
        assert re.search(remedy, str(error))


def fail_at_length(length: int) -> None:
    """Raise a long text."""
    raise ValueError("x" * length)


def lose_streams() -> str:
    """Close what is printed to."""
    sys.stdout.close()
    sys.stderr = None
    return "lost"


def count_in_a_pool() -> list[int]:
    """Use processes that are forked from the engine, and end them at once."""
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, [-1, -2, -3])


class TestMuch:
    def test_output_of_a_task_is_cut_and_burdens_nobody(self, rc: ipp.Client) -> None:
        before = resident_nbytes(rc.hub_pid)

        result = rc[0].apply_async(write_megabytes, 100)
        assert result.get(20) == "written"

        assert len(result.stdout) < 2 * MIB
        assert re.search(r"\n\[9\d lines left out here, [\d,]+ characters;", result.stdout)
        assert result.stdout.endswith("x\n")
        assert rc[:].apply_async(pow, 2, 3).get(10) == [8] * 4
        assert resident_nbytes(rc.hub_pid) - before < 50 * MIB

    @pytest.mark.skipif(
        psutil.virtual_memory().available < 8 << 30, reason="needs 8 GB of free memory"
    )
    def test_in_one_result_of_2_gigabytes_arrives(self, rc: ipp.Client) -> None:
        array = rc[0].apply_async(mostly_zeros, (2 << 30) + 5).get(60)

        assert (array.nbytes, array[0], array[-1]) == ((2 << 30) + 5, 0, 1)

    def test_in_one_message_of_a_map_arrives(self, four: ipp.Client) -> None:
        with ipp.Client(four.connection.name) as client:
            items = [b"x" * 900_000] * 100

            assert client.load_balanced_view().map_async(len, items).get(10) == [900_000] * 100

    def test_in_the_results_of_a_map_arrives(self, four: ipp.Client) -> None:
        with ipp.Client(four.connection.name) as client:
            values = client.load_balanced_view().map_async(bytes, [900_000] * 100).get(10)

            assert [len(value) for value in values] == [900_000] * 100

    def test_that_a_function_brings_along_is_refused_with_advice(self, rc: ipp.Client) -> None:
        names = cell("import numpy as np\na = np.zeros(12_000_000)\ndef size(): return a.size")

        with pytest.raises(ipp.SerializationError, match=r"'size'.*96,\d+,\d+ bytes.*view.push"):
            rc[0].apply_async(names["size"])

    def test_that_a_function_brings_along_arrives_up_to_a_limit(self, rc: ipp.Client) -> None:
        names = cell("import numpy as np\na = np.zeros(3_000_000)\ndef size(): return a.size")

        assert rc[:].apply_async(names["size"]).get(10) == [3_000_000] * 4


def mostly_zeros(nbytes: int) -> npt.NDArray[np.uint8]:
    """Return an array that takes little time to make."""
    array = np.zeros(nbytes, np.uint8)
    array[-1] = 1
    return array


def write_megabytes(count: int) -> str:
    """Write to the standard output."""
    for _ in range(count):
        sys.stdout.write("x" * (MIB - 1) + "\n")
    return "written"


def resident_nbytes(pid: int) -> int:
    """Return how much memory a process occupies."""
    return int(psutil.Process(pid).memory_info().rss)


@contextlib.contextmanager
def little_room(folder: Path, nbytes: int) -> Iterator[None]:
    """Leave little room in a folder."""
    options = ["-t", "tmpfs", "-o", f"size={nbytes},mode=0700", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a full /dev/shm cannot be made here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_full_shared_memory_is_made_up_for_by_the_wire() -> None:
    with ipp.Cluster(n=2) as client:
        (folder,) = shared_memory_of(client.cluster_id)
        array = np.arange(1_000_000)
        with little_room(folder, 3 * MIB):
            sent = client[:].map_async(double, [array] * 4)

            assert all(np.array_equal(value, array * 2) for value in sent.get(20))
            assert client[:].apply_async(len, bytes(5 * MIB)).get(10) == [5 * MIB] * 2
            small = client[0].apply_async(double, np.ones(150_000)).get(10)
            assert (small.sum(), small.flags.writeable) == (300_000, True)


def double(array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Double."""
    return array * 2

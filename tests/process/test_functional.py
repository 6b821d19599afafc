import operator
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ipcluster_ext as ipp
from ipcluster_ext.protocol.functions import use_pickler
from tests.support.gates import Gate, pass_through
from tests.support.notebooks import cell
from tests.support.waiting import wait_until


class TestRequirements:
    def test_are_there_when_the_function_is_called(self, rc: ipp.Client) -> None:
        area = ipp.require("math", factor=2)(
            cell("def area(r): return factor * math.floor(math.pi * r**2)")["area"]
        )

        assert rc.load_balanced_view().apply_async(area, 1).get(10) == 6
        assert rc.load_balanced_view().map_async(area, [1, 2]).get(10) == [6, 24]
        assert rc[:].apply_async(area, 1).get(10) == [6] * 4

    @pytest.mark.parametrize("options", [{}, {"return_exceptions": True}], ids=str)
    def test_have_a_task_look_for_an_engine(self, rc: ipp.Client, options: dict[str, bool]) -> None:
        names = cell(
            "def here(number): return engine_id == number\ndef where(*_): return engine_id"
        )
        on_two = ipp.depend(names["here"], 2)(names["where"])
        view = rc.load_balanced_view()

        assert [view.apply_async(on_two).get(10) for _ in range(5)] == [2] * 5
        assert view.map_async(on_two, range(5), **options).get(10) == [2] * 5

    def test_that_no_engine_meets_are_told(self, rc: ipp.Client) -> None:
        nowhere = ipp.require("no_such_module")(abs)

        with pytest.raises(ipp.ImpossibleDependency, match="no_such_module"):
            rc.load_balanced_view().apply_async(nowhere, 1).get(10)
        with pytest.raises(ipp.ImpossibleDependency, match="no_such_module"):
            rc[0].apply_async(nowhere, 1).get(10)


class TestInteractive:
    def test_functions_look_into_the_engines_namespace(self, rc: ipp.Client) -> None:
        rc[:].execute("there = engine_id", block=True)

        assert rc[:].apply_async(ipp.interactive(read_there)).get(10) == [0, 1, 2, 3]


def read_there() -> Any:
    """Return what only the engines have."""
    return there  # type: ignore[name-defined] # noqa: F821 - as said


class TestDecorators:
    def test_have_functions_run_on_engines(self, rc: ipp.Client) -> None:
        @rc[:].remote(block=True)
        def double(x: int) -> int:
            """Double."""
            return 2 * x

        assert double(4) == [8] * 4
        assert (double.__name__, double.__doc__) == ("double", "Double.")

    def test_have_functions_that_call_themselves_run_on_engines(self, rc: ipp.Client) -> None:
        names = cell("def factorial(n): return n * factorial(n - 1) if n else 1")
        names["factorial"] = ipp.remote(rc[0], block=True)(names["factorial"])

        assert names["factorial"](5) == 120

    @pytest.mark.parametrize("dist", ["b", "r"])
    def test_have_functions_run_on_parts(self, rc: ipp.Client, dist: str) -> None:
        @ipp.parallel(rc[:], dist=dist, block=True)
        def products(xs: Any, ys: Any) -> Any:
            return np.asarray(xs) * ys

        assert products(np.arange(10), np.arange(10)).tolist() == [n**2 for n in range(10)]
        assert products(np.arange(2), np.arange(2)).tolist() == [0, 1]
        assert products([], []) == []

    def test_have_functions_run_on_parts_of_a_size(self, rc: ipp.Client) -> None:
        total = ipp.ParallelFunction(rc.load_balanced_view(), sum, chunksize=3)

        answer = total(range(8))

        assert (answer.get(10), len(answer.msg_ids)) == ([3, 12, 13], 3)

    def test_have_what_parts_return_iterated_over_as_it_comes(self, rc: ipp.Client) -> None:
        doubled = rc[:].parallel()(lambda xs: [2 * x for x in xs])

        answer = doubled(range(6))

        assert list(answer) == [0, 2, 4, 6, 8, 10]
        assert rc.load_balanced_view().submit(sum, answer).get(10) == 30

    def test_map_items(self, rc: ipp.Client) -> None:
        @rc[:].parallel()
        def inverse(x: int) -> float:
            return 1 / x

        balanced = rc.load_balanced_view().parallel(
            chunksize=2, return_exceptions=True, block=True
        )(inverse.func)

        assert inverse.map([1, 2]).get(10) == [1.0, 0.5]
        assert [type(value).__name__ for value in balanced.map([1, 0])] == [
            "float", "ZeroDivisionError",
        ]  # fmt: skip

    def test_set_flags(self, rc: ipp.Client) -> None:
        answer = ipp.remote(rc.load_balanced_view(), label="fit", retries=1)(abs)(-1)

        assert (answer.label, answer.get(10)) == ("fit", 1)


class TestImports:
    def test_are_carried_out_here_and_there(self, rc: ipp.Client) -> None:
        with rc[:].sync_imports(quiet=True):
            import string as letters
            from os import path as p
            from os import sep

        del p

        assert (
            rc[:].pull(["letters.digits", "p.basename('/a/b')", "sep"], block=True)
            == [[letters.digits, "b", sep]] * 4
        )

    def test_that_fail_there_are_errors_here(self, rc: ipp.Client, tmp_path: Path) -> None:
        (tmp_path / "only_here.py").write_text("x = 1")
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(tmp_path)
            with pytest.raises(ipp.CompositeError, match="only_here"), rc[:].importer:
                import only_here  # type: ignore[import-not-found] # noqa: F401 - it has no stubs


class TestPicklers:
    @pytest.fixture(autouse=True)
    def cloudpickle_again(self, rc: ipp.Client) -> Iterator[None]:
        yield
        rc[:].use_cloudpickle()

    @pytest.mark.parametrize("name", ["pickle", "dill"])
    def test_are_chosen_here_and_there(self, rc: ipp.Client, name: str) -> None:
        pytest.importorskip(name)
        choose: Callable[[], Any] = getattr(rc[:], f"use_{name}")

        choose()

        plus = cell("one = 1\ndef plus(x): return x + one")["plus"]
        assert rc.load_balanced_view().map_async(plus, [1, 2]).get(10) == [2, 3]
        assert (rc[0].apply_async(plus, np.arange(100_000)).get(10)[:3] == [1, 2, 3]).all()

    def test_know_by_reference_only_if_that_is_chosen(self, rc: ipp.Client) -> None:
        rc[:].use_pickle()

        with pytest.raises(ipp.SerializationError):
            rc[0].apply_async(list, [cell("class Here: pass")["Here"]()])

    def test_that_are_missing_change_nothing(
        self, rc: ipp.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(__import__("sys").modules, "dill", None)

        with pytest.raises(ImportError, match="dill is not installed"):
            rc[:].use_dill()

        use_pickler("cloudpickle")
        assert rc[0].apply_async(lambda x: x, 1).get(10) == 1


class TestScatter:
    @pytest.mark.parametrize(
        ("dist", "parts"),
        [("b", [[0, 1, 2], [3, 4], [5, 6], [7, 8]]), ("r", [[0, 4, 8], [1, 5], [2, 6], [3, 7]])],
    )
    def test_deals_items_out_and_gather_puts_them_together(
        self, rc: ipp.Client, dist: str, parts: list[list[int]]
    ) -> None:
        rc[:].scatter("part", list(range(9)), dist, block=True)

        assert rc[:]["part"] == parts
        assert rc[:].gather("part", dist, block=True) == list(range(9))
        assert rc.load_balanced_view().submit(
            sum, rc[:].gather("part", dist=dist, block=False)
        ).get(10) == 36  # fmt: skip

    def test_takes_any_iterable_and_any_order_of_engines(self, rc: ipp.Client) -> None:
        rc[[3, 1]].scatter("part", (n for n in range(4)), block=True)

        assert rc[[1, 3]]["part"] == [[2, 3], [0, 1]]

    def test_flattens_parts_of_one_item(self, rc: ipp.Client) -> None:
        rc[:].scatter("part", range(4), flatten=True, block=True)

        assert rc[:]["part"] == [0, 1, 2, 3]

    def test_refuses_ways_that_it_does_not_know(self, rc: ipp.Client) -> None:
        with pytest.raises(ValueError, match="dist must be one of 'b', 'r'"):
            rc[:].scatter("part", [1], dist="x")


class TestMaps:
    def test_choose_chunks_themselves_if_asked(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()

        few = view.map_async(abs, range(10), chunksize="auto")
        many = view.map_async(abs, range(3200), chunksize="auto")

        assert (len(few.msg_ids), len(many.msg_ids)) == (10, 32)
        assert many.get(10) == list(range(3200))

    def test_give_up_what_they_have_sent_when_an_item_cannot_be(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()
        items = [*map(np.full, [300_000] * 10, range(10)), threading.Lock()]

        with pytest.raises(ipp.SerializationError, match="an item of the map"):
            view.map_async(len, items)

        assert view.map_async(len, items[:-1]).get(20) == [300_000] * 10

    def test_can_be_run_again_where_they_failed(self, rc: ipp.Client) -> None:
        for view in (rc.load_balanced_view(), rc[:]):
            failed = view.map_async(operator.truediv, [6, 6, 6], [0, 2, 3])
            failed.wait(10)

            mended = failed.retry_failed(lambda x, y: x / y if y else None)

            assert mended.get(10) == [None, 3.0, 2.0]


class TestHousekeeping:
    def test_knows_the_tasks_of_a_view(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view()
        ended = view.map_async(abs, [-1, -2])
        ended.wait(10)
        open_one = view.submit(pass_through, gate.path)

        assert view.history == [*ended.msg_ids, *open_one.msg_ids]
        assert view.outstanding == set(open_one.msg_ids)
        assert not view.wait(timeout=0.05)
        gate.open()
        assert view.wait(timeout=10)
        assert rc.load_balanced_view().history == []

    def test_gets_results_by_their_place(self, rc: ipp.Client) -> None:
        view = rc[0]
        first, second = view.apply_async(abs, -1), view.apply_async(abs, -2)

        assert view.get_result(0).msg_ids == first.msg_ids
        assert view.get_result().msg_ids == second.msg_ids
        assert view.get_result([0, -1]).get(10) == [1, 2]
        assert view.get_result(first.msg_ids).get(10) == [1]

    def test_aborts_what_has_not_begun(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc[0]
        busy, late = view.apply_async(pass_through, gate.path), view.apply_async(abs, -1)
        other = rc[0].apply_async(abs, -2)
        wait_until(busy.running)

        view.abort(block=True)
        gate.open()

        with pytest.raises(ipp.TaskAborted):
            late.get(10)
        assert (busy.get(10), other.get(10)) == (None, 2)

    def test_asks_for_its_engines(self, rc: ipp.Client) -> None:
        assert set(rc[[1, 2]].queue_status()) == {1, 2, "unassigned"}
        assert set(rc.load_balanced_view().queue_status()) == {0, 1, 2, 3, "unassigned"}


class TestABroadcastView:
    def test_does_what_a_direct_view_does(self, rc: ipp.Client) -> None:
        view = rc.broadcast_view(is_coalescing=True)

        answer = view.apply_async(abs, -1)

        assert answer.get(10) == [1] * 4
        assert (answer.is_broadcast, answer.is_coalescing) == ([True] * 4, [True] * 4)
        assert view.map_sync(abs, [-1, -2]) == [1, 2]
        view.scatter("part", range(8), block=True)
        assert view.gather("part", block=True) == list(range(8))
        assert view.execute("x = 1", block=True) == [None] * 4

import operator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import ipcluster_ext as ipp
from tests.support.gates import Gate, pass_through

Either = ipp.DirectView | ipp.LoadBalancedView
Key = int | slice | list[int]
Array = npt.NDArray[np.int64]


@pytest.fixture(params=["direct", "balanced"])
def view(rc: ipp.Client, request: pytest.FixtureRequest) -> Either:
    """Return a view of each kind."""
    return rc[:] if request.param == "direct" else rc.load_balanced_view()


class TestTargets:
    @pytest.mark.parametrize(
        ("targets", "engines"),
        [
            ([2, 0], [2, 0]),
            ((1,), [1]),
            (range(1, 3), [1, 2]),
            ([-1, 0], [3, 0]),
            (slice(None), [0, 1, 2, 3]),
            (slice(1, None), [1, 2, 3]),
            (slice(None, None, -2), [3, 1]),
            (slice(-2, None), [2, 3]),
            ([0, 0], [0, 0]),
            (np.array([3, 1]), [3, 1]),
        ],
        ids=str,
    )
    def test_that_are_several_give_a_list_in_their_order(
        self, rc: ipp.Client, targets: Key, engines: list[int]
    ) -> None:
        assert rc[targets]["engine_id"] == engines

    @pytest.mark.parametrize(("target", "engine"), [(0, 0), (3, 3), (-1, 3), (np.int64(2), 2)])
    def test_that_are_one_engine_give_its_value(
        self, rc: ipp.Client, target: int, engine: int
    ) -> None:
        assert rc[target]["engine_id"] == engine
        assert rc[target].apply_sync(pow, 2, 3) == 8

    def test_may_be_all(self, rc: ipp.Client) -> None:
        assert rc.direct_view("all")["engine_id"] == [0, 1, 2, 3]
        assert rc.broadcast_view()["engine_id"] == [0, 1, 2, 3]

    @pytest.mark.parametrize("target", [4, -5, [0, 4], slice(7, None), []], ids=str)
    def test_that_are_missing_are_told_at_once(self, rc: ipp.Client, target: Key) -> None:
        with pytest.raises(ipp.NoSuchEngine, match=r"engines: 0, 1, 2, 3"):
            rc[target]

    @pytest.mark.parametrize("target", [None, "some", True, 1.5, ["a"]], ids=str)
    def test_that_are_none_at_all_are_told_at_once(self, rc: ipp.Client, target: Key) -> None:
        with pytest.raises(TypeError, match="engine id"):
            rc[target]

    def test_of_a_call_go_before_those_of_the_view(self, rc: ipp.Client) -> None:
        assert rc[:].pull("engine_id", targets=[1, 3], block=True) == [1, 3]

    def test_of_a_balanced_view_limit_the_choice(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view(targets=[1, 2])

        result = view.map_async(own_engine, range(40))

        assert set(result.get()) <= {1, 2}

    def test_of_a_view_are_counted(self, rc: ipp.Client) -> None:
        assert (len(rc), len(rc[:]), len(rc[1:]), len(rc[2])) == (4, 4, 3, 1)
        assert [view["engine_id"] for view in rc] == [0, 1, 2, 3]


def own_engine(_: object) -> int:
    """Return the engine's id, as its shell's namespace has it."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    assert shell is not None
    return int(shell.user_ns["engine_id"])


class TestApply:
    def test_passes_arguments_of_any_name(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()

        result = view.apply_sync(dict, function=1, self=2, f=3, args=4, kwargs=5, block=6)

        assert result == {"function": 1, "self": 2, "f": 3, "args": 4, "kwargs": 5, "block": 6}

    def test_waits_if_the_view_blocks(self, view: Either) -> None:
        assert isinstance(view.apply(pow, 2, 3), ipp.AsyncResult)
        with view.temp_flags(block=True):
            assert view.apply(pow, 2, 3) in (8, [8, 8, 8, 8])

    @pytest.mark.parametrize("arguments", [(), ("x" * 5_000_000,), (bytes(100_000), None)])
    def test_brings_arguments_of_any_size(self, view: Either, arguments: tuple[Any, ...]) -> None:
        returned = view.apply_async(lambda *args: args, *arguments).get(10)

        assert returned in (arguments, [arguments] * 4)

    def test_refuses_what_cannot_be_called(self, view: Either) -> None:
        with pytest.raises(TypeError, match="3 is not callable"):
            view.apply_async(3)  # type: ignore[arg-type]


class TestMap:
    def test_gives_values_in_the_order_of_the_items(self, view: Either) -> None:
        assert view.map_sync(operator.neg, [3, 1, 2]) == [-3, -1, -2]
        assert view.map_async(operator.neg, range(1000)).get(10) == [-n for n in range(1000)]

    def test_goes_side_by_side_through_several_sequences(self, view: Either) -> None:
        assert view.map_sync(pow, [1, 2, 3], [3, 2, 1]) == [1, 4, 3]

    def test_ends_with_the_shortest_sequence(self, view: Either) -> None:
        assert view.map_sync(operator.add, [1, 2, 3, 4, 5], [10, 20]) == [11, 22]

    def test_takes_what_can_only_be_iterated_over(self, view: Either) -> None:
        assert view.map_sync(abs, (n for n in (-1, -2))) == [1, 2]
        assert view.map_sync(len, {"a": 1, "bc": 2}) == [1, 2]
        assert view.map_sync(operator.add, iter("ab"), "cd") == ["ac", "bd"]
        assert view.map_sync(int, np.arange(5)) == [0, 1, 2, 3, 4]

    def test_of_nothing_is_nothing(self, view: Either) -> None:
        result = view.map_async(abs, [])

        assert view.map_sync(abs, []) == []
        assert (result.done(), result.get(), list(result), len(result)) == (True, [], [], 0)

    def test_of_fewer_items_than_engines_works(self, view: Either) -> None:
        assert view.map_sync(abs, [-1]) == [1]

    def test_of_no_sequence_is_refused(self, view: Either) -> None:
        with pytest.raises(TypeError, match="at least one sequence"):
            view.map_sync(abs)

    def test_waits_if_it_is_told_to(self, view: Either) -> None:
        assert view.map(abs, [-1], block=True) == [1]
        assert isinstance(view.map(abs, [-1]), ipp.AsyncMapResult)
        assert view.set_flags(block=True).map(abs, [-1]) == [1]

    def test_can_be_iterated_over_more_than_once(self, view: Either) -> None:
        result = view.map_async(abs, [-1, -2])

        assert (list(result), list(result), result.get()) == ([1, 2], [1, 2], [1, 2])

    def test_raises_the_error_of_the_only_item_that_failed(self, view: Either) -> None:
        with pytest.raises(ZeroDivisionError):
            view.map_sync(inverse, [1, 2, 0, 4])

    def test_collects_the_errors_of_several(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.CompositeError) as caught:
            rc.load_balanced_view().map_sync(inverse, [0, 1, 0])

        assert [type(error).__name__ for error in caught.value.errors] == ["ZeroDivisionError"] * 2

    @pytest.mark.parametrize("options", [{}, {"chunksize": 2}])
    def test_returns_exceptions_in_place_if_asked(
        self, view: Either, options: dict[str, int]
    ) -> None:
        if isinstance(view, ipp.DirectView):
            options = {}
        values = view.map_sync(inverse, [1, 0, 2, 0, 4], return_exceptions=True, **options)

        assert [type(value).__name__ for value in values] == [
            "float", "ZeroDivisionError", "float", "ZeroDivisionError", "float",
        ]  # fmt: skip

    def test_returns_exceptions_of_several_sequences_in_place(self, view: Either) -> None:
        values = view.map_sync(operator.truediv, [1, 1], [1, 0], return_exceptions=True)

        assert values[0] == 1.0
        assert isinstance(values[1], ZeroDivisionError)

    def test_brings_large_items_and_values(self, view: Either) -> None:
        arrays = [np.full(300_000, n) for n in range(6)]

        doubled = view.map_async(double, arrays).get(20)

        assert [(int(a[0]), int(a[-1])) for a in doubled] == [(2 * n, 2 * n) for n in range(6)]


def inverse(number: int) -> float:
    """Return 1 / number."""
    return 1 / number


def double(array: Array) -> Array:
    """Double a number or an array."""
    return array * 2


class TestBalancedMap:
    @pytest.mark.parametrize("chunksize", [1, 3, 7, 10, 100])
    def test_may_have_chunks_of_any_size(self, rc: ipp.Client, chunksize: int) -> None:
        view = rc.load_balanced_view()

        result = view.map_async(abs, range(-10, 0), chunksize=chunksize)

        assert result.get(10) == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
        assert len(result.msg_ids) == -(-10 // chunksize)

    @pytest.mark.parametrize("chunksize", [0, -1])
    def test_refuses_chunks_of_nothing(self, rc: ipp.Client, chunksize: int) -> None:
        with pytest.raises(ValueError, match=f"at least 1, not {chunksize}"):
            rc.load_balanced_view().map_async(abs, [1], chunksize=chunksize)

    def test_yields_ordered_values_in_order_while_later_ones_are_there(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        view = rc.load_balanced_view()
        result = view.map_async(wait_if_first, [(gate.path, n) for n in range(8)])
        values = iter(result)
        assert not result.done()

        gate.open()

        assert list(values) == [0, 1, 2, 3, 4, 5, 6, 7]

    def test_yields_unordered_values_as_they_come(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view()
        items = [(gate.path, n) for n in range(8)]

        values = iter(view.map_async(wait_if_first, items, ordered=False))
        first = [next(values) for _ in range(7)]
        gate.open()

        assert sorted(first) == [1, 2, 3, 4, 5, 6, 7]
        assert list(values) == [0]

    def test_of_20000_items_is_complete(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()

        assert view.map_async(abs, range(20_000), chunksize=3).get(30) == list(range(20_000))

    def test_of_items_that_are_large_in_sum_works(self, rc: ipp.Client) -> None:
        items = [b"x" * 500_000] * 40

        assert rc.load_balanced_view().map_async(len, items).get(20) == [500_000] * 40


def wait_if_first(item: tuple[Path, int]) -> object:
    """Wait at the gate if it is item 0; return the number."""
    path, number = item
    return pass_through(path, number) if number == 0 else number


class TestFlags:
    def test_can_be_set_in_a_chain(self, rc: ipp.Client) -> None:
        view = rc[:].set_flags(block=True, label="first").set_flags(targets=1)

        assert (view.block, view.label, view.targets) == (True, "first", 1)
        assert view.apply(pow, 2, 3) == 8

    def test_can_be_set_for_a_while(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view(label="before")

        with view.temp_flags(label="within", retries=2):
            within = (view.label, view.retries)
        after = (view.label, view.retries)

        assert within == ("within", 2)
        assert after == ("before", 0)

    def test_come_back_after_an_error(self, rc: ipp.Client) -> None:
        view = rc[:]

        with pytest.raises(KeyError, match="mistake"), view.temp_flags(block=True):
            raise KeyError("mistake")

        assert not view.block

    @pytest.mark.parametrize("flag", ["nonsense", "priority", "client"])
    def test_that_do_not_exist_are_refused_and_change_nothing(
        self, rc: ipp.Client, flag: str
    ) -> None:
        view = rc[:]

        with pytest.raises(KeyError, match=f"no option '{flag}'"):
            view.set_flags(**{"block": True, flag: 1})
        with pytest.raises(KeyError), view.temp_flags(**{"label": "x", flag: 1}):
            pass

        assert (view.block, view.label) == (False, "")

    @pytest.mark.parametrize(
        ("flags", "error"),
        [
            ({"retries": "2"}, TypeError),
            ({"retries": 1.5}, TypeError),
            ({"targets": "some"}, TypeError),
            ({"targets": [0, 9]}, ipp.NoSuchEngine),
        ],
        ids=str,
    )
    def test_that_cannot_have_a_value_keep_the_one_they_had(
        self, rc: ipp.Client, flags: dict[str, Any], error: type[Exception]
    ) -> None:
        view = rc.load_balanced_view(targets=[1], retries=3)

        with pytest.raises(error):
            view.set_flags(label="new", block=True, **flags)

        assert (view.label, view.block, view.targets, view.retries) == ("", False, [1], 3)

    def test_take_what_means_the_same(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()

        for targets, engines in ((2, [2]), ([-1], [3]), ("all", None), (None, None)):
            view.set_flags(targets=targets, retries=np.int64(2), label=None)
            assert (view.targets, view.retries, view.label) == (engines, 2, "")
            assert view.apply_async(pow, 2, 3).get(10) == 8

    @pytest.mark.parametrize(
        ("label", "kept"), [(None, ""), (5, "5"), ("a\udc80", "a\\udc80"), ("é", "é")]
    )
    def test_label_tasks_with_anything(self, view: Either, label: object, kept: str) -> None:
        view.set_flags(label=label)

        assert view.label == kept
        assert view.apply_async(pow, 2, 3).get(10) in (8, [8, 8, 8, 8])
        assert view.map_async(abs, [-1], label=label).get(10) == [1]

    def test_are_given_with_a_view(self, rc: ipp.Client) -> None:
        assert rc.direct_view([0, 1], block=True).block
        assert rc.load_balanced_view(retries=3).retries == 3
        assert rc.broadcast_view(is_coalescing=True).is_coalescing

    def test_label_tasks(self, rc: ipp.Client, view: Either) -> None:
        view.label = "fit"

        assert view.map_async(abs, [1]).label == "fit"
        assert view.map_async(abs, [1], label="other").label == "other"
        assert view.apply_async(abs, 1).label == "fit"
        assert rc.wait(timeout=10)

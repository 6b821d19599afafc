import operator
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import ipcluster_ext as ipp
from tests.support.gates import Gate, pass_through
from tests.support.notebooks import cell

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


class TestExecute:
    def test_runs_code_in_the_namespace(self, rc: ipp.Client) -> None:
        assert rc[:].execute("a = 5; b = a * engine_id", block=True) == [None] * 4
        assert rc[:]["b"] == [0, 5, 10, 15]

    def test_gives_a_reply_that_shows_the_value_if_asked(self, rc: ipp.Client) -> None:
        reply = rc[1].execute("40 + 2", silent=False, block=True)

        assert reply.data == {"text/plain": "42"}
        assert reply.engine_id == 1
        assert repr(reply) == "<ExecuteReply from engine 1: 42>"

    def test_gives_one_reply_for_each_engine(self, rc: ipp.Client) -> None:
        replies = rc[:2].execute("engine_id", silent=False, block=True)

        assert [reply.data for reply in replies] == [{"text/plain": "0"}, {"text/plain": "1"}]

    def test_collects_what_is_displayed(self, rc: ipp.Client) -> None:
        code = """
            from IPython.display import HTML, display
            display(HTML("<b>one</b>"))
            "two"
        """
        reply = rc[0].execute(dedented(code), silent=False, block=True)

        assert [output["data"]["text/html"] for output in reply.outputs] == ["<b>one</b>"]
        assert reply.data == {"text/plain": "'two'"}

    def test_knows_the_syntax_and_the_magics_of_ipython(self, rc: ipp.Client) -> None:
        rc[0].execute("%env IPX_TESTED=yes\nlines = !echo from-the-shell", block=True)

        assert rc[0].apply_sync(environment, "IPX_TESTED") == "yes"
        assert rc[0].pull("list(lines)", block=True) == ["from-the-shell"]

    def test_knows_cell_magics(self, rc: ipp.Client) -> None:
        result = rc[0].execute("%%capture captured\nprint('quiet')", block=False)
        result.get(10)

        assert rc[0]["captured.stdout"] == "quiet\n"
        assert result.stdout == ""

    def test_awaits_at_the_top_level(self, rc: ipp.Client) -> None:
        rc[0].execute("import asyncio; x = await asyncio.sleep(0, 'slept')", block=True)
        rc[0].execute("y = await asyncio.sleep(0, 'again')", block=True)

        assert rc[0][["x", "y"]] == ["slept", "again"]

    def test_raises_a_syntax_error(self, rc: ipp.Client) -> None:
        with pytest.raises(SyntaxError) as caught:
            rc[0].execute("a = = 5", block=True)

        assert isinstance(caught.value, ipp.RemoteError)
        assert "a = = 5" in caught.value.traceback
        assert caught.value.lineno == 1

    def test_raises_with_the_traceback_of_ipython(self, rc: ipp.Client) -> None:
        with pytest.raises(ZeroDivisionError) as caught:
            rc[2].execute("x = 1\ny = x / 0", block=True)

        error = caught.value
        assert isinstance(error, ipp.RemoteError)
        assert (error.ename, error.evalue, error.engine) == (
            "ZeroDivisionError", "division by zero", 2,
        )  # fmt: skip
        assert "----> 2 y = x / 0" in error.traceback

    def test_collects_the_errors_of_all_engines(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.CompositeError, match="2 failed") as caught:
            rc[[1, 3]].execute("1 / 0", block=True)

        errors = caught.value.errors
        assert [getattr(error, "engine", None) for error in errors] == [1, 3]

    def test_keeps_what_was_assigned_before_an_error(self, rc: ipp.Client) -> None:
        with pytest.raises(ZeroDivisionError):
            rc[0].execute("kept = 1\n1 / 0", block=True)

        assert rc[0]["kept"] == 1

    def test_runs_a_file_of_this_computer(self, rc: ipp.Client, tmp_path: Path) -> None:
        file = tmp_path / "script.py"
        file.write_text("é = 'from a file'\n", encoding="utf-8")

        rc[:2].run(file, block=True)

        assert rc[:2]["é"] == ["from a file"] * 2

    def test_of_a_file_that_is_not_there_fails_here(self, rc: ipp.Client) -> None:
        with pytest.raises(FileNotFoundError):
            rc[0].run("/nowhere/at/all.py", block=True)


def dedented(code: str) -> str:
    """Return code without the margin it has in this file."""
    import textwrap

    return textwrap.dedent(code)


def environment(name: str) -> str | None:
    """Return a variable of the engine's environment."""
    import os

    return os.environ.get(name)


class TestNames:
    def test_are_pushed_and_pulled(self, rc: ipp.Client) -> None:
        view = rc[:]
        view.push({"a": 1, "b": [2]}, block=True)

        assert view.pull("a", block=True) == [1] * 4
        assert view.pull(["a", "b"], block=True) == [[1, [2]]] * 4
        assert view.pull(("a",), block=True) == [[1]] * 4
        assert rc[0].pull(["a", "b"], block=True) == [1, [2]]

    def test_are_items_of_the_view(self, rc: ipp.Client) -> None:
        view = rc[:2]
        view["a"] = 7
        view.update({"b": 8})

        assert view["a"] == [7, 7]
        assert view.get("b") == [8, 8]
        assert view[["a", "b"]] == [[7, 8], [7, 8]]

    def test_are_assigned_before_what_follows(self, rc: ipp.Client) -> None:
        view = rc[:]
        pushed = view.push({"a": 1})
        pulled = view.pull("a")

        assert pulled.get(10) == [1] * 4
        assert pushed.get(10) == [None] * 4

    def test_may_have_dots_and_brackets(self, rc: ipp.Client) -> None:
        view = rc[:2]
        view.execute("import types; box = types.SimpleNamespace(items=[1, 2])", block=True)

        view["box.size"] = 9
        view["box.items[0]"] = 5

        assert view["box.size"] == [9, 9]
        assert view["box.items"] == [[5, 2], [5, 2]]
        assert view["len(box.items) + 1"] == [3, 3]

    def test_that_are_missing_are_name_errors(self, rc: ipp.Client) -> None:
        with pytest.raises(NameError, match="nobody"):
            rc[0]["nobody"]
        with pytest.raises(ipp.CompositeError):
            rc[:]["nobody"]

    @pytest.mark.parametrize("key", ["a b", "", "a; b", "1"])
    def test_that_cannot_be_assigned_to_are_syntax_errors(self, rc: ipp.Client, key: str) -> None:
        with pytest.raises(SyntaxError):
            rc[0][key] = 1

    def test_are_gone_after_a_clear(self, rc: ipp.Client) -> None:
        rc[:]["a"] = 1

        rc[:2].clear(block=True)

        assert rc[2:]["a"] == [1, 1]
        with pytest.raises(NameError):
            rc[0]["a"]

    def test_of_the_engine_itself_survive_a_clear(self, rc: ipp.Client) -> None:
        rc[:].clear(block=True)

        assert rc[:]["engine_id"] == [0, 1, 2, 3]

    def test_that_cannot_travel_are_told_here(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.SerializationError, match="generator"):
            rc[0]["a"] = (n for n in range(3))


class TestScatter:
    @pytest.mark.parametrize(
        ("sequence", "parts"),
        [
            ([0, 1, 2, 3, 4, 5, 6, 7], [[0, 1], [2, 3], [4, 5], [6, 7]]),
            ([0, 1, 2, 3, 4, 5], [[0, 1], [2, 3], [4], [5]]),
            ([0, 1], [[0], [1], [], []]),
            ("abcde", ["ab", "c", "d", "e"]),
            (range(4), [range(1), range(1, 2), range(2, 3), range(3, 4)]),
        ],
        ids=str,
    )
    def test_gives_each_engine_one_part(
        self, rc: ipp.Client, sequence: Sequence[object], parts: list[object]
    ) -> None:
        rc[:].scatter("part", sequence, block=True)

        assert rc[:]["part"] == parts

    def test_is_undone_by_gather(self, rc: ipp.Client) -> None:
        rc[:].scatter("part", list(range(10)), block=True)

        assert rc[:].gather("part", block=True) == list(range(10))

    def test_of_an_array_is_along_its_first_axis(self, rc: ipp.Client) -> None:
        array = np.arange(30).reshape(10, 3)

        rc[:].scatter("rows", array, block=True)

        assert rc[:].pull("rows.shape", block=True) == [(3, 3), (3, 3), (2, 3), (2, 3)]
        gathered = rc[:].gather("rows", block=True)
        assert isinstance(gathered, np.ndarray)
        assert gathered.tolist() == array.tolist()

    def test_of_a_large_array_comes_back_whole(self, rc: ipp.Client) -> None:
        array = np.random.default_rng(1).random(1_000_003)

        rc[:].scatter("large", array, block=True)

        assert np.array_equal(rc[:].gather("large", block=True), array)

    def test_may_be_flat_where_parts_have_one_element(self, rc: ipp.Client) -> None:
        rc[:].scatter("rank", [10, 11, 12, 13], flatten=True, block=True)

        assert rc[:]["rank"] == [10, 11, 12, 13]
        assert rc[:].gather("rank", block=True) == [10, 11, 12, 13]

    def test_to_one_engine_gives_it_all(self, rc: ipp.Client) -> None:
        rc[1].scatter("part", [1, 2, 3], block=True)

        assert rc[1]["part"] == [1, 2, 3]
        assert rc[1].gather("part", block=True) == [1, 2, 3]

    def test_and_gather_need_not_wait(self, rc: ipp.Client) -> None:
        scattered = rc[:].scatter("part", [1, 2, 3, 4])
        gathered = rc[:].gather("part")

        assert scattered.get(10) == [None] * 4
        assert gathered.get(10) == [1, 2, 3, 4]


class TestFunctionsOfANotebook:
    def test_see_the_names_of_the_engine(self, rc: ipp.Client) -> None:
        names = cell("def area(): return width * 2")
        rc[:]["width"] = 21

        assert rc[:].apply_sync(names["area"]) == [42] * 4

    def test_bring_their_own_globals_along(self, rc: ipp.Client) -> None:
        names = cell("""
            import math
            height = 4
            def helper(x): return x + height
            def volume(x): return math.floor(helper(x) * 10.5)
        """)

        assert rc[0].apply_sync(names["volume"], 2) == 63

    def test_see_changes_of_the_globals_they_bring(self, rc: ipp.Client) -> None:
        names = cell("settings = {'a': 1}\ndef read(): return settings['a']")
        assert rc[0].apply_sync(names["read"]) == 1

        names["settings"]["a"] = 2

        assert rc[0].apply_sync(names["read"]) == 2

    def test_prefer_the_names_of_the_engine(self, rc: ipp.Client) -> None:
        names = cell("depth = 1\ndef read(): return depth")
        rc[0]["depth"] = 2

        assert rc[:2].apply_sync(names["read"]) == [2, 1]

    def test_reach_the_namespace_with_global_statements(self, rc: ipp.Client) -> None:
        names = cell("def count():\n    global counter\n    counter = counter + 1")
        rc[0]["counter"] = 5

        rc[0].apply_sync(names["count"])
        rc[0].apply_sync(names["count"])

        assert rc[0]["counter"] == 7

    def test_reach_the_namespace_also_if_they_bring_something(self, rc: ipp.Client) -> None:
        names = cell("""
            step = 10
            def helper(): return step
            def advance():
                global position
                position = helper()
        """)

        rc[0].apply_sync(names["advance"])

        assert rc[0]["position"] == 10

    def test_that_do_not_know_a_name_raise(self, rc: ipp.Client) -> None:
        names = cell("def read(): return unheard_of")

        with pytest.raises(NameError, match="unheard_of"):
            rc[0].apply_sync(names["read"])

    def test_may_be_recursive(self, rc: ipp.Client) -> None:
        names = cell("def fac(n): return n * fac(n - 1) if n else 1")

        assert rc.load_balanced_view().map_sync(names["fac"], [3, 5]) == [6, 120]

    def test_may_be_redefined(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()

        values = [view.apply_sync(cell(f"def f(): return {n}")["f"]) for n in range(3)]

        assert values == [0, 1, 2]

    def test_may_be_classes_and_their_instances(self, rc: ipp.Client) -> None:
        names = cell("""
            class Point:
                def __init__(self, x): self.x = x
                def moved(self, by): return Point(self.x + by)
                @classmethod
                def origin(cls): return cls(0)
        """)
        point = names["Point"](3)

        assert rc[0].apply_sync(names["Point"], 5).x == 5
        assert rc[0].apply_sync(point.moved, 2).x == 5
        assert isinstance(rc[0].apply_sync(names["Point"].origin), names["Point"])

    def test_may_be_generators_of_values_that_are_lists(self, rc: ipp.Client) -> None:
        names = cell("def squares(n): return [x * x for x in range(n)]")

        assert rc.load_balanced_view().map_sync(names["squares"], [1, 3]) == [[0], [0, 1, 4]]


class TestFunctions:
    @pytest.fixture
    def run(self, rc: ipp.Client) -> Callable[..., object]:
        return rc.load_balanced_view().apply_sync

    def test_may_be_lambdas_and_closures(self, run: Callable[..., object]) -> None:
        factor = 3

        def times(x: int) -> int:
            return x * factor

        assert run(lambda x: x + 1, 1) == 2
        assert run(times, 5) == 15
        assert run(lambda x: times(x) + factor, 5) == 18

    def test_may_be_partial(self, run: Callable[..., object]) -> None:
        assert run(partial(pow, 2), 5) == 32
        assert run(partial(partial(int), base=2), "101") == 5

    def test_may_be_builtin(self, run: Callable[..., object]) -> None:
        assert run(len, "four") == 4
        assert run(str.upper, "four") == "FOUR"
        assert run("four".upper) == "FOUR"
        assert run(operator.itemgetter(1), "four") == "o"

    def test_may_be_methods(self, run: Callable[..., object]) -> None:
        assert run([1, 2].index, 2) == 1
        assert run(Counter(5).plus, 2) == 7

    def test_may_be_instances_that_can_be_called(self, run: Callable[..., object]) -> None:
        assert run(Counter(5), 4) == 9

    def test_may_be_numpys(self, run: Callable[..., object]) -> None:
        assert run(np.sum, [1, 2, 3]) == 6
        assert run(np.add, 1, 2) == 3

    def test_keep_their_defaults(self, run: Callable[..., object]) -> None:
        def call(a: int, b: int = 2, *, c: int = 3) -> tuple[int, int, int]:
            return a, b, c

        assert run(call, 1) == (1, 2, 3)
        assert run(call, 1, c=5) == (1, 2, 5)


class Counter:
    """Adds."""

    def __init__(self, start: int) -> None:
        self.start = start

    def plus(self, more: int) -> int:
        """Return the sum."""
        return self.start + more

    __call__ = plus


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

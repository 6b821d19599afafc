"""Functions as engines get them: a notebook's, closures, methods, what others have compiled."""

import operator
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

import ipcluster_ext as ipp
from tests.support.notebooks import cell


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

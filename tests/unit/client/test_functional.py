import inspect
import pickle
from typing import Any

import cloudpickle
import pytest

from ipcluster_ext.client.functional import ParallelFunction, RemoteFunction, parallel, remote


class View:
    """Keeps what is asked of it."""

    def __init__(self, *, balanced: bool = False, engines: int = 2) -> None:
        self.balanced = balanced
        self._engines = engines
        self.asked: list[Any] = []
        self.given: dict[str, Any] = {}

    def __len__(self) -> int:
        return self._engines

    def options(self, **options: Any) -> "View":
        if "nonsense" in options:
            raise TypeError("nonsense")
        view = View(balanced=self.balanced, engines=self._engines)
        view.asked, view.given = self.asked, {**self.given, **options}
        return view

    def now(self) -> dict[str, Any]:
        return self.given

    def apply(self, function: Any, /, *args: Any, **kwargs: Any) -> str:
        self.asked.append((self.given, function, args, kwargs))
        return "applied"

    def map(self, function: Any, /, *sequences: Any, **options: Any) -> str:
        self.asked.append((self.given, function, sequences, options))
        return "mapped"

    def deal(self, flags: Any, function: Any, calls: Any, ways: Any) -> str:
        self.asked.append((flags, function, calls, type(ways).__name__))
        return "dealt"

    def answer(self, result: str, flags: Any) -> str:
        return f"{result} {flags}"


def double(x: int, *, f: int = 2) -> int:
    """Double a number."""
    return f * x


class TestRemote:
    def test_calls_the_function_on_the_view(self) -> None:
        view: Any = View()

        assert remote(view)(double)(4, f=3) == "applied"
        assert view.asked == [({}, double, (4,), {"f": 3})]

    def test_sets_its_flags_for_its_calls_only(self) -> None:
        view: Any = View()

        remote(view, block=True, label="x")(double)(4)

        assert view.asked == [({"block": True, "label": "x"}, double, (4,), {})]
        assert view.given == {}

    def test_looks_like_the_function(self) -> None:
        view: Any = View()
        decorated = remote(view)(double)

        assert (decorated.__name__, decorated.__doc__) == ("double", "Double a number.")
        assert inspect.signature(decorated) == inspect.signature(double)

    def test_is_the_function_itself_on_an_engine(self) -> None:
        view: Any = View()

        assert pickle.loads(cloudpickle.dumps(remote(view)(double))) is double

    def test_refuses_flags_and_functions_that_are_none(self) -> None:
        view: Any = View()

        with pytest.raises(TypeError, match="nonsense"):
            remote(view, nonsense=1)(double)
        with pytest.raises(TypeError, match="5 is not callable"):
            RemoteFunction(view, 5)  # type: ignore[arg-type]


class TestParallel:
    @pytest.mark.parametrize(
        ("dist", "ways", "calls"),
        [
            ("b", "Map", [([1, 2], "ab"), ([3], "c")]),
            ("r", "RoundRobinMap", [([1, 3], "ac"), ([2], "b")]),
        ],
    )
    def test_gives_each_engine_a_part_of_each_sequence(
        self, dist: str, ways: str, calls: list[Any]
    ) -> None:
        view: Any = View()

        answer = parallel(view, dist=dist, block=True)(double)([1, 2, 3], "abc")

        assert answer == "dealt {'block': True}"
        assert view.asked == [({"block": True}, double, calls, ways)]

    def test_makes_no_more_parts_than_there_are_items(self) -> None:
        view: Any = View(engines=4)

        parallel(view)(double)([1, 2])
        parallel(view)(double)([])

        assert [calls for _, _, calls, _ in view.asked] == [[([1],), ([2],)], []]

    @pytest.mark.parametrize(
        ("chunksize", "parts"), [(None, [[1], [2], [3]]), (2, [[1, 2], [3]]), (9, [[1, 2, 3]])]
    )
    def test_makes_parts_of_a_size_where_the_hub_chooses(
        self, chunksize: int | None, parts: list[Any]
    ) -> None:
        view: Any = View(balanced=True)

        ParallelFunction(view, double, chunksize=chunksize)([1, 2, 3])

        assert [calls for _, _, calls, _ in view.asked] == [[(part,) for part in parts]]

    def test_maps_items_as_its_view_does(self) -> None:
        direct: Any = View()
        balanced: Any = View(balanced=True)

        assert parallel(direct, return_exceptions=True)(double).map([1]) == "mapped"
        parallel(balanced, ordered=False, chunksize=3)(double).map([1], [2])

        assert direct.asked == [({}, double, ([1],), {"return_exceptions": True})]
        assert balanced.asked == [
            ({}, double, ([1], [2]), {"return_exceptions": False, "chunksize": 3, "ordered": False})
        ]

    def test_refuses_what_cannot_be_dealt_out(self) -> None:
        view: Any = View()

        with pytest.raises(TypeError, match="at least one sequence"):
            parallel(view)(double)()
        with pytest.raises(ValueError, match=r"different lengths: \[1, 2\]"):
            parallel(view)(double)([1], [1, 2])
        with pytest.raises(ValueError, match="dist must be one of"):
            parallel(view, dist="x")(double)
        with pytest.warns(UserWarning, match="only a LoadBalancedView heeds chunksize"):
            ParallelFunction(view, double, chunksize=2)

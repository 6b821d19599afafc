import operator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import ipcluster_ext as ipp
from tests.support.gates import Gate, pass_through

Array = npt.NDArray[np.int64]
SMALL, BESIDE, SHARED = 10, 20_000, 300_000


def total(array: Array) -> int:
    """Add an array up."""
    return int(array.sum())


class TestAnAnswerAmongArguments:
    @pytest.mark.parametrize("size", [SMALL, BESIDE, SHARED])
    @pytest.mark.parametrize("ended", [True, False])
    def test_is_its_value_there(self, rc: ipp.Client, gate: Gate, size: int, ended: bool) -> None:
        view = rc.load_balanced_view()
        array = view.submit(pass_through, gate.path, np.arange(size))
        if ended:
            gate.open()
            array.wait(10)

        sums = [view.submit(total, array), view.submit(lambda d: total(d["a"][0]), {"a": [array]})]
        gate.open()

        assert [answer.get(20) for answer in sums] == [size * (size - 1) // 2] * 2

    def test_is_written_to_without_changing_it_for_others(self, rc: ipp.Client) -> None:
        def increased(array: Array) -> int:
            array += 1
            return int(array[0])

        view = rc.load_balanced_view()
        array = view.submit(np.zeros, SHARED)

        assert [view.submit(increased, array).get(20) for _ in range(6)] == [1] * 6
        assert array.get()[0] == 0

    def test_goes_to_every_engine_of_a_direct_view(self, rc: ipp.Client) -> None:
        answer = rc.load_balanced_view().submit(np.arange, SHARED)

        assert rc[:].apply_async(len, answer).get(20) == [SHARED] * 4
        assert rc[1].apply_async(len, answer).get(20) == SHARED

    def test_may_be_that_of_several_engines_or_of_a_map(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()
        each = rc[:].apply_async(abs, -2)
        mapped = view.map_async(abs, range(-10, 0), chunksize=3)
        pulled = rc[2].pull("engine_id", block=False)

        assert view.submit(sum, each).get(10) == 8
        assert view.submit(list, mapped).get(10) == list(range(10, 0, -1))
        assert view.submit(operator.add, 1, pulled).get(10) == 3

    def test_may_be_an_item_of_a_map_or_be_pushed_or_scattered(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()
        answers = [view.submit(abs, -n) for n in range(8)]

        assert view.map_async(operator.neg, answers).get(10) == [-n for n in range(8)]
        assert rc[:].map_async(operator.neg, answers).get(10) == [-n for n in range(8)]
        rc[:].push({"a": answers[5]}, block=True)
        assert rc[:]["a"] == [5] * 4
        rc[:].scatter("part", answers, block=True)
        assert rc[:].gather("part", block=True) == list(range(8))

    def test_chains_tasks_without_waiting_here(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view()
        answer = view.submit(pass_through, gate.path, 0)
        for _ in range(50):
            answer = view.submit(operator.add, answer, 1)

        gate.open()

        assert answer.get(10) == 50

    @pytest.mark.parametrize("ended", [True, False])
    def test_that_is_an_error_is_the_error_of_the_task(
        self, rc: ipp.Client, gate: Gate, ended: bool
    ) -> None:
        view = rc.load_balanced_view()
        failing = view.submit(lambda path: pass_through(path, 1) / 0, gate.path)  # type: ignore[operator]
        if ended:
            gate.open()
            failing.wait(10)

        def use() -> Any:
            answer = view.submit(abs, failing)
            gate.open()
            return answer.get(10)

        with pytest.raises(ZeroDivisionError):
            use()

    def test_may_be_forgotten_once_it_is_passed_on(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view()

        last = view.submit(total, view.submit(pass_through, gate.path, np.arange(SHARED)))
        gate.open()

        assert last.get(20) == SHARED * (SHARED - 1) // 2

    def test_of_ten_thousand_is_one_among_many(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()
        answers = [view.submit(abs, -n) for n in range(10_000)]

        assert view.submit(sum, answers).get(30) == 49_995_000

    def test_that_is_another_clients_is_refused_until_it_is_there(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        with ipp.Client(rc.connection.name) as other:
            answer = other.load_balanced_view().submit(pass_through, gate.path, 5)
            with pytest.raises(ipp.ForeignTask, match="is another client's"):
                rc.load_balanced_view().submit(abs, answer)
            gate.open()
            answer.wait(10)

            assert rc.load_balanced_view().submit(abs, answer).get(10) == 5


class TestARemoteValue:
    def test_stands_for_the_value_and_can_be_fetched(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()
        there = view.submit(np.arange, SHARED).remote()

        assert view.submit(total, there).get(20) == SHARED * (SHARED - 1) // 2
        assert len(there.get()) == SHARED


class TestAReferenceToOneEngine:
    def test_brings_its_value_to_others(self, rc: ipp.Client) -> None:
        rc[0].push({"a": np.arange(SHARED)}, block=True)

        assert rc[1].apply_async(total, rc[0].ref("a[:3]")).get(10) == 3
        assert rc[:].apply_async(len, rc[0].ref("a")).get(20) == [SHARED] * 4
        assert rc.load_balanced_view().submit(len, rc[0].ref("a")).get(20) == SHARED
        assert rc[0].ref("a[2]").get() == 2

    def test_is_the_very_object_on_its_own(self, rc: ipp.Client) -> None:
        rc[0].execute("a = [1]", block=True)

        rc[0].apply_async(list.append, rc[0].ref("a"), 2).get(10)

        assert rc[0]["a"] == [1, 2]

    def test_may_be_any_item_of_a_long_map(self, rc: ipp.Client) -> None:
        rc[0]["a"] = 7
        items = [*range(600), rc[0].ref("a")]

        assert rc.load_balanced_view().map_async(abs, items).get(10) == [*range(600), 7]

    def test_that_means_nothing_is_the_error_of_the_task(self, rc: ipp.Client) -> None:
        with pytest.raises(NameError, match="nothing"):
            rc[1].apply_async(abs, rc[0].ref("nothing")).get(10)

    def test_is_of_one_engine(self, rc: ipp.Client) -> None:
        with pytest.raises(ValueError, match=r"as in rc\[0\].ref\('a'\); this view has 4"):
            rc[:].ref("a")


class TestAReference:
    def test_stands_for_each_engines_own(self, rc: ipp.Client) -> None:
        rc[:].execute("a = engine_id", block=True)
        a = ipp.Reference("a")

        assert rc[:].apply_async(lambda x, y: (x, y["k"]), a, {"k": [a]}).get(10) == [
            (n, [n]) for n in range(4)
        ]
        assert rc[:].map_async(operator.add, [1] * 4, [a] * 4).get(10) == [1, 2, 3, 4]
        assert rc[:].apply_async(abs, ipp.Reference("a + 1")).get(10) == [1, 2, 3, 4]

    def test_may_be_what_is_called(self, rc: ipp.Client) -> None:
        rc[:].execute("def plus(x, y=10): return x + y", block=True)
        plus = ipp.Reference("plus")
        view = rc.load_balanced_view()

        assert rc[:].apply_async(plus, 1, y=2).get(10) == [3] * 4
        assert view.submit(plus, 1).get(10) == 11
        assert view.map_async(plus, [1, 2, 3], chunksize=2).get(10) == [11, 12, 13]
        assert rc[:].map_async(plus, [1, 2], [3, 4]).get(10) == [4, 6]

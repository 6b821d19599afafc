from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipcluster_ext.client.chunks import join, rows, split_evenly, take


class TestSplitting:
    @pytest.mark.parametrize(
        ("count", "parts", "sizes"),
        [
            (8, 4, [2, 2, 2, 2]),
            (10, 4, [3, 3, 2, 2]),
            (2, 4, [1, 1, 0, 0]),
            (0, 3, [0, 0, 0]),
            (5, 1, [5]),
        ],
    )
    def test_gives_the_first_parts_what_is_left_over(
        self, count: int, parts: int, sizes: list[int]
    ) -> None:
        assert [part.stop - part.start for part in split_evenly(count, parts)] == sizes

    @given(st.integers(0, 10_000), st.integers(1, 300))
    def test_passes_over_nothing_and_is_even(self, count: int, parts: int) -> None:
        slices = split_evenly(count, parts)
        sizes = [part.stop - part.start for part in slices]

        assert [n for part in slices for n in range(part.start, part.stop)] == list(range(count))
        assert len(slices) == parts
        assert max(sizes) - min(sizes) <= 1


class TestRows:
    @pytest.mark.parametrize(
        ("sequences", "items"),
        [
            ([[1, 2]], [1, 2]),
            (["ab"], ["a", "b"]),
            ([range(3)], [0, 1, 2]),
            ([[]], []),
            ([[1, 2, 3], "ab"], [(1, "a"), (2, "b")]),
            ([[1, 2], []], []),
            ([{"a": 1}, [5]], [("a", 5)]),
        ],
        ids=str,
    )
    def test_are_the_items_or_tuples_of_them(
        self, sequences: Sequence[Iterable[object]], items: list[object]
    ) -> None:
        assert rows(sequences) == items

    def test_take_what_can_be_iterated_over_once(self) -> None:
        assert rows([iter([1, 2, 3]), (n * 10 for n in range(5))]) == [(1, 0), (2, 10), (3, 20)]

    def test_of_no_sequence_are_refused(self) -> None:
        with pytest.raises(TypeError, match="at least one sequence"):
            rows([])

    def test_of_what_is_no_sequence_are_refused(self) -> None:
        with pytest.raises(TypeError, match="not iterable"):
            rows([5])  # type: ignore[list-item]


class TestTaking:
    def test_is_slicing(self) -> None:
        assert take([0, 1, 2, 3], slice(1, 3)) == [1, 2]
        assert take("abcd", slice(1, 3)) == "bc"
        assert take(np.arange(4).reshape(4, 1), slice(1, 3)).tolist() == [[1], [2]]

    def test_is_by_position_where_slices_mean_labels(self) -> None:
        class Frame:
            iloc = "abcd"

        assert take(Frame(), slice(1, 3)) == "bc"


class TestJoining:
    @pytest.mark.parametrize(
        ("parts", "whole"),
        [
            ([[1, 2], [3], []], [1, 2, 3]),
            ([(1,), range(2, 4)], [1, 2, 3]),
            ([1, 2], [1, 2]),
            (["ab", "c"], ["ab", "c"]),
            ([b"ab", [1]], [b"ab", 1]),
            ([], []),
        ],
        ids=str,
    )
    def test_gives_one_list(self, parts: list[object], whole: list[object]) -> None:
        assert join(parts) == whole

    def test_of_arrays_gives_one_array(self) -> None:
        joined = join([np.ones((2, 3)), np.zeros((1, 3)), np.ones((0, 3))])

        assert joined.tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]

    def test_of_arrays_and_lists_gives_one_list(self) -> None:
        assert join([np.array([1, 2]), [3]]) == [1, 2, 3]

    @given(st.lists(st.integers()), st.integers(1, 9))
    def test_undoes_splitting(self, items: list[int], parts: int) -> None:
        assert join([take(items, part) for part in split_evenly(len(items), parts)]) == items

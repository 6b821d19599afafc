from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipcluster_ext.client.chunks import chunk_size, join, lengths_of, rows, split_evenly, take


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


@pytest.mark.parametrize(
    ("count", "engines", "size"),
    [(0, 4, 1), (1, 4, 1), (32, 4, 1), (33, 4, 2), (3200, 4, 100), (10**6, 4, 1024), (100, 0, 13)],
)
def test_automatic_chunks_give_each_engine_several(count: int, engines: int, size: int) -> None:
    assert chunk_size("auto", count, engines) == size


@pytest.mark.parametrize("given", [1, 7, np.int64(3)])
def test_the_size_of_chunks_is_what_it_is_said_to_be(given: int) -> None:
    assert chunk_size(given, 100, 4) == given


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (0, ValueError, "chunksize must be at least 1, not 0"),
        (-3, ValueError, "chunksize must be at least 1, not -3"),
        (1.5, TypeError, "chunksize must be an integer or 'auto', not 1.5"),
        ("big", TypeError, "chunksize must be an integer or 'auto', not 'big'"),
        (None, TypeError, "chunksize must be an integer or 'auto', not None"),
        (True, TypeError, "chunksize must be an integer or 'auto', not True"),
    ],
)
def test_a_size_that_makes_no_sense_is_refused(
    given: object, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        chunk_size(given, 100, 4)


@pytest.mark.parametrize(
    ("count", "size", "lengths"), [(0, 3, []), (2, 3, [2]), (6, 3, [3, 3]), (7, 3, [3, 3, 1])]
)
def test_chunks_have_one_length_but_for_the_last(count: int, size: int, lengths: list[int]) -> None:
    assert lengths_of(count, size) == lengths

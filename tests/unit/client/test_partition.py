from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ipcluster_ext.client.partition import Map, RoundRobinMap, distribution, dists, sliceable

ITEMS = list(range(7))


@pytest.mark.parametrize(
    ("ways", "parts"),
    [(Map(), [[0, 1, 2], [3, 4], [5, 6]]), (RoundRobinMap(), [[0, 3, 6], [1, 4], [2, 5]])],
)
def test_sequences_are_cut_and_put_together_again(ways: Map, parts: list[list[int]]) -> None:
    cut = [ways.getPartition(ITEMS, part, 3) for part in range(3)]

    assert cut == parts
    assert ways.joinPartitions(cut) == ITEMS


@pytest.mark.parametrize("ways", [Map(), RoundRobinMap()])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 11])
def test_arrays_stay_arrays(ways: Map, count: int) -> None:
    array = np.arange(2 * count).reshape(count, 2)

    cut = [ways.getPartition(array, part, 3) for part in range(3)]
    joined = ways.joinPartitions(cut)

    assert isinstance(joined, np.ndarray)
    assert joined.tolist() == array.tolist()
    assert [len(part) for part in cut] == sorted((len(part) for part in cut), reverse=True)


@pytest.mark.parametrize("ways", [Map(), RoundRobinMap()])
def test_parts_that_are_no_sequences_are_listed(ways: Map) -> None:
    assert ways.joinPartitions([3, 7]) == [3, 7]
    assert ways.joinPartitions(["ab", "cd"]) == ["ab", "cd"]
    assert ways.joinPartitions([]) == []


def test_only_so_many_items_are_dealt_out() -> None:
    assert [Map().getPartition(ITEMS, part, 2, n=4) for part in range(2)] == [[0, 1], [2, 3]]


@pytest.mark.parametrize("part", [-1, 2])
def test_a_part_that_is_not_there_is_refused(part: int) -> None:
    with pytest.raises(ValueError, match=f"there is no part {part} of 2"):
        Map().getPartition(ITEMS, part, 2)


def test_ways_are_found_by_their_letters() -> None:
    assert {letter: type(distribution(letter)) for letter in dists} == {
        "b": Map,
        "r": RoundRobinMap,
    }
    with pytest.raises(ValueError, match="dist must be one of 'b', 'r', not 'x'"):
        distribution("x")


class Frame:
    """Rows that are sliced as those of a data frame."""

    def __init__(self, rows: list[int]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def iloc(self) -> list[int]:
        return self.rows


def test_rows_of_data_frames_are_dealt_out() -> None:
    assert [RoundRobinMap().getPartition(Frame(ITEMS), part, 2) for part in range(2)] == [
        [0, 2, 4, 6], [1, 3, 5],
    ]  # fmt: skip


def numbers() -> Iterator[int]:
    yield from range(3)


@pytest.mark.parametrize(
    ("given", "items"),
    [
        (numbers(), [0, 1, 2]),
        ({1}, [1]),
        ({"a": 1}, ["a"]),
        ("abc", "abc"),
        (range(2), range(2)),
    ],
)
def test_what_cannot_be_cut_becomes_a_list(given: Any, items: Any) -> None:
    assert sliceable(given) == items

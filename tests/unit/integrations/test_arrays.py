"""Arrays that many tasks share, without an engine: the sender's and the receiver's half."""

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ipcluster_ext.errors import SerializationError
from ipcluster_ext.integrations import arrays
from ipcluster_ext.integrations.arrays import Gone, SharedArrays, Shipment

Array = npt.NDArray[np.float64]

LARGE = 10_000
"""As many numbers make an array that is worth keeping."""


class Engine:
    """What an engine keeps, and what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def keep(self, run: str, number: int, array: Array) -> None:
        self.told.append(("keep", number))
        arrays.keep(run, number, array.copy())

    def drop(self, run: str, numbers: list[int] | None) -> None:
        self.told.append(("drop", numbers))
        arrays.drop(run, numbers)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def shared(engine: Engine) -> Iterator[SharedArrays]:
    shared = SharedArrays(engine.keep, engine.drop, read_only_above=1_000_000)
    yield shared
    shared.end()


def size_of(shipment: Shipment) -> int:
    """Return how many bytes travel."""
    return len(shipment.stream) + sum(buffer.raw().nbytes for buffer in shipment.buffers)


def travelled(shipment: Shipment) -> Shipment:
    """Return what arrives elsewhere, where a shipment was an argument."""
    beside: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(tuple(shipment), 5, buffer_callback=beside.append)
    return Shipment(*pickle.loads(pickled, buffers=[bytearray(b.raw()) for b in beside]))


def test_an_array_travels_once_with_a_task_and_once_to_be_kept(
    engine: Engine, shared: SharedArrays
) -> None:
    array = np.arange(LARGE, dtype=float)

    shipments = [shared.ship({"a": array}) for _ in range(4)]

    assert [size_of(shipment) > array.nbytes for shipment in shipments] == [True] + [False] * 3
    assert engine.told == [("keep", 0)]
    for shipment in shipments:
        np.testing.assert_array_equal(shipment.open()["a"], array)


def test_one_task_that_has_an_array_twice_keeps_nothing(
    engine: Engine, shared: SharedArrays
) -> None:
    array = np.zeros(LARGE)

    first, second = shared.ship([array, array]).open()

    assert first is second
    assert engine.told == []


@pytest.mark.parametrize(
    "value",
    [np.zeros(100), np.array([{}] * LARGE, dtype=object), b"x" * 100_000, list(range(50_000))],
    ids=["small", "objects", "bytes", "list"],
)
def test_what_is_no_large_array_travels_each_time(
    engine: Engine, shared: SharedArrays, value: Any
) -> None:
    for _ in range(3):
        np.testing.assert_array_equal(shared.ship(value).open(), value)

    assert engine.told == []


def test_another_array_in_the_same_place_is_another(engine: Engine, shared: SharedArrays) -> None:
    for number in range(5):
        array = np.full(LARGE, float(number))
        assert shared.ship(array).open()[0] == number
        del array

    assert engine.told == []


def test_an_array_that_is_gone_is_dropped_with_the_next_task(
    engine: Engine, shared: SharedArrays
) -> None:
    array = np.zeros(LARGE)
    shared.ship(array)
    shared.ship(array)

    del array
    shared.ship("something else")

    assert engine.told == [("keep", 0), ("drop", [0])]


def test_the_end_of_a_run_drops_everything(engine: Engine, shared: SharedArrays) -> None:
    array = np.zeros(LARGE)
    shipment = [shared.ship(array) for _ in range(2)][1]

    shared.end()
    shared.end()

    assert engine.told == [("keep", 0), ("drop", None)]
    with pytest.raises(Gone, match="array 0"):
        shipment.open()


def test_a_whole_shipment_needs_nothing_that_is_kept(engine: Engine, shared: SharedArrays) -> None:
    array = np.ones(LARGE)
    for _ in range(2):
        shared.ship(array)

    shipment = shared.ship(array, whole=True)
    shared.end()

    np.testing.assert_array_equal(shipment.open(), array)


def test_large_arrays_are_read_only_and_others_are_the_tasks_own(shared: SharedArrays) -> None:
    large, other = np.zeros(200_000), np.zeros(LARGE)

    for whole in (False, False, False, True):
        got_large, got_other = travelled(shared.ship((large, other), whole=whole)).open()
        got_other += 1

        assert not got_large.flags.writeable
        assert (got_large.sum(), got_other.sum()) == (0, LARGE)
    assert other.sum() == 0


def test_a_part_of_an_array_is_kept_as_it_is(shared: SharedArrays) -> None:
    array = np.asfortranarray(np.arange(4 * LARGE, dtype=float).reshape(4, -1))
    parts = [array[:, ::2], array.T, array[1:3]]

    for _ in range(3):
        for part, got in zip(parts, shared.ship(parts).open(), strict=True):
            np.testing.assert_array_equal(got, part)


def test_an_engine_keeps_the_arrays_of_a_few_runs_only(engine: Engine) -> None:
    for number in range(arrays.MOST_RUNS + 1):
        engine.keep(f"run {number}", 0, np.zeros(1))

    with pytest.raises(Gone):
        arrays.recall("run 0", 0, sealed=False)
    assert arrays.recall("run 1", 0, sealed=False).sum() == 0
    for number in range(arrays.MOST_RUNS + 1):
        engine.drop(f"run {number}", None)


def test_what_cannot_be_pickled_is_named(shared: SharedArrays) -> None:
    with pytest.raises(SerializationError, match="item 'why'"):
        shared.ship({"fine": 1, "why": (number for number in range(3))})

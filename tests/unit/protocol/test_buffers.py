import gc
import pickle
import threading
import weakref
from typing import Any, Literal, NoReturn

import numpy as np
import pytest

from ipcluster_ext.errors import SerializationError
from ipcluster_ext.protocol.buffers import (
    BESIDE_LIMIT,
    are_atoms,
    dump,
    dump_atoms,
    explain,
    load,
)


def as_received(buffers: list[memoryview]) -> list[memoryview]:
    return [memoryview(bytearray(buffer)) for buffer in buffers]


def test_a_large_array_travels_beside_the_stream_without_a_copy() -> None:
    array = np.arange(BESIDE_LIMIT, dtype=np.uint8)

    dumped = dump(array)
    array[0] = 99

    assert [buffer.nbytes for buffer in dumped.buffers] == [BESIDE_LIMIT]
    assert dumped.buffers[0][0] == 99
    assert len(dumped.stream) < 500


def test_a_small_array_stays_in_the_stream() -> None:
    array = np.zeros(BESIDE_LIMIT - 1, dtype=np.uint8)

    dumped = dump(array)

    assert dumped.buffers == []
    assert len(dumped.stream) >= BESIDE_LIMIT - 1


def test_an_array_is_writable_where_it_arrives() -> None:
    dumped = dump({"array": np.arange(10_000.0)})

    arrived = load(dumped.stream, as_received(dumped.buffers))["array"]
    arrived[0] = 7

    assert arrived.flags.writeable
    assert arrived[:3].tolist() == [7.0, 1.0, 2.0]


def test_an_array_uses_the_buffer_that_arrived_as_its_memory() -> None:
    dumped = dump(np.zeros(BESIDE_LIMIT, dtype=np.uint8))
    buffers = as_received(dumped.buffers)

    arrived = load(dumped.stream, buffers)
    buffers[0][0] = 5

    assert arrived[0] == 5


def test_buffers_are_in_the_order_of_the_arrays() -> None:
    arrays = [np.full(BESIDE_LIMIT, number, dtype=np.uint8) for number in range(3)]

    dumped = dump(arrays)

    assert [buffer[0] for buffer in dumped.buffers] == [0, 1, 2]
    arrived = load(dumped.stream, as_received(dumped.buffers))
    assert [array[0] for array in arrived] == [0, 1, 2]


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_keeps_its_order_in_memory(order: Literal["C", "F"]) -> None:
    array = np.asarray(np.arange(60_000.0).reshape(200, 300), order=order)

    dumped = dump(array)
    arrived = load(dumped.stream, as_received(dumped.buffers))

    assert len(dumped.buffers) == 1
    assert arrived.flags[f"{order}_CONTIGUOUS"]
    assert np.array_equal(arrived, array)


def test_a_slice_that_is_not_contiguous_arrives_whole() -> None:
    array = np.arange(100_000)[::2]

    dumped = dump(array)

    assert np.array_equal(load(dumped.stream, as_received(dumped.buffers)), array)


def test_what_was_pickled_is_free_as_soon_as_its_owner_lets_it_go() -> None:
    array = np.zeros(BESIDE_LIMIT, dtype=np.uint8)
    watched = weakref.ref(array)
    gc.disable()

    dump([array])
    del array

    gc.enable()
    assert watched() is None


def test_a_buffer_that_has_no_contiguous_form_is_refused_by_name() -> None:
    scattered = pickle.PickleBuffer(memoryview(bytes(range(10)))[::2])

    with pytest.raises(SerializationError, match="the view cannot be sent to another process"):
        dump({"scattered": scattered}, what="the view")


@pytest.mark.parametrize("value", [None, True, 3, 2.5, 1j, "text", b"bytes"])
def test_atoms_survive_a_round_trip(value: object) -> None:
    dumped = dump(value)

    assert dumped.buffers == []
    assert load(dumped.stream, []) == value


@pytest.mark.parametrize(
    ("values", "atoms"),
    [((), True), ((1, "a", None, 1.5, b"", True), True), ([1, [2]], False), ([(1,)], False)],
)
def test_atoms_are_told_from_the_rest(values: list[Any], atoms: bool) -> None:
    assert are_atoms(values) is atoms


@pytest.mark.parametrize("value", [[], [1, "a", None], ((1, b"x"), {})])
def test_lists_of_atoms_survive_a_round_trip(value: object) -> None:
    dumped = dump_atoms(value)

    assert load(dumped.stream, dumped.buffers) == value


class Holder:
    def __init__(self, held: object) -> None:
        self.held = held


@pytest.mark.parametrize(
    ("value", "culprit"),
    [
        ([1, threading.Lock()], "(in item 1 of type lock)"),
        ({"a": 1, "b": threading.Lock()}, "(in item 'b' of type lock)"),
        (Holder(threading.Lock()), "(in attribute 'held' of type lock)"),
        ([Holder(threading.Lock())], "(in item 0 of type Holder, attribute 'held' of type lock)"),
        (threading.Lock(), "cannot pickle '_thread.lock' object"),
    ],
)
def test_what_cannot_be_pickled_is_refused_naming_the_culprit(value: object, culprit: str) -> None:
    with pytest.raises(SerializationError) as caught:
        dump(value, what="the argument 'x'")

    assert caught.value.what == "the argument 'x'"
    assert caught.value.cause.startswith("TypeError: cannot pickle '_thread.lock' object")
    assert caught.value.cause.endswith(culprit)


def test_a_value_nested_too_deep_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]

    with pytest.raises(SerializationError):
        dump(nested)

    while nested:
        nested = nested.pop()


class HostileError(Exception):
    def __str__(self) -> str:
        msg = "no text"
        raise ValueError(msg)


class Hostile:
    """Raises wherever it is asked about itself."""

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise HostileError

    def __getattribute__(self, name: str) -> object:
        if name == "__dict__":
            raise HostileError
        return super().__getattribute__(name)

    def __repr__(self) -> str:
        raise HostileError

    def __hash__(self) -> int:
        return 1


@pytest.mark.parametrize("value", [Hostile(), [Hostile()], {Hostile(): Hostile()}])
def test_a_hostile_value_is_refused_like_any_other(value: object) -> None:
    with pytest.raises(SerializationError, match="the value cannot be sent to another process"):
        dump(value)


def test_an_explanation_looks_eight_steps_deep_and_no_further() -> None:
    deep: object = threading.Lock()
    for _ in range(9):
        deep = [deep]

    explained = explain(deep, TypeError("no"))

    assert explained == f"TypeError: no (in {', '.join(['item 0 of type list'] * 8)})"

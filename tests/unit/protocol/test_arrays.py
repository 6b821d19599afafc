from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from ipcluster_ext.protocol.buffers import dump, load

Array = npt.NDArray[np.float64]
SIZE = 10_000
"""Elements of an array whose memory travels beside its pickle."""


def there_and_back(array: Array) -> Array:
    dumped = dump({"a": array})
    buffers = [memoryview(bytearray(buffer)) for buffer in dumped.buffers]
    back: Array = load(dumped.stream, buffers)["a"]
    return back


MAKERS: list[Callable[[int], Array]] = [
    lambda size: np.arange(size, dtype=float),
    lambda size: np.arange(size, dtype=float).reshape(2, -1).T,
    lambda size: np.asfortranarray(np.arange(size, dtype=float).reshape(2, -1)),
    lambda size: np.arange(2 * size, dtype=float)[::2],
    lambda size: np.broadcast_to(np.float64(3), size),
    lambda size: np.frombuffer(bytes(8 * size)),
]


@pytest.mark.parametrize("size", [10, SIZE])
@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("frozen", [False, True])
def test_an_array_can_be_written_to_wherever_it_comes_from(
    make: Callable[[int], Array], size: int, frozen: bool
) -> None:
    array = make(size)
    if frozen:
        array.flags.writeable = False

    back = there_and_back(array)

    assert back.flags.writeable
    assert np.array_equal(back, array)
    assert back.flags.f_contiguous == array.flags.f_contiguous or not array.flags.forc


def test_an_array_that_could_be_written_to_is_not_copied() -> None:
    dumped = dump(np.zeros(SIZE))
    buffer = memoryview(bytearray(dumped.buffers[0]))

    array = load(dumped.stream, [buffer])
    array[0] = 1.0

    assert bytes(buffer[:8]) == np.float64(1.0).tobytes()

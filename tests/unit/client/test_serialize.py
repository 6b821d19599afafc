import numpy as np
import pytest

from ipcluster_ext.client.serialize import (
    deserialize_object,
    pack_apply_message,
    serialize_object,
    unpack_apply_message,
)
from ipcluster_ext.protocol.buffers import BESIDE_LIMIT


def test_objects_follow_each_other_in_buffers() -> None:
    array = np.arange(BESIDE_LIMIT)

    buffers = [*serialize_object({"a": array}), *serialize_object([1])]
    first, rest = deserialize_object(buffers)
    second, nothing = deserialize_object(rest)

    assert len(buffers) == 3
    assert (first["a"] == array).all()
    assert (second, nothing) == ([1], [])


@pytest.mark.parametrize("kept", [0, 1])
def test_an_object_that_is_not_whole_is_refused(kept: int) -> None:
    buffers = serialize_object(np.arange(BESIDE_LIMIT))

    with pytest.raises(ValueError, match=f"and there are {kept}"):
        deserialize_object(buffers[:kept])


def test_a_call_survives_a_round_trip() -> None:
    array = np.arange(BESIDE_LIMIT)

    function, args, kwargs = unpack_apply_message(
        pack_apply_message(lambda a, b: int(a[b]), [array], {"b": 3})
    )

    assert function(*args, **kwargs) == 3

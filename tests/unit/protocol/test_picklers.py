import pickle
from collections.abc import Iterator

import numpy as np
import pytest

from ipcluster_ext.errors import SerializationError
from ipcluster_ext.protocol.buffers import BESIDE_LIMIT, dump, load
from ipcluster_ext.protocol.functions import pack, use_pickler
from ipcluster_ext.protocol.picklers import Name, pickler_in_use
from tests.support.notebooks import cell


@pytest.fixture(autouse=True)
def cloudpickle_again() -> Iterator[None]:
    yield
    use_pickler("cloudpickle")


@pytest.fixture(params=["cloudpickle", "pickle", "dill"])
def pickler(request: pytest.FixtureRequest) -> Name:
    name: Name = request.param
    pytest.importorskip(name)
    use_pickler(name)
    return name


def test_cloudpickle_is_in_use_to_begin_with() -> None:
    assert pickler_in_use() == "cloudpickle"


def test_large_arrays_travel_beside_the_stream_whoever_pickles(pickler: Name) -> None:
    array = np.arange(BESIDE_LIMIT, dtype=np.uint8)

    dumped = dump({"a": array})

    assert pickler_in_use() == pickler
    assert [buffer.nbytes for buffer in dumped.buffers] == [BESIDE_LIMIT]
    assert (load(dumped.stream, dumped.buffers)["a"] == array).all()


def test_arrays_arrive_writable_whoever_pickles(pickler: Name) -> None:
    del pickler
    array = np.frombuffer(b"1234", dtype=np.uint8)

    dumped = dump([array])

    assert load(dumped.stream, dumped.buffers)[0].flags.writeable


def test_what_cannot_be_pickled_is_named_whoever_pickles(pickler: Name) -> None:
    del pickler
    with pytest.raises(SerializationError, match="the value"):
        dump([(number for number in range(3))])


def test_functions_of_a_notebook_travel_whoever_pickles(pickler: Name) -> None:
    del pickler
    names = cell(
        """
        factor = 3
        def times(x):
            return factor * x
        """
    )

    assert pickle.loads(pack(names["times"]).pickled)(2) == 6


def test_a_function_is_pickled_anew_by_another_pickler() -> None:
    pytest.importorskip("dill")
    function = cell("def same(x): return x")["same"]
    before = pack(function)

    use_pickler("dill")

    assert pack(function).digest != before.digest


def test_a_pickler_that_is_not_there_is_refused_and_the_old_one_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "dill", None)

    with pytest.raises(ImportError, match="dill is not installed here; install it"):
        use_pickler("dill")
    with pytest.raises(ValueError, match="there is no pickler 'marshal'"):
        use_pickler("marshal")  # type: ignore[arg-type]

    assert pickler_in_use() == "cloudpickle"

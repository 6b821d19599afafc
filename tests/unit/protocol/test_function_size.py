import pytest

from ipcluster_ext.errors import SerializationError
from ipcluster_ext.protocol import functions
from ipcluster_ext.protocol.functions import pack
from tests.support.notebooks import cell


@pytest.fixture(autouse=True)
def _small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "MOST_PICKLED", 10_000)


def test_a_function_that_brings_too_much_along_is_refused_with_advice() -> None:
    names = cell("data = bytes(20_000)\ndef f(): return data")

    with pytest.raises(SerializationError, match=r"'f' .*has 20,\d+ bytes.*10,000.*view\.push"):
        pack(names["f"])


def test_a_function_that_brings_less_along_is_packed() -> None:
    names = cell("data = bytes(5_000)\ndef f(): return data")

    assert 5_000 < len(pack(names["f"]).pickled) < 10_000

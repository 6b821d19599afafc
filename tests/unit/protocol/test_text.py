import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipcluster_ext.protocol.text import legible, nbytes_text


@pytest.mark.parametrize("text", ["", "plain", "é\n\t\0", "😀"])
def test_text_stays_as_it_is(text: str) -> None:
    assert legible(text) is text


def test_halves_of_pairs_are_written_out() -> None:
    assert legible("a\udc80é\ud800") == "a\\udc80é\\ud800"


@given(st.text(st.characters()))
def test_whatever_it_is_it_can_be_encoded(text: str) -> None:
    assert legible(text).encode().decode() == legible(text)


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536 * 1024, "1.5 MiB"),
        (8 << 30, "8.0 GiB"),
        (5 << 40, "5.0 TiB"),
    ],
)
def test_sizes_are_written_with_their_unit(nbytes: int, text: str) -> None:
    assert nbytes_text(nbytes) == text

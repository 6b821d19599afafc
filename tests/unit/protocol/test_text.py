import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipcluster_ext.protocol.text import (
    LINE_LENGTH,
    host_name,
    last_line,
    legible,
    nbytes_text,
)


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


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        ("n1-0123456789ab", "n1"),
        ("node-7-c0ffee00beef", "node-7"),
        ("n1", "n1"),
        ("n1-0123456789", "n1-0123456789"),
        ("n1-0123456789xy", "n1-0123456789xy"),
        ("", ""),
    ],
)
def test_a_host_is_called_what_people_call_it(identity: str, name: str) -> None:
    assert host_name(identity) == name


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("one\ntwo", "two"),
        ("one\n\n  \n", "one"),
        ("\x1b[31mred\x1b[0m\n\x1b[0m", "red"),
        ("\x1b]0;title\x07told\n", "told"),
        (" 10%|#\r 20%|##\r", "20%|##"),
        ("a\tb\r\n", "a b"),
        ("bell\x07\x00\n", "bell"),
        ("x" * LINE_LENGTH, "x" * LINE_LENGTH),
        ("x" * (LINE_LENGTH + 1), "x" * (LINE_LENGTH - 1) + "…"),
    ],
)
def test_the_last_line_is_what_a_screen_would_show(text: str, line: str) -> None:
    assert last_line(text) == line


@given(st.text())
def test_a_last_line_is_one_line_and_not_long(text: str) -> None:
    line = last_line(text)

    assert len(line) <= LINE_LENGTH
    assert len(line.splitlines()) <= 1

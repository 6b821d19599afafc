import pytest

from ipcluster_ext.cli.tables import shortened, size, span, table


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_stand_at_the_right() -> None:
    text = table(["NAME", ">N"], [["a", 1], ["long name", 1000], [None, ""]])

    assert text.split("\n") == [
        "NAME          N",
        "a             1",
        "long name  1000",
        "",
    ]


def test_a_cell_cannot_give_the_terminal_orders() -> None:
    assert table(["NAME"], [["a\x1b[2Jb\nc"]]) == "NAME\na [2Jb c"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min 00 s"),
        (61, "1 min 01 s"),
        (3_600, "1 h 00 min"),
        (7_500, "2 h 05 min"),
        (90_000, "1 d 01 h"),
    ],
)
def test_a_span_is_written_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 1024**2, "5.0 MiB"),
     (3 * 1024**3, "3.0 GiB"), (2 * 1024**4, "2.0 TiB")],
)  # fmt: skip
def test_a_size_is_written_in_the_unit_that_fits(nbytes: int, text: str) -> None:
    assert size(nbytes) == text


def test_what_is_too_long_is_cut_and_says_so() -> None:
    assert [shortened(text, 4) for text in ("four", "fives")] == ["four", "fiv…"]

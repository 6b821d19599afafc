import pytest

from ipcluster_ext.display import figures


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1.0, "0.0 s"), (0.0, "0.0 s"), (0.26, "0.3 s"), (1.0, "1 s"), (59.4, "59 s"),
        (59.9, "1 min 00 s"), (80, "1 min 20 s"), (7500, "2 h 05 min"), (100 * 3600, "4 d 4 h"),
    ],
)  # fmt: skip
def test_spans_are_told_in_two_units_at_most(seconds: float, text: str) -> None:
    assert figures.span(seconds) == text


@pytest.mark.parametrize(
    ("per_second", "text"),
    [
        (12345.6, "12,346/s"), (99.9, "99.9/s"), (12.34, "12.3/s"), (1.26, "1.3/s"),
        (0.5, "0.5/s"), (0.04, "25 s each"),
    ],
)  # fmt: skip
def test_slow_rates_are_told_as_the_time_that_each_takes(per_second: float, text: str) -> None:
    assert figures.rate(per_second) == text


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (200 * 2**20, "200 MiB"),
        (1.5 * 2**30, "1.5 GiB"), (2**53, "8192 TiB"),
    ],
)  # fmt: skip
def test_sizes_are_told_in_the_largest_unit(nbytes: float, text: str) -> None:
    assert figures.size(nbytes) == text


def test_counts_have_separators_and_decimals_where_there_are_any() -> None:
    assert (figures.count(1234567), figures.count(12.5), figures.count(3.0)) == (
        "1,234,567",
        "12.5",
        "3",
    )


def test_nouns_agree_with_their_numbers() -> None:
    assert figures.noun(1, "engine") == "1 engine"
    assert figures.noun(0, "engine") == "0 engines"
    assert figures.noun(2, "is", "are") == "2 are"

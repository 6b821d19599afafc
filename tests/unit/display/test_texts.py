import pytest

from ipcluster_ext.display.texts import (
    Name,
    Tape,
    beside,
    folded,
    headed,
    names_text,
    shortened,
    tail_of,
)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([3], "3"),
        ([0, 1, 2, 3], "0-3"),
        ([5, 3, 2, 0], "0,2-3,5"),
        ([1, 1], "1"),
        (["task 4", 1, "?"], "1,?,task 4"),
    ],
)
def test_engines_in_a_row_are_written_as_one_range(names: list[Name], text: str) -> None:
    assert names_text(names) == text


def test_what_is_the_same_is_put_together_where_it_stands_first() -> None:
    items: list[tuple[Name, str]] = [(0, "a"), (1, "b"), (2, "a"), (3, "c"), (1, "c")]

    assert folded(items) == [([0, 2], "a"), ([1], "b"), ([3, 1], "c")]


def test_what_one_engine_says_twice_is_not_taken_for_that_of_two() -> None:
    assert folded([(0, "a"), (0, "a"), (1, "a")]) == [([0, 1], "a"), ([0], "a")]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\nb\n", "[stdout:3] a\n[stdout:3] b\n"),
        ("a", "[stdout:3] a\n"),
        (" 10 %\r 50 %\r100 %\n", "[stdout:3] 100 %\n"),
        ("windows\r\n", "[stdout:3] windows\n"),
        ("\n\n", "[stdout:3] \n[stdout:3] \n"),
        ("\x1b[31mred\x1b[0m", "[stdout:3] \x1b[31mred\x1b[0m\n"),
    ],
)
def test_every_line_has_a_heading(text: str, lines: str) -> None:
    assert headed("[stdout:3]", text) == lines


def test_a_heading_stands_beside_one_line_and_above_several() -> None:
    assert beside("Out[0:1]:", "42") == "Out[0:1]: 42\n"
    assert beside("Out[0:1]:", "a\nb") == "Out[0:1]:\na\nb\n"
    assert beside("", "42") == "42\n"


class TestATape:
    def test_gives_lines_as_they_end(self) -> None:
        tape = Tape()

        assert [tape.feed(text) for text in ("a", "b\nc\nd", "", "\n")] == [
            "",
            "ab\nc\n",
            "",
            "d\n",
        ]
        assert (tape.open, tape.end()) == ("", "")

    def test_gives_what_is_left_in_the_end(self) -> None:
        tape = Tape()
        tape.feed("a\nb")

        assert (tape.end(), tape.end()) == ("b\n", "")

    def test_keeps_no_more_of_a_bar_than_its_last_state(self) -> None:
        tape = Tape()
        for percent in range(1000):
            tape.feed(f"\r{percent:4} %")

        assert (tape.rewritten, tape.open) == (True, "\r 999 %")
        assert headed("x", tape.feed("\r done\n")) == "x  done\n"
        assert not tape.rewritten

    def test_keeps_a_bar_that_ends_where_it_began(self) -> None:
        tape = Tape()
        tape.feed("10 %\r")
        tape.feed("20 %\r")

        assert (tape.open, tape.end()) == ("\r20 %\r", "\r20 %\r\n")


def test_the_end_of_a_text_begins_with_a_whole_line() -> None:
    pieces = ["one\ntwo\n", "three\nfo", "ur\nfive\n"]

    assert tail_of(pieces, 10) == ("four\nfive\n", 3)
    assert tail_of(pieces, 9) == ("five\n", 4)
    assert tail_of(pieces, 1000) == ("".join(pieces), 0)
    assert tail_of(["x" * 100], 10) == ("x" * 10, 0)


def test_of_a_long_text_the_middle_is_left_out() -> None:
    text = "".join(f"{number:03}\n" for number in range(100))

    short = shortened(text, 80, "[{lines} lines, {characters} characters]")

    assert short.splitlines()[16:20] == ["016", "[81 lines, 324 characters]", "098", "099"]
    assert shortened("short", 80, "") == "short"

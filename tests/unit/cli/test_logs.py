from pathlib import Path

import pytest

from ipcluster_ext.cli.logs import Tail, follow, show_logs


def test_the_last_lines_of_each_log_are_shown_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hub.log").write_text("one\ntwo\nthree\n")
    (tmp_path / "engine-3.log").write_text("four\n")
    (tmp_path / "journal.db").write_text("no log")

    show_logs(tmp_path, engine=None, lines=2)

    assert capsys.readouterr().out.splitlines() == [
        "engine-3: four",
        "hub: two",
        "hub: three",
    ]


def test_the_log_of_one_engine_is_that_of_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for engine in (1, 11):
        (tmp_path / f"engine-{engine}.log").write_text(f"of {engine}\n")

    show_logs(tmp_path, engine=1, lines=9)

    assert capsys.readouterr().out == "engine-1: of 1\n"


def test_what_comes_later_is_shown_line_by_line_and_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "hub.log"
    log.write_text("before\n")
    tails = show_logs(tmp_path, engine=None, lines=0)
    coming = iter(["first\nhal", "f\n", None])

    def over() -> bool:
        text = next(coming)
        if text is not None:
            with log.open("a") as file:
                file.write(text)
        return text is None

    follow(tails, over=over)

    assert capsys.readouterr().out.splitlines() == ["hub: first", "hub: half"]


def test_a_log_that_was_deleted_has_nothing_more_to_say(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "gone.log")

    assert (tail.last(5), tail.more()) == ([], [])


def test_of_a_long_log_only_the_end_is_read(tmp_path: Path) -> None:
    log = tmp_path / "hub.log"
    log.write_text("x" * 200_000 + "\nlast\n")
    tail = Tail(log)

    assert tail.last(1) == ["last"]
    assert tail.more() == []

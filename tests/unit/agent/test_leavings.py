import faulthandler
from pathlib import Path

from ipcluster_ext.agent.leavings import excerpt


def test_an_excerpt_is_what_was_written_since(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of another life\n")
    since = log.stat().st_size
    with log.open("a") as file:
        file.write("one\n\n  two  \n")

    assert excerpt(log, since) == "one\n  two"


def test_an_excerpt_is_short(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {n} {'x' * 1000}\n" for n in range(1000)))

    text = excerpt(log, 0)

    assert len(text) < 8192
    assert text.startswith("line 980 ")
    assert "line 999 " in text


def test_an_excerpt_shows_how_python_died_rather_than_what_came_after(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as file:
        file.write("before\n" * 100)
        file.write("Fatal Python error: Segmentation fault\n\n")
        file.flush()
        faulthandler.dump_traceback(file)
        file.flush()
        file.write("after\n" * 100)

    lines = excerpt(log, 0).splitlines()

    assert lines[:6] == ["before"] * 5 + ["Fatal Python error: Segmentation fault"]
    assert any("test_an_excerpt_shows_how" in line for line in lines)
    assert len(lines) <= 35


def test_of_a_log_that_is_not_there_there_is_no_excerpt(tmp_path: Path) -> None:
    assert excerpt(tmp_path / "log", 0) == ""


def test_a_log_that_has_become_shorter_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\n")

    assert excerpt(log, 1000) == "one"

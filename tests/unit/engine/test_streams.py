from pathlib import Path
from typing import Any

import pytest

from ipcluster_ext.engine.fulltext import BEGIN_AFTER, FullTexts
from ipcluster_ext.engine.streams import (
    KEPT_OF_THE_REST,
    KEPT_PER_TASK,
    MUCH,
    Printed,
    TaskStream,
)
from ipcluster_ext.protocol.ids import EngineId, TaskId


class Stage:
    """Printed text, and the task that runs."""

    def __init__(self) -> None:
        self.task: TaskId | None = TaskId(1)
        self.printed = Printed(lambda: self.task)


@pytest.fixture
def stage() -> Stage:
    return Stage()


class TestPrinted:
    def test_belongs_to_the_task_that_runs(self, stage: Stage) -> None:
        stage.printed.write("stdout", "a")
        stage.printed.write("stderr", "b")
        stage.printed.write("stdout", "c")

        before = stage.printed.pending
        assert stage.printed.take() == [(1, "stdout", "ac"), (1, "stderr", "b")]
        assert (before, stage.printed.pending) == (True, False)
        assert stage.printed.take() == []

    def test_after_a_task_belongs_to_it_until_the_next_begins(self, stage: Stage) -> None:
        stage.printed.write("stdout", "a")
        stage.printed.end_task(TaskId(1))
        stage.task = None

        stage.printed.write("stdout", "late")

        assert stage.printed.take() == [(1, "stdout", "late")]

    def test_before_the_first_task_belongs_to_nobody(self, stage: Stage) -> None:
        stage.task = None
        stage.printed.write("stdout", "early")

        assert stage.printed.take() == []

    def test_beyond_the_limit_is_counted_but_for_its_end(self, stage: Stage) -> None:
        stage.printed.write("stdout", "x" * (KEPT_PER_TASK - 1))
        stage.printed.write("stdout", "abc\n")
        for number in range(100_000):
            stage.printed.write("stdout", f"{number}\n")
        stage.printed.write("stderr", "e")

        taken = stage.printed.take()
        ended = stage.printed.end_task(TaskId(1))

        assert [(stream, len(text), text[-2:]) for _, stream, text in taken] == [
            ("stdout", KEPT_PER_TASK, "xa"), ("stderr", 1, "e"),
        ]  # fmt: skip
        [(task, stream, text)] = ended
        note, *lines, last, nothing = text.lstrip("\n").split("\n")
        assert (task, stream, last, nothing) == (1, "stdout", "99999", "")
        kept = len("\n".join(lines)) + 1
        assert KEPT_OF_THE_REST - 10 < kept <= KEPT_OF_THE_REST
        assert note == (
            f"[{100_001 - len(lines) - 1:,} lines left out here, 523,357 characters; "
            "all of it: ar.full_output('stdout')]"
        )

    def test_of_the_next_task_has_all_the_room_again(self, stage: Stage) -> None:
        stage.printed.write("stdout", "x" * KEPT_PER_TASK * 2)
        stage.printed.end_task(TaskId(1))
        stage.task = TaskId(2)

        stage.printed.write("stdout", "y" * 10)

        assert stage.printed.end_task(TaskId(2)) == [(2, "stdout", "y" * 10)]

    def test_of_tasks_that_take_turns_is_told_apart(self, stage: Stage) -> None:
        for task, text in ((1, "a"), (2, "b"), (1, "c"), (2, "d")):
            stage.task = TaskId(task)
            stage.printed.write("stdout", text)

        assert stage.printed.take() == [(1, "stdout", "ac"), (2, "stdout", "bd")]

    def test_is_limited_for_each_task_until_that_ends(self, stage: Stage) -> None:
        stage.printed.write("stdout", "x" * KEPT_PER_TASK)
        stage.task = TaskId(2)
        stage.printed.write("stdout", "y")
        stage.printed.end_task(TaskId(2))
        stage.task = TaskId(1)
        stage.printed.write("stdout", "more")

        assert stage.printed.end_task(TaskId(1)) == [(1, "stdout", "more")]

    def test_beyond_the_limit_in_one_piece_loses_its_middle(self, stage: Stage) -> None:
        stage.printed.write("stdout", "x" * KEPT_PER_TASK + "\nab" + "y" * KEPT_OF_THE_REST)

        [_, (_, _, text)] = stage.printed.end_task(TaskId(1))

        note, _, rest = text.lstrip("\n").partition("\n")
        assert note.startswith("[1 lines left out here, 3 characters;")
        assert rest == "y" * KEPT_OF_THE_REST

    def test_tells_when_it_begins_to_wait_and_when_there_is_much_of_it(self, stage: Stage) -> None:
        told: list[str] = []
        stage.printed.on_text = lambda: told.append("text")
        stage.printed.on_much = lambda: told.append("much")

        stage.printed.write("stdout", "a")
        stage.printed.write("stdout", "b")
        stage.printed.write("stdout", "c" * MUCH)
        stage.printed.take()
        stage.printed.write("stdout", "d")

        assert told == ["text", "much", "text"]

    def test_is_kept_in_full_where_it_is_not_passed_on_in_full(self, tmp_path: Path) -> None:
        full = FullTexts(tmp_path / "output", EngineId(0))
        printed = Printed(lambda: TaskId(1), full)
        text = "".join(f"{number}\n" for number in range(200_000))
        printed.write("stdout", text)
        printed.write("stderr", "e" * BEGIN_AFTER * 2)
        printed.end_task(TaskId(1))

        assert full.read((TaskId(1), "stdout"), 0, 10_000_000) == text.encode()
        assert full.read((TaskId(1), "stderr"), 0, 10) is None

    def test_is_settled_when_its_task_ends(self, stage: Stage) -> None:
        stage.printed.write("stdout", "a")
        before = stage.printed.used
        stage.printed.end_task(TaskId(1))

        assert (before, stage.printed.used) == (True, False)

    def test_that_came_late_is_settled_when_the_next_task_ends(self, stage: Stage) -> None:
        stage.printed.write("stdout", "a")
        stage.printed.end_task(TaskId(1))
        stage.task = None
        stage.printed.write("stdout", "late")
        stage.task = TaskId(2)

        assert stage.printed.end_task(TaskId(2)) == [(1, "stdout", "late")]
        assert not stage.printed.used

    def test_that_another_thread_begins_to_write_as_a_task_ends_is_not_settled(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Texts(dict[Any, Any]):
            """Looked at last, as far as the one that ends knows."""

            def __bool__(self) -> bool:
                stage.task = TaskId(2)
                stage.printed.write("stdout", "b")
                return False

        monkeypatch.setattr(stage.printed, "_texts", Texts())
        stage.printed.write("stdout", "a")

        assert stage.printed.end_task(TaskId(1)) == [(1, "stdout", "a")]
        assert (stage.printed.used, stage.printed.pending) == (True, True)

    def test_that_utf8_has_no_form_for_is_written_out(self, stage: Stage) -> None:
        stage.printed.write("stdout", "a\udc80")

        assert stage.printed.take() == [(1, "stdout", "a\\udc80")]


class TestAStream:
    def test_is_a_text_stream(self, stage: Stage) -> None:
        stream = TaskStream(stage.printed, "stdout", 1)

        print("a", 5, file=stream, flush=True)
        stream.writelines(["b", "c"])

        assert stage.printed.take() == [(1, "stdout", "a 5\nbc")]
        assert (stream.name, stream.encoding, stream.fileno()) == ("<stdout>", "utf-8", 1)
        assert (stream.writable(), stream.readable(), stream.isatty()) == (True, False, False)

    def test_tells_how_much_it_took(self, stage: Stage) -> None:
        assert TaskStream(stage.printed, "stdout", 1).write("abc") == 3

    def test_refuses_what_is_no_text(self, stage: Stage) -> None:
        with pytest.raises(TypeError, match="must be str, not bytes"):
            TaskStream(stage.printed, "stdout", 1).write(b"a")

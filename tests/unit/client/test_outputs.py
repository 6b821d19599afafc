import pickle
import threading
from typing import Any

import pytest

from ipcluster_ext.client.replies import AsyncExecuteResult, ExecuteReply
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.protocol.standins import collecting
from tests.support.waiting import wait_until
from tests.support.wires import Wire, value


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def cells(wire: Wire) -> AsyncExecuteResult:
    """Return the answer of a cell on engines 4 and 5: each wrote, displayed and returned."""
    result = AsyncExecuteResult(wire.connection, 2)
    for place, engine, own in ((0, 4, "own"), (1, 5, "other")):
        result.note_output(result.task_at(place), "stdout", "a\nb\n")
        result.note_output(result.task_at(place), "stderr", "careful")
        value(result, place, reply("42", "shown", own), engine=engine)
    return result


def reply(returned: str, *displayed: str) -> dict[str, Any]:
    return {
        "outputs": [plain(text) for text in displayed],
        "execute_result": plain(returned),
        "execution_count": 7,
    }


def plain(text: str) -> dict[str, Any]:
    return {"data": {"text/plain": text}, "metadata": {}}


class TestAReply:
    def test_is_what_the_cell_shows(self, cells: AsyncExecuteResult) -> None:
        found = cells.get()[0]

        assert isinstance(found, ExecuteReply)
        assert (found.source, found.data, found.metadata) == ("engine 4", {"text/plain": "42"}, {})
        assert (found.execution_count, len(found.outputs)) == (7, 2)
        assert repr(found) == "<ExecuteReply from engine 4: 42>"
        assert found._repr_mimebundle_() == ({"text/plain": "42"}, {})
        assert found._repr_mimebundle_(exclude={"text/plain"}) == ({}, {})
        assert (found._repr_html_(), found._repr_png_()) == (None, None)

    def test_has_the_tasks_metadata_as_attributes_and_items(
        self, cells: AsyncExecuteResult
    ) -> None:
        found = cells.get()[0]

        assert (found.engine_id, found["engine_id"], found.status) == (4, 4, "ok")
        assert found["stdout"] == "a\nb\n"
        with pytest.raises(AttributeError, match="no field 'weather'"):
            _ = found.weather
        with pytest.raises(KeyError):
            found["weather"]

    def test_can_be_shown(
        self, cells: AsyncExecuteResult, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cells.get()[0].display()

        assert capsys.readouterr().out == "42\n"

    def test_is_part_of_the_metadata(self, cells: AsyncExecuteResult) -> None:
        assert cells.execute_result[0] == {**plain("42"), "execution_count": 7}
        assert cells.outputs[0] == [plain("shown"), plain("own")]

    def test_cannot_be_an_argument(self, cells: AsyncExecuteResult) -> None:
        with collecting(), pytest.raises(TypeError, match="cannot be the argument"):
            pickle.dumps(cells)

    def test_of_a_silent_cell_is_nothing(self, wire: Wire) -> None:
        result = AsyncExecuteResult(wire.connection, 1, single=True)
        value(result, 0, None)

        assert (result.get(), result.execute_result, result.outputs) == (None, None, [])


class TestShowingOutput:
    @pytest.mark.parametrize(
        ("groupby", "lines"),
        [
            (
                "type",
                [
                    "[stdout:4-5] a", "[stdout:4-5] b", "[output:4-5] shown", "[output:4] own",
                    "[output:5] other", "Out[4-5:7]: 42",
                ],
            ),
            (
                "engine",
                [
                    "[stdout:4] a", "[stdout:4] b", "[output:4] shown", "[output:4] own",
                    "Out[4:7]: 42",
                    "[stdout:5] a", "[stdout:5] b", "[output:5] shown", "[output:5] other",
                    "Out[5:7]: 42",
                ],
            ),
            (
                "order",
                [
                    "[stdout:4-5] a", "[stdout:4-5] b", "[output:4-5] shown", "[output:4] own",
                    "[output:5] other", "Out[4-5:7]: 42",
                ],
            ),
        ],
    )  # fmt: skip
    def test_groups_it_and_says_once_what_is_the_same(
        self,
        cells: AsyncExecuteResult,
        capsys: pytest.CaptureFixture[str],
        groupby: Any,
        lines: list[str],
    ) -> None:
        cells.display_outputs(groupby)

        out, err = capsys.readouterr()
        assert out.splitlines() == lines
        headings = ["[stderr:4-5]"] if groupby != "engine" else ["[stderr:4]", "[stderr:5]"]
        assert err.splitlines() == [f"{heading} careful" for heading in headings]

    def test_of_engines_that_said_the_same_is_shown_once(
        self, wire: Wire, capsys: pytest.CaptureFixture[str]
    ) -> None:
        result = AsyncExecuteResult(wire.connection, 3)
        for place in range(3):
            result.note_output(result.task_at(place), "stdout", "a\n")
            value(result, place, reply("42" if place else "41", "shown"), engine=place)

        result.display_outputs("engine")

        assert capsys.readouterr().out.splitlines() == [
            "[stdout:0] a", "[output:0] shown", "Out[0:7]: 41",
            "[stdout:1-2] a", "[output:1-2] shown", "Out[1-2:7]: 42",
        ]  # fmt: skip

    def test_can_be_of_values_only(
        self, cells: AsyncExecuteResult, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cells.display_outputs(result_only=True)

        assert capsys.readouterr() == ("Out[4-5:7]: 42\n", "")

    def test_of_one_task_needs_no_headings(
        self, wire: Wire, capsys: pytest.CaptureFixture[str]
    ) -> None:
        result = AsyncExecuteResult(wire.connection, 1, single=True)
        result.note_output(result.first, "stdout", "a\n")
        value(result, 0, reply("two\nlines", "shown"))

        result.display_outputs()

        assert capsys.readouterr().out == "a\nshown\nOut[7]:\ntwo\nlines\n"

    def test_in_another_order_is_refused(self, cells: AsyncExecuteResult) -> None:
        with pytest.raises(ValueError, match="not 'colour'"):
            cells.display_outputs("colour")  # type: ignore[arg-type]

    def test_names_what_has_no_text(self, wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
        result = AsyncResult(wire.connection, 1, single=True)
        picture = {"data": {"image/png": "..."}, "metadata": {}}
        result.note_news(result.first, "display", picture)
        value(result, 0, None)

        result.display_outputs()

        assert capsys.readouterr().out == "<image/png>\n"


class Seen:
    """What was shown so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._out = self._err = ""

    def _look(self) -> None:
        out, err = self._capsys.readouterr()
        self._out += out
        self._err += err

    @property
    def out(self) -> str:
        self._look()
        return self._out

    @property
    def err(self) -> str:
        self._look()
        return self._err


@pytest.fixture
def seen(capsys: pytest.CaptureFixture[str]) -> Seen:
    return Seen(capsys)


class TestStreamingOutput:
    def test_shows_what_has_come_and_what_comes(self, wire: Wire, seen: Seen) -> None:
        result = AsyncResult(wire.connection, 2)
        result.engines = [4, 5]  # type: ignore[list-item]
        first, second = result.task_at(0), result.task_at(1)
        result.note_output(first, "stdout", "before\nhalf")

        with result.stream_output():
            wait_until(lambda: seen.out == "[stdout:4] before\n")
            result.note_output(second, "stderr", "x\n")
            result.note_output(first, "stdout", " done\nrest")
            result.note_news(second, "display", plain("shown"))
            wait_until(lambda: "[output:5] shown\n" in seen.out)
            value(result, 0, None, engine=4)
            result.note_output(second, "stdout", "last")
        result.note_output(second, "stdout", " words\n")

        assert seen.out == (
            "[stdout:4] before\n[stdout:4] half done\n[output:5] shown\n"
            "[stdout:4] rest\n[stdout:5] last\n"
        )
        assert seen.err == "[stderr:5] x\n"

    def test_shows_once_what_engines_say_at_the_same_time(self, wire: Wire, seen: Seen) -> None:
        result = AsyncResult(wire.connection, 4)
        result.engines = [0, 1, 2, 3]  # type: ignore[list-item]
        with result.stream_output():
            for place in (3, 0, 1, 2):
                result.note_output(result.task_at(place), "stdout", "same\n")
                result.note_output(result.task_at(place), "stderr", f"{place // 2}\n")

        assert seen.out == "[stdout:0-3] same\n"
        assert seen.err == "[stderr:0-1] 0\n[stderr:2-3] 1\n"

    def test_of_cells_shows_what_they_end_with(self, wire: Wire, seen: Seen) -> None:
        result = AsyncExecuteResult(wire.connection, 1, single=True)
        with result.stream_output():
            value(result, 0, reply("42", "shown"), engine=4)

        assert seen.out == "[output:4] shown\nOut[4:7]: 42\n"

    def test_shows_nothing_twice_that_came_before_the_cells_end(
        self, wire: Wire, seen: Seen
    ) -> None:
        result = AsyncExecuteResult(wire.connection, 1, single=True)
        result.engines = [4]  # type: ignore[list-item]
        result.note_news(result.first, "display", plain("shown"))
        with result.stream_output():
            result.note_news(result.first, "display", plain("more"))
            value(result, 0, reply("42", "shown", "more"), engine=4)

        assert seen.out == "[output:4] shown\n[output:4] more\nOut[4:7]: 42\n"

    def test_of_a_part_leaves_the_others_out(self, wire: Wire, seen: Seen) -> None:
        result = AsyncResult(wire.connection, 2)
        with result.split()[1].stream_output():
            for place in range(2):
                result.note_output(result.task_at(place), "stdout", f"{place}\n")

        assert seen.out == "[stdout:task 0] 1\n"

    def test_of_a_part_shows_what_it_ends_with(self, wire: Wire, seen: Seen) -> None:
        result = AsyncExecuteResult(wire.connection, 2)
        with result.split()[1].stream_output():
            for place in range(2):
                value(result, place, reply(f"{place}"), engine=place)

        assert seen.out == "Out[1:7]: 1\n"

    def test_can_be_done_more_than_once(self, wire: Wire, seen: Seen) -> None:
        result = AsyncResult(wire.connection, 1)
        result.note_output(result.first, "stdout", "a\n")
        for _ in range(2):
            with result.stream_output():
                pass

        assert seen.out == "[stdout:task 0] a\n" * 2

    def test_goes_on_until_the_end_where_nobody_waits_for_it(self, wire: Wire, seen: Seen) -> None:
        result = AsyncResult(wire.connection, 1)
        result.stream_output().follow()
        result.note_output(result.first, "stdout", "a\nb")
        wait_until(lambda: seen.out == "[stdout:task 0] a\n")
        value(result, 0, None, engine=3)

        wait_until(lambda: seen.out == "[stdout:task 0] a\n[stdout:3] b\n")
        wait_until(lambda: not threads())

    def test_starts_no_thread_where_nothing_is_shown(self, wire: Wire) -> None:
        result = AsyncResult(wire.connection, 1)
        with result.stream_output():
            value(result, 0, 42)
            assert threads() == []

    def test_in_another_order_is_refused(self, wire: Wire) -> None:
        with pytest.raises(ValueError, match="not 'colour'"):
            AsyncResult(wire.connection, 1).stream_output("colour")  # type: ignore[arg-type]


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "ipcluster_ext-output"]

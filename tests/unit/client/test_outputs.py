import pickle
from typing import Any

import pytest

from ipcluster_ext.client.outputs import headed
from ipcluster_ext.client.replies import AsyncExecuteResult, ExecuteReply
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.protocol.standins import collecting
from tests.support.wires import Wire, value


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def cells(wire: Wire) -> AsyncExecuteResult:
    """Return the answer of a cell on engines 4 and 5: each wrote, displayed and returned."""
    result = AsyncExecuteResult(wire.connection, 2)
    for place, engine in ((0, 4), (1, 5)):
        result.note_output(result.task_at(place), "stdout", "a\nb\n")
        result.note_output(result.task_at(place), "stderr", "careful")
        value(result, place, reply("42", "shown", "too"), engine=engine)
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
        assert found._repr_mimebundle_() == {"text/plain": "42"}
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
        assert cells.outputs[0] == [plain("shown"), plain("too")]

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
                    "[stdout:4] a", "[stdout:4] b", "[stdout:5] a", "[stdout:5] b",
                    "[output:4] shown", "[output:4] too", "[output:5] shown", "[output:5] too",
                    "Out[4:7]: 42", "Out[5:7]: 42",
                ],
            ),
            (
                "engine",
                [
                    "[stdout:4] a", "[stdout:4] b", "[output:4] shown", "[output:4] too",
                    "Out[4:7]: 42",
                    "[stdout:5] a", "[stdout:5] b", "[output:5] shown", "[output:5] too",
                    "Out[5:7]: 42",
                ],
            ),
            (
                "order",
                [
                    "[stdout:4] a", "[stdout:4] b", "[stdout:5] a", "[stdout:5] b",
                    "[output:4] shown", "[output:5] shown", "[output:4] too", "[output:5] too",
                    "Out[4:7]: 42", "Out[5:7]: 42",
                ],
            ),
        ],
    )  # fmt: skip
    def test_groups_it(
        self,
        cells: AsyncExecuteResult,
        capsys: pytest.CaptureFixture[str],
        groupby: Any,
        lines: list[str],
    ) -> None:
        cells.display_outputs(groupby)

        out, err = capsys.readouterr()
        assert out.splitlines() == lines
        assert err.splitlines() == ["[stderr:4] careful", "[stderr:5] careful"]

    def test_can_be_of_values_only(
        self, cells: AsyncExecuteResult, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cells.display_outputs(result_only=True)

        assert capsys.readouterr() == ("Out[4:7]: 42\nOut[5:7]: 42\n", "")

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


class TestStreamingOutput:
    def test_shows_what_has_come_and_what_comes(
        self, wire: Wire, capsys: pytest.CaptureFixture[str]
    ) -> None:
        result = AsyncResult(wire.connection, 2)
        result.engines = [4, 5]  # type: ignore[list-item]
        first, second = result.task_at(0), result.task_at(1)
        result.note_output(first, "stdout", "before\nhalf")

        with result.stream_output():
            assert capsys.readouterr().out == "[stdout:4] before\n"
            result.note_output(second, "stderr", "x\n")
            result.note_output(first, "stdout", " done\nrest")
            result.note_news(second, "display", plain("shown"))
            assert capsys.readouterr() == (
                "[stdout:4] half done\n[output:5] shown\n", "[stderr:5] x\n",
            )  # fmt: skip
            value(result, 0, None, engine=4)
            assert capsys.readouterr().out == "[stdout:4] rest\n"
            result.note_output(second, "stdout", "last")
        result.note_output(second, "stdout", " words\n")

        assert capsys.readouterr().out == "[stdout:5] last\n"

    def test_of_cells_shows_what_they_end_with(
        self, wire: Wire, capsys: pytest.CaptureFixture[str]
    ) -> None:
        result = AsyncExecuteResult(wire.connection, 1, single=True)
        with result.stream_output():
            value(result, 0, reply("42", "shown"), engine=4)

        assert capsys.readouterr().out == "[output:4] shown\nOut[4:7]: 42\n"

    def test_of_a_part_leaves_the_others_out(
        self, wire: Wire, capsys: pytest.CaptureFixture[str]
    ) -> None:
        result = AsyncResult(wire.connection, 2)
        with result.split()[1].stream_output():
            for place in range(2):
                result.note_output(result.task_at(place), "stdout", f"{place}\n")

        assert capsys.readouterr().out == "[stdout:task 0] 1\n"

    def test_can_be_done_more_than_once(
        self, wire: Wire, capsys: pytest.CaptureFixture[str]
    ) -> None:
        result = AsyncResult(wire.connection, 1)
        result.note_output(result.first, "stdout", "a\n")
        for _ in range(2):
            with result.stream_output():
                assert capsys.readouterr().out == "[stdout:task 0] a\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\nb\n", "[stdout:3] a\n[stdout:3] b\n"),
        ("a", "[stdout:3] a\n"),
        (" 10 %\r 50 %\r100 %\n", "[stdout:3] 100 %\n"),
        ("windows\r\n", "[stdout:3] windows\n"),
        ("\n\n", "[stdout:3] \n[stdout:3] \n"),
    ],
)
def test_every_line_has_a_heading(text: str, lines: str) -> None:
    assert headed("stdout", "3", text) == lines

"""How what tasks say is laid out in a cell, written down as a front end would show it."""

import sys
from typing import Any

import pytest

from ipcluster_ext.display.blocks import LIVE, Blocks
from ipcluster_ext.display.cell import Cell, MimeBundle, nbytes_of
from ipcluster_ext.display.lines import Lines
from ipcluster_ext.display.stories import SHOWN_PER_CELL, Said
from ipcluster_ext.protocol.displays import cleared, displayed

HTML = {"text/html": "<b>x</b>", "text/plain": "x"}


class Sheet(Cell):
    """What a reader sees of a cell: streams and displays, from top to bottom."""

    def __init__(self, *, updates: bool = True) -> None:
        self.updates = updates
        self.rows: list[tuple[str, Any]] = []
        self.ids: list[str | None] = []
        self.sent = 0
        self.foot = ""
        self.limit = sys.maxsize

    def show_foot(self, text: str) -> None:
        self.foot = text

    @property
    def room(self) -> int:
        return self.limit - sum(nbytes_of(text) for kind, text in self.rows if kind != "display")

    def write(self, stream: str, text: str) -> None:
        if self.rows and self.rows[-1][0] == stream:
            text = self.rows.pop()[1] + text
            self.ids.pop()
        self.rows.append((stream, text))
        self.ids.append(None)

    def display(
        self,
        data: MimeBundle,
        metadata: MimeBundle | None = None,
        *,
        display_id: str | None = None,
    ) -> None:
        self.rows.append(("display", data.get("text/html") or data["text/plain"]))
        self.ids.append(display_id)
        self.sent += 1

    def update(
        self, data: MimeBundle, metadata: MimeBundle | None = None, *, display_id: str
    ) -> None:
        place = self.ids.index(display_id)
        self.rows[place] = ("display", data.get("text/html") or data["text/plain"])
        self.sent += 1

    def clear(self, *, wait: bool = False) -> None:
        raise NotImplementedError

    @property
    def displays(self) -> list[Any]:
        return [shown for kind, shown in self.rows if kind == "display"]

    @property
    def text(self) -> str:
        return "".join(text for kind, text in self.rows if kind == "stdout")


def out(source: int, text: str) -> Said:
    return Said(source, source, "stdout", text)


def err(source: int, text: str) -> Said:
    return Said(source, source, "stderr", text)


def shown(source: int, **event: Any) -> Said:
    return Said(source, source, "display", displayed(**event))


def value(source: int, text: str) -> Said:
    output = displayed({"text/plain": text}) | {"execution_count": 1}
    return Said(source, source, "value", output)


@pytest.fixture
def sheet() -> Sheet:
    return Sheet()


class TestLines:
    def test_come_in_the_order_of_engines_and_once_where_they_are_the_same(
        self, sheet: Sheet
    ) -> None:
        lines = Lines(sheet)
        lines.show(
            [out(2, "a\n"), out(10, "b\n"), out(1, "a\n"), Said(3, "task 7", "stdout", "c\n")]
        )

        assert sheet.rows == [
            ("stdout", "[stdout:1-2] a\n[stdout:10] b\n[stdout:task 7] c\n"),
        ]  # fmt: skip

    def test_are_shown_when_they_have_ended(self, sheet: Sheet) -> None:
        lines = Lines(sheet)
        lines.show([out(0, "a\nb")])
        before = sheet.text
        lines.show([out(0, "c\nd")])
        lines.finish()

        assert (before, sheet.text) == (
            "[stdout:0] a\n", "[stdout:0] a\n[stdout:0] bc\n[stdout:0] d\n",
        )  # fmt: skip

    def test_keep_their_place_among_displays(self, sheet: Sheet) -> None:
        Lines(sheet).show(
            [out(0, "a\n"), shown(0, data=HTML), out(0, "b\n"), err(0, "c\n"), value(0, "4")]
        )

        assert sheet.rows == [
            ("stdout", "[stdout:0] a\n[output:0]\n"),
            ("display", "<b>x</b>"),
            ("stdout", "[stdout:0] b\n"),
            ("stderr", "[stderr:0] c\n"),
            ("stdout", "Out[0:1]: 4\n"),
        ]

    def test_of_displays_and_values_say_once_what_is_the_same(self, sheet: Sheet) -> None:
        said = [
            each
            for engine in range(3)
            for each in (shown(engine, data=HTML), value(engine, "4" if engine else "5"))
        ]
        Lines(sheet).show(said)

        assert sheet.rows == [
            ("stdout", "[output:0-2]\n"),
            ("display", "<b>x</b>"),
            ("stdout", "Out[0:1]: 5\nOut[1-2:1]: 4\n"),
        ]

    def test_that_are_written_over_stand_in_a_block_that_changes(self, sheet: Sheet) -> None:
        lines = Lines(sheet)
        for percent in (0, 50, 100):
            lines.show([err(engine, f"\r{percent} %") for engine in (0, 1)])
        lines.show([out(0, "meanwhile\n"), err(0, "\n"), err(1, "\r99 %")])
        lines.show([err(1, "\r100 %\nnext\n")])

        assert sheet.rows == [
            ("display", "[stderr:0-1] 100 %"),
            ("stdout", "[stdout:0] meanwhile\n"),
            ("stderr", "[stderr:1] next\n"),
        ]

    def test_that_are_written_over_anew_get_a_block_of_their_own(self, sheet: Sheet) -> None:
        lines = Lines(sheet)
        lines.show([err(0, "\r0 %")])
        lines.show([err(0, "\r100 %\n"), out(0, "a\n")])
        lines.show([err(0, "\rother")])
        lines.finish()

        assert sheet.rows == [
            ("display", "[stderr:0] 100 %"),
            ("stdout", "[stdout:0] a\n"),
            ("display", "[stderr:0] other"),
        ]

    def test_that_are_written_over_come_in_the_end_where_nothing_can_change(self) -> None:
        sheet = Sheet(updates=False)
        lines = Lines(sheet)
        for percent in (0, 50, 100):
            lines.show([err(0, f"\r{percent} %")])
        lines.finish()

        assert sheet.rows == [("stderr", "[stderr:0] 100 %\n")]

    def test_that_are_written_over_stand_at_the_end_of_a_terminal(self) -> None:
        sheet = Sheet(updates=False)
        lines = Lines(sheet)
        lines.show([err(1, "\r10 %"), err(0, "\r20 %"), out(0, "a\n")])
        first = sheet.foot
        lines.show([err(1, "\r100 %\n")])

        assert first == "[stderr:0] 20 %\n[stderr:1] 10 %"
        assert sheet.foot == "[stderr:0] 20 %"
        lines.finish()
        assert sheet.foot == ""
        assert sheet.rows == [
            ("stdout", "[stdout:0] a\n"), ("stderr", "[stderr:1] 100 %\n[stderr:0] 20 %\n"),
        ]  # fmt: skip

    def test_show_an_update_where_its_display_is(self, sheet: Sheet) -> None:
        lines = Lines(sheet, named="me-")
        lines.show([shown(engine, data=HTML, display_id="d") for engine in (0, 1)])
        changed = {"text/html": "<i>y</i>"}
        lines.show([shown(1, data=changed, display_id="d", update=True)])

        assert sheet.displays == ["<b>x</b>", "<i>y</i>"]
        assert [each for each in sheet.ids if each] == ["me-0-d", "me-1-d"]

    @pytest.mark.parametrize("wait", [True, False])
    def test_show_what_follows_a_clearing_where_something_was(
        self, sheet: Sheet, wait: bool
    ) -> None:
        lines = Lines(sheet)
        for number in range(3):
            picture = {"text/html": f"<b>{number}</b>", "text/plain": ""}
            lines.show([Said(0, 0, "display", cleared(wait=wait)), shown(0, data=picture)])

        assert sheet.displays == ["<b>2</b>"]

    def test_that_would_be_dropped_on_the_way_are_displayed_in_the_end(self, sheet: Sheet) -> None:
        sheet.limit = 100
        lines = Lines(sheet)
        for number in range(20):
            lines.show([out(0, f"{number}\n")])
        before = list(sheet.rows)
        lines.show([shown(0, data=HTML), out(0, "more\n")])
        lines.finish()

        def rows(first: int, end: int) -> str:
            return "".join(f"[stdout:0] {number}\n" for number in range(first, end))

        assert before == [("stdout", rows(0, 7))]
        assert sheet.rows == [
            ("stdout", rows(0, 7)),
            ("display", rows(7, 20) + "[output:0]"),
            ("display", "<b>x</b>"),
            ("display", "[stdout:0] more"),
        ]

    def test_end_with_a_note_where_a_cell_has_enough(self, sheet: Sheet) -> None:
        lines = Lines(sheet)
        for _ in range(20):
            lines.show([out(0, "x" * (SHOWN_PER_CELL // 16) + "\n")])
        lines.finish()

        assert len(sheet.text) < SHOWN_PER_CELL + 100
        assert sheet.text.endswith("characters are not shown here: see ar.stdout, ar.stderr]\n")


class TestBlocks:
    @pytest.mark.parametrize(
        ("groupby", "text"),
        [
            ("type", "[stdout:0] a\n[stdout:1] b\n[stderr:0-1] e"),
            ("engine", "[stdout:0] a\n[stderr:0] e\n[stdout:1] b\n[stderr:1] e"),
        ],
    )
    def test_are_in_groups_from_the_beginning(self, sheet: Sheet, groupby: Any, text: str) -> None:
        blocks = Blocks(sheet, groupby)
        blocks.show([err(1, "e\n"), out(0, "a\n")])
        blocks.show([out(1, "b\n"), err(0, "e\n")])
        live = list(sheet.displays)
        blocks.finish()

        assert (live, sheet.rows) == ([text], [("display", text)])

    def test_say_once_what_is_the_same_for_as_long_as_it_is(self, sheet: Sheet) -> None:
        blocks = Blocks(sheet, "type")
        blocks.show([out(engine, "same\n") for engine in range(4)])
        first = sheet.displays
        blocks.show([out(2, "other\n")])

        assert first == ["[stdout:0-3] same"]
        assert sheet.displays == ["[stdout:0-1,3] same\n[stdout:2] same\n[stdout:2] other"]

    def test_show_bars_as_they_stand(self, sheet: Sheet) -> None:
        blocks = Blocks(sheet, "type")
        for percent in range(100):
            blocks.show([err(engine, f"\r{percent + engine} %") for engine in (0, 1)])

        assert sheet.rows == [("display", "[stderr:0] 99 %\n[stderr:1] 100 %")]

    def test_show_the_end_of_a_long_text_until_all_of_it_is_there(self, sheet: Sheet) -> None:
        blocks = Blocks(sheet, "type")
        for number in range(20):
            lines = "".join(f"{number * 1000 + line}\n" for line in range(1000))
            blocks.show([out(0, lines)])
        live = sheet.displays[0]
        blocks.finish()
        whole = sheet.displays[0]

        assert len(live) < 4 * LIVE
        assert live.startswith("[stdout:0] … ")
        assert live.endswith("[stdout:0] 19999")
        assert whole == "\n".join(f"[stdout:0] {number}" for number in range(20_000))

    @pytest.mark.parametrize(
        ("groupby", "displays"),
        [
            (
                "type",
                [
                    "[stdout:0-1] a\n[output:0]", "<b>0</b>", "[output:1]", "<b>1</b>",
                    "Out[0-1:1]: 4",
                ],
            ),
            (
                "engine",
                [
                    "[stdout:0] a\n[output:0]", "<b>0</b>", "Out[0:1]: 4\n[stdout:1] a\n[output:1]",
                    "<b>1</b>", "Out[1:1]: 4",
                ],
            ),
        ],
    )  # fmt: skip
    def test_put_displays_in_order_in_the_end(
        self, sheet: Sheet, groupby: Any, displays: list[str]
    ) -> None:
        blocks = Blocks(sheet, groupby)
        for engine in (1, 0):
            picture = {"text/html": f"<b>{engine}</b>", "text/plain": ""}
            blocks.show([shown(engine, data=picture)])
        assert [each for each in sheet.displays if each.startswith("<")] == ["<b>1</b>", "<b>0</b>"]
        blocks.show([out(engine, "a\n") for engine in (0, 1)])
        blocks.show([value(engine, "4") for engine in (0, 1)])
        blocks.finish()

        assert sheet.displays == displays

    def test_send_nothing_again_that_stands_there_already(self, sheet: Sheet) -> None:
        blocks = Blocks(sheet, "type")
        blocks.show([out(0, "a\n"), shown(0, data=HTML)])
        before = sheet.sent
        blocks.show([Said(0, 0, "end", None)])
        blocks.show([out(0, "b\n")])

        assert sheet.sent == before + 1

    def test_show_an_update_in_its_place(self, sheet: Sheet) -> None:
        blocks = Blocks(sheet, "type")
        blocks.show([shown(engine, data=HTML, display_id="d") for engine in (0, 1)])
        blocks.show([shown(1, data={"text/html": "<i>y</i>"}, display_id="d", update=True)])
        blocks.finish()

        assert [each for each in sheet.displays if each.startswith("<")] == ["<b>x</b>", "<i>y</i>"]

    def test_show_what_comes_after_a_clearing_that_waits(self, sheet: Sheet) -> None:
        blocks = Blocks(sheet, "type")
        for _ in range(2):
            blocks.show([Said(0, 0, "display", cleared(wait=True)), shown(0, data=HTML)])
        blocks.finish()

        assert [each for each in sheet.displays if each] == ["[output:0]", "<b>x</b>"]

    @pytest.mark.parametrize("wait", [True, False])
    def test_drop_what_a_task_clears(self, sheet: Sheet, wait: bool) -> None:
        blocks = Blocks(sheet, "type")
        for number in range(3):
            picture = {"text/html": f"<b>{number}</b>", "text/plain": ""}
            blocks.show(
                [
                    Said(0, 0, "display", cleared(wait=wait)),
                    out(0, f"{number}\n"),
                    shown(0, data=picture),
                ]
            )
        blocks.show([out(1, "other\n")])
        blocks.finish()

        assert [each for each in sheet.displays if each] == [
            "[stdout:0] 2\n[stdout:1] other\n[output:0]", "<b>2</b>",
        ]  # fmt: skip

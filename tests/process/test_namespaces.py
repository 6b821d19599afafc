"""Cells and names: what a direct view does with its engines' namespaces."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import ipcluster_ext as ipp


class TestExecute:
    def test_runs_code_in_the_namespace(self, rc: ipp.Client) -> None:
        assert rc[:].execute("a = 5; b = a * engine_id", block=True) == [None] * 4
        assert rc[:]["b"] == [0, 5, 10, 15]

    def test_gives_a_reply_that_shows_the_value_if_asked(self, rc: ipp.Client) -> None:
        reply = rc[1].execute("40 + 2", silent=False, block=True)

        assert reply.data == {"text/plain": "42"}
        assert reply.engine_id == 1
        assert repr(reply) == "<ExecuteReply from engine 1: 42>"

    def test_gives_one_reply_for_each_engine(self, rc: ipp.Client) -> None:
        replies = rc[:2].execute("engine_id", silent=False, block=True)

        assert [reply.data for reply in replies] == [{"text/plain": "0"}, {"text/plain": "1"}]

    def test_collects_what_is_displayed(self, rc: ipp.Client) -> None:
        code = """
            from IPython.display import HTML, display
            display(HTML("<b>one</b>"))
            "two"
        """
        reply = rc[0].execute(dedented(code), silent=False, block=True)

        assert [output["data"]["text/html"] for output in reply.outputs] == ["<b>one</b>"]
        assert reply.data == {"text/plain": "'two'"}

    def test_knows_the_syntax_and_the_magics_of_ipython(self, rc: ipp.Client) -> None:
        rc[0].execute("%env IPX_TESTED=yes\nlines = !echo from-the-shell", block=True)

        assert rc[0].apply_sync(environment, "IPX_TESTED") == "yes"
        assert rc[0].pull("list(lines)", block=True) == ["from-the-shell"]

    def test_knows_cell_magics(self, rc: ipp.Client) -> None:
        result = rc[0].execute("%%capture captured\nprint('quiet')", block=False)
        result.get(10)

        assert rc[0]["captured.stdout"] == "quiet\n"
        assert result.stdout == ""

    def test_awaits_at_the_top_level(self, rc: ipp.Client) -> None:
        rc[0].execute("import asyncio; x = await asyncio.sleep(0, 'slept')", block=True)
        rc[0].execute("y = await asyncio.sleep(0, 'again')", block=True)

        assert rc[0][["x", "y"]] == ["slept", "again"]

    def test_raises_a_syntax_error(self, rc: ipp.Client) -> None:
        with pytest.raises(SyntaxError) as caught:
            rc[0].execute("a = = 5", block=True)

        assert isinstance(caught.value, ipp.RemoteError)
        assert "a = = 5" in caught.value.traceback
        assert caught.value.lineno == 1

    def test_raises_with_the_traceback_of_ipython(self, rc: ipp.Client) -> None:
        with pytest.raises(ZeroDivisionError) as caught:
            rc[2].execute("x = 1\ny = x / 0", block=True)

        error = caught.value
        assert isinstance(error, ipp.RemoteError)
        assert (error.ename, error.evalue, error.engine) == (
            "ZeroDivisionError", "division by zero", 2,
        )  # fmt: skip
        assert "----> 2 y = x / 0" in error.traceback

    def test_collects_the_errors_of_all_engines(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.CompositeError, match="2 failed") as caught:
            rc[[1, 3]].execute("1 / 0", block=True)

        errors = caught.value.errors
        assert [getattr(error, "engine", None) for error in errors] == [1, 3]

    def test_keeps_what_was_assigned_before_an_error(self, rc: ipp.Client) -> None:
        with pytest.raises(ZeroDivisionError):
            rc[0].execute("kept = 1\n1 / 0", block=True)

        assert rc[0]["kept"] == 1

    def test_runs_a_file_of_this_computer(self, rc: ipp.Client, tmp_path: Path) -> None:
        file = tmp_path / "script.py"
        file.write_text("é = 'from a file'\n", encoding="utf-8")

        rc[:2].run(file, block=True)

        assert rc[:2]["é"] == ["from a file"] * 2

    def test_of_a_file_that_is_not_there_fails_here(self, rc: ipp.Client) -> None:
        with pytest.raises(FileNotFoundError):
            rc[0].run("/nowhere/at/all.py", block=True)


def dedented(code: str) -> str:
    """Return code without the margin it has in this file."""
    import textwrap

    return textwrap.dedent(code)


def environment(name: str) -> str | None:
    """Return a variable of the engine's environment."""
    import os

    return os.environ.get(name)


class TestNames:
    def test_are_pushed_and_pulled(self, rc: ipp.Client) -> None:
        view = rc[:]
        view.push({"a": 1, "b": [2]}, block=True)

        assert view.pull("a", block=True) == [1] * 4
        assert view.pull(["a", "b"], block=True) == [[1, [2]]] * 4
        assert view.pull(("a",), block=True) == [[1]] * 4
        assert rc[0].pull(["a", "b"], block=True) == [1, [2]]

    def test_are_items_of_the_view(self, rc: ipp.Client) -> None:
        view = rc[:2]
        view["a"] = 7
        view.update({"b": 8})

        assert view["a"] == [7, 7]
        assert view.get("b") == [8, 8]
        assert view[["a", "b"]] == [[7, 8], [7, 8]]

    def test_are_assigned_before_what_follows(self, rc: ipp.Client) -> None:
        view = rc[:]
        pushed = view.push({"a": 1})
        pulled = view.pull("a")

        assert pulled.get(10) == [1] * 4
        assert pushed.get(10) == [None] * 4

    def test_may_have_dots_and_brackets(self, rc: ipp.Client) -> None:
        view = rc[:2]
        view.execute("import types; box = types.SimpleNamespace(items=[1, 2])", block=True)

        view["box.size"] = 9
        view["box.items[0]"] = 5

        assert view["box.size"] == [9, 9]
        assert view["box.items"] == [[5, 2], [5, 2]]
        assert view["len(box.items) + 1"] == [3, 3]

    def test_that_are_missing_are_name_errors(self, rc: ipp.Client) -> None:
        with pytest.raises(NameError, match="nobody"):
            rc[0]["nobody"]
        with pytest.raises(ipp.CompositeError):
            rc[:]["nobody"]

    @pytest.mark.parametrize("key", ["a b", "", "a; b", "1"])
    def test_that_cannot_be_assigned_to_are_syntax_errors(self, rc: ipp.Client, key: str) -> None:
        with pytest.raises(SyntaxError):
            rc[0][key] = 1

    def test_are_gone_after_a_clear(self, rc: ipp.Client) -> None:
        rc[:]["a"] = 1

        rc[:2].clear(block=True)

        assert rc[2:]["a"] == [1, 1]
        with pytest.raises(NameError):
            rc[0]["a"]

    def test_of_the_engine_itself_survive_a_clear(self, rc: ipp.Client) -> None:
        rc[:].clear(block=True)

        assert rc[:]["engine_id"] == [0, 1, 2, 3]

    def test_that_cannot_travel_are_told_here(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.SerializationError, match="generator"):
            rc[0]["a"] = (n for n in range(3))


class TestScatter:
    @pytest.mark.parametrize(
        ("sequence", "parts"),
        [
            ([0, 1, 2, 3, 4, 5, 6, 7], [[0, 1], [2, 3], [4, 5], [6, 7]]),
            ([0, 1, 2, 3, 4, 5], [[0, 1], [2, 3], [4], [5]]),
            ([0, 1], [[0], [1], [], []]),
            ("abcde", ["ab", "c", "d", "e"]),
            (range(4), [range(1), range(1, 2), range(2, 3), range(3, 4)]),
        ],
        ids=str,
    )
    def test_gives_each_engine_one_part(
        self, rc: ipp.Client, sequence: Sequence[object], parts: list[object]
    ) -> None:
        rc[:].scatter("part", sequence, block=True)

        assert rc[:]["part"] == parts

    def test_is_undone_by_gather(self, rc: ipp.Client) -> None:
        rc[:].scatter("part", list(range(10)), block=True)

        assert rc[:].gather("part", block=True) == list(range(10))

    def test_of_an_array_is_along_its_first_axis(self, rc: ipp.Client) -> None:
        array = np.arange(30).reshape(10, 3)

        rc[:].scatter("rows", array, block=True)

        assert rc[:].pull("rows.shape", block=True) == [(3, 3), (3, 3), (2, 3), (2, 3)]
        gathered = rc[:].gather("rows", block=True)
        assert isinstance(gathered, np.ndarray)
        assert gathered.tolist() == array.tolist()

    def test_of_a_large_array_comes_back_whole(self, rc: ipp.Client) -> None:
        array = np.random.default_rng(1).random(1_000_003)

        rc[:].scatter("large", array, block=True)

        assert np.array_equal(rc[:].gather("large", block=True), array)

    def test_may_be_flat_where_parts_have_one_element(self, rc: ipp.Client) -> None:
        rc[:].scatter("rank", [10, 11, 12, 13], flatten=True, block=True)

        assert rc[:]["rank"] == [10, 11, 12, 13]
        assert rc[:].gather("rank", block=True) == [10, 11, 12, 13]

    def test_to_one_engine_gives_it_all(self, rc: ipp.Client) -> None:
        rc[1].scatter("part", [1, 2, 3], block=True)

        assert rc[1]["part"] == [1, 2, 3]
        assert rc[1].gather("part", block=True) == [1, 2, 3]

    def test_and_gather_need_not_wait(self, rc: ipp.Client) -> None:
        scattered = rc[:].scatter("part", [1, 2, 3, 4])
        gathered = rc[:].gather("part")

        assert scattered.get(10) == [None] * 4
        assert gathered.get(10) == [1, 2, 3, 4]

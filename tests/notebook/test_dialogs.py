"""What tasks ask is asked in the cell that waits for them, and debuggers are driven from there."""

import pytest

from tests.support.kernels import Notebook

FAILS = "def f(x):\n    y = x + 1\n    return g(y - 1)\ndef g(z):\n    return 1 / z\n"


def test_a_cell_of_engines_asks_once_for_each(four_in_notebook: Notebook) -> None:
    cell = four_in_notebook.run(
        "%%px\nname = input('name? ')\nprint('hello', name)",
        answers=("Ann", "Ben", "Cem", "Dora"),
    )

    assert cell.error is None
    assert cell.prompts == [f"[input:{n}] name? " for n in range(4)]
    assert four_in_notebook.value("rc[:]['name']") == "['Ann', 'Ben', 'Cem', 'Dora']"
    assert "[stdout:3] hello Dora" in cell.text


def test_a_view_asks_as_well(four_in_notebook: Notebook) -> None:
    cell = four_in_notebook.run(
        "rc[1].execute(\"import getpass; key = getpass.getpass('PIN ')\").get()", answers=("1234",)
    )

    assert (cell.error, cell.prompts) == (None, ["[input:1] PIN "])
    assert four_in_notebook.value("rc[1]['key']") == "'1234'"


def test_what_nobody_waits_for_is_asked_by_the_cell_that_does(four_in_notebook: Notebook) -> None:
    first = four_in_notebook.ok("ar = rc[0].execute(\"a = input('a? ')\")")

    second = four_in_notebook.run("ar.get()", answers=("5",))

    assert (first.prompts, second.error, second.prompts) == ([], None, ["[input:0] a? "])


def test_what_was_printed_is_shown_before_the_question(four_in_notebook: Notebook) -> None:
    cell = four_in_notebook.start("%%px -t 0\nprint('read this')\ninput('ready? ')")
    cell.wait_for(lambda asked: asked.prompts)
    shown = cell.text
    four_in_notebook.answer("yes")
    cell.wait()

    assert "[stdout:0] read this" in shown


@pytest.mark.parametrize("call", ["rc[0].apply_async(f, 0)", "rc[0].execute('f(0)')"])
def test_a_post_mortem_is_held_in_the_cell(four_in_notebook: Notebook, call: str) -> None:
    four_in_notebook.ok(FAILS + "rc[0].push({'f': f, 'g': g})")
    four_in_notebook.ok(f"ar = {call}\nar.wait()")

    cell = four_in_notebook.run("ar.debug()", answers=("p z", "up", "p y", "q"))

    assert cell.error is None
    assert cell.prompts == ["ipdb> "] * 4
    text = cell.text
    assert "return 1 / z" in text
    assert "return g(y - 1)" in text
    assert [line for line in text.splitlines() if line in {"0", "1"}] == ["0", "1"]


def test_the_magic_opens_one_where_its_cell_failed(four_in_notebook: Notebook) -> None:
    cell = four_in_notebook.run("%%px --debug -t 2\nx = 0\n1 / x", answers=("p x + 40", "q"))

    assert cell.error is not None
    assert cell.prompts == ["ipdb> ", "ipdb> "]
    assert "40" in cell.text.splitlines()


def test_a_breakpoint_in_a_cell_of_engines_stops_there(four_in_notebook: Notebook) -> None:
    cell = four_in_notebook.run(
        "%%px -t 0\na = 1\nbreakpoint()\nb = a + 1", answers=("!a = 10", "c")
    )

    assert (cell.error, cell.prompts) == (None, ["[input:0] ipdb> "] * 2)
    assert four_in_notebook.value("rc[0]['b']") == "11"


def test_the_stop_button_ends_a_question_and_its_task(four_in_notebook: Notebook) -> None:
    cell = four_in_notebook.start("%%px\ninput('name? ')")
    cell.wait_for(lambda asked: asked.prompts)

    four_in_notebook.interrupt()
    cell.wait()

    assert cell.error is not None
    assert cell.error.ename == "KeyboardInterrupt"
    assert four_in_notebook.value("rc[:].apply_sync(pow, 2, 3)") == "[8, 8, 8, 8]"


def test_the_stop_button_ends_a_debugger(four_in_notebook: Notebook) -> None:
    four_in_notebook.ok(FAILS + "ar = rc[0].apply_async(lambda: 1 / 0)\nar.wait()")
    cell = four_in_notebook.start("ar.debug()")
    cell.wait_for(lambda asked: asked.prompts)

    four_in_notebook.interrupt()
    cell.wait()

    assert cell.error is None
    assert four_in_notebook.value("rc[:].apply_sync(pow, 2, 3)") == "[8, 8, 8, 8]"

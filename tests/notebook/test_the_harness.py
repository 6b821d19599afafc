"""The front end that the other tests look through shows what a kernel says, and where."""

from tests.support.gates import Gate
from tests.support.kernels import Notebook


def test_a_cell_has_its_streams_its_displays_and_its_result(notebook: Notebook) -> None:
    cell = notebook.run(
        "import sys; print('out'); print('err', file=sys.stderr)\n"
        "from IPython.display import HTML, display\n"
        "display(HTML('<b>x</b>'))\n"
        "6 * 7"
    )

    assert (cell.status, cell.stdout, cell.stderr) == ("ok", "out\n", "err\n")
    assert cell.displays[0]["text/html"] == "<b>x</b>"
    assert cell.result == {"text/plain": "42"}
    assert cell.text == "out\nerr\n<IPython.core.display.HTML object>\n42\n"


def test_an_error_has_its_name_value_and_traceback(notebook: Notebook) -> None:
    cell = notebook.run("1/0")

    assert cell.status == "error"
    assert cell.error is not None
    assert (cell.error.ename, cell.error.evalue) == ("ZeroDivisionError", "division by zero")
    assert "----> 1 1/0" in cell.error.text


def test_updates_and_clearing_change_what_is_shown(notebook: Notebook) -> None:
    first = notebook.run("from IPython.display import display\nh = display('old', display_id=True)")
    second = notebook.run("h.update('new'); print('here')")
    third = notebook.run(
        "from IPython.display import clear_output\n"
        "print('gone'); clear_output(wait=True); print('kept\\n50 %\\r100 %')"
    )

    assert first.displays == [{"text/plain": "'new'"}]
    assert (second.displays, second.text) == ([], "here\n")
    assert third.text == "kept\n100 %\n"


def test_what_comes_after_the_end_of_its_cell_is_still_the_cells(
    notebook: Notebook, gate: Gate
) -> None:
    early = notebook.run(
        "import contextvars, threading; from pathlib import Path\n"
        "from tests.support.gates import pass_through\n"
        "def later():\n"
        f"    pass_through(Path({str(gate.path)!r}))\n"
        "    print('late')\n"
        "here = contextvars.copy_context()\n"
        "threading.Thread(target=here.run, args=[later]).start()"
    )
    between = notebook.run("print('between')")
    gate.open()
    early.wait_for(lambda cell: "late" in cell.stdout)

    assert [message.kind for message in early.late] == ["stream"]
    assert between.text == "between\n"


def test_a_running_cell_can_be_interrupted_and_the_next_one_runs(notebook: Notebook) -> None:
    cell = notebook.start("print('on', flush=True)\nimport threading; threading.Event().wait(60)")
    cell.wait_for(lambda cell: "on" in cell.stdout)
    notebook.interrupt()
    cell.wait()

    assert cell.error is not None
    assert cell.error.ename == "KeyboardInterrupt"
    assert notebook.value("1 + 1") == "2"


def test_questions_are_answered_before_and_after_they_are_asked(notebook: Notebook) -> None:
    cell = notebook.run("name = input('who? ')", answers=("me",))
    other = notebook.start("name += input('and? ')")
    other.wait_for(lambda cell: cell.prompts)
    notebook.answer("you")
    other.wait()

    assert (cell.prompts, other.prompts) == (["who? "], ["and? "])
    assert notebook.value("name") == "'meyou'"


def test_a_restarted_or_killed_kernel_answers_again_and_knows_nothing(notebook: Notebook) -> None:
    notebook.run("x = 1")
    first = notebook.pid
    notebook.restart()
    cell = notebook.run("x")
    notebook.kill()
    notebook.restart()

    assert cell.error is not None
    assert cell.error.ename == "NameError"
    assert notebook.pid != first
    assert notebook.value("1 + 1") == "2"


def test_widgets_follow_the_kernel_and_their_user(widgets_notebook: Notebook) -> None:
    cell = widgets_notebook.run(
        "from ipywidgets import Button, IntSlider, VBox\n"
        "slider, button = IntSlider(value=3), Button(description='go')\n"
        "button.on_click(lambda b: setattr(slider, 'value', 50))\n"
        "VBox([slider, button])"
    )
    front = widgets_notebook.front
    box = front.shown(cell)[0]
    slider, button = front.child(box, 0), front.widget("ButtonModel", description="go")

    assert slider.state["value"] == 3
    front.set(slider, value=7).wait()
    assert widgets_notebook.value("slider.value") == "7"
    front.press(button).wait()
    widgets_notebook.wait_for(lambda: slider.state["value"] == 50)


def test_events_of_widgets_are_handled_while_a_cell_awaits_something(
    widgets_notebook: Notebook,
) -> None:
    widgets_notebook.run(
        "import asyncio; from ipywidgets import IntSlider; slider = IntSlider()\n"
        "moved = asyncio.Event(); slider.observe(lambda change: moved.set(), 'value')"
    )
    slider = widgets_notebook.front.widget("IntSliderModel")
    cell = widgets_notebook.start("print('on', flush=True)\nawait moved.wait()\nslider.value")
    cell.wait_for(lambda cell: cell.stdout)
    widgets_notebook.front.set(slider, value=7)

    assert cell.wait().result == {"text/plain": "7"}


def test_a_front_end_without_widgets_closes_their_comms(notebook: Notebook) -> None:
    notebook.run("from ipywidgets import IntSlider; slider = IntSlider()")

    notebook.wait_for(lambda: notebook.front.comms)
    assert notebook.front.widgets == []


def test_four_engines_answer_in_the_modules_notebook(four_in_notebook: Notebook) -> None:
    assert four_in_notebook.value("dv.apply_sync(pow, 2, 5)") == "[32, 32, 32, 32]"


def test_each_test_finds_them_clean(four_in_notebook: Notebook) -> None:
    assert four_in_notebook.ok("lv.apply_sync(str.upper, 'x')").result == {"text/plain": "'X'"}

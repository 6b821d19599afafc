"""Widgets that code on engines makes, seen in the notebook and moved by its user."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.frontends import Comm
from tests.support.gates import Gate
from tests.support.kernels import Notebook
from tests.support.waiting import wait_until

VIEW = "application/vnd.jupyter.widget-view+json"

SLIDER = """
%%px --targets 0
import ipywidgets as w
from IPython.display import display
moves = []
slider = w.IntSlider(description="on 0")
def moved(change):
    moves.append(change["new"])
    label.value = f"at {change['new']}"
slider.observe(moved, "value")
label = w.Label("nowhere")
display(slider, label)
"""
OUTPUT = """
%%px --targets 0
import sys
import ipywidgets as w
from IPython.display import HTML, display
out = w.Output()
display(out)
"""


ASKED = """
from ipywidgets import Widget
class Control:
    def send(self, data, buffers):
        global told
        told = data
Widget._control_comm = Control()
Widget._handle_control_comm_msg({"content": {"data": {"method": "request_states"}}})
Widget._control_comm = None
"""
"""What ipywidgets does when a front end asks for all widgets."""


@pytest.fixture
def front(four_in_notebook: Notebook) -> Iterator[Notebook]:
    """Lend the notebook; the widgets of the engines are closed afterwards."""
    four_in_notebook.ok("v = rc[0]; v.block = True")
    yield four_in_notebook
    four_in_notebook.ok("rc[:].execute('import ipywidgets; ipywidgets.Widget.close_all()').get(10)")


def outputs_of(out: Comm) -> list[dict[str, object]]:
    outputs: list[dict[str, object]] = out.state["outputs"]
    return outputs


class TestAWidgetOfACell:
    def test_is_shown_in_that_cell(self, front: Notebook) -> None:
        cell = front.ok(SLIDER)

        slider, label = front.front.shown(cell)
        assert (slider.state["description"], label.state["value"]) == ("on 0", "nowhere")
        assert slider.opener.parent == cell.id  # type: ignore[union-attr]

    def test_says_something_as_text_where_widgets_cannot_be_seen(self, front: Notebook) -> None:
        cell = front.ok(SLIDER)
        assert cell.displays[0]["text/plain"].startswith("IntSlider(value=0")

    def test_hears_its_user_and_answers(self, front: Notebook) -> None:
        slider, label = front.front.shown(front.ok(SLIDER))

        front.front.set(slider, value=7).wait()

        front.wait_for(lambda: label.state["value"] == "at 7")
        assert front.ok("v['moves'], v['slider.value']").result == {"text/plain": "([7], 7)"}

    def test_follows_what_later_cells_do(self, front: Notebook) -> None:
        slider, _ = front.front.shown(front.ok(SLIDER))
        front.ok("v.execute('slider.value = 3')")
        front.wait_for(lambda: slider.state["value"] == 3)

    def test_is_seen_when_a_task_makes_it(self, front: Notebook) -> None:
        cell = front.ok(
            "def made():\n"
            "    import ipywidgets as w\n"
            "    from IPython.display import display\n"
            "    display(w.IntProgress(value=5, description='a task'))\n"
            "ar = rc.load_balanced_view().apply_async(made)\n"
            "ar.wait(); ar.display_outputs()"
        )
        (bar,) = front.front.shown(cell)
        assert (bar.state["description"], bar.state["value"]) == ("a task", 5)

    def test_carries_raw_memory_both_ways(self, front: Notebook) -> None:
        front.ok(
            "%%px --targets 0\n"
            "import ipywidgets as w\n"
            "image = w.Image(value=b'\\x89PNG', format='png')\n"
        )
        image = front.front.widget("ImageModel")
        opener = image.opener
        assert [bytes(buffer) for buffer in opener.buffers] == [b"\x89PNG"]  # type: ignore[union-attr]

    def test_goes_with_its_engines_life(self, front: Notebook) -> None:
        slider, _ = front.front.shown(front.ok(SLIDER))
        front.ok("rc.restart_engines(0)")
        front.wait_for(lambda: slider.closed)

    def test_goes_with_its_client(self, front: Notebook) -> None:
        front.ok(
            "other = ipp.Client(rc.connection_file)\n"
            "code = 'import ipywidgets; mine = ipywidgets.Text(description=\"of another\")'\n"
            "other[0].execute(code, block=True)"
        )
        text = front.front.widget("TextModel", description="of another")
        front.ok("other.close()")
        front.wait_for(lambda: text.closed)

    def test_is_closed_by_its_engine(self, front: Notebook) -> None:
        slider, label = front.front.shown(front.ok(SLIDER))
        front.ok("v.execute('slider.close()')")
        front.wait_for(lambda: slider.closed)
        assert not label.closed


class TestAFrontEndThatComesBack:
    def test_is_told_the_latest_state(self, front: Notebook) -> None:
        slider, label = front.front.shown(front.ok(SLIDER))
        front.front.set(slider, value=7).wait()
        front.wait_for(lambda: label.state["value"] == "at 7")
        front.ok(ASKED)

        value = f"told['states'][{slider.id!r}]['state']['value']"
        assert front.ok(value).result == {"text/plain": "7"}
        told = f"told['states'][{label.id!r}]"
        name, text = f"{told}['model_name']", f"{told}['state']['value']"
        assert front.ok(f"{name}, {text}").result == {"text/plain": "('LabelModel', 'at 7')"}

    def test_is_told_nothing_of_what_was_closed(self, front: Notebook) -> None:
        slider, _ = front.front.shown(front.ok(SLIDER))
        front.ok("v.execute('slider.close()')")
        front.wait_for(lambda: slider.closed)
        known = (
            f"import ipywidgets; {slider.id!r} in ipywidgets.Widget.get_manager_state()['state']"
        )
        assert front.ok(known).result == {"text/plain": "False"}


class TestWhileTheEngineComputes:
    def test_an_event_waits_and_the_latest_counts(self, front: Notebook, gate: Gate) -> None:
        slider, label = front.front.shown(front.ok(SLIDER))
        front.ok(
            "from tests.support.gates import pass_through; from pathlib import Path\n"
            f"busy = rc[0].apply_async(pass_through, Path({str(gate.path)!r}))"
        )

        for value in range(1, 20):
            front.front.set(slider, value=value).wait()
        gate.open()

        front.wait_for(lambda: label.state["value"] == "at 19")
        assert front.ok("len(v['moves']) <= 3").result == {"text/plain": "True"}

    def test_what_a_thread_says_after_its_task_comes_with_the_next(
        self, front: Notebook, gate: Gate, tmp_path: Path
    ) -> None:
        slider, _ = front.front.shown(front.ok(SLIDER))
        front.ok(
            "%%px --targets 0\n"
            "import threading; from pathlib import Path\n"
            "from tests.support.gates import pass_through\n"
            "def later():\n"
            f"    pass_through(Path({str(gate.path)!r}))\n"
            "    slider.value = 42\n"
            f"    Path({str(tmp_path / 'said')!r}).touch()\n"
            "threading.Thread(target=later).start()"
        )
        gate.open()
        wait_until((tmp_path / "said").exists)
        front.ok("v.execute('None')")
        front.wait_for(lambda: slider.state["value"] == 42)


class TestACallback:
    def test_prints_where_its_event_belongs(self, front: Notebook) -> None:
        front.ok(
            "%%px --targets 0\n"
            "import ipywidgets as w\n"
            "from IPython.display import display\n"
            "button = w.Button(description='try')\n"
            "button.on_click(lambda _: print('clicked'))\n"
            "display(button)"
        )
        event = front.front.press(front.front.widget("ButtonModel", description="try"))
        assert event.wait_for(lambda cell: cell.stdout).stdout == "clicked\n"

    def test_shows_what_it_raises(self, front: Notebook) -> None:
        front.ok(
            "%%px --targets 0\n"
            "import ipywidgets as w\n"
            "from IPython.display import display\n"
            "button = w.Button(description='try')\n"
            "button.on_click(lambda _: 1 / 0)\n"
            "display(button)"
        )
        event = front.front.press(front.front.widget("ButtonModel", description="try"))
        assert "ZeroDivisionError" in event.wait_for(lambda cell: cell.stderr).text


class TestAnOutputWidget:
    def test_takes_what_is_written_within_it_and_nothing_else(self, front: Notebook) -> None:
        cell = front.ok(
            OUTPUT
            + "with out:\n    print('inside'); print('aside', file=sys.stderr)\nprint('after')"
        )
        (out,) = front.front.shown(cell)
        front.wait_for(lambda: len(outputs_of(out)) == 2)
        assert outputs_of(out) == [
            {"output_type": "stream", "name": "stdout", "text": "inside\n"},
            {"output_type": "stream", "name": "stderr", "text": "aside\n"},
        ]
        assert "after" in cell.stdout
        assert "inside" not in cell.stdout

    def test_shows_displays_and_forgets_them(self, front: Notebook) -> None:
        cell = front.ok(OUTPUT + "with out:\n    display(HTML('<b>first</b>'))")
        (out,) = front.front.shown(cell)
        front.wait_for(lambda: len(outputs_of(out)) == 1)
        assert outputs_of(out)[0]["data"]["text/html"] == "<b>first</b>"  # type: ignore[index]

        front.ok("v.execute('out.clear_output()')")
        front.wait_for(lambda: outputs_of(out) == [])

    def test_shows_what_is_raised_within_it(self, front: Notebook) -> None:
        cell = front.ok(OUTPUT + "with out:\n    1 / 0")
        (out,) = front.front.shown(cell)
        front.wait_for(lambda: len(outputs_of(out)) == 1)
        assert outputs_of(out)[0]["ename"] == "ZeroDivisionError"

    def test_is_what_interact_shows_its_results_in(self, front: Notebook) -> None:
        cell = front.ok(
            "%%px --targets 0\n"
            "from ipywidgets import interact\n"
            "def twice(n=3):\n"
            "    print(2 * n)\n"
            "_ = interact(twice)\n"
        )
        assert VIEW in cell.displays[0]
        out = front.front.widget("OutputModel")
        front.wait_for(lambda: [o["text"] for o in outputs_of(out)] == ["6\n"])
        slider = front.front.widget("IntSliderModel")
        front.front.set(slider, value=5).wait()
        front.wait_for(lambda: [o["text"] for o in outputs_of(out)] == ["10\n"])

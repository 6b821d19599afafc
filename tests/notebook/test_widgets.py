"""What a kernel publishes of bars and cards: to those who draw widgets, and to those who do not."""

import re
from collections.abc import Callable

from tests.support.frontends import Comm, Shows
from tests.support.gates import Gate
from tests.support.kernels import Notebook
from tests.support.waiting import wait_until

TWO = """
import ipcluster_ext as ipp
rc = ipp.Cluster(n=2).start_and_connect_sync()
lv = rc.load_balanced_view()
"""


def slow(gate: Gate, count: int, *, label: str = "fit") -> str:
    """Return code of a map whose items wait at a gate."""
    return (
        "from tests.support.gates import pass_through\nfrom pathlib import Path\n"
        f"ar = lv.options(label={label!r}).map_async("
        f"pass_through, [Path({str(gate.path)!r})] * {count}, chunksize=1)"
    )


def line(notebook: Notebook, root: Comm) -> str:
    """Return what the first line of a bar says, without its looks."""
    row = notebook.front.child(root, 0)
    html = notebook.front.child(row, 0).state["value"]
    return re.sub(r"<[^>]+>", " ", html)


def close(notebook: Notebook) -> None:
    notebook.ok("rc.cluster.stop_cluster_sync(); rc.close()")


class TestWhoDrawsWidgets:
    def test_sees_an_answer_live_while_later_cells_run(
        self, four_in_notebook: Notebook, gate: Gate
    ) -> None:
        notebook, front = four_in_notebook, four_in_notebook.front
        cell = notebook.ok(slow(gate, 6) + "\nar")
        (root,) = front.shown(cell)
        assert cell.displays[0]["text/plain"].startswith("<AsyncMapResult fit: 0 of 6 done")
        front.set(root, _view_count=1).wait()
        notebook.ok("1 + 1")

        gate.open()
        notebook.wait_for(lambda: "6 of 6 done, in" in cell.displays[0]["text/plain"])
        assert [set(shown) for shown in cell.displays] == [{"text/plain", "text/html"}]
        front.set(root, _view_count=0).wait()
        notebook.wait_for(lambda: root.closed)

    def test_cancels_with_the_button_and_then_interrupts(
        self, four_in_notebook: Notebook, gate: Gate
    ) -> None:
        notebook, front = four_in_notebook, four_in_notebook.front
        cell = notebook.ok(slow(gate, 50) + "\nar")
        (root,) = front.shown(cell)
        button = front.child(front.child(root, 0), 1)
        notebook.wait_for(lambda: "4 running" in line(notebook, root))

        front.press(button).wait()
        said = front.child(root, 1)
        words = "cancelled 46 tasks that had not begun; 4 tasks go on"
        notebook.wait_for(lambda: words in said.state["value"])
        assert button.state["description"] == "Interrupt"
        front.press(button).wait()

        notebook.wait_for(lambda: "interrupted 4 tasks" in cell.displays[0]["text/html"])
        assert "46 cancelled, in " in cell.displays[0]["text/plain"]
        assert notebook.value("ar.progress, ar.done()") == "(50, True)"

    def test_cancels_while_the_cell_waits(self, four_in_notebook: Notebook, gate: Gate) -> None:
        notebook, front = four_in_notebook, four_in_notebook.front
        notebook.ok(slow(gate, 50))
        cell = notebook.start("ar.wait_interactive()")
        cell.wait_for(front.shown)
        (root,) = front.shown(cell)
        button = front.child(front.child(root, 0), 1)
        notebook.wait_for(lambda: "4 running" in line(notebook, root))

        front.press(button).wait()
        notebook.wait_for(lambda: button.state["description"] == "Interrupt")
        front.press(button).wait()

        cell.wait()
        assert cell.status == "ok"
        assert "46 cancelled" in cell.displays[0]["text/plain"]

    def test_sees_each_engine_if_that_is_wanted(
        self, four_in_notebook: Notebook, gate: Gate
    ) -> None:
        notebook, front = four_in_notebook, four_in_notebook.front
        cell = notebook.ok(
            "from tests.support.gates import pass_through\nfrom pathlib import Path\n"
            f"gate = Path({str(gate.path)!r})\n"
            "ar = dv.apply_async(lambda: (print('<b>'), pass_through(gate)))\nar"
        )
        (root,) = front.shown(cell)
        toggle, table = front.child(front.child(root, 0), 2), front.child(root, 2)
        front.set(toggle, value=True).wait()

        notebook.wait_for(lambda: table.state["value"].count("&lt;b&gt;") == 4)
        gate.open()
        notebook.ok("ar.wait()")

    def test_sees_a_card_that_scales(self, widgets_notebook: Notebook) -> None:
        notebook, front = widgets_notebook, widgets_notebook.front
        notebook.ok(TWO, timeout=60.0)
        cell = notebook.ok("rc")
        (root,) = front.shown(cell)
        controls = front.child(root, 1)
        count, scale = (front.child(front.child(controls, 0), place) for place in (0, 1))
        head = front.child(root, 0)
        notebook.wait_for(lambda: "<b>2</b> engines ready" in head.state["value"])
        assert (cell.result or {})["text/plain"].startswith("<Client of cluster ")

        front.set(count, value=3).wait()
        front.press(scale).wait()

        notebook.wait_for(lambda: "<b>3</b> engines ready" in head.state["value"])
        assert notebook.value("len(rc)") == "3"
        close(notebook)
        notebook.wait_for(lambda: re.search("> (stopped|closed)", head.state["value"]))

    def test_starts_and_stops_a_cluster(self, widgets_notebook: Notebook) -> None:
        notebook, front = widgets_notebook, widgets_notebook.front
        cell = notebook.ok("import ipcluster_ext as ipp; cluster = ipp.Cluster(n=1); cluster")
        (root,) = front.shown(cell)
        head, controls, asking = (front.child(root, place) for place in range(3))
        buttons = [front.child(controls, place) for place in range(1, 5)]
        assert "not started" in head.state["value"]

        front.press(buttons[3]).wait()
        notebook.wait_for(lambda: "<b>1</b> engine ready" in head.state["value"])
        front.press(buttons[2]).wait()
        front.press(front.child(asking, 1)).wait()

        notebook.wait_for(lambda: "> stopped" in head.state["value"])
        wait_until(lambda: notebook.value("cluster.running") == "False")


class TestWhoExecutesNotebooks:
    def test_gets_text_and_html_and_no_widget(
        self, open_notebook: Callable[[Shows], Notebook], gate: Gate
    ) -> None:
        notebook = open_notebook("nothing")
        notebook.ok(TWO, timeout=60.0)
        gate.open()

        shown = [
            notebook.ok("rc"), notebook.ok("rc.cluster"), notebook.ok(slow(gate, 3) + "\nar"),
        ]  # fmt: skip
        waited = notebook.ok("ar.wait_interactive(); rc.wait_for_engines(2)")

        assert [set(cell.result or {}) for cell in shown] == [{"text/plain", "text/html"}] * 3
        assert notebook.front.comms == {}
        assert [set(shown) for shown in waited.displays] == [{"text/plain", "text/html"}]
        assert waited.displays[0]["text/plain"].startswith("<AsyncMapResult fit: 3 of 3 done, in ")
        assert (waited.stdout, waited.stderr) == ("", "")
        assert notebook.value("'ipywidgets' in __import__('sys').modules") == "False"
        close(notebook)


class TestWhoDrawsNone:
    def test_is_shown_html_once_that_is_known(self, notebook: Notebook, gate: Gate) -> None:
        notebook.ok(TWO, timeout=60.0)
        first = notebook.ok("rc")
        assert {"text/plain", "text/html"} <= set(first.result or {})
        notebook.wait_for(lambda: notebook.front.comms)
        notebook.ok("1 + 1")

        second = notebook.ok("rc")

        assert set(second.result or {}) == {"text/plain", "text/html"}
        waiting = notebook.start(slow(gate, 2) + "\nar.wait_interactive()")
        waiting.wait_for(lambda cell: "2 running" in str(cell.displays))
        gate.open()
        waiting.wait()
        assert "2 of 2 done, in" in waiting.displays[0]["text/plain"]
        close(notebook)

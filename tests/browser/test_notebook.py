"""What only a browser shows of a notebook with engines."""

import re

from playwright.sync_api import expect

from ipcluster_ext.display.stories import SHOWN_PER_CELL
from tests.browser.conftest import OpenNotebook
from tests.support.gates import Gate
from tests.support.reading import of_engines
from tests.support.waiting import wait_until

LOAD = "%load_ext ipcluster_ext"
START = "%%px --engines 4\nimport threading, time"
SECOND = 1000.0


def test_output_appears_in_its_cell_while_the_engines_go_on(
    open_notebook: OpenNotebook, gate: Gate
) -> None:
    notebook = open_notebook(
        f"{LOAD}",
        START,
        "%%px\n"
        "from pathlib import Path; from tests.support.gates import pass_through\n"
        f"print('begun', flush=True); pass_through(Path({str(gate.path)!r})); print('ended')",
        "print('next')",
    )
    notebook.prepare(2)
    notebook.start(2)
    notebook.start(3)

    every = re.compile(r"(\[stdout:[-,0-3]+\] begun\s+)+")  # together, as far as they come together
    expect(notebook.output(2)).to_contain_text(every, timeout=30 * SECOND)
    expect(notebook.prompt(2)).to_have_text("[*]:")
    assert "ended" not in notebook.output(2).inner_text()
    notebook.shoot("while-it-runs")
    gate.open()
    notebook.wait(3)

    said = r"(\[stdout:[-,0-3]+\] {}\s*)+"
    folded = re.compile("^" + said.format("begun") + said.format("ended") + "$")
    expect(notebook.output(2)).to_have_text(folded)
    expect(notebook.output(3)).to_have_text("next")


def test_the_stop_button_interrupts_the_engines(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(
        LOAD,
        START,
        "%%px\nprint('on', flush=True); threading.Event().wait(100)",
        "%%px\nprint(6 * 7)",
    )
    notebook.prepare(2)
    notebook.start(2)
    on = [f"[stdout:{number}] on" for number in range(4)]
    wait_until(lambda: of_engines(notebook.output(2).inner_text()) == on, timeout=30.0)
    notebook.stop()
    notebook.wait(2, timeout=10.0)

    expect(notebook.output(2)).to_contain_text("KeyboardInterrupt")
    notebook.shoot("interrupted")
    expect(notebook.run(3)).to_contain_text("42")


def test_plots_of_engines_are_images(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(
        LOAD,
        "%%px --engines 2\n%matplotlib inline\nimport os, matplotlib.pyplot as plt",
        "%%px\nplt.figure(figsize=(3, 2)); plt.title(os.getpid()); plt.plot([0, 1]); plt.show()",
    )
    notebook.prepare(2)
    output = notebook.run(2)
    images = output.locator("img")
    expect(images).to_have_count(2)
    images.nth(1).scroll_into_view_if_needed()
    notebook.shoot("plots")

    sizes = [
        image.evaluate("async image => { await image.decode(); return image.naturalWidth }")
        for image in images.all()
    ]
    assert min(sizes) > 100


def test_widgets_made_on_an_engine_are_shown_and_moved_from_both_sides(
    open_notebook: OpenNotebook,
) -> None:
    notebook = open_notebook(
        LOAD,
        "%%px --engines 1\n"
        "from ipywidgets import IntSlider\nslider = IntSlider(3, description='depth')\nslider",
        "%px slider.value = 42",
        "%px print('depth', slider.value)",
    )
    notebook.prepare(2)
    output = notebook.output(1)
    readout = output.locator(".widget-readout")
    expect(readout).to_have_text("3")
    notebook.run(2)
    expect(readout).to_have_text("42")
    output.locator(".noUi-handle").press("ArrowRight")
    expect(readout).to_have_text("43")
    notebook.shoot("moved")

    expect(notebook.run(3)).to_contain_text("depth 43")


def test_a_hundred_thousand_lines_of_each_engine_leave_the_page_usable(
    open_notebook: OpenNotebook,
) -> None:
    notebook = open_notebook(
        LOAD,
        START,
        "%%px\nfor line in range(100_000): print('line', line)",
        "print('still here')",
    )
    notebook.prepare(2)
    notebook.run(2, timeout=100.0)

    expect(notebook.run(3)).to_have_text("still here", timeout=5 * SECOND)
    notebook.cells.nth(3).scroll_into_view_if_needed()
    notebook.shoot("flood")
    shown = notebook.output(2).inner_text()
    assert len(shown) < SHOWN_PER_CELL + 1000
    assert notebook.elements(2) < 100  # however many lines: a browser draws texts, not tasks
    assert "characters are not shown here" in shown
    assert "rate exceeded" not in shown  # the server's limit, which would drop more than text

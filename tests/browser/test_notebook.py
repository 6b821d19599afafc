"""What only a browser shows of a notebook with engines."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import OpenNotebook
from tests.support.gates import Gate

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
    notebook.run(0)
    notebook.run(1)
    notebook.start(2)
    notebook.start(3)

    expect(notebook.output(2)).to_contain_text("[stdout:3] begun", timeout=30 * SECOND)
    expect(notebook.prompt(2)).to_have_text("[*]:")
    assert "ended" not in notebook.output(2).inner_text()
    notebook.shoot("while-it-runs")
    gate.open()
    notebook.wait(3)

    said = notebook.output(2).inner_text()
    assert sorted(re.findall(r"\[stdout:(\d)\] (begun|ended)", said)) == [
        (str(engine), word) for engine in range(4) for word in ("begun", "ended")
    ]
    expect(notebook.output(3)).to_have_text("next")


def test_the_stop_button_interrupts_the_engines(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(
        LOAD,
        START,
        "%%px\nprint('on', flush=True); threading.Event().wait(100)",
        "%%px\nprint(6 * 7)",
    )
    notebook.run(0)
    notebook.run(1)
    notebook.start(2)
    expect(notebook.output(2)).to_contain_text("[stdout:3] on", timeout=30 * SECOND)
    notebook.stop()
    notebook.wait(2, timeout=10.0)

    expect(notebook.output(2)).to_contain_text("KeyboardInterrupt")
    notebook.shoot("interrupted")
    expect(notebook.run(3)).to_contain_text("42")


def test_plots_of_engines_are_images(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(
        LOAD,
        "%%px --engines 2\n%matplotlib inline\nimport matplotlib.pyplot as plt",
        "%%px\nplt.figure(figsize=(3, 2)); plt.plot([0, 1, 4, 9]); plt.show()",
    )
    notebook.run(0)
    notebook.run(1)
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


def test_a_hundred_thousand_lines_of_each_engine_leave_the_page_usable(
    open_notebook: OpenNotebook,
) -> None:
    notebook = open_notebook(
        LOAD,
        START,
        "%%px\nfor line in range(100_000): print('line', line)",
        "print('still here')",
    )
    notebook.run(0)
    notebook.run(1)
    notebook.run(2, timeout=100.0)

    expect(notebook.run(3)).to_have_text("still here", timeout=5 * SECOND)
    frames = notebook.frames_while_scrolling()
    notebook.shoot("flood")
    assert frames > 10

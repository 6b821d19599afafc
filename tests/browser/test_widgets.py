"""What a user sees of bars and cards in JupyterLab, and does with them."""

from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenNotebook
from tests.browser.pages import NotebookPage
from tests.support.gates import Gate

CARD = ".ipcluster-ext-card"
BAR = ".ipcluster-ext-progress"
TWO = (
    "import ipcluster_ext as ipp\n"
    "cluster = ipp.Cluster(n=2, cluster_id='demo')\n"
    "rc = cluster.start_and_connect_sync(); lv = rc.load_balanced_view()"
)
STOP = "cluster.stop_cluster_sync(); rc.close()"


def slow(gate: Gate, count: int) -> str:
    return (
        "from tests.support.gates import pass_through\nfrom pathlib import Path\n"
        "def wait(path):\n"
        "    for n in ipp.progress(range(5)):\n        print('step', n)\n"
        "    pass_through(path)\n"
        f"ar = lv.options(label='fit <b>').map_async("
        f"wait, [Path({str(gate.path)!r})] * {count}, chunksize=1)"
    )


def button(within: Locator, name: str) -> Locator:
    return within.get_by_role("button", name=name, exact=True)


def themed(notebook: NotebookPage, theme: str) -> None:
    notebook.page.evaluate(
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme
    )
    expect(notebook.page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
    expect(notebook.page.locator("#jupyterlab-splash")).to_have_count(0)


def test_a_card_scales_its_cluster_and_stops_it(open_notebook: OpenNotebook, gate: Gate) -> None:
    failing = "bad = lv.map_async(lambda x: 1 / x, [0, 1, 2, 0], chunksize=1); bad.wait();"
    notebook = open_notebook(TWO, "cluster", failing + "len(rc)", slow(gate, 12), STOP)
    notebook.run(0)
    card = notebook.run(1).locator(CARD)
    expect(card).to_contain_text("2 engines ready · 0 busy · 0 queued")
    notebook.shoot("light")

    card.get_by_role("spinbutton").fill("3")
    button(card, "Scale").click()
    expect(card).to_contain_text("3 engines ready")
    expect(notebook.run(2)).to_contain_text("3")
    expect(card).to_contain_text("2 failed")
    notebook.run(3)
    button(card, "▸ Engines").click()
    expect(card.locator("tbody tr")).to_have_count(3)
    expect(card.get_by_text("fit <b>")).to_have_count(3)
    expect(card).to_contain_text("MiB")
    themed(notebook, "JupyterLab Dark")
    notebook.shoot("dark")

    button(card, "Stop …").click()
    notebook.shoot("asks")
    button(card, "Stop it").click()
    expect(card).to_contain_text("stopped")
    notebook.shoot("stopped")
    themed(notebook, "JupyterLab Light")
    notebook.run(4)


def test_an_answer_can_be_cancelled_while_its_cell_waits(
    open_notebook: OpenNotebook, gate: Gate
) -> None:
    notebook = open_notebook(TWO, slow(gate, 40) + "\nar.wait_interactive()", "ar", STOP)
    notebook.run(0)
    notebook.start(1)
    bar = notebook.output(1).locator(BAR)
    expect(bar).to_contain_text("2 running")
    button(bar, "▸ Engines").click()
    expect(bar.get_by_text("step 4")).to_have_count(2)
    notebook.shoot("light")
    themed(notebook, "JupyterLab Dark")
    notebook.shoot("dark")

    button(bar, "Cancel").click()
    expect(bar).to_contain_text("cancelled 38 tasks that had not begun; 2 tasks go on")
    notebook.shoot("cancelled")
    button(bar, "Interrupt").click()

    notebook.wait(1)
    expect(bar).to_have_count(0)
    expect(notebook.output(1)).to_contain_text("38 cancelled")
    expect(notebook.output(1).locator("details tbody tr")).to_have_count(2)
    notebook.shoot("over")
    notebook.run(2)
    notebook.shoot("still")
    themed(notebook, "JupyterLab Light")
    notebook.run(3)

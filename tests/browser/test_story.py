"""One afternoon with the panel, from the first click to the last; and the README's picture."""

import os
import re
import signal
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import FloatRect, Page, expect

from tests.browser.conftest import OpenNotebook
from tests.browser.lab import Lab
from tests.browser.pages import open_lab, screenshots_folder
from tests.browser.panels import START, Panel
from tests.support.gates import Gate
from tests.support.reading import of_engines

PICTURE = "IPCLUSTER_EXT_PICTURE"
"""Names the file that the picture for the README is written to."""
WAIT = "from tests.support.gates import pass_through\nfrom pathlib import Path\n"


class Gates(NamedTuple):
    """What the story's work waits for."""

    cell: Gate
    work: Gate


@pytest.fixture
def gates(tmp_path: Path) -> Gates:
    """Make two gates."""
    found = [Gate(tmp_path / name) for name in ("cell", "work")]
    return Gates(*found)


def test_an_afternoon_with_four_engines(
    panel: Panel, page: Page, lab: Lab, open_notebook: OpenNotebook, gates: Gates
) -> None:
    panel.theme("JupyterLab Dark")
    cluster = panel.start(4)
    notebook = open_notebook(
        f"%%px\n{WAIT}pass_through(Path({str(gates.cell.path)!r})); print('done')",
        f"{WAIT}import ipcluster_ext as ipp\nrc = ipp.connect(); lv = rc.load_balanced_view()\n"
        f"ar = lv.options(label='survey').map_async(pass_through, "
        f"[Path({str(gates.work.path)!r})] * 24, chunksize=1)",
        "ar.wait(); len(ar.get(return_exceptions=True))",
    )
    panel.press("Use in This Notebook")
    notebook.start(0)
    expect(panel.engines.locator(".jp-mod-busy")).to_have_count(4)
    gates.cell.open()
    notebook.wait(0)
    said = of_engines(notebook.output(0).inner_text())
    assert said == [f"[stdout:{number}] done" for number in range(4)]

    notebook.run(1)
    work = panel.works.filter(has_text="survey")
    expect(work).to_contain_text("0 / 24")
    panel.shoot("story-dark")
    open_lab(page, lab, fresh=False)
    expect(work).to_contain_text("0 / 24")
    expect(panel.engines.locator(".jp-mod-busy")).to_have_count(4)

    panel.root.get_by_role("spinbutton", name="Number of engines").fill("6")
    page.keyboard.press("Enter")
    expect(panel.engines.locator(".jp-mod-busy")).to_have_count(6, timeout=START)
    panel.choose(2)
    panel.press("Interrupt", within=panel.card)
    expect(work).to_contain_text("1 failed")
    expect(work).to_contain_text("KeyboardInterrupt")

    panel.choose(5)
    told = re.search(r"process (\d+)", panel.card.inner_text())
    assert told is not None
    os.kill(int(told[1]), signal.SIGKILL)
    expect(panel.card).not_to_contain_text(told[0], timeout=START)
    expect(panel.card).to_contain_text(re.compile(r"process \d+"), timeout=START)
    expect(work).to_contain_text("2 failed")

    second = page.context.new_page()
    open_lab(second, lab, workspace="second")
    other = Panel(second, screenshots_folder(lab.work)).open()
    expect(other.works.filter(has_text="survey")).to_contain_text("2 / 24")
    gates.work.open()
    other.has_idle(6)
    expect(other.works.filter(has_text="survey")).to_contain_text("24 / 24")
    expect(notebook.run(2)).to_contain_text("24")

    panel.menu(panel.engines.nth(3), "Open Console on Engine")
    console = page.locator(".jp-CodeConsole")
    expect(console.locator(".jp-CodeConsole-banner")).to_contain_text("Python 3", timeout=START)
    panel.shoot("story-console")
    page.evaluate("() => window.jupyterapp.commands.execute('application:close')")
    expect(panel.clusters).to_contain_text(cluster)
    panel.stop()
    expect(other.root).to_contain_text("No engines are running")
    second.close()
    panel.theme("JupyterLab Light")


def test_the_picture_of_the_readme_shows_engines_at_work_beside_a_notebook(
    panel: Panel, page: Page, lab: Lab, open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    lab.post("ipcluster-ext/clusters", {"n": 4, "id": "survey"})
    panel.has_idle(4)
    notebook = open_notebook(*IN_THE_PICTURE, name="survey")
    panel.press("Use in This Notebook")
    for cell in range(3):
        notebook.run(cell)
    work = panel.works.filter(has_text="fit")
    expect(work).to_contain_text(re.compile(r"[12]\d / 60"), timeout=START)
    path = Path(os.environ.get(PICTURE, tmp_path / "sidebar.png"))
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, clip=UPPER)
    panel.stop()

    assert path.stat().st_size < 200_000


UPPER: FloatRect = {"x": 0, "y": 0, "width": 1280, "height": 640}
IN_THE_PICTURE = (
    "%%px\nimport os, platform\nprint(f'Python {platform.python_version()} in {os.getpid()}')",
    "import time\nimport ipcluster_ext as ipp\n\nlv = ipp.connect().load_balanced_view()",
    "def fit(number):\n    time.sleep(0.5 + number % 3 / 10)\n    return number**2\n\n\n"
    "ar = lv.map_async(fit, range(60), chunksize=1)\nar",
)

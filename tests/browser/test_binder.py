"""Binder: its steps in an environment with nothing in it, and what its visitor does first.

A virtual environment stands for the image that ``environment.yml`` describes, which has Python and
Node.js; ``postBuild`` is run in a copy of the repository, and the server started below a prefix,
as a hub does.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.lab import Lab, free_port, serving
from tests.browser.pages import NotebookPage, screenshots_folder
from tests.browser.panels import START, Panel
from tests.support.leftovers import leftovers_of
from tests.support.reading import of_engines
from tests.support.repository import ROOT, files
from tests.support.waiting import wait_until

PREFIX = "/user/a-visitor"
NOTEBOOK = "examples/01_one_cell_on_every_engine"
_INSTALLING = 600


@pytest.fixture(scope="module")
def image() -> Iterator[tuple[Path, dict[str, str]]]:
    """Do what makes the image; yield its repository, and the environment of its processes."""
    if shutil.which("npm") is None:
        pytest.skip("Binder builds the panel with Node.js, which was not found")
    home = Path(tempfile.mkdtemp(prefix="ipx-", dir="/tmp"))
    (home / "clusters").mkdir(mode=0o700)
    repository = home / "repository"
    _copy(repository)
    subprocess.run([sys.executable, "-m", "venv", home / "env"], check=True)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")
    }
    environment.pop("PYTHONPATH", None)
    environment |= {
        "HOME": str(home),
        "PATH": f"{home / 'env/bin'}:{environment['PATH']}",
        "IPCLUSTER_EXT_RUNTIME_DIR": str(home / "clusters"),
    }
    _fill(home / "env")
    made = subprocess.run(
        ["bash", "binder/postBuild"],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_INSTALLING,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    yield repository, environment
    wait_until(lambda: not leftovers_of(home / "clusters"))
    shutil.rmtree(home)


def _fill(env: Path) -> None:
    """Have what would be downloaded anew in the environment, where that is at hand."""
    uv = Path(sys.executable).with_name("uv")
    if uv.exists():
        wanted = ["--requirement", "pyproject.toml", "--extra", "examples"]
        install = [
            str(uv),
            "pip",
            "install",
            "--quiet",
            "--python",
            str(env / "bin/python"),
            *wanted,
        ]
        subprocess.run(install, cwd=ROOT, check=True, timeout=_INSTALLING)


def _copy(repository: Path) -> None:
    """Copy what belongs to the repository, as a clone would have it."""
    for name in files():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, repository / name)


@contextmanager
def _serving(repository: Path, environment: dict[str, str]) -> Iterator[Lab]:
    """Start JupyterLab in the repository, below a prefix, and stop it."""
    url = f"http://127.0.0.1:{free_port()}{PREFIX}"
    runtime = Path(environment["IPCLUSTER_EXT_RUNTIME_DIR"])
    lab = Lab(url, secrets.token_hex(16), repository, runtime)
    command = [f"{environment['HOME']}/env/bin/jupyter", "lab"]
    with serving(lab, command, environment, log=repository.parent / "lab.log"):
        yield lab


@pytest.mark.timeout(_INSTALLING)
def test_a_visitor_starts_four_engines_by_one_click_and_runs_the_notebook_that_is_open(
    chromium: str, image: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    repository, environment = image
    shots = screenshots_folder(tmp_path)
    with (
        _serving(repository, environment) as lab,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium) as browser,
        browser.new_context(viewport={"width": 1280, "height": 900}) as context,
    ):
        page = context.new_page()
        page.set_default_timeout(START)
        page.goto(lab.address("lab/workspaces/demo").removesuffix("&reset"))
        panel = Panel(page, shots)
        expect(panel.root).to_be_visible(timeout=START)
        notebook = NotebookPage(page, lab, NOTEBOOK, _cells(repository), shots, fresh=False)

        panel.press("Start Engines")
        panel.has_idle(4)
        said = of_engines(_ran(notebook, 2))
        assert [line[: len("[stdout:0]")] for line in said] == [f"[stdout:{n}]" for n in range(4)]
        notebook.shoot("binder")

        panel.stop()
        notebook.close()


def _ran(notebook: NotebookPage, count: int) -> str:
    """Run the first cells; return what the last one says."""
    for cell in range(count):
        notebook.run(cell, timeout=START)
    return notebook.output(count - 1).inner_text()


def _cells(repository: Path) -> tuple[str, ...]:
    notebook = json.loads((repository / f"{NOTEBOOK}.ipynb").read_text())
    return tuple("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code")

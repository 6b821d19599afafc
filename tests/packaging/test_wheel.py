"""What a user gets: the wheel, with the JupyterLab panel where it could be built."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PANEL = "share/jupyter/labextensions/ipcluster-ext/"
BUILT = ROOT / "ipcluster_ext" / "labextension"
SOURCES = ("ipcluster_ext", "labextension", "LICENSE", "README.md", "pyproject.toml")


def load_hook() -> ModuleType:
    """Load the build hook, which is no part of a package."""
    spec = importlib.util.spec_from_file_location(
        "hatch_build", ROOT / "labextension/hatch_build.py"
    )
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook


def build_wheel(
    root: Path, out: Path, *, panel: str, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Build the wheel of the tree at `root` into `out`, without isolation."""
    environment = os.environ | {"IPCLUSTER_EXT_LABEXTENSION": panel}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def names_in(folder: Path) -> list[str]:
    """List the files of the only wheel in `folder`."""
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture
def bare_tree(tmp_path: Path) -> Path:
    """Copy what a wheel is made from, with nothing built or installed."""
    root = tmp_path / "tree"
    root.mkdir()
    built = shutil.ignore_patterns("node_modules", "lib", "__pycache__")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=built)
        else:
            shutil.copy(ROOT / name, root / name)
    shutil.rmtree(root / "ipcluster_ext" / "labextension", ignore_errors=True)
    return root


def test_the_wheel_holds_the_whole_package_and_its_types(tmp_path: Path) -> None:
    done = build_wheel(ROOT, tmp_path, panel="skip")

    assert done.returncode == 0, done.stderr
    modules = {name for name in names_in(tmp_path) if name.startswith("ipcluster_ext/")}
    assert modules == {
        str(file.relative_to(ROOT))
        for file in (ROOT / "ipcluster_ext").rglob("*")
        if file.is_file() and file.suffix != ".pyc" and not file.is_relative_to(BUILT)
    }
    assert "ipcluster_ext/py.typed" in modules


def test_the_wheel_installs_the_panel_for_jupyterlab(tmp_path: Path) -> None:
    if problem := load_hook().node_problem():
        pytest.skip(problem)

    done = build_wheel(ROOT, tmp_path, panel="require")

    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        panel = {name.partition(PANEL)[2]: name for name in archive.namelist() if PANEL in name}
        manifest = json.loads(archive.read(panel["package.json"]))
    assert {"install.json", "schemas/ipcluster-ext/plugin.json"} <= set(panel)
    assert manifest["jupyterlab"]["_build"]["load"] in panel


def test_without_node_the_wheel_is_built_and_lacks_the_panel_with_a_warning(
    bare_tree: Path, tmp_path: Path
) -> None:
    done = build_wheel(bare_tree, tmp_path, panel="auto", path=str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert "Installing without the JupyterLab panel: Node.js" in done.stdout + done.stderr
    assert [name for name in names_in(tmp_path) if PANEL in name] == []


def test_without_node_a_required_panel_fails_the_build(bare_tree: Path, tmp_path: Path) -> None:
    done = build_wheel(bare_tree, tmp_path, panel="require", path=str(tmp_path))

    assert done.returncode != 0
    assert "PanelNotBuilt: Node.js" in done.stderr
    assert list(tmp_path.glob("*.whl")) == []

"""Builds the JupyterLab panel when a wheel or an sdist is made, and puts it into the wheel.

The environment variable ``IPCLUSTER_EXT_LABEXTENSION`` says how much the panel matters:

``auto`` (the default)
    Build it where Node.js is; elsewhere warn and install everything but the panel.
``require``
    Fail where it cannot be built. For releases and continuous integration.
``skip``
    Leave it out.

A panel that was built from the very sources at hand is taken as it is, so a second install is
quick and an sdist, which carries the built panel, installs without Node.js.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from enum import StrEnum
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path(__file__).resolve().parent
OUTPUT = SOURCE.parent / "ipcluster_ext" / "labextension"
INSTALLED_AS = "share/jupyter/labextensions/ipcluster-ext"

OLDEST_NODE = (20, 19)
"""What the bundler needs; `engines` in package.json says the same to npm."""

VARIABLE = "IPCLUSTER_EXT_LABEXTENSION"


class Mode(StrEnum):
    """How much the panel matters to this build."""

    AUTO = "auto"
    REQUIRE = "require"
    SKIP = "skip"


class PanelNotBuilt(RuntimeError):
    """The panel could not be built; the message says why."""


class LabextensionHook(BuildHookInterface[Any]):
    """Hatchling's door to this file."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the panel if need be and add it to what a wheel installs."""
        del version  # An editable install gets the same panel as any other.
        mode = Mode(os.environ.get(VARIABLE, Mode.AUTO))
        if mode is Mode.SKIP:
            return
        if not is_fresh():
            try:
                build()
            except PanelNotBuilt as error:
                if mode is Mode.REQUIRE:
                    raise
                self.app.display_warning(f"Installing without the JupyterLab panel: {error}")
                return
        if self.target_name == "wheel":
            build_data["shared_data"][str(OUTPUT)] = INSTALLED_AS


def is_fresh() -> bool:
    """Tell whether the panel has been built from the sources as they are now."""
    stamp = _stamp()
    return stamp.is_file() and stamp.read_text() == _digest()


def build() -> None:
    """Build the panel into the package.

    Raises
    ------
    PanelNotBuilt
        Node.js or npm is missing or too old, or a step failed. What an earlier build left may
        be gone.
    """
    if problem := node_problem():
        raise PanelNotBuilt(problem)
    if not _packages_are_installed():
        _npm("ci", "--no-fund", "--no-audit")
    _npm("run", "--silent", "build")
    shutil.copy(SOURCE / "install.json", OUTPUT)
    _stamp().write_text(_digest())


def node_problem() -> str | None:
    """Say what keeps this machine from building the panel, or nothing."""
    needed = ".".join(map(str, OLDEST_NODE))
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return f"Node.js {needed} or newer, with npm, was not found"
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_NODE:
        return f"Node.js {said.strip() or 'of unknown version'} is older than {needed}"
    return None


def _packages_are_installed() -> bool:
    """Tell whether npm has installed what the lock file asks for."""
    installed = SOURCE / "node_modules" / ".package-lock.json"
    locked = SOURCE / "package-lock.json"
    return installed.is_file() and installed.stat().st_mtime >= locked.stat().st_mtime


def _npm(*arguments: str) -> None:
    npm = shutil.which("npm") or "npm"
    done = subprocess.run(
        [npm, *arguments],
        cwd=SOURCE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        msg = f"`npm {' '.join(arguments)}` failed:\n{done.stdout}"
        raise PanelNotBuilt(msg)


def _digest() -> str:
    """Name the state of everything the panel is built from."""
    roots = ("src", "schema", "style")
    files = [SOURCE / name for name in ("package.json", "package-lock.json", "tsconfig.json")]
    files += [file for root in roots for file in (SOURCE / root).rglob("*") if file.is_file()]
    digest = hashlib.sha256()
    for file in sorted(files):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(SOURCE).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _stamp() -> Path:
    # In the output folder: every build empties that folder first, so no stamp outlives its build.
    return OUTPUT / ".built-from"

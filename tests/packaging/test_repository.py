"""What lies in the repository: known names at the top, and no trace of where packages came from."""

import json
from pathlib import Path

import pytest

from tests.support import repository
from tests.support.repository import ROOT

TOP_LEVEL = {
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "binder",
    "examples",
    "ipcluster_ext",
    "labextension",
    "pyproject.toml",
    "tests",
}
REGISTRIES = tuple(
    "".join(parts)
    for parts in (
        ("registry.npm", "js.org"),
        ("registry.yarn", "pkg.com"),
        ("npm.pkg.", "github.com"),
        ("pypi", ".org"),
        ("files.python", "hosted.org"),
        ("pypi.python", ".org"),
    )
)


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """Return every file that belongs to the repository: tracked, or new and not ignored."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return repository.files()


def test_the_top_level_holds_only_the_names_that_were_agreed_on(files: list[Path]) -> None:
    tops = {file.parts[0] for file in files}

    assert {top for top in tops if not top.startswith(".")} - TOP_LEVEL == set()


def test_no_file_names_a_package_registry(files: list[Path]) -> None:
    assert [
        f"{file}: {host}"
        for file in files
        for content in [(ROOT / file).read_bytes()]
        for host in REGISTRIES
        if host.encode() in content
    ] == []


def test_the_lock_file_says_what_to_install_and_not_whence() -> None:
    lock = json.loads((ROOT / "labextension" / "package-lock.json").read_text())

    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []


def test_the_lock_file_installs_on_every_system_the_bundler_supports() -> None:
    lock = json.loads((ROOT / "labextension" / "package-lock.json").read_text())

    systems = {
        system
        for name, entry in lock["packages"].items()
        if "/@rspack/binding-" in name
        for system in entry.get("os", [])
    }
    assert {"darwin", "linux", "win32"} <= systems

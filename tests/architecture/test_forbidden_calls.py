"""Calls that are wrong anywhere in the package, whoever makes them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "ipcluster_ext"

FORBIDDEN = {
    "time.time",  # it jumps; spans are measured with a monotonic clock
    "datetime.now",  # for people to read: datetime.fromtimestamp(..., UTC)
    "datetime.datetime.now",
    "os.system",  # processes are started from argument lists
    "os.popen",
}


def faults(source: str) -> list[str]:
    """List the forbidden calls of a module as ``line: what``."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=func, keywords=keywords):
                if (name := ast.unparse(func)) in FORBIDDEN:
                    found.append(f"{node.lineno}: {name}")
                found += [
                    f"{node.lineno}: shell=True"
                    for keyword in keywords
                    if keyword.arg == "shell" and ast.unparse(keyword.value) != "False"
                ]
            case ast.ImportFrom(module=module, names=names):
                found += [
                    f"{node.lineno}: {module}.{alias.name}"
                    for alias in names
                    if f"{module}.{alias.name}" in FORBIDDEN
                ]
            case _:
                pass
    return found


def test_the_package_makes_no_forbidden_call() -> None:
    assert [
        f"{file.relative_to(PACKAGE)}:{fault}"
        for file in sorted(PACKAGE.rglob("*.py"))
        for fault in faults(file.read_text())
    ] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("time.time()", ["1: time.time"]),
        ("from time import time", ["1: time.time"]),
        ("\ndatetime.now(tz=UTC)", ["2: datetime.now"]),
        ("run('ls', shell=True)", ["1: shell=True"]),
        ("run('ls', shell=chosen)", ["1: shell=True"]),
        ("os.system('ls')", ["1: os.system"]),
        ("run(['ls'], shell=False)\ntime.monotonic()\nclock = time.monotonic", []),
    ],
)
def test_faults_finds_each_kind_and_nothing_else(source: str, expected: list[str]) -> None:
    assert faults(source) == expected

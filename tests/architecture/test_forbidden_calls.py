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
    "datetime.utcnow",
    "datetime.datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.localtime",
    "time.gmtime",
    "time.clock_gettime",  # of a clock that is named here: see `CLOCKS`
    "PeriodicCallback",
    "ioloop.PeriodicCallback",
    "os.system",  # processes are started from argument lists
    "os.popen",
}


CLOCKS = {"time.CLOCK_BOOTTIME", "time.CLOCK_MONOTONIC"}
"""Those that nobody sets."""

TIME_OF_DAY = {
    "cli/showing.py",
    "client/answer.py",
    "client/asking.py",
    "client/connecting.py",
    "client/overseeing.py",
    "cluster/keyring.py",
    "cluster/running.py",
    "engine/outcomes.py",
    "hub/app.py",
    "jupyter/sight.py",
}
"""Where the time of day is read, for people to read it: once, or as the date of a fact."""


def faults(source: str) -> list[str]:
    """List the forbidden calls of a module as ``line: what``."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=func, keywords=keywords):
                name = ast.unparse(func)
                named = {ast.unparse(argument) for argument in node.args}
                if name in FORBIDDEN and not named & CLOCKS:
                    found.append(f"{node.lineno}: {name}")
                found += [
                    f"{node.lineno}: shell=True"
                    for keyword in keywords
                    if keyword.arg == "shell" and ast.unparse(keyword.value) != "False"
                ]
            case ast.Import(names=names):
                found += [
                    f"{node.lineno}: {alias.name} as {alias.asname}"
                    for alias in names
                    if alias.name in {"time", "datetime"} and alias.asname not in {None, alias.name}
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


def test_the_time_of_day_is_read_in_few_places() -> None:
    assert {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if "time.time_ns" in file.read_text()
    } <= TIME_OF_DAY


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("time.time()", ["1: time.time"]),
        ("import time as t", ["1: time as t"]),
        ("import time", []),
        ("time.clock_gettime(time.CLOCK_REALTIME)", ["1: time.clock_gettime"]),
        ("time.clock_gettime(time.CLOCK_BOOTTIME)", []),
        ("PeriodicCallback(f, 1)", ["1: PeriodicCallback"]),
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

"""Files and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "ipcluster_ext"
LONGEST_FILE = 500
LONGEST_FUNCTION = 70


def test_no_file_is_longer_than_500_lines() -> None:
    lengths = {
        str(file.relative_to(PACKAGE)): len(file.read_text().splitlines())
        for file in PACKAGE.rglob("*.py")
    }

    assert [f"{name}: {length}" for name, length in lengths.items() if length > LONGEST_FILE] == []


def test_no_function_is_longer_than_70_lines() -> None:
    long = [
        f"{file.relative_to(PACKAGE)}:{node.lineno} {node.name}: {length}"
        for file in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]

    assert long == []

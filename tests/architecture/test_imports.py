"""Importing the package costs next to nothing, and rooms are found under one name each.

Who may import whom is import-linter's to say: the contracts stand in pyproject.toml.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "ipcluster_ext"
HEAVY = {"IPython", "ipykernel", "ipywidgets", "jupyterlab", "numpy", "psutil", "tornado", "zmq"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = "import json, sys, ipcluster_ext; print(json.dumps(list(sys.modules)))"

    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout

    assert HEAVY & {name.partition(".")[0] for name in json.loads(said)} == set()


def test_a_rooms_init_holds_a_docstring_and_no_code() -> None:
    inits = set(PACKAGE.glob("*/**/__init__.py")) - {PACKAGE / "errors" / "__init__.py"}
    bodies = {file: ast.parse(file.read_text()).body for file in sorted(inits)}

    assert [
        str(file.relative_to(PACKAGE))
        for file, body in bodies.items()
        if len(body) != 1 or ast.get_docstring(ast.Module(body, [])) is None
    ] == []
    assert inits != set()


def test_the_tree_of_errors_is_named_at_its_root_and_written_below() -> None:
    tree = ast.parse((PACKAGE / "errors" / "__init__.py").read_text())
    docstring, *imports, names = tree.body

    assert isinstance(docstring, ast.Expr)
    assert {type(node) for node in imports} == {ast.ImportFrom}
    assert ast.unparse(names).startswith("__all__ = ")

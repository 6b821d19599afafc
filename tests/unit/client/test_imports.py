import builtins
import sys
import textwrap
from typing import Any

import pytest

from ipcluster_ext.client.imports import SyncImports


class View:
    """Keeps what it is to run."""

    def __init__(self) -> None:
        self.executed: list[str] = []

    def execute(self, code: str, *, block: bool) -> None:
        assert block
        self.executed.append(code)


def run(statements: str, *, local: bool = True) -> tuple[list[str], dict[str, Any]]:
    """Run import statements in a block, as a cell does."""
    view = View()
    names: dict[str, Any] = {"block": SyncImports(view, local=local, quiet=True)}
    body = textwrap.indent(textwrap.dedent(statements).strip(), "    ")
    exec(f"with block:\n{body}", names)  # noqa: S102 - a cell
    return view.executed, names


@pytest.mark.parametrize(
    "statement",
    [
        "import json",
        "import json as js",
        "import os.path",
        "import os.path as path",
        "import xml.dom.minidom",
        "import xml.dom.minidom as dom",
        "from json import dumps",
        "from json import dumps as write, loads",
        "from os import path as p, sep",
        "from xml.dom import minidom as dom, Node",
        "from math import *",
    ],
)
@pytest.mark.parametrize("local", [True, False])
def test_a_statement_is_carried_out_on_the_engines_as_it_stands(
    statement: str, local: bool
) -> None:
    executed, _ = run(statement, local=local)

    assert executed == [statement]


def test_several_statements_are_carried_out_in_their_order() -> None:
    executed, names = run("import json, os.path as p\nx = 1\nfrom math import pi")

    assert executed == ["import json", "import os.path as p", "from math import pi"]
    assert [names["json"].__name__, names["p"].sep, names["x"]] == ["json", "/", 1]


def test_in_a_function_names_are_its_own() -> None:
    view = View()

    def function() -> object:
        with SyncImports(view, quiet=True):
            import json as js
            from os import path as p

            return js.dumps(p.sep)

    assert function() == '"/"'
    assert view.executed == ["import json as js", "from os import path as p"]


def test_what_a_module_imports_itself_is_not_carried_out() -> None:
    sys.modules.pop("this_is_not", None)
    executed, _ = run("import email.mime.image")

    assert executed == ["import email.mime.image"]


def test_names_that_were_imported_on_engines_only_are_gone_after_the_block() -> None:
    executed, names = run(
        "import no_such_module as nothing\nfrom nowhere.at import all_\nx = nothing.part",
        local=False,
    )

    assert executed == ["import no_such_module as nothing", "from nowhere.at import all_"]
    assert {"nothing", "all_"} & set(names) == set()
    with pytest.raises(ImportError, match=r"no_such_module.part was imported on the engines and"):
        names["x"]()


def test_what_cannot_be_imported_here_is_not_imported_there() -> None:
    view = View()

    with pytest.raises(ModuleNotFoundError), SyncImports(view, quiet=True):
        import no_such_module  # type: ignore[import-not-found] # noqa: F401 - it is missing

    assert view.executed == []


def test_what_is_imported_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with SyncImports(View()):
        import json as js

        del js

    assert capsys.readouterr().out == "import json as js on the engines\n"


def test_blocks_may_stand_within_blocks_and_leave_nothing_behind() -> None:
    original = builtins.__import__
    outer, inner = View(), View()

    with SyncImports(outer, quiet=True):
        import json as first

        with SyncImports(inner, quiet=True):
            import os as second
        del first, second

    assert (outer.executed, inner.executed) == (["import json as first"], ["import os as second"])
    assert builtins.__import__ is original

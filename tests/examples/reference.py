"""The reference of the API, from docstrings: ``python -m tests.examples.reference FOLDER``.

pdoc writes it; what is left out are the parts of classes that their instances do not show either,
because other rooms of the package use them and users do not.
"""

import argparse
import inspect
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pdoc
import pdoc.doc
import pdoc.render

import ipcluster_ext as ipp
from tests.support.public import PUBLIC, visible

MADE_BY_USERS = ("Client", "Cluster", "Dependency", "Executor", "Map", "Reference", "Retry")
"""The classes whose constructors are shown."""

_TEMPLATE = """\
{% extends "default/module.html.jinja2" %}
{% macro is_public(doc) %}{% if doc.kind == "module" or doc.qualname in shown %}true{% endif %}
{% endmacro %}
"""


def shown() -> set[str]:
    """Return the names that the reference has, those of parts behind those of their classes."""
    names = set(PUBLIC)
    for name in PUBLIC:
        value = getattr(ipp, name)
        if inspect.isclass(value) and not issubclass(value, BaseException):
            names |= {f"{name}.{part}" for part in visible(value)}
    return names | {f"{name}.__init__" for name in MADE_BY_USERS}


def _members(described: pdoc.doc.Class) -> list[pdoc.doc.Doc[Any]]:
    """Return all members of a class: to users it does not matter from which base they come."""
    return list(described.members.values())


def write(folder: Path) -> Path:
    """Write the reference; return its first page."""
    with tempfile.TemporaryDirectory() as templates:
        Path(templates, "module.html.jinja2").write_text(_TEMPLATE, encoding="utf-8")
        pdoc.render.configure(
            docformat="numpy", template_directory=Path(templates), show_source=False, search=False
        )
        pdoc.render.env.globals["shown"] = shown()
        whole: dict[str, Any] = {"own_members": property(_members), "inherited_members": {}}
        package = ipp.__name__
        with warnings.catch_warnings(), patch.multiple(pdoc.doc.Class, **whole):
            # It cannot read all types of what it does not show.
            warnings.filterwarnings("ignore", "Error parsing type annotation")
            pdoc.pdoc(package, f"!{package}\\..*", output_directory=folder)
    return folder / f"{package}.html"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the reference where the caller wants it."""
    parser = argparse.ArgumentParser(prog="python -m tests.examples.reference")
    parser.add_argument("folder", type=Path, help="where to write it")
    sys.stdout.write(f"{write(parser.parse_args(arguments).folder)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Code as a notebook has it: in a module called ``__main__`` that engines cannot import."""

import textwrap
from typing import Any


def cell(code: str) -> dict[str, Any]:
    """Run a notebook's cell, and return its names."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(textwrap.dedent(code), names)  # noqa: S102 - a notebook's code is text, too
    return names

"""Reading what cells show of engines, however it was put together."""

import re

_LINE = re.compile(r"(\[stdout:|\[stderr:|\[output:|Out\[)([-,0-9]+)(?::\d+)?(\].*)")


def by_engine(text: str) -> list[str]:
    """Return the lines of a cell as `shown` does, but sorted."""
    return sorted(shown(text))


def of_engines(text: str) -> list[str]:
    """Return what engines have said in a cell, a line for each of them, and nothing else."""
    return [line for line in by_engine(text) if _LINE.fullmatch(line)]


def shown(text: str) -> list[str]:
    """Return the lines of a cell in their order, one for each engine that they are of.

    What is alike stands there as one: ``[stdout:0-1] x`` is ``[stdout:0] x`` and
    ``[stdout:1] x``. How many cells an engine has run is left out: ``Out[0:3]: 7`` is
    ``Out[0]: 7``.
    """
    lines: list[str] = []
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        engines = [""] if found is None else _engines(found[2])
        lines += [line if found is None else f"{found[1]}{n}{found[3]}" for n in engines]
    return lines


def _engines(text: str) -> list[str]:
    found: list[str] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += [str(n) for n in range(int(first), int(last or first) + 1)]
    return found

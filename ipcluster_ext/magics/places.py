"""Where in a cell the cursor is: among options, or in code that engines will run."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_FIRST = re.compile(r"%%(px\w*)(?=\s|$)")
_LINE = re.compile(r"\s*%((?:px|autopx|result)\w*)(\s+|$)")


class AmongOptions(NamedTuple):
    """The cursor is behind the name of a magic that takes options.

    Attributes
    ----------
    magic
        Its name, with ``%`` or ``%%``.
    before
        The words between that and the word at the cursor.
    word
        The part of that word that is before the cursor.
    """

    magic: str
    before: Sequence[str]
    word: str


class InCode(NamedTuple):
    """The cursor is in code for the engines.

    Attributes
    ----------
    suffix
        Whose.
    code
        The code, without the magic.
    cursor
        Where in it.
    """

    suffix: str
    code: str
    cursor: int


Place = AmongOptions | InCode


def place_of(text: str, line: int, column: int, suffixes: Sequence[str]) -> Place | None:
    """Find out where the cursor is.

    Parameters
    ----------
    text
        The cell.
    line, column
        The cursor, both counted from 0.
    suffixes
        Those of the magics that there are.

    Returns
    -------
    None if it is in code, or among options, that are none of ours.
    """
    lines = text.split("\n")
    first = next((n for n, found in enumerate(lines) if found.strip()), 0)
    head = _FIRST.match(lines[first])
    names = {f"px{suffix}": suffix for suffix in suffixes}
    if head is not None and head[1] in names:
        if line > first:
            body = lines[first + 1 :]
            before = sum(len(each) + 1 for each in body[: line - first - 1])
            return InCode(names[head[1]], "\n".join(body), before + column)
        return _among_options(f"%%{head[1]}", lines[first][head.end() : column], column, head.end())
    start = _LINE.match(lines[line])
    if start is None or column < start.end():
        return None
    if start[1] in names:
        return InCode(names[start[1]], lines[line][start.end() :], column - start.end())
    name = "pxresult" if start[1] == "result" else start[1]
    return _among_options(f"%{name}", lines[line][start.end(1) : column], column, start.end(1))


def _among_options(magic: str, typed: str, column: int, begin: int) -> AmongOptions | None:
    if column <= begin:
        return None  # it is in the name of the magic
    words = typed.replace("=", " ").split(" ")
    return AmongOptions(magic, [word for word in words[:-1] if word], words[-1])

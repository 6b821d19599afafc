"""Tracebacks as they look: IPython's look where IPython shows them, plain text elsewhere.

Engines send Python's own text of what a call raised, and IPython's, with colours, of what a cell
raised. The first is made to look like the second here, when somebody looks: lines that stand in
this process's cells or files are shown with those around them.
"""

import linecache
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ipcluster_ext.protocol.sources import title_of

_TITLE = "Traceback (most recent call last):"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r'  File "(.*)", line (\d+), in (.*)')
_MARKS = re.compile(r"    ( *)([~^]+)\s*")
_LEFT_OUT = re.compile(r"  \[.*\]")
_ARROW = re.compile(r"-+> *\d+ (.*)")
_RULE = "-" * 75
_AROUND = 2
"""So many lines are shown before and after that of a frame."""
_NUMBER = 7
"""The room that the number of a line has."""
_GROUP = "Exception Group Traceback (most recent call last):"


class Colours(NamedTuple):
    """What a part of a traceback begins with, and how it ends."""

    red: str = ""
    cyan: str = ""
    green: str = ""
    blue: str = ""
    marked: str = ""
    unmarked: str = ""
    off: str = ""
    theme: str = ""


PLAIN = Colours()
_BRIGHT = Colours(
    red="\x1b[31m", cyan="\x1b[36m", green="\x1b[32m", blue="\x1b[34m", off="\x1b[39m",
    marked="\x1b[30;43m", unmarked="\x1b[39;49m", theme="neutral",
)  # fmt: skip


def colours_of_shell() -> Colours | None:
    """Return the colours of the IPython shell around; None where there is no such shell."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None:
        return None
    theme = str(shell.colors).lower()
    return PLAIN if theme == "nocolor" else _BRIGHT._replace(theme=theme)


def colourless(text: str) -> str:
    """Return a text without what colours it."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def place_of(text: str) -> str:
    """Return the line of code that a traceback ends at, as it stands there; empty if none."""
    last = ""
    lines = colourless(text[-16384:]).splitlines()
    for line, following in zip(lines, [*lines, ""][1:], strict=True):
        if (arrow := _ARROW.match(line.strip())) is not None:
            last = arrow[1].strip()
        elif _FRAME.fullmatch(line) is not None:
            last = following.strip() if following.startswith("    ") else line.strip()
    return last


def painted(text: str, colours: Colours) -> list[str]:
    """Return the lines of a traceback in IPython's look.

    Parameters
    ----------
    text
        Python's own text, or one that IPython made, which stays as it is but for its colours.
    colours
        Those of the shell that is going to show it.
    """
    if _TITLE not in text or _GROUP in text:
        return (text if colours.theme else colourless(text)).splitlines()
    before, *parts = re.split(rf"^{re.escape(_TITLE)}\n", text, flags=re.MULTILINE)
    shown = before.splitlines()
    for part in parts:
        shown += _block(part.rstrip("\n").splitlines(), colours)
        if part is not parts[-1]:
            shown.append("")
    return shown


class _Frame(NamedTuple):
    """A frame as Python writes it: where it is, its line, and which part of that is meant."""

    name: str
    number: int
    function: str
    line: str | None
    marks: tuple[int, int] | None


def _block(lines: list[str], colours: Colours) -> list[str]:
    """Show one exception: a headline, its frames, and what it says."""
    shown: list[str] = []
    place = 0
    while place < len(lines):
        if (found := _FRAME.fullmatch(lines[place])) is not None:
            frame, place = _frame(found, lines, place + 1)
            shown += [*_shown(frame, colours), ""]
        elif _LEFT_OUT.fullmatch(lines[place]) is not None:
            shown[-1:] = [lines[place], ""]
            place += 1
        else:
            break
    said = lines[place:]
    last = next((line for line in said if line[:1].strip()), "")
    kind, colon, rest = last.partition(": ")
    name = kind.rpartition(".")[2]
    if name.isidentifier() and last:
        said[said.index(last)] = f"{colours.red}{kind}{colours.off}{colon}{rest}"
    gap = " " * max(1, len(_RULE) - len(name) - len(_TITLE) + 1)
    headline = f"{colours.red}{name}{colours.off}{gap}{_TITLE[:-1]}"
    return [f"{colours.red}{_RULE}{colours.off}", headline, *shown, *said]


def _frame(found: "re.Match[str]", lines: list[str], place: int) -> tuple[_Frame, int]:
    """Read the lines below that of a frame; return where the next ones begin."""
    line: str | None = None
    marks: tuple[int, int] | None = None
    while place < len(lines) and lines[place].startswith("    "):
        marked = _MARKS.fullmatch(lines[place])
        if marked is not None and line is not None and marks is None:
            begin = len(marked[1])
            marks = begin, begin + len(marked[2])
        elif line is None:
            line = lines[place].strip()
        place += 1
    return _Frame(found[1], int(found[2]), found[3], line, marks), place


def _shown(frame: _Frame, colours: Colours) -> Iterator[str]:
    """Write where a frame is, and its line between those around it."""
    title = title_of(frame.name)
    if title:
        label, _, name = title.partition(" ")
        where = f"{colours.cyan}{label} {colours.off}{colours.green}{name}, line {frame.number}"
    else:
        where = f"{colours.cyan}File {colours.off}{colours.green}{frame.name}:{frame.number}"
    function = "" if frame.function == "<module>" else f", in {colours.cyan}{frame.function}"
    yield f"{where}{colours.off}{function}{colours.off if function else ''}"
    first, lines = _around(frame)
    for number, line in enumerate(_coloured(frame, first, lines, colours), first):
        text = str(number)
        if number == frame.number:
            arrow = "-" * (_NUMBER - len(text) - 2) + "> "
            yield f"{colours.green}{arrow}{text}{colours.off} {line}".rstrip()
        else:
            yield f"{colours.green}{text:>{_NUMBER}}{colours.off} {line}".rstrip()


def _around(frame: _Frame) -> tuple[int, list[str]]:
    """Return the lines around a frame's own and the number of the first; that alone if need be."""
    known = linecache.getlines(frame.name)
    own = known[frame.number - 1].strip() if frame.number <= len(known) else None
    if own is None or frame.line not in {own, None}:
        return frame.number, [] if frame.line is None else [frame.line]
    inside = frame.function != "<module>" and known[frame.number - 1][:1].isspace()
    first = last = frame.number
    while first > max(1, frame.number - _AROUND) and not (inside and _begins(known[first - 1])):
        first -= 1
    while last < min(len(known), frame.number + _AROUND) and not (inside and _begins(known[last])):
        last += 1
    while first < frame.number and not known[first - 1].strip():
        first += 1
    while last > frame.number and not known[last - 1].strip():
        last -= 1
    return first, [line.rstrip("\n") for line in known[first - 1 : last]]


def _begins(line: str) -> bool:
    """Tell whether a line is where a function that is not inside another begins, or is below it."""
    return not line[:1].isspace()


def _coloured(frame: _Frame, first: int, lines: list[str], colours: Colours) -> list[str]:
    """Colour lines of code, and mark the part of the frame's own that is meant."""
    if not colours.theme or not lines:
        return lines
    own = frame.number - first
    indent = len(lines[own]) - len(lines[own].lstrip())
    begin, end = (0, 0) if frame.marks is None else (mark + indent for mark in frame.marks)
    row = column = 0
    shown = [""]
    for on, off, text in _tokens("\n".join(lines), colours.theme):
        for piece in re.split(r"(\n)", text):
            if piece == "\n":
                shown.append("")
                row, column = row + 1, 0
                continue
            for start, stop in pairwise(_cuts(piece, column, (begin, end) if row == own else ())):
                meant = row == own and begin <= column + start < end
                left, right = (colours.marked, colours.unmarked) if meant else (on, off)
                shown[-1] += f"{left}{piece[start:stop]}{right}"
            column += len(piece)
    return shown[: len(lines)]


def _cuts(piece: str, column: int, marks: Sequence[int]) -> list[int]:
    """Return where to cut a piece of code that begins at a column, its ends included."""
    inside = (mark - column for mark in marks if column < mark < column + len(piece))
    return sorted({0, len(piece), *inside})


def _tokens(text: str, theme: str) -> Iterator[tuple[str, str, str]]:
    """Yield the pieces of code, each with what turns its colour on and off."""
    from IPython.utils.PyColorize import theme_table
    from pygments.formatters.terminal256 import (  # type: ignore[import-untyped]
        Terminal256Formatter,
    )
    from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]

    formatter = Terminal256Formatter(style=theme_table[theme].as_pygments_style())
    styles: dict[str, tuple[str, str]] = formatter.style_string
    lexer: Any = PythonLexer(stripnl=False, ensurenl=False)
    for kind, piece in lexer.get_tokens(text):
        on, off = styles.get(str(kind), ("", ""))
        yield (on, off, piece) if piece.strip() else ("", "", piece)

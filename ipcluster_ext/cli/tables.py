"""Rows as people read them in a terminal; nothing here asks or prints."""

from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write rows below their heads, in columns as wide as they have to be.

    Parameters
    ----------
    heads
        The columns' names. One that begins with ``>`` is for numbers, which stand at its right.
    rows
        A cell for each of them.
    """
    names = [head.removeprefix(">") for head in heads]
    cells = [names, *([_plain(cell) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(names))]
    lines = []
    for row in cells:
        aligned = [
            cell.rjust(width) if head.startswith(">") else cell.ljust(width)
            for head, cell, width in zip(heads, row, widths, strict=True)
        ]
        lines.append("  ".join(aligned).rstrip())
    return "\n".join(lines)


def _plain(cell: object) -> str:
    """Write a cell on one line, with nothing in it that a terminal would obey."""
    text = "" if cell is None else str(cell)
    return "".join(char if char.isprintable() else " " for char in text)


def shortened(text: str, width: int) -> str:
    """Return a text, cut where it is longer than so many characters."""
    return text if len(text) <= width else f"{text[: width - 1]}…"

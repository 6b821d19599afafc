"""Numbers, spans and rows as people read them in a terminal; nothing here asks or prints."""

from collections.abc import Sequence

_KIB = 1024.0


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


def span(seconds: float) -> str:
    """Write how long something takes, as ``'12 s'`` or ``'3 h 05 min'``."""
    whole = max(0, round(seconds))
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, left = divmod(rest, 60)
    if days:
        return f"{days} d {hours:02} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {left:02} s" if minutes else f"{left} s"


def size(nbytes: float) -> str:
    """Write a number of bytes, as ``'1.5 GiB'``."""
    amount = float(nbytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(amount) < _KIB:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _KIB
    return f"{amount:.1f} TiB"


def shortened(text: str, width: int) -> str:
    """Return a text, cut where it is longer than so many characters."""
    return text if len(text) <= width else f"{text[: width - 1]}…"

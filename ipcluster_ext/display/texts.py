"""Text of many sources, for people: whose it is, said on each line, and the same text once.

Carriage returns mean what they mean in a terminal: what follows takes the place of what stands on
the line, as progress bars do it.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple, TypeVar

Name = int | str
"""An engine's id, or whatever a source is called of which the engine is not known."""

T = TypeVar("T", bound=Hashable)


def names_text(names: Iterable[Name]) -> str:
    """Write whose something is: ``0-3,5``; names that are no numbers as they are.

    Parameters
    ----------
    names
        Of the sources, in any order.
    """
    several = set(names)
    numbers = sorted(name for name in several if isinstance(name, int))
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    parts = [str(low) if low == high else f"{low}-{high}" for low, high in runs]
    return ",".join(parts + sorted(name for name in several if isinstance(name, str)))


def rank(name: Name) -> tuple[bool, int, str]:
    """Return what sorts engines by their ids, and whatever has none after them."""
    return (False, name, "") if isinstance(name, int) else (True, 0, name)


def folded(items: Iterable[tuple[Name, T]]) -> list[tuple[list[Name], T]]:
    """Put what is the same of several sources together.

    Parameters
    ----------
    items
        What each source has, with its name, in order. What one source has twice stays twice.

    Returns
    -------
    Each thing with the names of its sources, where it stands first.
    """
    seen: Counter[tuple[Name, T]] = Counter()
    found: dict[tuple[T, int], list[Name]] = {}
    for name, item in items:
        seen[name, item] += 1
        found.setdefault((item, seen[name, item]), []).append(name)
    return [(names, item) for (item, _), names in found.items()]


def shown_line(line: str) -> str:
    """Return what is left of a line of which something was written over."""
    return line.rstrip("\r").rpartition("\r")[2]


def headed(heading: str, text: str) -> str:
    r"""Put a heading before each line of a text, which ends with a newline from then on.

    Examples
    --------
    >>> headed("[stdout:0]", "a\n 10 %\r100 %")
    '[stdout:0] a\n[stdout:0] 100 %\n'
    """
    text = text.removesuffix("\n")
    if "\r" in text:
        text = "\n".join(map(shown_line, text.split("\n")))
    return f"{heading} " + text.replace("\n", f"\n{heading} ") + "\n"


def beside(heading: str, text: str) -> str:
    """Put a heading beside a text of one line, or above a longer one."""
    gap = "\n" if "\n" in text else " "
    return f"{heading}{gap}{text}\n" if heading else f"{text}\n"


def shortened(text: str, most: int, note: str) -> str:
    """Leave the middle of a long text out.

    Parameters
    ----------
    text
        The text.
    most
        How many characters may be left, about; an eighth of them from its end.
    note
        What is said of the rest, with ``{lines}`` and ``{characters}``.
    """
    if len(text) <= most:
        return text
    begin = text.rfind("\n", 0, most - most // 8) + 1 or most - most // 8
    end = text.find("\n", len(text) - most // 8 - 1) + 1 or len(text) - most // 8
    lines = text.count("\n", begin, end)
    told = note.format(lines=f"{lines:,}", characters=f"{end - begin:,}")
    return f"{text[:begin]}{told}\n{text[end:]}"


class Tape:
    """A stream of text that comes in pieces, made into lines.

    Attributes
    ----------
    open
        The line that has not ended.
    """

    def __init__(self) -> None:
        self.open = ""

    @property
    def rewritten(self) -> bool:
        """Whether the line that has not ended was written over: a bar, most likely."""
        return "\r" in self.open

    def feed(self, text: str) -> str:
        """Take more; return the lines that have ended."""
        lines, newline, rest = text.rpartition("\n")
        if not newline:
            self.open = _compact(self.open + text)
            return ""
        ended = self.open + lines + newline
        self.open = _compact(rest)
        return ended

    def end(self) -> str:
        """Return what is left: a line without an end."""
        rest, self.open = self.open, ""
        return f"{rest}\n" if shown_line(rest) else ""


class Tail(NamedTuple):
    """The end of a text, and how many lines there are before."""

    text: str
    before: int


def tail_of(pieces: Sequence[str], most: int) -> Tail:
    """Return the last lines of a text in pieces, without putting it all together.

    Parameters
    ----------
    pieces
        The text.
    most
        How many characters at most.
    """
    end: list[str] = []
    length, place = 0, len(pieces)
    while place and length <= most:
        place -= 1
        end.append(pieces[place])
        length += len(pieces[place])
    text = "".join(reversed(end))
    before = sum(piece.count("\n") for piece in pieces[:place])
    if length > most:
        cut = text.find("\n", length - most - 1) + 1 or length - most
        before += text.count("\n", 0, cut)
        text = text[cut:]
    return Tail(text, before)


def _compact(line: str) -> str:
    """Drop what was written over, so that a bar takes no more room the longer it runs."""
    if "\r" not in line:
        return line
    end = "\r" if line.endswith("\r") else ""
    return f"\r{shown_line(line)}{end}"

"""Source text that travels with code: that of notebook cells, which stand in no file.

So tracebacks and debuggers show the lines of a function wherever it runs, and whatever else asks
`linecache` finds them.
"""

import linecache
import sys
from types import CodeType
from typing import Any

MOST_CHARACTERS = 64 * 1024
"""The text of a longer cell does not travel."""
MOST_KEPT = 500
"""So many texts that came from elsewhere are kept; the oldest go first."""

Source = tuple[str, str, str]
"""What code calls its file, what a reader calls it, as ``'Cell In[3]'``, and the text."""

_made: dict[str, tuple[object, Source]] = {}
_titles: dict[str, str] = {}


def source_of(code: CodeType) -> Source | None:
    """Return the source that has to travel with code, the same object each time.

    Returns
    -------
    None where it stands in a file, or nowhere, or is too long.
    """
    name = code.co_filename
    entry: tuple[Any, ...] | None = linecache.cache.get(name)
    if entry is None or len(entry) != 4 or entry[1] is not None:
        return None
    before = _made.get(name)
    if before is not None and before[0] is entry:
        return before[1]
    text = "".join(entry[2])
    if len(text) > MOST_CHARACTERS:
        return None
    source = (name, title_of(name), text)
    if len(_made) >= MOST_KEPT:
        _made.clear()
    _made[name] = entry, source
    return source


def title_of(name: str) -> str:
    """Return what a reader calls a file: ``'Cell In[3]'`` for a cell; else nothing."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    found = None if shell is None else shell.compile.format_code_name(name)
    return _titles.get(name, "") if found is None else " ".join(found)


def title_from_elsewhere(name: str) -> str:
    """Return what readers call a text that came from another process; nothing if it did not."""
    return _titles.get(name, "")


def keep(source: Source) -> None:
    """Keep a text that came from elsewhere, for whoever asks `linecache`."""
    name, title, text = source
    if name in linecache.cache and name not in _titles:
        return  # it is this process's own
    if name not in _titles and len(_titles) >= MOST_KEPT:
        oldest = next(iter(_titles))
        del _titles[oldest]
        linecache.cache.pop(oldest, None)
    _titles[name] = title
    lines = [f"{line}\n" for line in text.splitlines()]
    linecache.cache[name] = (len(text), None, lines, name)


def code_from(source: Source, *facts: Any) -> CodeType:
    """Make code of what it is made of, and keep its source; how pickled code is made again."""
    keep(source)
    return CodeType(*facts)

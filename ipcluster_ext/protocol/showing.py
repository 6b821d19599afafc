"""How errors of engines look where a user meets them: one traceback for each that is different.

Above each stands who raised it, as ``[0-3]: ZeroDivisionError``; below all of them, in one line,
where it was asked for here. Of this package's own frames nothing is shown.
"""

import linecache
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from ipcluster_ext.errors import RemoteError, show_with
from ipcluster_ext.protocol.sources import title_of
from ipcluster_ext.protocol.tracebacks import (
    PLAIN,
    Colours,
    colourless,
    colours_of_shell,
    painted,
    place_of,
)

_OURS = str(Path(__file__).parents[1]) + "/"
_MOST_TITLE = 200
_MAGIC = "get_ipython().run_"
"""With this begins what IPython makes of a line that is a magic: nobody has written it."""


def groups(errors: Iterable[BaseException]) -> list[list[BaseException]]:
    """Put errors together that say the same of the same line of code."""
    found: dict[tuple[str, str, str], list[BaseException]] = {}
    for error in errors:
        key = type(error).__name__, str(error), ""
        if isinstance(error, RemoteError):
            key = type(error).__name__, error.said, place_of(error.traceback)
        found.setdefault(key, []).append(error)
    return list(found.values())


def heading(group: Sequence[BaseException], colours: Colours = PLAIN) -> str:
    """Say who raised an error, and which: ``[0-3]: ZeroDivisionError: division by zero``."""
    first, count = group[0], len(group)
    text = first.said if isinstance(first, RemoteError) else f"{type(first).__name__}: {first}"
    text = colourless(text).partition("\n")[0][:_MOST_TITLE]
    found = {e.engine for e in group if isinstance(e, RemoteError) and e.engine is not None}
    times = f" ({count} times)" if count > max(1, len(found)) else ""
    where = f"{colours.cyan}[{ranges(sorted(found), ',')}]:{colours.off} " if found else ""
    kind, colon, rest = text.partition(": ")
    return f"{where}{colours.red}{kind}{colours.off}{colon}{rest}{times}"


def ranges(numbers: Sequence[int], comma: str = ", ") -> str:
    """Write numbers in ascending order as ``0-3, 7``."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1] = [found[-1][0], number]
        else:
            found.append([number])
    return comma.join("-".join(map(str, ends)) for ends in found)


def shown(error: RemoteError, whole: bool) -> list[str]:  # noqa: FBT001 - a hook's
    """Return the lines that a user reads of an error that one engine raised.

    Parameters
    ----------
    error
        The error.
    whole
        Whether to say as well on which engine, and where it was asked for.
    """
    if not whole:
        return traceback_of(error)
    colours = colours_of_shell() or PLAIN
    return [*block([error], colours), *called_at(error.__traceback__, colours)]


show_with(shown)


def traceback_of(error: BaseException) -> list[str]:
    """Return the lines of an error's traceback, in IPython's look where there is IPython."""
    colours = colours_of_shell()
    if not isinstance(error, RemoteError):
        return [f"{type(error).__name__}: {error}"]
    if colours is None or not error.coloured:
        return error.render_traceback()
    return painted(error.coloured, colours)


def shown_together(
    message: str, errors: Sequence[BaseException], limit: int, error: BaseException
) -> list[str]:
    """Return the lines that IPython shows of several errors.

    Parameters
    ----------
    message
        What was asked of the engines.
    errors
        What they raised.
    limit
        How many different errors are shown.
    error
        What was raised here.
    """
    colours = colours_of_shell() or PLAIN
    found = groups(errors)
    lines: list[str] = []
    for group in found[:limit]:
        lines += [*block(group, colours), ""]
    more = sum(map(len, found[limit:]))
    if more:
        lines += [f"... and {more} more", ""]
    lines.append(f"{colours.red}{len(errors)} errors{colours.off}: {message}")
    return [*lines, *called_at(error.__traceback__, colours)]


def block(group: Sequence[BaseException], colours: Colours) -> list[str]:
    """Show one error for all that are the same."""
    first = group[0]
    lines = [heading(group, colours)]
    if isinstance(first, RemoteError):
        lines += painted(first.coloured or str(first), colours)
    notes: list[str] = getattr(first, "__notes__", [])
    return [*lines, *notes]


def called_at(frames: TracebackType | None, colours: Colours) -> list[str]:
    """Say in one line where in the user's own code an error was met; nothing if that is not known.

    Parameters
    ----------
    frames
        The traceback here, from the outermost frame on.
    colours
        In which it is said.
    """
    own: TracebackType | None = None
    while frames is not None and not frames.tb_frame.f_code.co_filename.startswith(_OURS):
        if "/IPython/core/" not in frames.tb_frame.f_code.co_filename:
            own = frames
        frames = frames.tb_next
    if own is None or frames is None:
        return []
    name, number = own.tb_frame.f_code.co_filename, own.tb_lineno
    line = linecache.getline(name, number, own.tb_frame.f_globals).strip()
    where = title_of(name) or f"File {name}"
    code = f": {line}" if line and not line.startswith(_MAGIC) else ""
    return [f"{colours.cyan}asked for at {where}, line {number}{colours.off}{code}"]

"""Bars: a number that grows towards another, shown where somebody can see it move.

In a notebook it is a widget, or HTML where none are drawn; in a terminal it is tqdm's bar; and
anywhere else a few lines say the same.
"""

import sys
import time
from contextlib import AbstractContextManager
from typing import Protocol, Self, TextIO

from ipcluster_ext.display import frontend
from ipcluster_ext.display.cell import Cell
from ipcluster_ext.display.counted import Counted, CountedBar
from ipcluster_ext.display.looks import Work
from ipcluster_ext.display.renewed import Renewed

_QUARTERS = 4


class Bar(Protocol):
    """Something that shows a number growing towards another; to be closed as a context."""

    def show(self, done: float, total: float | None, text: str) -> None:
        """Show how much is done, of how much, and what is going on."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_raised: object) -> None:
        """Leave it as it is."""


def bar(
    total: float | None,
    label: str,
    *,
    verb: str = "done",
    widget: bool | None = None,
    file: TextIO | None = None,
) -> Bar:
    """Make a bar.

    Parameters
    ----------
    total
        How much there is to do, None if nobody knows.
    label
        What stands before it.
    verb
        What becomes of what is counted.
    widget
        Whether it is a widget, in a notebook; found out if not given.
    file
        Where a bar of text goes. If not given, ``sys.stderr``, and there only if it is a terminal:
        elsewhere a few lines say the same, in a kernel as the cell's ordinary output.
    """
    counted = Counted(total, label, verb=verb)
    shown = shows_itself(counted, Cell.current(), widget=widget, file=file, controls=False)
    if shown is not None:
        return CountedBar(counted, shown)
    return written(total, label, verb=verb, file=file)


def shows_itself(
    work: Work, cell: Cell, *, widget: bool | None, file: TextIO | None, controls: bool = True
) -> AbstractContextManager[object] | None:
    """Return what shows work in a notebook while it is entered; None where text is written.

    Parameters
    ----------
    work
        The work.
    cell
        Where it is shown.
    widget, file
        As for `bar`.
    controls
        Whether a widget has buttons.
    """
    kernel = frontend.shell() is not None
    if file is not None or not kernel:
        return None
    if frontend.shows_widgets() if widget is None else widget:
        from ipcluster_ext.display.progress import Progress

        return Progress(work, cell, controls=controls)
    return Renewed(work, cell) if cell.updates else None


def written(
    total: float | None, label: str, *, verb: str = "done", file: TextIO | None = None
) -> Bar:
    """Make a bar of text, for a terminal; or lines, where no bar would be seen to move."""
    if file is None and not sys.stderr.isatty():
        return Lines(sys.stderr if frontend.shell() is None else sys.stdout, label, verb)
    from tqdm.std import tqdm as text_bar

    return Tqdm(text_bar(total=total, desc=label or None, file=file or sys.stderr))


def seen() -> bool:
    """Tell whether somebody would see a bar move: in a terminal, or a notebook."""
    return sys.stderr.isatty() or frontend.shows_widgets()


class TextBar(Protocol):
    """tqdm's bar, as far as it is used."""

    n: float
    total: float | None

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:  # noqa: FBT001, FBT002 - tqdm's signature
        """Show words beside the bar."""

    def update(self, n: float | None = 1) -> bool | None:
        """Move on by so much."""

    def refresh(self) -> object:
        """Draw it."""

    def close(self) -> None:
        """Draw it no more."""


class Tqdm:
    """A bar of tqdm's.

    Parameters
    ----------
    tqdm
        The bar.
    """

    def __init__(self, tqdm: TextBar) -> None:
        self._tqdm = tqdm

    def show(self, done: float, total: float | None, text: str) -> None:
        """Show how much is done."""
        self._tqdm.total = total
        if text:
            self._tqdm.set_postfix_str(text, refresh=False)
        self._tqdm.update(done - self._tqdm.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._tqdm.refresh()
        self._tqdm.close()


class Lines:
    """A line for each quarter that is done, for logs and pipes.

    Parameters
    ----------
    file
        Where they go.
    label, verb
        What they begin with, and what becomes of what is counted.
    """

    def __init__(self, file: TextIO, label: str, verb: str = "done") -> None:
        self._verb = verb
        self._file = file
        self._label = f"{label}: " if label else ""
        self._began = time.monotonic()
        self._quarters = 0

    def show(self, done: float, total: float | None, text: str) -> None:
        """Say how much is done, if that is a quarter more than was said last."""
        del text
        if not total:
            return
        quarters = int(_QUARTERS * done / total)
        if quarters > self._quarters:
            self._quarters = quarters
            took = time.monotonic() - self._began
            self._file.write(
                f"{self._label}{done:g} of {total:g} {self._verb} after {took:.1f} s\n"
            )
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        """Leave what was said."""

"""Showing how far work is: a bar where somebody can see it move, a few lines elsewhere."""

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, Self, TextIO

from ipcluster_ext.client.notes import Notes

_SILENCED_BY = "IPP_NONINTERACTIVE"
"""Environment variable, ipyparallel's: no progress is shown where it is set."""
_QUARTERS = 4
_ENGINES = "ipcluster_ext.engine."


class Watched(Protocol):
    """Work that is going on."""

    label: str

    def __len__(self) -> int:
        """Return how much there is to do."""

    @property
    def progress(self) -> int:
        """How much is done."""

    def notes_at(self, place: int) -> Notes:
        """Return what a task has said."""


class Bar(Protocol):
    """Something that shows a number growing towards another; to be closed as a context."""

    def show(self, done: float, total: float | None, text: str) -> None:
        """Show how much is done, of how much, and what is going on."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_raised: object) -> None:
        """Leave it as it is."""


def watch(
    work: Watched,
    wait: Callable[[float | None], bool],
    *,
    interval: float,
    timeout: float | None,
    widget: bool | None = None,
    file: TextIO | None = None,
) -> bool:
    """Wait for work, showing how far it is.

    Parameters
    ----------
    work
        What to wait for.
    wait
        Waits for so many seconds at most; returns whether the waiting is over.
    interval, timeout
        Seconds between two looks, and altogether; None for ever.
    widget, file
        As for `bar`.

    Returns
    -------
    What `wait` returned last.
    """
    if _SILENCED_BY in os.environ:
        return wait(timeout)
    deadline = None if timeout is None else time.monotonic() + timeout
    with bar(len(work), work.label, widget=widget, file=file) as shown:
        while True:
            left = interval if deadline is None else min(interval, deadline - time.monotonic())
            over = wait(max(0.0, left))
            _show(work, shown)
            if over or left <= 0:
                return over


def _show(work: Watched, shown: Bar) -> None:
    """Show a single task's own word of its progress, and else how many have ended."""
    total = len(work)
    said = work.notes_at(0).progress if total == 1 else None
    if said is None or work.progress == total:
        shown.show(work.progress, total, "" if said is None else said.text)
    else:
        shown.show(said.done, said.total, said.text)


def bar(
    total: float | None, label: str, *, widget: bool | None = None, file: TextIO | None = None
) -> Bar:
    """Make a bar.

    Parameters
    ----------
    total
        How much there is to do, None if nobody knows.
    label
        What stands before it.
    widget
        Whether it is a widget of a notebook; found out if not given.
    file
        Where a bar of text goes. If not given, ``sys.stderr``, and there only if it is a terminal:
        elsewhere a few lines say the same.
    """
    if widget or (widget is None and file is None and in_notebook()):
        from tqdm.notebook import tqdm as notebook_bar

        return _Tqdm(notebook_bar(total=total, desc=label or None))
    if file is None and not sys.stderr.isatty():
        return Lines(sys.stderr, label)
    from tqdm.std import tqdm as text_bar

    return _Tqdm(text_bar(total=total, desc=label or None, file=file or sys.stderr))


def in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook; an engine's has nobody to show to."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    kernel = getattr(shell, "kernel", None)
    return kernel is not None and not type(kernel).__module__.startswith(_ENGINES)


class _Tqdm:
    """A bar of tqdm's."""

    def __init__(self, tqdm: Any) -> None:
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
    label
        What they begin with.
    """

    def __init__(self, file: TextIO, label: str) -> None:
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
            self._file.write(f"{self._label}{done:g} of {total:g} done after {took:.1f} s\n")
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        """Leave what was said."""

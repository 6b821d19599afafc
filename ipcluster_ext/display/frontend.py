"""Who looks: whether what is shown can be a widget.

A widget is of use only to somebody who draws it; to anybody else it is a line of noise, for ever
if a notebook is saved. So one is shown only where all of this holds, looked at anew each time:

1. Nobody said otherwise: ``IPP_NONINTERACTIVE`` is not set, and ``IPCLUSTER_EXT_WIDGETS`` is not
   ``0``. (With ``1`` there, widgets are shown to whoever drives the kernel, as to a Voilà server.)
2. This process is the kernel of a notebook or a console: an ``ipykernel``. An engine's kernel is
   not; nobody sees its widgets where they are made.
3. What asks comes from a notebook that somebody has before him: the request that the kernel works
   on names the cell (``cellId`` in its metadata), as JupyterLab, Notebook 7 and VS Code do, so
   that they can tell where output belongs. ``jupyter console``, ``nbclient`` and with it papermill
   and nbconvert name none: these show text, and keep text.
4. Or a front end has answered a widget of ours before, on this kernel: it has told how often it
   is shown (`Widget._view_count`). Who executes notebooks never does.
5. And none has refused one lately: a front end that draws no widgets closes their comms as
   unknown; so does one that is about to begin to draw them, which gets another chance.

A front end that names cells and yet draws no widgets is no worse off the first time, when nobody
knows yet: whatever is shown has its text and HTML beside it, and such a front end draws these.
"""

import math
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

SILENCED_BY = "IPP_NONINTERACTIVE"
"""Environment variable, ipyparallel's: nothing is shown live where it is set."""
CHOSEN_BY = "IPCLUSTER_EXT_WIDGETS"
"""Environment variable: ``0`` for no widgets, ``1`` for widgets wherever there is a kernel."""
_SULKS_FOR = 60.0
"""For how many seconds a front end that refused a widget is offered no other."""
_ENGINES = "ipcluster_ext.engine."


class Experience:
    """What front ends have done with widgets of ours so far.

    Attributes
    ----------
    drawn
        Whether one has drawn one.
    """

    drawn = False

    def __init__(self) -> None:
        self._refused_at = -math.inf

    def note_drawn(self) -> None:
        """Learn that a front end draws one."""
        self.drawn = True

    def note_refused(self) -> None:
        """Learn that a front end has closed one."""
        self._refused_at = time.monotonic()

    @property
    def refused(self) -> bool:
        """Whether one was closed lately, and none was ever drawn."""
        return not self.drawn and time.monotonic() < self._refused_at + _SULKS_FOR


EXPERIENCE = Experience()
"""This process's."""


class Kernel(Protocol):
    """IPython's, as far as it matters here."""

    def get_parent(self, channel: str) -> Mapping[str, Any]:
        """Return the request that it works on."""


class Shell(Protocol):
    """IPython's in a kernel, as far as it matters here."""

    kernel: Kernel


def silenced() -> bool:
    """Tell whether nothing is to be shown live."""
    return SILENCED_BY in os.environ


def shell() -> Shell | None:
    """Return IPython's shell if this process is a notebook's kernel; None if not, or an engine."""
    ipython = sys.modules.get("IPython")
    found: Shell | None = ipython.get_ipython() if ipython is not None else None
    kernel = getattr(found, "kernel", None)
    if kernel is None or type(kernel).__module__.startswith(_ENGINES):
        return None
    return found


def shows_widgets() -> bool:
    """Tell whether whoever asks at the moment sees widgets; see above how that is found out."""
    chosen = os.environ.get(CHOSEN_BY, "")
    if silenced() or chosen == "0" or (found := shell()) is None:
        return False
    if chosen == "1" or EXPERIENCE.drawn:
        return True
    return names_cells(found.kernel) and not EXPERIENCE.refused


def names_cells(kernel: Kernel) -> bool:
    """Tell whether the request that a kernel works on says in which cell it was made."""
    parent = kernel.get_parent("shell") or {}
    return bool((parent.get("metadata") or {}).get("cellId"))

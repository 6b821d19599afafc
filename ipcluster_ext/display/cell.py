"""Where output belongs: the cell that was running when something was submitted, for ever.

An ipykernel says with each message which request it is about, and takes for that whatever it works
on at the moment. So whoever has something to show later, on another thread, says it by himself:
with the request that he has noted as its parent, through the kernel's own sockets, after what the
cell has printed. Where a cell captures its output (``%%capture``, a test), it goes there, and where
there is no kernel to ``sys.stdout`` and IPython's ``display``.
"""

import shutil
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import Any

MimeBundle = dict[str, Any]

PASSED_ON = 2_400_000
"""So many bytes written to streams a Jupyter server passes on within `PASSED_ON_IN` seconds, with
some to spare. After more it drops whatever comes, displays and widgets, too."""
PASSED_ON_IN = 3.0


class Cell(ABC):
    """A place for output; any thread may use it.

    Attributes
    ----------
    updates
        Whether what is displayed there can be changed later.
    """

    updates = False

    def show_foot(self, text: str) -> None:
        """Have these lines at the end, below whatever is shown; only terminals have such an end."""
        del text

    @property
    def room(self) -> int:
        """How many bytes may be written to streams right now, lest they be dropped on the way."""
        return sys.maxsize

    @staticmethod
    def current() -> "Cell":
        """Return the cell that runs, or wherever output goes now."""
        shell = _shell()
        if shell is not None and getattr(shell, "kernel", None) is not None:
            parent = shell.kernel.get_parent("shell")
            if parent and _is_own(shell.display_pub):
                return _KernelCell(shell, parent)
        return _Plain(shell)

    @abstractmethod
    def write(self, stream: str, text: str) -> None:
        """Show text, as printed to a stream ('stdout' or 'stderr')."""

    @abstractmethod
    def display(
        self,
        data: MimeBundle,
        metadata: MimeBundle | None = None,
        *,
        display_id: str | None = None,
    ) -> None:
        """Show something in the best of its formats.

        Parameters
        ----------
        data
            What it is in each format, by MIME type.
        metadata
            About these.
        display_id
            By which to `update` it.
        """

    @abstractmethod
    def update(
        self, data: MimeBundle, metadata: MimeBundle | None = None, *, display_id: str
    ) -> None:
        """Show something else where something is shown; nothing happens without `updates`."""

    @abstractmethod
    def clear(self, *, wait: bool = False) -> None:
        """Drop all that the cell shows, or `wait` with that until it shows something else."""


class _Plain(Cell):
    """No cell: a terminal, a script, or whoever captures what a cell shows."""

    def __init__(self, shell: Any) -> None:  # noqa: ANN401 - IPython's, or None
        self._shell = shell
        self._files = {"stdout": sys.stdout, "stderr": sys.stderr}
        self._publisher = None if shell is None else shell.display_pub
        self._foot = ""
        files = self._files.values()
        self._is_terminal = all(file is not None and file.isatty() for file in files)

    def write(self, stream: str, text: str) -> None:
        file = self._files[stream]
        if file is not None:  # there are programs without a terminal
            foot = self._foot
            self.show_foot("")
            file.write(text)
            file.flush()
            self.show_foot(foot)

    def show_foot(self, text: str) -> None:
        if self._is_terminal and text != self._foot:
            height = self._foot.count("\n")
            width = shutil.get_terminal_size().columns - 1  # or a line may take two
            self._foot = "".join(f"{line[:width]}\n" for line in text.splitlines())
            file = self._files["stderr"]
            file.write((f"\x1b[{height}A\x1b[J" if height else "") + self._foot)
            file.flush()

    def display(
        self,
        data: MimeBundle,
        metadata: MimeBundle | None = None,
        *,
        display_id: str | None = None,
    ) -> None:
        if self._publisher is None or set(data) <= {"text/plain"}:
            self.write("stdout", f"{plain(data)}\n")
        else:
            transient = {"display_id": display_id} if display_id else {}
            self._publisher.publish(data, metadata or {}, transient=transient)

    def update(
        self, data: MimeBundle, metadata: MimeBundle | None = None, *, display_id: str
    ) -> None:
        pass

    def clear(self, *, wait: bool = False) -> None:
        if self._publisher is not None:
            self._publisher.clear_output(wait)


class _KernelCell(Cell):
    """A cell of a notebook or console, which an ipykernel runs or has run."""

    def __init__(self, shell: Any, parent: Mapping[str, Any]) -> None:  # noqa: ANN401 - IPython's
        self._kernel = shell.kernel
        self._parent = parent
        self._files = {"stdout": sys.stdout, "stderr": sys.stderr}
        self.updates = _updates(parent) and all(map(_is_own, self._files.values()))

    @property
    def room(self) -> int:
        return _written.room if self.updates else sys.maxsize

    def write(self, stream: str, text: str) -> None:
        file = self._files[stream]
        if _is_own(file):
            _written.note(nbytes_of(text))
            self._send("stream", {"name": stream, "text": text}, topic=f"stream.{stream}")
        else:
            file.write(text)

    def display(
        self,
        data: MimeBundle,
        metadata: MimeBundle | None = None,
        *,
        display_id: str | None = None,
    ) -> None:
        self._show("display_data", data, metadata, display_id)

    def update(
        self, data: MimeBundle, metadata: MimeBundle | None = None, *, display_id: str
    ) -> None:
        self._show("update_display_data", data, metadata, display_id)

    def clear(self, *, wait: bool = False) -> None:
        self._send("clear_output", {"wait": wait})

    def _show(
        self, kind: str, data: MimeBundle, metadata: MimeBundle | None, display_id: str | None
    ) -> None:
        from ipykernel.jsonutil import encode_images, json_clean

        transient = {"display_id": display_id} if display_id else {}
        content = {
            "data": encode_images(dict(data)),  # type: ignore[no-untyped-call]
            "metadata": metadata or {},
            "transient": transient,
        }
        self._send(kind, json_clean(content))  # type: ignore[no-untyped-call]

    def _send(self, kind: str, content: MimeBundle, *, topic: str = "display_data") -> None:
        """Say something about the cell, after what it has printed until now."""
        for file in self._files.values():
            if _is_own(file):
                file.flush()
        kernel = self._kernel
        kernel.session.send(
            kernel.iopub_socket, kind, content, parent=self._parent, ident=topic.encode()
        )


class _Written:
    """What this kernel's cells have written to streams in the last seconds."""

    def __init__(self) -> None:
        self._notes: deque[tuple[float, int]] = deque()

    @property
    def room(self) -> int:
        """How many bytes may follow."""
        since = time.monotonic() - PASSED_ON_IN
        while self._notes and self._notes[0][0] < since:
            self._notes.popleft()
        return PASSED_ON - sum(nbytes for _, nbytes in self._notes)

    def note(self, nbytes: int) -> None:
        """Learn that something was written."""
        self._notes.append((time.monotonic(), nbytes))


_written = _Written()


def nbytes_of(text: str) -> int:
    """Return how many bytes a text takes in a message, where a new line is written as two."""
    return len(text.encode(errors="replace")) + text.count("\n")


def plain(data: MimeBundle) -> str:
    """Return the text of something that can be shown, or else what it is."""
    return str(data.get("text/plain") or f"<{', '.join(data)}>")


def _shell() -> Any:  # noqa: ANN401 - IPython's, or None
    """Return IPython's shell if there is one; it is not imported for that."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _is_own(part: object) -> bool:
    """Tell whether a stream or publisher is ipykernel's own, which nobody has put aside."""
    return type(part).__module__.partition(".")[0] == "ipykernel"


def _updates(parent: Mapping[str, Any]) -> bool:
    """Tell whether the front end that sent a request changes what it has shown.

    Notebooks do, those that somebody has before him (they name the cell: JupyterLab, Notebook 7,
    VS Code) and those that are executed by themselves (they answer no question: nbclient, papermill
    and nbconvert). Consoles do not, and show what comes first only.
    """
    names_cell = bool((parent.get("metadata") or {}).get("cellId"))
    answers = (parent.get("content") or {}).get("allow_stdin", True)
    return names_cell or not answers

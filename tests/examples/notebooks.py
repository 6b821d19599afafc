"""The example notebooks: how they are executed, saved, and compared with what they were.

``python -m tests.examples.notebooks --write`` executes those in ``examples`` and saves them with
their outputs; without it, it says which of them say something else than what is saved.
"""

import argparse
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

from tests.support.cells import plain
from tests.support.kernels import own_folder
from tests.support.leftovers import leftovers_of
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
VARIES = "varies"
"""The tag of cells that say something else each time, of which only the kind is compared."""

LATE = "late"
"""The tag of cells to which output comes when they have ended, and perhaps the notebook has."""

NEEDED = {"10_mpi.ipynb": ("mpiexec", "mpi4py")}
"""Programs and modules that not everybody has, and that a notebook cannot do without."""

_LONGEST = 120
_ANYBODY = {
    f"{prefix}_ALLOW_RUN_AS_ROOT{suffix}": "1"
    for prefix in ("OMPI", "PRTE")
    for suffix in ("", "_CONFIRM")
}
"""What has Open MPI run for root as well: that is who runs tests in containers."""
_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_CHANGING = (
    (re.compile(r"\b\d+(\.\d+)?(?= ?(ns|µs|ms|s|min|MB|it/s|/s)\b)"), "#"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "<id>"),
    (re.compile(r"(?<![0-9])0x[0-9a-f]+"), "<address>"),
    (re.compile(r"(?<=\[engine )\d+"), "#"),
)

Said = list[tuple[str, ...]]


def names() -> list[str]:
    """Return the example notebooks, in the order in which they are to be read."""
    return sorted(path.name for path in EXAMPLES.glob("*.ipynb"))


def missing(name: str) -> str:
    """Return what a notebook needs that is not here, empty if all is."""
    program, module = NEEDED.get(name, ("", ""))
    if program and shutil.which(program) is None:
        return f"there is no {program}"
    return f"{module} is not installed" if module and find_spec(module) is None else ""


def saved(name: str) -> Any:
    """Return a notebook as it is in the repository."""
    return nbformat.read(EXAMPLES / name, as_version=4)  # type: ignore[no-untyped-call]


def executed(notebook: Any) -> Any:
    """Execute a notebook in a kernel of its own, with clusters that nobody else sees.

    Returns
    -------
    A copy with the outputs of this run, that tells nothing of this machine.

    Raises
    ------
    CellExecutionError
        A cell failed that is not tagged ``raises-exception``.
    AssertionError
        Something is left of a cluster.
    """
    notebook = deepcopy(notebook)
    with own_folder() as (folder, environment):
        connection = str(folder / "kernel" / "kernel.json")
        config = Config(KernelManager={"transport": "ipc", "connection_file": connection})
        client = NotebookClient(notebook, kernel_name="python3", timeout=_LONGEST, config=config)
        client.execute(env={**environment, **_ANYBODY}, cwd=str(folder))
        wait_until(lambda: not leftovers_of(folder / "clusters"))
    _normalize(notebook)
    return notebook


def said(notebook: Any) -> list[Said]:
    """Return what the code cells say, without what differs from run to run."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [list(_compared(cell)) for cell in cells]


def _compared(cell: Any) -> Iterator[tuple[str, ...]]:
    """Yield what is compared of a cell."""
    tags = cell.metadata.get("tags", [])
    if LATE in tags:
        return iter(())
    return _kinds(cell) if VARIES in tags else _outputs(cell)


def _kinds(cell: Any) -> Iterator[tuple[str, ...]]:
    """Yield what kinds of outputs there are, each once."""
    return iter(sorted({(output.output_type,) for output in cell.outputs}))


def _outputs(cell: Any) -> Iterator[tuple[str, ...]]:
    for output in cell.outputs:
        match output.output_type:
            case "stream":
                yield ("stream", output.name, _lasting(output.text))
            case "error":
                yield ("error", output.ename, _lasting(output.evalue))
            case kind:
                yield (kind, *sorted(output.data), _lasting(output.data.get("text/plain", "")))


def _lasting(text: str) -> str:
    text = plain(text)
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return text


def _normalize(notebook: Any) -> None:
    notebook.metadata = nbformat.from_dict(_METADATA)  # type: ignore[no-untyped-call]
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            _without_places(output)


def _without_places(output: Any) -> None:
    """Replace what tells where this repository is, and whose."""
    for key, value in output.items():
        if isinstance(value, dict):
            _without_places(value)
        elif isinstance(value, list):
            output[key] = [_without_place(text) for text in value]
        elif isinstance(value, str):
            output[key] = _without_place(value)


def _without_place(text: str) -> str:
    for place, instead in ((sys.prefix, ".venv"), (str(ROOT), "."), (str(Path.home()), "~")):
        text = text.replace(place, instead)
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute notebooks, and save or compare them."""
    parser = argparse.ArgumentParser(prog="python -m tests.examples.notebooks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all if none is given")
    parser.add_argument("--write", action="store_true", help="save them with their outputs")
    options = parser.parse_args(arguments)
    changed = 0
    for name in options.names or names():
        before = saved(name)
        after = executed(before)
        same = said(before) == said(after)
        changed += not same
        sys.stdout.write(f"{name}: {'as saved' if same else 'says something else'}\n")
        if options.write:
            nbformat.write(after, EXAMPLES / name)  # type: ignore[no-untyped-call]
    return int(changed > 0 and not options.write)


if __name__ == "__main__":
    sys.exit(main())

"""Looking into an engine's namespace: what may follow, what a name is, which names there are.

Asked beside the main thread, while it computes: nothing here waits for it or changes anything.
What is looked at may be changing; what cannot be told of it then is left out.
"""

import reprlib
from itertools import chain
from typing import TYPE_CHECKING, Any

from ipcluster_ext.engine import context
from ipcluster_ext.engine.kernel import EngineKernel
from ipcluster_ext.errors import OutsideTask
from ipcluster_ext.protocol.looks import Completion, Inspection, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 80
"""So much of how a value shows itself is told, in characters."""
_OURS = frozenset({"engine_id", "In", "Out", "exit", "quit", "get_ipython", "open"})

_brief = reprlib.Repr()
_brief.maxlevel, _brief.maxother, _brief.maxstring = 3, LONGEST, LONGEST


def _kernel() -> EngineKernel:
    insides = context.insides()
    if insides is None:
        what = "an engine's namespace is looked into"
        raise OutsideTask(what)
    return insides.kernel


def complete_here(code: str, cursor_pos: int | None = None) -> Completion:
    """Tell how code may go on, in the namespace of this engine."""
    end = len(code) if cursor_pos is None else cursor_pos
    reply = _kernel().do_complete(code, end)  # type: ignore[no-untyped-call]
    return Completion(list(reply["matches"]), reply["cursor_start"], reply["cursor_end"])


def inspect_here(code: str, cursor_pos: int | None = None, detail_level: int = 0) -> Inspection:
    """Tell what a name is, in the namespace of this engine."""
    end = len(code) if cursor_pos is None else cursor_pos
    reply = _kernel().do_inspect(code, end, detail_level)  # type: ignore[no-untyped-call]
    return Inspection(bool(reply["found"]), dict(reply["data"]))


def list_variables_here() -> list[Variable]:
    """Tell which names the user of this engine has, in order."""
    shell = _kernel().engine_shell
    hidden: Mapping[str, Any] = shell.user_ns_hidden
    found = []
    for name, value in list(shell.user_ns.items()):
        ours = name in _OURS or (name in hidden and hidden[name] is value)
        if not (ours or name.startswith("_")):
            found.append(_described(name, value))
    return sorted(found)


def _described(name: str, value: object) -> Variable:
    kind = type(value)
    module = "" if kind.__module__ in {"builtins", "__main__"} else f"{kind.__module__}."
    try:
        size, nbytes = _size(value), _nbytes(value)
        text = "" if hasattr(value, "shape") and size != "()" else _text(value)
    except Exception:  # noqa: BLE001 - this runs the code of whatever it is
        size, nbytes, text = "", None, ""
    return Variable(name, f"{module}{kind.__qualname__}", size, nbytes, text)


def _size(value: Any) -> str:
    if isinstance(value, type):
        return ""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{shape} {getattr(value, 'dtype', '')}".strip()
    if isinstance(value, str | bytes | list | tuple | dict | set | frozenset | range):
        return str(len(value))
    return ""


def _nbytes(value: Any) -> int | None:
    if isinstance(value, type):
        return None
    nbytes = getattr(value, "nbytes", None)
    return int(nbytes) if isinstance(nbytes, int) else None


def _text(value: object) -> str:
    text = _brief.repr(value)
    line = " ".join(chain.from_iterable(part.split() for part in text.splitlines()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
